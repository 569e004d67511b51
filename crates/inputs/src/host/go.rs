//! `go`: which module proxies it asks.

use super::Host;

/// The proxies, parted by spaces, in their order. `direct` and `off` are no address.
pub(super) fn proxies(host: &Host) -> Result<String, String> {
    let list = match host.env.get("GOPROXY").filter(|v| !v.is_empty()) {
        Some(list) => list.clone(),
        None => host.ask("go", &["env", "GOPROXY"])?,
    };
    addresses(&list).ok_or_else(|| format!("GOPROXY is `{list}`, which names no proxy"))
}

fn addresses(list: &str) -> Option<String> {
    let http = |entry: &&str| entry.starts_with("https://") || entry.starts_with("http://");
    let found: Vec<&str> = list.split([',', '|']).map(str::trim).filter(http).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_are_taken_in_order() {
        let list = "https://a.example.org,direct|http://b.example.org/m,off";
        assert_eq!(super::addresses(list).as_deref(), Some("https://a.example.org http://b.example.org/m"));
        assert_eq!(super::addresses("direct"), None);
    }
}
