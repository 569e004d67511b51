//! `go`: where its module proxy is, and which database vouches for modules.

use super::Host;

/// The addresses of `GOPROXY`, parted by spaces, in their order: from the environment, else asked of `go`, which knows its
/// own default. `direct` and `off` are no address.
pub(super) fn proxies(host: &Host) -> Result<String, String> {
    let setting = setting(host, "GOPROXY")?;
    addresses(&setting).ok_or_else(|| format!("`GOPROXY` is `{setting}`, which names no proxy"))
}

/// The name in `GOSUMDB`.
pub(super) fn checksums(host: &Host) -> Option<String> {
    let setting = setting(host, "GOSUMDB").ok()?;
    // NAME, NAME+KEY, or one of them and a URL.
    let name = setting.split([' ', '+']).next().unwrap_or_default();
    (!name.is_empty() && name != "off" && !name.contains('/')).then(|| name.to_owned())
}

fn setting(host: &Host, name: &str) -> Result<String, String> {
    match host.env.get(name).filter(|value| !value.is_empty()) {
        Some(value) => Ok(value.clone()),
        None => host.ask("go", &["env", name]),
    }
}

fn addresses(setting: &str) -> Option<String> {
    let known = |part: &&str| ["https://", "http://", "file://"].iter().any(|s| part.starts_with(s));
    let found: Vec<&str> = setting.split([',', '|']).map(str::trim).filter(known).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn proxies_are_taken_in_order() {
        let setting = "off,direct,https://g.example.org/a|https://h.example.org";
        assert_eq!(
            super::addresses(setting).as_deref(),
            Some("https://g.example.org/a https://h.example.org")
        );
        assert_eq!(super::addresses("direct"), None);
    }
}
