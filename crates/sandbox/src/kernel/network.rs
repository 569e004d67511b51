//! Host name and network.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::ffi::c_long;
use std::os::fd::RawFd;

use super::{Answer, descriptor, done};

#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const FAMILY: libc::sa_family_t = libc::AF_INET as libc::sa_family_t;
/// Length of an address.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
pub(super) const ADDRESS: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

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

/// A datagram socket bound to the address of a name server on the loopback interface.
pub(crate) fn name_socket() -> Answer<RawFd> {
    bound(libc::SOCK_DGRAM, 53)
}

/// A listening socket on a port of the loopback interface.
pub(crate) fn door(port: u16) -> Answer<RawFd> {
    let socket = bound(libc::SOCK_STREAM, port)?;
    // SAFETY: no pointers.
    match done(c_long::from(unsafe { libc::listen(socket, libc::SOMAXCONN) })) {
        Ok(()) => Ok(socket),
        Err(errno) => {
            super::close(socket);
            Err(errno)
        }
    }
}

/// A socket that does not wait, bound to a port of the loopback interface.
fn bound(kind: libc::c_int, port: u16) -> Answer<RawFd> {
    // SAFETY: the address is all-zero but for its family, port and host, and its size is given.
    unsafe {
        let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let socket = descriptor(c_long::from(libc::socket(libc::AF_INET, kind, 0)))?;
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = FAMILY;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
        match done(c_long::from(libc::bind(socket, (&raw const address).cast(), ADDRESS))) {
            Ok(()) => Ok(socket),
            Err(errno) => {
                libc::close(socket);
                Err(errno)
            }
        }
    }
}
