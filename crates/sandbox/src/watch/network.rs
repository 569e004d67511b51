//! Attempts at the network: where a socket was to go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use model::violation::Kind;

use super::Watcher;
use super::process::Caller;

/// Port of name servers.
const DOMAIN: u16 = 53;
/// No address of the internet is longer.
const ADDRESS: usize = 28;
/// `struct msghdr`: address and its length stand first; `struct mmsghdr` is one with a count.
const MMSGHDR: u64 = 64;

impl Watcher<'_> {
    /// Notes where the call was to go, unless that is inside.
    pub(super) fn network(&mut self, caller: &Caller, number: i64, arguments: &[u64; 6]) {
        let destinations: Vec<SocketAddr> = match number {
            libc::SYS_connect => address(caller, arguments[1], arguments[2]).into_iter().collect(),
            libc::SYS_sendto => address(caller, arguments[4], arguments[5]).into_iter().collect(),
            libc::SYS_sendmsg => message(caller, arguments[1]).into_iter().collect(),
            _ => (0..arguments[2].min(16))
                .filter_map(|nth| message(caller, arguments[1].wrapping_add(nth * MMSGHDR)))
                .collect(),
        };
        for destination in destinations {
            if !is_inside(destination.ip()) {
                self.record.add(Kind::Network, &destination.to_string(), || caller.ancestry(self.init));
            } else if destination.port() == DOMAIN {
                self.resolving = Some(caller.pid);
            }
        }
    }
}

/// The destination in a `msghdr`.
fn message(caller: &Caller, at: u64) -> Option<SocketAddr> {
    let header = caller.read(at, 12)?;
    let pointer = u64::from_ne_bytes(header.get(..8)?.try_into().ok()?);
    let length = u32::from_ne_bytes(header.get(8..12)?.try_into().ok()?);
    address(caller, pointer, length.into())
}

/// An address of the internet; `None` for every other one.
fn address(caller: &Caller, at: u64, length: u64) -> Option<SocketAddr> {
    if at == 0 {
        return None;
    }
    parse(&caller.read(at, usize::try_from(length).ok()?.min(ADDRESS))?)
}

/// A `sockaddr_in` or `sockaddr_in6`.
fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
    let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
    match family {
        libc::AF_INET => {
            let host: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some((Ipv4Addr::from(host), port).into())
        }
        libc::AF_INET6 => {
            let host: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some((Ipv6Addr::from(host), port).into())
        }
        _ => None,
    }
}

/// Whether an address is this sandbox's own: the loopback network, or "any".
fn is_inside(host: IpAddr) -> bool {
    let host = host.to_canonical();
    host.is_loopback() || host.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let mut four = vec![0_u8; 16];
        four[..2].copy_from_slice(&2_u16.to_ne_bytes());
        four[2..8].copy_from_slice(&[1, 187, 192, 0, 2, 7]);
        assert_eq!(parse(&four).unwrap().to_string(), "192.0.2.7:443");
        let mut six = vec![0_u8; 28];
        six[..2].copy_from_slice(&10_u16.to_ne_bytes());
        six[2..4].copy_from_slice(&[0, 80]);
        six[8..12].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        six[23] = 1;
        assert_eq!(parse(&six).unwrap().to_string(), "[2001:db8::1]:80");
        assert!(parse(&six[..20]).is_none() && parse(&[]).is_none());
        assert!(parse(&[1, 0, b'/', b'x']).is_none(), "a local socket");
    }

    #[test]
    fn loopback_is_inside() {
        for inside in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "224.0.0.1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }
}
