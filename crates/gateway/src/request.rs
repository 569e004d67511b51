//! Of what a request is: its address, and its place in a transcript.

use std::fmt;

use model::ecosystem::Ecosystem;
use model::transcript::Place;

/// The address that a request is for: what an absolute URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether it came through TLS.
    pub secure: bool,
    /// Lower case, without port.
    pub host: String,
    /// Where it is not the scheme's own.
    pub port: Option<u16>,
    /// Path and query, beginning with `/`.
    pub path: String,
}

impl Address {
    /// Puts together what a connection and a request say; `authority` is `HOST` or `HOST:PORT`. `None` for what is no
    /// host name or address.
    #[must_use]
    pub fn new(secure: bool, authority: &str, path: &str) -> Option<Self> {
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
            _ => (authority, None),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
        if host.is_empty() || !host.bytes().all(plain) {
            return None;
        }
        let usual = if secure { 443 } else { 80 };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { secure, host, port: port.filter(|p| *p != usual), path })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

/// The place of an address in a transcript: of a registry, if it has the name of one inside.
#[must_use]
pub fn place_of(address: &Address) -> Place {
    match Ecosystem::of_host(&address.host) {
        Some(ecosystem) => Place::Registry(ecosystem, address.path.clone()),
        None => Place::Url(address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for (secure, authority, path, expected) in [
            (true, "Example.org:443", "/a?b", Some("https://example.org/a?b")),
            (false, "example.org.", "", Some("http://example.org/")),
            (false, "user:secret@example.org:8080", "/", Some("http://example.org:8080/")),
            (true, "[2001:db8::1]:8443", "/x", Some("https://[2001:db8::1]:8443/x")),
            (false, "exa mple.org", "/", None),
            (false, "example.org:http", "/", None),
            (false, "", "/", None),
        ] {
            let address = Address::new(secure, authority, path).map(|a| a.to_string());
            assert_eq!(address.as_deref(), expected, "{authority}");
        }
        let registry = Address::new(false, "npm.registry.internal", "/left-pad").unwrap();
        assert_eq!(place_of(&registry).to_string(), "npm:/left-pad");
    }
}
