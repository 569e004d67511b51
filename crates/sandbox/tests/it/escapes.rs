//! Ways out that were tried: system calls. What the shell can try is in `isolation`, `identity`, `limits` and `end`;
//! the whole list is `docs/escapes.md`.

#![allow(unsafe_code, reason = "Landlock has no function in the standard library")]

use libc::{EAFNOSUPPORT, ENOSYS, EPERM};
use model::violation::Kind;

use crate::probe::found;
use crate::world::World;

/// Refused, and told under that name.
const TOLD: &[(&str, i32, &str)] = &[
    ("acct", EPERM, "acct"),
    ("adjtimex", EPERM, "adjtimex"),
    ("alg", EAFNOSUPPORT, "socket of a family other than local and internet"),
    ("bluetooth", EAFNOSUPPORT, "socket of a family other than local and internet"),
    ("bpf", EPERM, "bpf"),
    ("chroot", EPERM, "chroot"),
    ("clock_settime", EPERM, "clock_settime"),
    ("clone user", EPERM, "clone into new namespaces"),
    ("finit_module", EPERM, "finit_module"),
    ("fsopen", EPERM, "fsopen"),
    ("init_module", EPERM, "init_module"),
    ("kexec_load", EPERM, "kexec_load"),
    ("mount", EPERM, "mount"),
    ("open_by_handle_at", EPERM, "open_by_handle_at"),
    ("open_tree", EPERM, "open_tree"),
    ("packet", EAFNOSUPPORT, "socket of a family other than local and internet"),
    ("pidfd_getfd", EPERM, "pidfd_getfd"),
    ("pivot_root", EPERM, "pivot_root"),
    ("process_vm_readv", EPERM, "process_vm_readv"),
    ("process_vm_writev", EPERM, "process_vm_writev"),
    ("ptrace attach", EPERM, "ptrace of another process"),
    ("ptrace seize", EPERM, "ptrace of another process"),
    ("quotactl", EPERM, "quotactl"),
    ("reboot", EPERM, "reboot"),
    ("sethostname", EPERM, "sethostname"),
    ("setns", EPERM, "setns"),
    ("settimeofday", EPERM, "settimeofday"),
    ("swapon", EPERM, "swapon"),
    ("syslog", EPERM, "syslog"),
    ("tioclinux", EPERM, "ioctl TIOCSTI or TIOCLINUX"),
    ("tiocsti", EPERM, "ioctl TIOCSTI or TIOCLINUX"),
    ("umount", EPERM, "umount2"),
    ("unshare time", EPERM, "unshare"),
    ("unshare user", EPERM, "unshare"),
    ("vsock", EAFNOSUPPORT, "socket of a family other than local and internet"),
];

/// Refused without a word: ordinary programs try these and do without.
const REFUSED: &[(&str, i32)] = &[
    ("add_key", ENOSYS),
    ("clone3", ENOSYS),
    ("fanotify_init", EPERM),
    ("io_uring_setup", ENOSYS),
    ("kcmp", EPERM),
    ("keyctl", ENOSYS),
    ("mbind", ENOSYS),
    ("name_to_handle_at", EPERM),
    ("netlink audit", EAFNOSUPPORT),
    ("new privileges", libc::EINVAL),
    ("perf_event_open", EPERM),
    ("personality", EPERM),
    ("raw", EPERM),
    ("seccomp away", libc::EINVAL),
    ("unknown", ENOSYS),
    ("userfaultfd", EPERM),
    #[cfg(target_arch = "x86_64")]
    ("i386", ENOSYS),
    #[cfg(target_arch = "x86_64")]
    ("iopl", ENOSYS),
    #[cfg(target_arch = "x86_64")]
    ("x32", ENOSYS),
];

#[test]
fn what_no_build_needs_is_refused_and_told() {
    let world = World::new();
    world.add_this_program();
    for (name, errno, told) in TOLD {
        let ran = world.probe(name);
        assert_eq!(found(&ran), Err(*errno), "{name}");
        let list: Vec<_> = ran.outcome.violations.iter().map(|v| (v.kind, v.what.as_str())).collect();
        assert_eq!(list, [(Kind::Call, *told)], "{name}");
        assert!(ran.outcome.violations[0].by[0].command.starts_with("/opt/program"), "{name}");
    }
}

#[test]
fn what_programs_do_without_is_refused_without_a_word() {
    let world = World::new();
    world.add_this_program();
    for (name, errno) in REFUSED {
        let ran = world.probe(name);
        assert_eq!(found(&ran), Err(*errno), "{name}");
        assert_eq!(ran.outcome.violations, [], "{name}");
    }
}

#[test]
fn what_builds_need_is_there() {
    let world = World::new();
    world.add_this_program();
    for name in ["ptrace me", "unshare files", "netlink route"] {
        let ran = world.probe(name);
        assert_eq!(found(&ran), Ok(0), "{name}");
        assert_eq!(ran.outcome.violations, [], "{name}");
    }
}

/// What a shell can try: a name, the attempt, and what it must print.
const ATTEMPTS: &[(&str, &str, &str)] = &[
    ("up from the root", "cd /../../../..; pwd; ls -d /../etc", "/\n/../etc\n"),
    (
        "the root of a process",
        "ls /proc/self/root/; cat /proc/self/root/etc/hostname",
        "SAME AS ls /; cat /etc/hostname",
    ),
    ("the root of process 1", "ls /proc/1/root /proc/1/cwd 2>&1 | grep -c 'No such file'", "2\n"),
    ("the environment of process 1", "cat /proc/1/environ 2>/dev/null | wc -c", "0\n"),
    ("the memory of process 1", "test -e /proc/1/mem || echo hidden", "hidden\n"),
    ("process 1 is killed", "kill -9 1 2>/dev/null; sleep 0.1; echo alive", "alive\n"),
    (
        "a set-user-id program",
        "cp /usr/bin/busybox /tmp/busybox; chmod 4755 /tmp/busybox; /tmp/busybox id -u; grep Cap /proc/self/status | grep -vc '0000000000000000'",
        "1000\n0\n",
    ),
    (
        "a device",
        "busybox mknod /tmp/d b 8 0 2>/dev/null || echo refused; busybox mknod /tmp/c c 0 0 2>/dev/null || echo refused",
        "refused\nrefused\n",
    ),
    (
        "devices of the host",
        "ls /dev/mem /dev/kmsg /dev/sda /dev/vda /dev/kvm /dev/fuse /dev/net 2>/dev/null | wc -l",
        "0\n",
    ),
    ("hardware of the host", "ls /sys /sys/class /sys/kernel/security 2>/dev/null | wc -l", "0\n"),
    ("a core dump", "cd /tmp; sh -c 'kill -ABRT $$' 2>/dev/null; ls /tmp | grep -c core", "0\n"),
    (
        "where core dumps go",
        "echo '|/bin/sh' 2>/dev/null > /proc/sys/kernel/core_pattern || echo refused",
        "refused\n",
    ),
    ("a hard link out of the toolchain", "ln /usr/share/data data 2>/dev/null || echo refused", "refused\n"),
    ("remounting the root", "mount -o remount,rw / 2>/dev/null || echo refused", "refused\n"),
    (
        "shared memory of the host",
        "tail -n +2 /proc/sysvipc/shm /proc/sysvipc/msg /proc/sysvipc/sem | grep -c '^ *[0-9]'",
        "0\n",
    ),
    (
        "other networks' sockets",
        "tail -n +2 /proc/net/tcp | wc -l; tail -n +2 /proc/net/unix | grep -c @",
        "0\n0\n",
    ),
    (
        "kernel addresses",
        "awk '{print $1}' /proc/kallsyms 2>/dev/null | sort -u | head -n 3 | tr -d 0 | tr -d '\\n'",
        "",
    ),
    ("the kernel's log", "dmesg 2>/dev/null | wc -l", "0\n"),
    ("mounts of the host", "grep -c /home/ /proc/self/mountinfo", "0\n"),
    (
        "a directory that becomes a link while it is made",
        "mkdir -p o; (while :; do rm -rf o; ln -s /etc o; rm -f o; mkdir o; done) 2>/dev/null & p=$!; sleep 0.3; kill $p; ls -d /etc",
        "/etc\n",
    ),
];

#[test]
fn what_a_shell_can_try_leads_nowhere() {
    let world = World::new();
    for (name, attempt, expected) in ATTEMPTS {
        let expected = match expected.strip_prefix("SAME AS ") {
            Some(script) => world.prints(script),
            None => (*expected).to_owned(),
        };
        assert_eq!(world.sh(attempt).log, expected, "{name}");
    }
}

#[test]
fn no_process_of_the_host_can_be_signalled() {
    let world = World::new();
    let own = std::process::id();
    assert_eq!(
        world.prints(&format!("kill -0 {own} 2>/dev/null || echo none; test -d /proc/{own} || echo hidden")),
        "none\nhidden\n"
    );
}

#[test]
fn an_abstract_socket_of_the_host_is_not_there() {
    use std::os::linux::net::SocketAddrExt as _;
    let world = World::new();
    world.add_this_program();
    let address = std::os::unix::net::SocketAddr::from_abstract_name("selfsame-test").unwrap();
    // Both modes of this suite may run at once: one listener is enough.
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address);
    assert!(std::os::unix::net::UnixStream::connect_addr(&address).is_ok(), "it is there outside");
    assert_eq!(world.probed("abstract socket"), Err(libc::ECONNREFUSED));
}

#[test]
fn landlock_is_on_where_the_kernel_has_it() {
    let world = World::new();
    world.add_this_program();
    let ran = world.probe("layers of Landlock");
    // SAFETY: no attributes: the version is asked for.
    let version = unsafe { libc::syscall(444, std::ptr::null::<u64>(), 0_usize, 1_u32) };
    let expected = u32::try_from(version).ok().filter(|version| *version >= 3).unwrap_or(0);
    assert_eq!(ran.outcome.achieved.landlock, expected);
    assert_eq!(found(&ran), Ok(i64::from(expected != 0)));
}
