//! System calls that are watched, and the processes that make them.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::ffi::{c_int, c_long, c_void};
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::ptr;

use super::network::ADDRESS;
use super::{Answer, Errno, answer, descriptor, done};

/// Restricts this process and its children to a filter, for good; with a descriptor that hears of what the
/// filter does not decide, if `listen`. No new privileges must be set.
pub(crate) fn set_filter(program: &[libc::sock_filter], listen: bool) -> Answer<Option<RawFd>> {
    let length = u16::try_from(program.len()).map_err(|_| Errno(libc::EINVAL))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let set = |flags: u64| {
        // SAFETY: the program is valid for its length; the kernel copies and checks it.
        answer(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        })
    };
    let speed = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if !listen {
        return set(speed).map(|_| None);
    }
    // Without the last flag (Linux before 5.19) a signal makes a call that is being answered be made again.
    let listener = speed | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let result = match set(listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno(libc::EINVAL)) => set(listener),
        other => other,
    };
    descriptor(result?).map(Some)
}

/// A call that waits for its answer.
pub(crate) fn next_call(listener: RawFd) -> Answer<libc::seccomp_notif> {
    // SAFETY: all-zero is valid, as the kernel demands; it is writable.
    unsafe {
        let mut call: libc::seccomp_notif = std::mem::zeroed();
        done(c_long::from(libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut call)))?;
        Ok(call)
    }
}

/// Answers a call; it may be gone.
pub(crate) fn answer_call(listener: RawFd, answer: &libc::seccomp_notif_resp) {
    // SAFETY: a valid answer.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND as _, ptr::from_ref(answer)) };
}

/// Whether the call is still waiting: what was read of its process meanwhile was that process's.
pub(crate) fn call_waits(listener: RawFd, id: u64) -> bool {
    // SAFETY: a pointer to the id.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _, &raw const id) == 0 }
}

/// Lets the caller's and the listener's processor be the same, if the kernel can (Linux 6.6).
pub(crate) fn wake_in_turn(listener: RawFd) {
    // SAFETY: the flags are passed as a number.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, 1_u64) };
}

/// A descriptor for the process of thread `pid` (Linux 6.9), which need not be its first one.
pub(crate) fn pidfd_of_thread(pid: i32) -> Answer<RawFd> {
    const THREAD: c_int = libc::O_EXCL; // PIDFD_THREAD
    // SAFETY: no pointers.
    descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, THREAD) })
}

/// The open file `fd` of the process behind a pidfd.
pub(crate) fn borrow_descriptor(process: RawFd, fd: RawFd) -> Answer<RawFd> {
    // SAFETY: no pointers.
    descriptor(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, fd, 0) })
}

/// Takes ownership of a descriptor that was just made.
pub(crate) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: callers pass what a function of this module has just given them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// The page of code that the kernel has mapped into this process; empty if there is none.
pub(crate) fn vdso() -> Vec<u8> {
    // SAFETY: no preconditions.
    let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let range = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(|line| {
        let (from, to) = line.split_whitespace().next()?.split_once('-')?;
        Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
    });
    let Some((from, to)) = range.filter(|(from, _)| *from == base) else { return Vec::new() };
    let mut image = vec![0; usize::try_from(to - from).unwrap_or(0)];
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    match read_memory(own, from, &mut image) {
        Ok(length) if length == image.len() => image,
        _ => Vec::new(),
    }
}

/// Reads memory of process `pid` at `address`; how much was there.
pub(crate) fn read_memory(pid: i32, address: u64, buffer: &mut [u8]) -> Answer<usize> {
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: buffer.len() };
    // SAFETY: `local` is writable for its length; `remote` is the other process's matter.
    let count = answer(unsafe {
        libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) as c_long
    })?;
    usize::try_from(count).map_err(|_| Errno(libc::EIO))
}

/// Writes memory of process `pid` at `address`, all or an error.
pub(crate) fn write_memory(pid: i32, address: u64, bytes: &[u8]) -> Answer<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: bytes.len() };
    // SAFETY: `local` is readable for its length; `remote` is the other process's matter.
    let count = answer(unsafe {
        libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) as c_long
    })?;
    if usize::try_from(count) == Ok(bytes.len()) { Ok(()) } else { Err(Errno(libc::EFAULT)) }
}

/// A datagram and the internet address (IPv4, network order: family, port, host) it came from; without waiting.
pub(crate) fn receive_from(socket: RawFd, buffer: &mut [u8]) -> Answer<(usize, libc::sockaddr_in)> {
    // SAFETY: buffer and address are writable for the lengths given.
    unsafe {
        let mut from: libc::sockaddr_in = std::mem::zeroed();
        let mut size = ADDRESS;
        let count = answer(libc::recvfrom(
            socket,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::MSG_DONTWAIT,
            (&raw mut from).cast(),
            &raw mut size,
        ) as c_long)?;
        Ok((usize::try_from(count).map_err(|_| Errno(libc::EIO))?, from))
    }
}

/// Sends a datagram; one that cannot be sent is lost, as datagrams are.
pub(crate) fn send_to(socket: RawFd, bytes: &[u8], to: &libc::sockaddr_in) {
    // SAFETY: bytes and address are readable for the lengths given.
    unsafe {
        libc::sendto(
            socket,
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            ptr::from_ref(to).cast(),
            ADDRESS,
        );
    }
}
