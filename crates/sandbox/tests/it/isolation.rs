//! What a step must not reach.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd};

use crate::world::World;

#[test]
fn no_file_of_the_host_is_there() {
    let world = World::new();
    let marker = tempfile::NamedTempFile::new().expect("a file in the host's /tmp");
    let seen = world.prints(
        "ls -A /tmp /var/tmp /build/home; ls -d /root /sys /boot /work 2>&1; ls -A /home /run; cat /etc/hostname
         ls /proc/1/root 2>&1 | head -1; ls /dev/sda /dev/vda /dev/kmsg /dev/mem /dev/fuse 2>/dev/null; true",
    );
    assert!(!seen.contains(&marker.path().file_name().expect("a name").to_string_lossy().into_owned()));
    let expected = "/build/home:\n\n/tmp:\n\n/var/tmp:\n\
         ls: /boot: No such file or directory\nls: /root: No such file or directory\n\
         ls: /sys: No such file or directory\nls: /work: No such file or directory\n\
         /home:\n\n/run:\nselfsame\nls: /proc/1/root: No such file or directory\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&seen), sorted(expected));
}

#[test]
fn there_is_only_the_loopback_interface_and_it_is_up() {
    let world = World::new();
    let names = world.prints("sed 1,2d /proc/net/dev | sed 's/:.*//' | tr -d ' '");
    assert_eq!(names, "lo\n");
    let up = world.prints("ip addr show lo");
    assert!(up.contains("127.0.0.1/8") && up.contains("UP"), "{up}");
}

#[test]
fn nothing_can_be_reached_or_resolved() {
    let world = World::new();
    let route = world.sh("ip route get 192.0.2.1 2>&1; nslookup example.org 192.0.2.53 2>&1").log;
    assert!(route.matches("Network is unreachable").count() >= 2, "{route}");
    let loopback = world.sh("nc 127.0.0.1 1 2>&1; nc ::1 1 2>&1").log;
    assert_eq!(loopback.matches("Connection refused").count(), 2, "{loopback}");
    let outside =
        world.sh("for a in 192.0.2.1 10.0.0.1 169.254.169.254 2001:db8::1; do nc $a 80 2>&1; done").log;
    assert_eq!(outside.matches("Network is unreachable").count(), 4, "{outside}");
    let name = world.sh("nslookup example.org 2>&1; echo $?").log;
    assert!(name.contains("NXDOMAIN") && name.trim_end().ends_with('1'), "{name}");
}

#[test]
fn the_toolchain_cannot_be_written() {
    let world = World::new();
    for path in
        ["/new", "/usr/new", "/usr/share/data", "/etc/passwd", "/etc/new", "/etc/toolchain.conf", "/dev/new"]
    {
        let ran = world.sh(&format!("echo x > {path}"));
        assert_eq!(ran.outcome.exit, sandbox::Exit::Code(1), "{path}");
        assert!(ran.log.contains("Read-only file system"), "{path}: {}", ran.log);
    }
    assert_eq!(
        world.prints("chmod 777 /usr/share/data 2>/dev/null || rm -f /usr/bin/sh 2>/dev/null || echo no"),
        "no\n"
    );
    assert_eq!(fs::read_to_string(world.root().join("usr/share/data")).expect("there"), "of the toolchain\n");
    assert_eq!(
        fs::read_to_string(world.root().join("etc/passwd")).expect("there"),
        "wrong:x:1:1::/:/bin/sh\n"
    );
    let writes = "for f in /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /proc/sys/user/max_user_namespaces \
                  /proc/sysrq-trigger; do if echo 1 2>/dev/null > $f; then echo wrote $f; fi; done; true";
    assert_eq!(world.prints(&format!("({writes}) 2>/dev/null")), "");
    assert_eq!(
        world.prints("mount -t tmpfs x /tmp 2>/dev/null || umount /proc 2>/dev/null || echo no"),
        "no\n"
    );
    assert_eq!(world.prints("cat /proc/keys /proc/key-users"), "");
}

#[test]
fn private_directories_are_writable_and_private() {
    let world = World::new();
    let script = "for d in /tmp /var/tmp /dev/shm $HOME; do ls -A $d; echo x > $d/file; cat $d/file; done";
    assert_eq!(world.prints(script), "x\nx\nx\nx\n");
    assert_eq!(world.prints(script), "x\nx\nx\nx\n");
}

#[test]
#[allow(unsafe_code, reason = "only duplicating without the standard library leaves close-on-exec off")]
fn no_descriptor_is_inherited() {
    let world = World::new();
    let file = fs::File::open("/").expect("a descriptor");
    let mut given = Vec::new();
    for least in [3, 100, 900] {
        // SAFETY: no pointers; the new descriptor is nobody else's.
        let fd = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, least) };
        assert!(fd >= least);
        // SAFETY: as above.
        given.push(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) });
    }
    assert_eq!(world.prints("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 "); // 3: ls's own
    assert_eq!(world.prints("readlink /proc/self/fd/0; wc -c < /dev/stdin"), "/dev/null\n0\n");
}
