//! The caller's side: pipes, sockets, polling.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::ffi::{c_int, c_long};
use std::os::fd::RawFd;

use super::{Answer, Errno, answer, descriptor, done};

/// An event counter, as [`crate::Cancel`] uses it.
pub(crate) fn event_counter() -> Answer<RawFd> {
    // SAFETY: no pointers.
    descriptor(c_long::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }))
}

/// An event counter whose readers wait until it is raised.
pub(crate) fn waiting_counter() -> Answer<RawFd> {
    // SAFETY: no pointers.
    descriptor(c_long::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) }))
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
