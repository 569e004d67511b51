//! `EXPOSE`: `[[address:]port:]port[-port][/protocol]`, of which an image keeps port and protocol.

use std::collections::BTreeSet;

/// The ports of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    first: u16,
    last: u16,
    protocol: &'static str,
}

impl Ports {
    /// How many they are.
    pub(super) fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    /// Adds them.
    pub(super) fn add(self, ports: &mut BTreeSet<String>) {
        ports.extend((self.first..=self.last).map(|port| format!("{port}/{}", self.protocol)));
    }
}

/// Reads one word. An error is what was expected.
pub(super) fn read(word: &str) -> Result<Ports, &'static str> {
    let (addresses, container) = word.rsplit_once(':').map_or(("", word), |(before, port)| (before, port));
    let (address, host) = addresses.rsplit_once(':').map_or(("", addresses), |(before, port)| (before, port));
    let (port, protocol) = container.split_once('/').unwrap_or((container, ""));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return Err("expected `tcp`, `udp` or `sctp` after the slash"),
    };
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if !bare.is_empty() && bare.parse::<std::net::IpAddr>().is_err() {
        return Err("expected an address before the first colon");
    }
    let (first, last) = range(port).ok_or("expected a port or a range of ports")?;
    if !host.is_empty() {
        let (from, to) = range(host).ok_or("expected a port or a range of ports before the colon")?;
        if to - from != last - first && first != last {
            return Err("expected as many ports before the colon as after it");
        }
    }
    Ok(Ports { first, last, protocol })
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_as_docker_reads_them() {
        let of = |word| {
            let mut ports = BTreeSet::new();
            read(word)?.add(&mut ports);
            Ok::<_, &str>(ports.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of("80").as_deref(), Ok("80/tcp"));
        assert_eq!(of("53/UDP").as_deref(), Ok("53/udp"));
        assert_eq!(of("8080:80").as_deref(), Ok("80/tcp"));
        assert_eq!(of("127.0.0.1:8080:80/sctp").as_deref(), Ok("80/sctp"));
        assert_eq!(of("[::1]:8080:80").as_deref(), Ok("80/tcp"));
        assert_eq!(of("7000-7002").as_deref(), Ok("7000/tcp 7001/tcp 7002/tcp"));
        assert_eq!(of("1-5:80").as_deref(), Ok("80/tcp"));
        for word in ["", "x", "80/http", "70000", "3-2", "1-3:5-6", "x:1:80", "+80", "-1"] {
            assert!(of(word).is_err(), "{word}");
        }
    }
}
