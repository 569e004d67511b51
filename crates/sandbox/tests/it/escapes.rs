//! Ways out that were tried: system calls. What the shell can try is in `isolation`, `identity`, `limits` and `end`;
//! the whole list is `docs/escapes.md`.

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
