//! What a degraded sandbox does without, and what it keeps: on hosts that refuse one layer, made with `unshare`.

#![allow(unsafe_code, reason = "a filter of system calls has no function in the standard library")]

use std::process::Command;

use sandbox::{Exit, SandboxError};

use crate::world::{World, read_at};

/// Runs [`within`] where `prepare` has taken away the layer; as root of a user namespace, with no capability left
/// but the one that a map of its id 0 needs.
fn on_a_host_without(layer: &str, prepare: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let script = format!(
        "set -e; cd \"$2\"; mkdir lower upper work mnt tmp; TMPDIR=$2/tmp; {prepare}
         export TMPDIR; exec setpriv --bounding-set=-all,+setfcap --inh-caps=-all \"$1\" degraded::within --exact --nocapture"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(std::env::current_exe().expect("a program"))
        .arg(dir.path())
        .env("DEGRADED", layer)
        .output()
        .expect("unshare (util-linux)");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{layer}: {text}");
    assert!(text.contains("was there"), "{layer}: {text}");
}

#[test]
fn without_a_network_namespace_there_are_no_sockets() {
    on_a_host_without("network-namespace", "echo 0 > /proc/sys/user/max_net_namespaces");
}

#[test]
fn without_a_proc_of_its_own_there_is_none() {
    on_a_host_without("proc", "mount -t tmpfs none /proc/tty");
}

#[test]
fn without_an_overlay_the_inputs_are_copied() {
    let options = "userxattr,lowerdir=lower,upperdir=upper,workdir=work";
    on_a_host_without("overlay", &format!("mount -t overlay -o {options} none mnt; TMPDIR=$2/mnt"));
}

#[test]
fn without_fixed_addresses_they_are_random() {
    on_a_host_without("addresses", "");
}

/// The half inside; outside it has nothing to do.
#[test]
fn within() {
    let Ok(layer) = std::env::var("DEGRADED") else { return };
    if layer == "addresses" {
        no_fixed_addresses();
    }
    let mut world = World::new();
    let sealed = world.try_run(&["/bin/true"]).map(drop);
    assert!(sealed.is_err(), "nothing runs less sealed than asked");
    world.degraded = true;
    let ran = world.sh(
        "cat input.txt; echo changed > input.txt; rm gone.txt; mkdir out; echo made > out/new; cat sub/deep/file
         head -n 1 /etc/passwd; cat /etc/toolchain.conf; stat -c '%Y %U' input.txt sub . /etc/passwd; id -un
         ls -A /tmp /run; echo x > /usr/new; echo x > /etc/new; cat /proc/self/status | head -n 1; ls /proc | wc -l
         nc 127.0.0.1 1; ls /root",
    );
    let log = ran.log;
    assert_eq!(ran.outcome.exit, Exit::Code(1), "{log}");
    assert_eq!(ran.outcome.achieved.degraded, Some(vec![layer.clone()]));
    assert!(log.starts_with("original\nyroot:x:0:0:"), "{log}");
    assert!(log.contains("kept\n") && log.contains("1600000000 build\n"), "{log}");
    assert_eq!(log.matches("Read-only file system").count(), 2, "{log}");
    assert!(log.contains("ls: /root: No such file or directory"), "{log}");
    assert_eq!(read_at(&ran.outcome.work, "input.txt").as_deref(), Some("changed\n"));
    assert_eq!(read_at(&ran.outcome.work, "out/new").as_deref(), Some("made\n"));
    assert_eq!(read_at(&ran.outcome.work, "gone.txt"), None);
    let input = std::fs::read_to_string(world.work().join("input.txt")).expect("it is there");
    assert_eq!(input, "original\n", "the inputs are never written");
    let namespaces = &ran.outcome.achieved.namespaces;
    assert_eq!(namespaces.iter().any(|name| name == "net"), layer != "network-namespace");
    assert_eq!(log.contains("Connection refused"), layer != "network-namespace", "{log}");
    assert_eq!(log.contains("Name:"), layer != "proc", "{log}");
    if layer == "network-namespace" {
        assert!(log.contains("Address family not supported"), "{log}");
        for socket in ["unix", "netlink route", "packet", "vsock"] {
            world.add_this_program();
            assert!(matches!(world.probed(socket), Err(libc::EAFNOSUPPORT)), "{socket}");
        }
    }
    println!("was there");
}

#[test]
fn on_a_good_host_it_is_a_sealed_one() {
    let mut world = World::new();
    world.degraded = true;
    let ran = world.sh("cat input.txt; ls /proc/self > /dev/null; nc 127.0.0.1 1");
    assert_eq!(ran.outcome.achieved.degraded, Some(Vec::new()));
    assert!(ran.log.contains("Connection refused"), "{}", ran.log);
    world.degraded = false;
    assert_eq!(world.sh("true").outcome.achieved.degraded, None);
}

/// Listens to no system call of this thread, which is enough that nobody else can.
fn listen() {
    let allow = libc::sock_filter { code: 6, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }; // BPF_RET | BPF_K
    let program = libc::sock_fprog { len: 1, filter: (&raw const allow).cast_mut() };
    // SAFETY: the program is valid; the kernel copies it. The listener stays open until the process ends.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        assert!(libc::syscall(libc::SYS_seccomp, 1 /* SET_MODE_FILTER */, flags, &raw const program) >= 0);
    }
}

#[test]
fn where_somebody_listens_already_only_a_degraded_one_runs() {
    let of_its_own = std::thread::spawn(|| {
        listen();
        let mut world = World::new();
        let error = world.try_run(&["/bin/true"]).map(drop).expect_err("nothing runs less sealed than asked");
        assert!(matches!(error, SandboxError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("listens to system calls itself"), "{error}");
        world.degraded = true;
        let ran = world.sh("cat input.txt; nc 192.0.2.1 1; mount -t tmpfs none /tmp");
        assert!(ran.log.contains("original") && ran.log.contains("Network is unreachable"), "{}", ran.log);
        assert_eq!(ran.outcome.achieved.degraded, Some(vec!["seccomp-notify".to_owned()]));
        assert!(!ran.outcome.achieved.watched);
        assert_eq!(ran.outcome.violations, []);
    });
    of_its_own.join().expect("it holds");
}

/// Lets this thread, and what it starts, make no call of `steps`: BPF that has the call's number loaded, and goes on where
/// it does not refuse.
fn refuse(steps: &[libc::sock_filter]) {
    let number = [step(0x20, 0, 0, 0)]; // BPF_LD | BPF_W | BPF_ABS
    let allow = [step(0x06, 0, 0, libc::SECCOMP_RET_ALLOW)]; // BPF_RET | BPF_K
    let steps = [&number, steps, &allow].concat();
    let len = steps.len().try_into().expect("a few");
    let program = libc::sock_fprog { len, filter: steps.as_ptr().cast_mut() };
    // SAFETY: the program is valid; the kernel copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::syscall(libc::SYS_seccomp, 1 /* SET_MODE_FILTER */, 0, &raw const program), 0);
    }
}

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Goes on to the next step if what is loaded is `value`, else past `skip` steps.
const fn is(value: u32, skip: u8) -> libc::sock_filter {
    step(0x15, 0, skip, value) // BPF_JMP | BPF_JEQ | BPF_K
}

const fn errno(errno: i32) -> libc::sock_filter {
    step(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

/// As Podman's filter.
fn no_naming() {
    let call = |number| is(u32::try_from(number).expect("a small number"), 1);
    let refused = errno(libc::EPERM);
    refuse(&[call(libc::SYS_sethostname), refused, call(libc::SYS_setdomainname), refused]);
}

/// As Podman's filter, which allows the ordinary personality only.
fn no_fixed_addresses() {
    let load = step(0x20, 0, 0, 16); // the first argument
    let always = |skip| step(0x05, 0, 0, skip); // BPF_JMP | BPF_JA
    let call = is(u32::try_from(libc::SYS_personality).expect("a small number"), 4);
    refuse(&[call, load, is(0, 1), always(1), errno(libc::ENOSYS)]);
}

#[test]
fn where_the_machine_cannot_be_named_a_sealed_one_runs_and_says_the_same_names() {
    let ask = "hostname; uname -n; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /etc/hostname";
    let mut world = World::new();
    world.conditions.hostname = "elsewhere".into();
    world.conditions.domain = "example.test".into();
    let expected = world.prints(ask);
    assert!(expected.starts_with("elsewhere\nelsewhere\nelsewhere\nexample.test\n"), "{expected}");
    std::thread::spawn(move || {
        no_naming();
        assert_eq!(world.prints(ask), expected);
        assert_eq!(world.sh("true").outcome.achieved.degraded, None);
    })
    .join()
    .expect("the same");
}
