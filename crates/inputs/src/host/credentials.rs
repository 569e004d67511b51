//! Who this user is to a host: from `.netrc` and `.npmrc`, for the requests of wall one alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Host, host_of};

impl Host {
    /// The `Authorization` header for a URL, if this user has one for its host. It is sent there and kept nowhere.
    #[must_use]
    pub fn authorization(&self, url: &str) -> Option<String> {
        let home = self.home()?;
        let read = |name: &str| std::fs::read_to_string(home.join(name)).unwrap_or_default();
        let netrc = match self.env.get("NETRC").filter(|p| !p.is_empty()) {
            Some(path) => std::fs::read_to_string(path).unwrap_or_default(),
            None => read(".netrc"),
        };
        token(&read(".npmrc"), url).or_else(|| basic(&netrc, host_of(url)?))
    }
}

/// A token of `.npmrc`: `//HOST/PATH/:_authToken=…`, the longest that fits.
fn token(npmrc: &str, url: &str) -> Option<String> {
    let place = url.split_once(':')?.1;
    let tokens = npmrc.lines().filter_map(|line| {
        let (scope, value) = line.trim().split_once(":_authToken=")?;
        let value = value.trim().trim_matches('"');
        (!scope.is_empty() && scope.starts_with("//") && place.starts_with(scope) && !value.contains("${"))
            .then_some((scope.len(), value))
    });
    tokens.max_by_key(|(length, _)| *length).map(|(_, value)| format!("Bearer {value}"))
}

/// Name and password of a machine in `.netrc` (as curl reads it).
fn basic(netrc: &str, host: &str) -> Option<String> {
    let mut words = netrc.split_whitespace();
    let (mut here, mut login, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" if here && password.is_some() => break,
            "machine" => here = words.next()? == host,
            "default" => here = true,
            "login" => login = words.next().filter(|_| here).or(login),
            "password" => password = words.next().filter(|_| here).or(password),
            _ => {}
        }
    }
    let text = format!("{}:{}", login.unwrap_or_default(), password?);
    Some(format!("Basic {}", STANDARD.encode(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_own() {
        let netrc =
            "machine a.example.org login u password p\nmachine b.example.org\n  login v\n  password q\n";
        assert_eq!(basic(netrc, "b.example.org").unwrap(), format!("Basic {}", STANDARD.encode("v:q")));
        assert_eq!(basic(netrc, "a.example.org").unwrap(), format!("Basic {}", STANDARD.encode("u:p")));
        assert_eq!(basic(netrc, "c.example.org"), None);
        let npmrc = "//n.example.org/:_authToken=short\n//n.example.org/team/:_authToken=\"long\"\n";
        assert_eq!(token(npmrc, "https://n.example.org/team/x").as_deref(), Some("Bearer long"));
        assert_eq!(token(npmrc, "https://n.example.org/x").as_deref(), Some("Bearer short"));
        assert_eq!(token(npmrc, "https://other.example.org/x"), None);
    }
}
