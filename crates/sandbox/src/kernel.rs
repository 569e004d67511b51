//! The system calls of this crate, one thin function each.
//!
//! Everything here allocates nothing, takes no lock and unwinds nowhere, so that it may be called between fork
//! and exec of a process with threads. A function returns what the kernel returned, or the [`Errno`]. File
//! descriptors are plain numbers here: inside the sandbox they live until the process ends or closes them all.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::os::fd::RawFd;
use std::ptr;

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

// --- processes --------------------------------------------------------------------------------------------

/// Forks into new namespaces; `Ok(None)` in the child, the child's pid and pidfd in the parent.
///
/// The child is a copy with one thread and sends no signal at its end (wait for it by its pidfd).
///
/// # Safety
/// Until it executes or exits, the child may call only functions of this module and code that neither
/// allocates nor takes a lock: another thread of the parent may have held one at this moment.
pub(crate) unsafe fn fork_into(namespaces: u64) -> Answer<Option<(i32, RawFd)>> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `clone_args`: no stack, no TLS, no exit signal.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces | libc::CLONE_PIDFD as u64 | 0x1_0000_0000 /* CLONE_CLEAR_SIGHAND */;
    args.pidfd = &raw mut pidfd as u64;
    // SAFETY: the arguments are valid for their size; without CLONE_VM the child runs on its own copy.
    let pid =
        answer(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    Ok(if pid == 0 { None } else { Some((i32::try_from(pid).map_err(|_| Errno(libc::ERANGE))?, pidfd)) })
}

/// Runs `main(argument)` in a child that shares this process's memory, and returns its pid once the child
/// has executed another program or ended.
///
/// # Safety
/// This process must have one thread. `main` must only execute or `_exit`, and `stack` must be the end (highest
/// address) of unused, writable, 16-byte aligned memory that is large enough for it.
pub(crate) unsafe fn spawn_sharing(
    main: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
    stack: *mut c_void,
) -> Answer<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: promised by the caller; CLONE_VFORK keeps this thread still while the child uses the memory.
    let pid = unsafe { libc::clone(main, stack, flags, argument) };
    if pid < 0 { Err(Errno::last()) } else { Ok(pid) }
}

/// Starts `main(argument)` in a child that shares this process's memory and descriptors and runs beside it;
/// returns its pid. It has a current directory and a root of its own.
///
/// Both share one errno: what a failing call of one of them gets may be the other's.
///
/// # Safety
/// As for [`spawn_sharing`]; besides, `argument` and `stack` must stay valid until the child has been waited for,
/// and neither may write what the other uses.
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
/// # Safety
/// `argv` and `envp` are null-terminated arrays of valid C strings.
pub(crate) unsafe fn exec(path: &CStr, argv: *const *const c_char, envp: *const *const c_char) -> Errno {
    // SAFETY: promised by the caller.
    unsafe { libc::execve(path.as_ptr(), argv, envp) };
    Errno::last()
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

/// Gives up every capability: bounding, ambient, inheritable, permitted and effective.
pub(crate) fn drop_capabilities() -> Answer<()> {
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(()) => {}
            Err(Errno(libc::EINVAL)) => break, // past the last one this kernel knows
            Err(errno) => return Err(errno),
        }
    }
    // Kernels before 4.3 have no ambient set; the namespaces that this crate needs are younger.
    prctl(libc::PR_CAP_AMBIENT, 4 /* PR_CAP_AMBIENT_CLEAR_ALL */, 0)?;
    let header: [u32; 2] = [0x2008_0522 /* _LINUX_CAPABILITY_VERSION_3 */, 0];
    let none = [0_u32; 6];
    // SAFETY: header and data have the layout and size of version 3.
    done(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) })
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

// --- host name and network --------------------------------------------------------------------------------

/// Sets the host name.
pub(crate) fn set_hostname(name: &[u8]) -> Answer<()> {
    // SAFETY: pointer and length of a slice.
    done(c_long::from(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }))
}

/// Sets the (NIS) domain name.
pub(crate) fn set_domainname(name: &[u8]) -> Answer<()> {
    // SAFETY: pointer and length of a slice.
    done(c_long::from(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }))
}

/// Gives this process a network namespace of its own.
pub(crate) fn unshare_network() -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::unshare(libc::CLONE_NEWNET) }))
}

/// Moves this process into the network namespace behind the descriptor `namespace`.
pub(crate) fn enter_network(namespace: RawFd) -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::setns(namespace, libc::CLONE_NEWNET) }))
}

/// Brings the loopback interface up.
pub(crate) fn loopback_up() -> Answer<()> {
    // SAFETY: `ifreq` is all-zero but for the name ("lo", nul-terminated) and the flags, both within it.
    unsafe {
        let socket =
            descriptor(c_long::from(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)))?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = 108;
        request.ifr_name[1] = 111;
        request.ifr_ifru.ifru_flags = 0x1 | 0x40; // IFF_UP | IFF_RUNNING
        let result = done(c_long::from(libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request)));
        libc::close(socket);
        result
    }
}

// --- mounts -----------------------------------------------------------------------------------------------

/// The file system's own mount flags of [`mount_attributes`].
pub(crate) const READ_ONLY: u64 = 0x1;
pub(crate) const NO_SUID: u64 = 0x2;
pub(crate) const NO_DEV: u64 = 0x4;
pub(crate) const NO_EXEC: u64 = 0x8;
const ID_MAPPED: u64 = 0x10_0000;
const OPEN_TREE_CLONE: c_uint = 1;
const MOVE_MOUNT_FROM_EMPTY: c_uint = 0x4;
const MOVE_MOUNT_TO_EMPTY: c_uint = 0x40;
const AT_RECURSIVE: c_int = 0x8000;

/// A detached copy of the mount at `path` (below `dir`, if relative; `dir` itself, if empty).
pub(crate) fn clone_mount(dir: RawFd, path: &CStr) -> Answer<RawFd> {
    let flags = OPEN_TREE_CLONE
        | libc::O_CLOEXEC as c_uint
        | (libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) as c_uint;
    // SAFETY: `path` is a C string.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) })
}

/// Attaches the detached mount `mount` at `path` below `dir`.
pub(crate) fn attach(mount: RawFd, dir: RawFd, path: &CStr) -> Answer<()> {
    let flags = MOVE_MOUNT_FROM_EMPTY | if path.is_empty() { MOVE_MOUNT_TO_EMPTY } else { 0 };
    // SAFETY: both paths are C strings.
    done(unsafe { libc::syscall(libc::SYS_move_mount, mount, c"".as_ptr(), dir, path.as_ptr(), flags) })
}

/// Sets flags on the mount at `path` below `dir`, and with `recursive` on all mounts below it.
pub(crate) fn mount_attributes(dir: RawFd, path: &CStr, set: u64, recursive: bool) -> Answer<()> {
    mount_setattr(dir, path, [set, 0, 0, 0], if recursive { AT_RECURSIVE } else { 0 })
}

/// Lets the detached mount show its owners through the map of the user namespace `namespace`.
pub(crate) fn map_owners(mount: RawFd, namespace: RawFd) -> Answer<()> {
    let namespace = u64::try_from(namespace).map_err(|_| Errno(libc::EBADF))?;
    mount_setattr(mount, c"", [ID_MAPPED, 0, 0, namespace], 0)
}

fn mount_setattr(dir: RawFd, path: &CStr, attributes: [u64; 4], flags: c_int) -> Answer<()> {
    let flags = flags | libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `attributes` has the layout of `mount_attr` (four u64: set, clear, propagation, namespace).
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir,
            path.as_ptr(),
            flags,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })
}

/// Creates a file system of `kind` with `options`, detached.
pub(crate) fn new_mount(kind: &CStr, options: &[(&CStr, &CStr)], flags: u64) -> Answer<RawFd> {
    // SAFETY: all pointers are C strings or null, as each command wants.
    unsafe {
        let context = descriptor(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1 /* CLOEXEC */))?;
        let configured = options
            .iter()
            .try_for_each(|(key, value)| {
                let set = 1; // FSCONFIG_SET_STRING
                done(libc::syscall(libc::SYS_fsconfig, context, set, key.as_ptr(), value.as_ptr(), 0))
            })
            .and_then(|()| {
                let create = 6; // FSCONFIG_CMD_CREATE
                let null = ptr::null::<c_char>();
                done(libc::syscall(libc::SYS_fsconfig, context, create, null, null, 0))
            })
            .and_then(|()| {
                descriptor(libc::syscall(libc::SYS_fsmount, context, 1 /* CLOEXEC */, flags))
            });
        libc::close(context);
        configured
    }
}

/// Mounts a file system of `kind` at `target`, with the options `data`.
pub(crate) fn mount(kind: &CStr, target: &CStr, flags: u64, data: &CStr) -> Answer<()> {
    // SAFETY: all pointers are C strings.
    done(c_long::from(unsafe {
        libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast())
    }))
}

/// Makes the current directory (the root of a mount) the root, and lets go of all that was mounted before.
pub(crate) fn pivot_here() -> Answer<()> {
    // SAFETY: C strings. The old root ends up stacked on the new one, where "." then finds it.
    unsafe {
        done(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        done(c_long::from(libc::umount2(c".".as_ptr(), libc::MNT_DETACH)))
    }
}

// --- files ------------------------------------------------------------------------------------------------

/// Opens `path` below `dir`.
pub(crate) fn open_at(dir: RawFd, path: &CStr, flags: c_int, mode: u32) -> Answer<RawFd> {
    // SAFETY: `path` is a C string. The raw call keeps no state of the C library for a thread.
    descriptor(unsafe { libc::syscall(libc::SYS_openat, dir, path.as_ptr(), flags | libc::O_CLOEXEC, mode) })
}

/// Writes all of `bytes`; a short write is an error (the files written here take or refuse it whole).
pub(crate) fn write_all(file: RawFd, bytes: &[u8]) -> Answer<()> {
    // SAFETY: pointer and length of a slice.
    let written = answer(unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) as c_long })?;
    if usize::try_from(written) == Ok(bytes.len()) { Ok(()) } else { Err(Errno(libc::EIO)) }
}

/// Writes `bytes` to the existing file at `path`.
pub(crate) fn write_file(path: &CStr, bytes: &[u8]) -> Answer<()> {
    let file = open_at(libc::AT_FDCWD, path, libc::O_WRONLY, 0)?;
    let result = write_all(file, bytes);
    close(file);
    result
}

/// Reads once.
pub(crate) fn read(file: RawFd, buffer: &mut [u8]) -> Answer<usize> {
    // SAFETY: pointer and length of a slice.
    let count = answer(unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) as c_long })?;
    usize::try_from(count).map_err(|_| Errno(libc::EIO))
}

/// Reads directory entries in the kernel's `linux_dirent64` encoding.
pub(crate) fn read_entries(dir: RawFd, buffer: &mut [u8]) -> Answer<usize> {
    // SAFETY: pointer and length of a slice.
    let count =
        answer(unsafe { libc::syscall(libc::SYS_getdents64, dir, buffer.as_mut_ptr(), buffer.len()) })?;
    usize::try_from(count).map_err(|_| Errno(libc::EIO))
}

/// Goes back to the start of a directory or file.
pub(crate) fn rewind(file: RawFd) {
    // SAFETY: no pointers.
    unsafe { libc::lseek(file, 0, libc::SEEK_SET) };
}

/// Closes a descriptor.
pub(crate) fn close(file: RawFd) {
    // SAFETY: descriptors here are plain numbers; the caller gives up this one.
    unsafe { libc::syscall(libc::SYS_close, file) };
}

/// Closes every descriptor from `first` on, except those of `keep` (ascending).
pub(crate) fn close_from(first: RawFd, keep: &[RawFd]) {
    let close = |from: RawFd, to: c_uint| {
        // SAFETY: no pointers; the caller gives up these descriptors.
        unsafe { libc::syscall(libc::SYS_close_range, from.cast_unsigned(), to, 0) };
    };
    let mut from = first;
    for &kept in keep.iter().filter(|kept| **kept >= first) {
        if kept > from {
            close(from, (kept - 1).cast_unsigned());
        }
        from = kept + 1;
    }
    close(from, c_uint::MAX);
}

/// Makes `to` the same open file as `from`.
pub(crate) fn duplicate(from: RawFd, to: RawFd) -> Answer<()> {
    // SAFETY: no pointers; the caller gives up what was `to`.
    done(c_long::from(unsafe { libc::dup2(from, to) }))
}

/// Creates a directory below the current one.
pub(crate) fn make_dir(path: &CStr, mode: u32) -> Answer<()> {
    // SAFETY: a C string.
    unsafe { done(c_long::from(libc::mkdir(path.as_ptr(), mode))) }
}

/// Creates an empty file below the current directory.
pub(crate) fn make_file(path: &CStr, mode: u32) -> Answer<()> {
    // SAFETY: a C string.
    unsafe { done(c_long::from(libc::mknod(path.as_ptr(), libc::S_IFREG | mode, 0))) }
}

/// Creates a symbolic link below the current directory.
pub(crate) fn make_link(target: &CStr, path: &CStr) -> Answer<()> {
    // SAFETY: C strings.
    unsafe { done(c_long::from(libc::symlink(target.as_ptr(), path.as_ptr()))) }
}

/// Sets access and modification time of `path` itself to `seconds`.
pub(crate) fn set_time(path: &CStr, seconds: i64) -> Answer<()> {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = [time, time];
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: a C string and two valid times.
    unsafe { done(c_long::from(libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), flags))) }
}

/// Whether `path` is there.
pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: a C string.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::F_OK, 0) == 0 }
}

/// Changes the current directory to the open directory `dir`.
pub(crate) fn enter_dir(dir: RawFd) -> Answer<()> {
    // SAFETY: no pointers.
    unsafe { done(c_long::from(libc::fchdir(dir))) }
}

/// Bytes in use by the file system at `path`.
pub(crate) fn bytes_used(path: &CStr) -> u64 {
    // SAFETY: all-zero is a valid `statfs`, and it is writable.
    unsafe {
        let mut stat: libc::statfs64 = std::mem::zeroed();
        if libc::statfs64(path.as_ptr(), &raw mut stat) != 0 {
            return 0;
        }
        (stat.f_blocks - stat.f_bfree) * u64::try_from(stat.f_bsize).unwrap_or(0)
    }
}

// --- the caller's side: pipes, sockets, polling -----------------------------------------------------------

/// An event counter, as [`crate::Cancel`] uses it.
pub(crate) fn event_counter() -> Answer<RawFd> {
    // SAFETY: no pointers.
    descriptor(c_long::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }))
}

/// A pair of connected sockets that keep the bounds of messages.
pub(crate) fn message_pair() -> Answer<(RawFd, RawFd)> {
    let mut pair = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: `pair` has room for two descriptors.
    done(c_long::from(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) }))?;
    Ok((pair[0], pair[1]))
}

/// A pipe: reading end, writing end.
pub(crate) fn pipe() -> Answer<(RawFd, RawFd)> {
    let mut pair = [-1; 2];
    // SAFETY: `pair` has room for two descriptors.
    done(c_long::from(unsafe { libc::pipe2(pair.as_mut_ptr(), libc::O_CLOEXEC) }))?;
    Ok((pair[0], pair[1]))
}

/// Makes reads from `file` return at once; a process that shares the open file sees the same.
pub(crate) fn set_nonblocking(file: RawFd) -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::fcntl(file, libc::F_SETFL, libc::O_NONBLOCK) }))
}

/// Waits for events; `None` waits for ever. Returns the number of ready entries (0: time is up or interrupted).
pub(crate) fn poll(entries: &mut [libc::pollfd], millis: Option<i32>) -> Answer<usize> {
    let count = entries.len() as libc::nfds_t;
    // SAFETY: pointer and length of a slice.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), count, millis.unwrap_or(-1)) };
    match answer(c_long::from(ready)) {
        Ok(ready) => Ok(usize::try_from(ready).unwrap_or(0)),
        Err(Errno(libc::EINTR)) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// Space for one control message with one descriptor, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Passed([u8; 24]);

/// Sends a message, with a descriptor if there is one.
pub(crate) fn send(socket: RawFd, bytes: &[u8], passed: Option<RawFd>) -> Answer<()> {
    let mut control = Passed([0; 24]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the message points at live memory of the given lengths; `control` holds CMSG_SPACE(4) = 24 bytes.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if let Some(fd) = passed {
            message.msg_control = (&raw mut control).cast();
            message.msg_controllen = size_of::<Passed>() as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
        }
        done(libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) as c_long)
    }
}

/// Receives a message and the descriptor that came with it. Length 0: the other side is gone.
pub(crate) fn receive(socket: RawFd, bytes: &mut [u8], flags: c_int) -> Answer<(usize, Option<RawFd>)> {
    let mut control = Passed([0; 24]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: as in `send`; the kernel writes no more than the given lengths.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Passed>() as _;
        let count =
            answer(libc::recvmsg(socket, &raw mut message, flags | libc::MSG_CMSG_CLOEXEC) as c_long)?;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let passed = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS;
        let fd = passed.then(|| libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned());
        Ok((usize::try_from(count).unwrap_or(0), fd))
    }
}
