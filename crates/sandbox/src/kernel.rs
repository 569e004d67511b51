//! The system calls of this crate, one thin function each.
//!
//! Everything here allocates nothing, takes no lock and unwinds nowhere, so that it may be called between fork
//! and exec of a process with threads. A function returns what the kernel returned, or the [`Errno`]. File
//! descriptors are plain numbers here: inside the sandbox they live until the process ends or closes them all.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

mod files;
mod landlock;
mod mounts;
mod network;
mod pipes;
mod watched;

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::os::fd::RawFd;
use std::ptr;

pub(crate) use files::*;
pub(crate) use landlock::*;
pub(crate) use mounts::*;
pub(crate) use network::*;
pub(crate) use pipes::*;
pub(crate) use watched::*;

/// What the kernel answered when it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

/// The answer of a system call.
pub(crate) type Answer<T> = Result<T, Errno>;

impl Errno {
    fn last() -> Self {
        // SAFETY: the location of this thread's errno is always valid.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

fn answer(value: c_long) -> Answer<c_long> {
    if value < 0 { Err(Errno::last()) } else { Ok(value) }
}

fn done(value: c_long) -> Answer<()> {
    answer(value).map(drop)
}

fn descriptor(value: c_long) -> Answer<RawFd> {
    answer(value).and_then(|value| RawFd::try_from(value).map_err(|_| Errno(libc::EBADF)))
}

/// Forks into new namespaces, and into a cgroup, if one is given; `Ok(None)` in the child, the child's pid and pidfd in the parent.
///
/// The child is a copy with one thread and sends no signal at its end (wait for it by its pidfd).
///
/// # Safety
/// Until it executes or exits, the child may call only functions of this module and code that neither
/// allocates nor takes a lock: another thread of the parent may have held one at this moment.
pub(crate) unsafe fn fork_into(namespaces: u64, cgroup: Option<RawFd>) -> Answer<Option<(i32, RawFd)>> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `clone_args`: no stack, no TLS, no exit signal.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces | libc::CLONE_PIDFD as u64 | 0x1_0000_0000 /* CLONE_CLEAR_SIGHAND */;
    args.pidfd = &raw mut pidfd as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP
        args.cgroup = u64::try_from(cgroup).unwrap_or(0);
    }
    // SAFETY: the arguments are valid for their size; without CLONE_VM the child runs on its own copy.
    let pid =
        answer(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    Ok(if pid == 0 { None } else { Some((i32::try_from(pid).map_err(|_| Errno(libc::ERANGE))?, pidfd)) })
}

/// Starts `main(argument)` in a child that shares this process's memory and descriptors and runs beside it;
/// returns its pid. It has a current directory and a root of its own.
///
/// Both share one errno: what a failing call of one of them gets may be the other's.
///
/// # Safety
/// This process must have one thread. `main` must only execute or `_exit`, and `stack` must be the end (highest
/// address) of unused, writable, 16-byte aligned memory that is large enough for it. `argument` and `stack` must
/// stay valid until the child has executed or been waited for, and neither process may write what the other uses,
/// but for atomics.
pub(crate) unsafe fn spawn_beside(
    main: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
    stack: *mut c_void,
) -> Answer<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::SIGCHLD;
    // SAFETY: promised by the caller.
    let pid = unsafe { libc::clone(main, stack, flags, argument) };
    if pid < 0 { Err(Errno::last()) } else { Ok(pid) }
}

/// Replaces the program; returns only the error.
///
/// A system call of its own, since errno may be another process's ([`spawn_beside`]).
///
/// # Safety
/// `argv` and `envp` are null-terminated arrays of valid C strings.
pub(crate) unsafe fn exec(path: &CStr, argv: *const *const c_char, envp: *const *const c_char) -> Errno {
    let mut result: i64;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: promised by the caller; the kernel changes rcx and r11 and nothing else.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") libc::SYS_execve => result, in("rdi") path.as_ptr(),
            in("rsi") argv, in("rdx") envp, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: promised by the caller.
    unsafe {
        std::arch::asm!("svc 0", in("x8") libc::SYS_execve, inlateout("x0") path.as_ptr() => result,
            in("x1") argv, in("x2") envp, options(nostack));
    }
    result = -result;
    Errno(i32::try_from(result).unwrap_or(libc::EIO))
}

/// Ends the process without any clean-up of user space.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no precondition.
    unsafe { libc::_exit(code) }
}

/// A child that ended or stopped: pid and wait status.
pub(crate) fn wait_any(flags: c_int) -> Answer<Option<(i32, i32)>> {
    let mut status = 0;
    // SAFETY: `status` is writable; no usage is asked for.
    let pid = answer(unsafe { c_long::from(libc::waitpid(-1, &raw mut status, flags | libc::__WALL)) })?;
    let pid = i32::try_from(pid).map_err(|_| Errno(libc::ERANGE))?;
    Ok((pid != 0).then_some((pid, status)))
}

/// Waits for the end of the child `pid`, and reaps it.
pub(crate) fn wait_for(pid: i32) -> Answer<()> {
    loop {
        // SAFETY: no status is asked for.
        match done(c_long::from(unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WALL) })) {
            Err(Errno(libc::EINTR)) => {}
            other => return other,
        }
    }
}

/// Waits for the end of the process behind a pidfd, and reaps it.
pub(crate) fn wait_pidfd(pidfd: RawFd) -> Answer<()> {
    let id = libc::id_t::try_from(pidfd).map_err(|_| Errno(libc::EBADF))?;
    loop {
        // SAFETY: all-zero is a valid `siginfo_t`, and it is writable.
        let result = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED | libc::__WALL)
        };
        match done(c_long::from(result)) {
            Err(Errno(libc::EINTR)) => {}
            other => return other,
        }
    }
}

/// Reaps the process behind a pidfd if it has ended; says whether it had.
pub(crate) fn reap_pidfd(pidfd: RawFd) -> bool {
    let mut ended = [libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 }];
    let ended = poll(&mut ended, Some(0)).is_ok_and(|ready| ready > 0);
    if ended {
        let _ = wait_pidfd(pidfd);
    }
    ended
}

/// Kills the process behind a pidfd; one that is dead already is no error.
pub(crate) fn kill_pidfd(pidfd: RawFd) {
    // SAFETY: no pointer but a null `siginfo`.
    unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, ptr::null::<libc::siginfo_t>(), 0);
    }
}

/// A descriptor that becomes readable when process `pid` ends.
pub(crate) fn pidfd_open(pid: u32) -> Answer<RawFd> {
    // SAFETY: no pointers.
    descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// Sends `signal` to `pid`.
pub(crate) fn kill(pid: i32, signal: c_int) {
    // SAFETY: no pointers.
    unsafe { libc::kill(pid, signal) };
}

/// CPU time in microseconds (user, system) and the greatest resident size in KiB of all reaped children.
pub(crate) fn usage_of_children() -> (u64, u64, u64) {
    // SAFETY: all-zero is a valid `rusage`, and it is writable.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let micros = |time: libc::timeval| {
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
    };
    (micros(usage.ru_utime), micros(usage.ru_stime), u64::try_from(usage.ru_maxrss).unwrap_or(0))
}

/// `prctl` with plain numbers.
pub(crate) fn prctl(option: c_int, a: u64, b: u64) -> Answer<()> {
    // SAFETY: the options used by this crate take numbers only.
    done(c_long::from(unsafe { libc::prctl(option, a, b, 0, 0) }))
}

/// Starts a session.
pub(crate) fn setsid() -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::setsid() }))
}

/// Puts this process into a process group of its own, and that group into the terminal's foreground.
pub(crate) fn take_foreground(terminal: RawFd) {
    // SAFETY: no pointers.
    unsafe {
        libc::setpgid(0, 0);
        libc::tcsetpgrp(terminal, libc::getpgrp());
    }
}

/// Gives the terminal's foreground back to the caller's own process group.
pub(crate) fn restore_foreground(terminal: RawFd) {
    let before = block_signals();
    // SAFETY: no pointers. Signals are blocked, so that SIGTTOU does not stop a background group.
    unsafe { libc::tcsetpgrp(terminal, libc::getpgrp()) };
    set_signal_mask(before);
}

/// Changes the user and group for good (capabilities of a process whose namespace has no uid 0 stay).
pub(crate) fn become_user(uid: u32, gid: u32) -> Answer<()> {
    // SAFETY: no pointers but an empty list. The raw calls change this thread only: it is the only one.
    unsafe {
        done(libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>()))?;
        done(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        done(libc::syscall(libc::SYS_setresuid, uid, uid, uid))
    }
}

/// Makes the cgroup that this process is in the root of all that it sees of them.
pub(crate) fn unshare_users() -> Answer<()> {
    // SAFETY: no pointers are passed.
    done(c_long::from(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) }))
}

/// Becomes user and group 0 of its namespace, and of no other group.
pub(crate) fn be_root() -> Answer<()> {
    // SAFETY: no groups are passed.
    done(c_long::from(unsafe { libc::setgroups(0, ptr::null()) }))?;
    // SAFETY: no pointers are passed.
    done(c_long::from(unsafe { libc::setresgid(0, 0, 0) }))?;
    // SAFETY: no pointers are passed.
    done(c_long::from(unsafe { libc::setresuid(0, 0, 0) }))
}

pub(crate) fn unshare_cgroups() -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }))
}

/// As [`become_user`], with further groups.
pub(crate) fn become_member(uid: u32, gid: u32, groups: &[u32]) -> Answer<()> {
    // SAFETY: the list is as long as is said. The raw calls change this thread only.
    unsafe {
        done(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
        done(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        done(libc::syscall(libc::SYS_setresuid, uid, uid, uid))
    }
}

/// What root may do in an image while it is built: with files and ids of the image, and its own processes. As container
/// engines have it, but for devices and raw sockets.
pub(crate) const ROOT_OF_AN_IMAGE: u64 = 1 << 0 // CHOWN
    | 1 << 1 // DAC_OVERRIDE
    | 1 << 3 // FOWNER
    | 1 << 4 // FSETID
    | 1 << 5 // KILL
    | 1 << 6 // SETGID
    | 1 << 7 // SETUID
    | 1 << 8 // SETPCAP
    | 1 << 10 // NET_BIND_SERVICE
    | 1 << 18 // SYS_CHROOT
    | 1 << 29 // AUDIT_WRITE
    | 1 << 31; // SETFCAP

/// Gives up every capability: bounding, ambient, inheritable, permitted and effective.
pub(crate) fn drop_capabilities() -> Answer<()> {
    keep_capabilities(0)
}

/// Gives up every capability that is not in the set `kept`; inheritable and ambient ones all.
pub(crate) fn keep_capabilities(kept: u64) -> Answer<()> {
    for capability in (0..64).filter(|capability| kept >> capability & 1 == 0) {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(()) => {}
            Err(Errno(libc::EINVAL)) => break, // past the last one this kernel knows
            Err(errno) => return Err(errno),
        }
    }
    // Kernels before 4.3 have no ambient set; the namespaces that this crate needs are younger.
    prctl(libc::PR_CAP_AMBIENT, 4 /* PR_CAP_AMBIENT_CLEAR_ALL */, 0)?;
    let header: [u32; 2] = [0x2008_0522 /* _LINUX_CAPABILITY_VERSION_3 */, 0];
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
    let (low, high) = (half(kept), half(kept >> 32));
    // Effective, permitted, inheritable; twice 32 bits.
    let sets = [low, low, 0, high, high, 0];
    // SAFETY: header and data have the layout and size of version 3.
    done(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })
}

/// Blocks every signal of this thread; returns the mask before.
pub(crate) fn block_signals() -> u64 {
    set_signal_mask(u64::MAX)
}

/// Sets the signal mask of this thread; returns the mask before.
pub(crate) fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: both masks have the kernel's size of 8 bytes.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, 8);
    }
    before
}

/// Puts every signal back to its default action (also those ignored, which survive an exec).
pub(crate) fn default_signals() {
    let action = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: an all-zero kernel `sigaction` (at most 32 bytes) is SIG_DFL without flags.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), ptr::null_mut::<u64>(), 8);
        }
    }
}

/// Waits until a child changes its state, at most `millis`; SIGCHLD must be blocked.
pub(crate) fn await_child(millis: i64) {
    let mask: u64 = 1 << (libc::SIGCHLD - 1);
    let time = libc::timespec { tv_sec: 0, tv_nsec: millis * 1_000_000 };
    // SAFETY: the mask has the kernel's size, the time is valid, no `siginfo` is asked for.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const mask,
            ptr::null_mut::<libc::siginfo_t>(),
            &raw const time,
            8,
        );
    }
}

/// All memory of the machine, in bytes.
pub(crate) fn memory() -> u64 {
    // SAFETY: all-zero is a valid `sysinfo`, and it is writable.
    unsafe {
        let mut info: libc::sysinfo = std::mem::zeroed();
        libc::sysinfo(&raw mut info);
        info.totalram.saturating_mul(info.mem_unit.into())
    }
}

/// Milliseconds of a clock that only goes forward.
pub(crate) fn millis() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable. The clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.saturating_mul(1000) + time.tv_nsec / 1_000_000
}

/// Lowers or sets the limit `resource`, as far as the hard limit allows.
pub(crate) fn limit(resource: u32, soft: u64, hard: u64) {
    // SAFETY: `before` and `after` are valid `rlimit64`; pid 0 is this process.
    unsafe {
        let mut before: libc::rlimit64 = std::mem::zeroed();
        libc::syscall(libc::SYS_prlimit64, 0, resource, ptr::null::<libc::rlimit64>(), &raw mut before);
        let hard = hard.min(before.rlim_max);
        let after = libc::rlimit64 { rlim_cur: soft.min(hard), rlim_max: hard };
        libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const after, ptr::null_mut::<libc::rlimit64>());
    }
}

/// Sets the umask.
pub(crate) fn umask(mask: u32) {
    // SAFETY: no pointers.
    unsafe { libc::umask(mask) };
}

/// Sets the execution domain's flags.
pub(crate) fn personality(flags: u64) -> Answer<()> {
    // SAFETY: no pointers.
    done(unsafe { libc::syscall(libc::SYS_personality, flags) })
}

/// Leaves the caller's keyrings: joins a new, empty session keyring.
pub(crate) fn new_session_keyring() -> Answer<()> {
    // SAFETY: a null name asks for an anonymous keyring.
    done(unsafe {
        libc::syscall(libc::SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, ptr::null::<c_char>())
    })
}

/// CPUs as a bit set.
pub(crate) type CpuSet = [u64; 128];

/// The CPUs that this process may run on.
pub(crate) fn affinity() -> Answer<CpuSet> {
    let mut set = [0_u64; 128];
    // SAFETY: `set` is writable for its size.
    done(unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, size_of::<CpuSet>(), set.as_mut_ptr()) })?;
    Ok(set)
}

/// Restricts this process to the CPUs of `set` that it may have.
pub(crate) fn set_affinity(set: &CpuSet) -> Answer<()> {
    // SAFETY: `set` is readable for its size.
    done(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of::<CpuSet>(), set.as_ptr()) })
}

/// Whether the calling thread has `capability` in effect, in its own user namespace.
pub(crate) fn has_capability(capability: u32) -> bool {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut data = [0_u32; 6];
    // SAFETY: header and data have the layout and size of version 3.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) };
    let effective = u64::from(data[0]) | u64::from(data[3]) << 32;
    result == 0 && effective >> capability & 1 == 1
}

/// Effective user and group id.
pub(crate) fn own_ids() -> (u32, u32) {
    // SAFETY: no preconditions.
    unsafe { (libc::geteuid(), libc::getegid()) }
}
