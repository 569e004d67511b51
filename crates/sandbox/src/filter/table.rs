//! The calls by name. Numbers from 424 on are the same on every architecture, and given as such.

use libc::{EAFNOSUPPORT, ENOSYS, EPERM};

use super::{Answer, Rule, Topics, When};

const ASK_NETWORK: Answer = Answer::Ask(Topics::NETWORK);
const ASK_FILES: Answer = Answer::Ask(Topics::FILES);
/// For as long as one of these is asked for, whose calls no signal interrupts where nobody listens.
const MUST_NOT_BE_INTERRUPTED: Answer =
    Answer::Ask(Topics::FILES.and(Topics::TIMES).and(Topics::CLOCK).and(Topics::RANDOM).and(Topics::ORDER));
const SEE_TIMES: Answer = Answer::Ask(Topics::FILES.and(Topics::TIMES));

/// New namespaces, in the flags of `clone` and `unshare`; threads and plain forks have none of them.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();
/// `CLONE_NEWTIME` shares its bit with the exit signal of `clone`: it can be asked of `unshare` only.
const NEW_TIME: u32 = 0x80;

#[expect(clippy::cast_possible_truncation, reason = "ioctl numbers have 32 bits")]
const TIOCSTI: u32 = libc::TIOCSTI as u32;
const TIOCLINUX: u32 = 0x541c;
const PTRACE_ATTACH: u32 = 16;
const PTRACE_SEIZE: u32 = 0x4206;
#[cfg(target_arch = "x86_64")]
const ARCH_SET_FS: u32 = 0x1002;

/// The bit that modes of character and block devices have, and those of other files have not.
const DEVICE: u32 = 0x2000;

const fn plain(number: i64, otherwise: Answer) -> Rule {
    Rule { number, cases: &[], otherwise }
}

/// Every rule; a number stands once.
pub(super) fn rules() -> impl Iterator<Item = Rule> {
    let allowed = ALLOWED.iter().chain(ALLOWED_HERE).map(|number| plain(*number, Answer::Allow));
    let refused = REFUSED.iter().map(|(number, errno)| plain(*number, Answer::Refuse(*errno)));
    let told = TOLD.iter().filter(|(number, _)| !by_argument(*number));
    let told = told.map(|(number, _)| plain(*number, Answer::Tell));
    allowed.chain(refused).chain(told).chain(CHOSEN.iter().chain(CHOSEN_HERE).copied())
}

fn by_argument(number: i64) -> bool {
    CHOSEN.iter().chain(CHOSEN_HERE).any(|rule| rule.number == number)
}

/// Calls that no build makes by accident, with their names: refused and told, wholly or by argument.
pub(super) const TOLD: &[(i64, &str)] = &[
    (libc::SYS_acct, "acct"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_chroot, "chroot"),
    (libc::SYS_clock_adjtime, "clock_adjtime"),
    (libc::SYS_clock_settime, "clock_settime"),
    (libc::SYS_clone, "clone into new namespaces"),
    (libc::SYS_delete_module, "delete_module"),
    (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_adjtimex, "adjtimex"),
    (430, "fsopen"),
    (431, "fsconfig"),
    (432, "fsmount"),
    (433, "fspick"),
    (libc::SYS_init_module, "init_module"),
    (libc::SYS_ioctl, "ioctl TIOCSTI or TIOCLINUX"),
    (libc::SYS_kexec_file_load, "kexec_file_load"),
    (libc::SYS_kexec_load, "kexec_load"),
    (libc::SYS_mount, "mount"),
    (442, "mount_setattr"),
    (429, "move_mount"),
    (libc::SYS_open_by_handle_at, "open_by_handle_at"),
    (428, "open_tree"),
    (438, "pidfd_getfd"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_ptrace, "ptrace of another process"),
    (libc::SYS_quotactl, "quotactl"),
    (libc::SYS_reboot, "reboot"),
    (libc::SYS_setdomainname, "setdomainname"),
    (libc::SYS_sethostname, "sethostname"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_settimeofday, "settimeofday"),
    (libc::SYS_socket, "socket of a family other than local and internet"),
    (libc::SYS_swapoff, "swapoff"),
    (libc::SYS_swapon, "swapon"),
    (libc::SYS_syslog, "syslog"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_vhangup, "vhangup"),
];

/// Calls that ordinary programs try and do without; each with what it says.
const REFUSED: &[(i64, i32)] = &[
    // Its flags cannot be seen by a filter; the C libraries fall back to clone.
    (libc::SYS_clone3, ENOSYS),
    // Works past every filter of calls; libuv and liburing fall back.
    (425, ENOSYS), // io_uring_setup
    (426, ENOSYS), // io_uring_enter
    (427, ENOSYS), // io_uring_register
    // Keyrings are not namespaced as files are.
    (libc::SYS_add_key, ENOSYS),
    (libc::SYS_keyctl, ENOSYS),
    (libc::SYS_request_key, ENOSYS),
    // Large kernel surface, made for measuring and debugging.
    (libc::SYS_perf_event_open, EPERM),
    (libc::SYS_userfaultfd, EPERM),
    (libc::SYS_kcmp, EPERM),
    (libc::SYS_fanotify_init, EPERM),
    (libc::SYS_fanotify_mark, EPERM),
    (libc::SYS_name_to_handle_at, EPERM),
    (libc::SYS_lookup_dcookie, EPERM),
    // Placement of memory on the host's nodes.
    (libc::SYS_get_mempolicy, ENOSYS),
    (libc::SYS_set_mempolicy, ENOSYS),
    (libc::SYS_mbind, ENOSYS),
    (libc::SYS_migrate_pages, ENOSYS),
    (libc::SYS_move_pages, ENOSYS),
    (libc::SYS_nfsservctl, ENOSYS),
];

/// Of calls that give a file, path or descriptor first, to a user and a group.
const OTHER_OWNER: &[(When, Answer)] =
    &[(When::OtherUser(1), Answer::Refuse(EPERM)), (When::OtherGroup(2), Answer::Refuse(EPERM))];

/// Calls whose answer depends on arguments or topics.
const CHOSEN: &[Rule] = &[
    Rule {
        number: libc::SYS_clone,
        cases: &[(When::Has(0, NAMESPACES), Answer::Tell)],
        otherwise: Answer::Allow,
    },
    Rule {
        number: libc::SYS_unshare,
        cases: &[(When::Has(0, NAMESPACES | NEW_TIME), Answer::Tell)],
        otherwise: Answer::Allow,
    },
    Rule {
        number: libc::SYS_socket,
        cases: &[
            (When::Is(0, libc::AF_UNIX.cast_unsigned()), Answer::Allow),
            (When::Is(0, libc::AF_INET.cast_unsigned()), Answer::Allow),
            (When::Is(0, libc::AF_INET6.cast_unsigned()), Answer::Allow),
            // Which interfaces there are: only the loopback one.
            (When::Both(0, libc::AF_NETLINK.cast_unsigned(), 2, 0), Answer::Allow),
            // Other netlink families, which programs do without: udev's, audit's.
            (When::Is(0, libc::AF_NETLINK.cast_unsigned()), Answer::Refuse(EAFNOSUPPORT)),
        ],
        otherwise: Answer::Tell,
    },
    Rule {
        number: libc::SYS_ioctl,
        cases: &[(When::Is(1, TIOCSTI), Answer::Tell), (When::Is(1, TIOCLINUX), Answer::Tell)],
        otherwise: Answer::Allow,
    },
    Rule {
        number: libc::SYS_ptrace,
        cases: &[(When::Is(0, PTRACE_ATTACH), Answer::Tell), (When::Is(0, PTRACE_SEIZE), Answer::Tell)],
        otherwise: Answer::Allow,
    },
    Rule {
        number: libc::SYS_personality,
        cases: &[
            (When::Is(0, 0), Answer::Allow),
            (When::Is(0, libc::ADDR_NO_RANDOMIZE.cast_unsigned()), Answer::Allow),
            (When::Is(0, u32::MAX), Answer::Allow),
        ],
        otherwise: Answer::Refuse(EPERM),
    },
    Rule {
        number: libc::SYS_mknodat,
        // Also the device 0, 0, which needs no privilege and stands for a deleted file in an overlay.
        cases: &[(When::Has(2, DEVICE), Answer::Refuse(EPERM))],
        otherwise: Answer::Allow,
    },
    // A user or group that is not in the namespace is EINVAL to the kernel; to any ordinary user on any machine the file's
    // new owner is EPERM, which fakeroot and tar expect.
    Rule { number: libc::SYS_fchown, cases: OTHER_OWNER, otherwise: Answer::Allow },
    Rule {
        number: libc::SYS_fchownat,
        cases: &[(When::OtherUser(2), Answer::Refuse(EPERM)), (When::OtherGroup(3), Answer::Refuse(EPERM))],
        otherwise: Answer::Allow,
    },
    plain(libc::SYS_connect, ASK_NETWORK),
    Rule { number: libc::SYS_sendto, cases: &[(When::NotNull(4), ASK_NETWORK)], otherwise: Answer::Allow },
    plain(libc::SYS_sendmmsg, ASK_NETWORK),
    plain(libc::SYS_sendmsg, ASK_NETWORK),
    // The conditions.
    plain(libc::SYS_gettimeofday, Answer::Ask(Topics::CLOCK)),
    Rule {
        number: libc::SYS_clock_gettime,
        cases: &[
            (When::Is(0, libc::CLOCK_REALTIME.cast_unsigned()), Answer::Ask(Topics::CLOCK)),
            (When::Is(0, libc::CLOCK_REALTIME_COARSE.cast_unsigned()), Answer::Ask(Topics::CLOCK)),
            (When::Is(0, libc::CLOCK_REALTIME_ALARM.cast_unsigned()), Answer::Ask(Topics::CLOCK)),
            (When::Is(0, libc::CLOCK_TAI.cast_unsigned()), Answer::Ask(Topics::CLOCK)),
        ],
        otherwise: Answer::Allow,
    },
    Rule {
        number: libc::SYS_rt_sigaction,
        cases: &[(When::Is(0, libc::SIGCHLD.cast_unsigned()), MUST_NOT_BE_INTERRUPTED)],
        otherwise: Answer::Allow,
    },
    plain(libc::SYS_getrandom, Answer::Ask(Topics::RANDOM)),
    plain(libc::SYS_getdents64, Answer::Ask(Topics::ORDER)),
    plain(libc::SYS_uname, Answer::Ask(Topics::KERNEL)),
    plain(libc::SYS_sched_getaffinity, Answer::Ask(Topics::CPUS)),
    plain(libc::SYS_sched_setaffinity, Answer::Ask(Topics::CPUS)),
    plain(libc::SYS_sysinfo, Answer::Ask(Topics::MEMORY)),
    // Files and programs.
    plain(libc::SYS_execve, ASK_FILES),
    plain(libc::SYS_execveat, ASK_FILES),
    plain(libc::SYS_openat, ASK_FILES),
    plain(437, ASK_FILES), // openat2
    plain(libc::SYS_faccessat, ASK_FILES),
    plain(439, ASK_FILES), // faccessat2
    plain(libc::SYS_newfstatat, SEE_TIMES),
    plain(libc::SYS_statx, SEE_TIMES),
    plain(libc::SYS_fstat, Answer::Ask(Topics::TIMES)),
    plain(libc::SYS_renameat2, ASK_FILES),
    plain(libc::SYS_linkat, ASK_FILES),
    plain(libc::SYS_renameat, ASK_FILES),
    plain(libc::SYS_mkdirat, ASK_FILES),
    plain(libc::SYS_symlinkat, ASK_FILES),
    plain(libc::SYS_unlinkat, ASK_FILES),
];

#[cfg(target_arch = "x86_64")]
const CHOSEN_HERE: &[Rule] = &[
    Rule {
        number: libc::SYS_arch_prctl,
        cases: &[(When::Is(0, ARCH_SET_FS), Answer::Ask(Topics::BIRTH))],
        otherwise: Answer::Allow,
    },
    Rule {
        number: libc::SYS_mknod,
        cases: &[(When::Has(1, DEVICE), Answer::Refuse(EPERM))],
        otherwise: Answer::Allow,
    },
    Rule { number: libc::SYS_chown, cases: OTHER_OWNER, otherwise: Answer::Allow },
    Rule { number: libc::SYS_lchown, cases: OTHER_OWNER, otherwise: Answer::Allow },
    plain(libc::SYS_set_tid_address, Answer::Allow),
    plain(libc::SYS_time, Answer::Ask(Topics::CLOCK)),
    plain(libc::SYS_getdents, Answer::Ask(Topics::ORDER)),
    plain(libc::SYS_open, ASK_FILES),
    plain(libc::SYS_creat, ASK_FILES),
    plain(libc::SYS_access, ASK_FILES),
    plain(libc::SYS_stat, SEE_TIMES),
    plain(libc::SYS_lstat, SEE_TIMES),
    plain(libc::SYS_rename, ASK_FILES),
    plain(libc::SYS_link, ASK_FILES),
    plain(libc::SYS_mkdir, ASK_FILES),
    plain(libc::SYS_symlink, ASK_FILES),
    plain(libc::SYS_unlink, ASK_FILES),
    plain(libc::SYS_rmdir, ASK_FILES),
];
#[cfg(not(target_arch = "x86_64"))]
const CHOSEN_HERE: &[Rule] = &[plain(libc::SYS_set_tid_address, Answer::Ask(Topics::BIRTH))];

/// Calls that are always made.
const ALLOWED: &[i64] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_chdir,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getcwd,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getitimer,
    libc::SYS_getpeername,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_getxattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_rm_watch,
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_io_getevents,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_kill,
    libc::SYS_lgetxattr,
    libc::SYS_listen,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lremovexattr,
    libc::SYS_lseek,
    libc::SYS_lsetxattr,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mq_getsetattr,
    libc::SYS_mq_notify,
    libc::SYS_mq_open,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_unlink,
    libc::SYS_mremap,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munlockall,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_prlimit64,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_remap_file_pages,
    libc::SYS_removexattr,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_seccomp,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_sendfile,
    libc::SYS_set_robust_list,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setitimer,
    libc::SYS_setpgid,
    libc::SYS_setpriority,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setsid,
    libc::SYS_setsockopt,
    libc::SYS_setuid,
    libc::SYS_setxattr,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_shmget,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_socketpair,
    libc::SYS_splice,
    libc::SYS_statfs,
    libc::SYS_sync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_tee,
    libc::SYS_tgkill,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_gettime,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    libc::SYS_times,
    libc::SYS_tkill,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_vmsplice,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_write,
    libc::SYS_writev,
    424, // pidfd_send_signal
    434, // pidfd_open
    436, // close_range
    441, // epoll_pwait2
    444, // landlock_create_ruleset
    445, // landlock_add_rule
    446, // landlock_restrict_self
    447, // memfd_secret
    448, // process_mrelease
    449, // futex_waitv
    451, // cachestat
    452, // fchmodat2
    453, // map_shadow_stack
    454, // futex_wake
    455, // futex_wait
    456, // futex_requeue
    462, // mseal
];

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    libc::SYS_alarm,
    libc::SYS_chmod,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_fork,
    libc::SYS_futimesat,
    333, // io_pgetevents
    libc::SYS_get_thread_area,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_inotify_init,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_set_thread_area,
    libc::SYS_setrlimit,
    libc::SYS_signalfd,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[292, /* io_pgetevents */ libc::SYS_getrlimit, libc::SYS_setrlimit];
