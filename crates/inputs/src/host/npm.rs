//! `npm`: where its registry is.

use super::Host;

/// From the environment or the user's `.npmrc`, else asked of `npm`, which knows its own default.
pub(super) fn registry(host: &Host) -> Result<String, String> {
    for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
        if let Some(url) = host.env.get(name).filter(|u| !u.is_empty()) {
            return Ok(url.clone());
        }
    }
    let npmrc = host.home().and_then(|h| std::fs::read_to_string(h.join(".npmrc")).ok()).unwrap_or_default();
    if let Some(url) = setting(&npmrc) {
        return Ok(url);
    }
    host.ask("npm", &["config", "get", "registry"])
}

fn setting(npmrc: &str) -> Option<String> {
    npmrc.lines().filter_map(|l| l.split_once('=')).find_map(|(key, value)| {
        let value = value.trim().trim_matches('"');
        (key.trim() == "registry" && !value.contains("${")).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_setting_is_found() {
        let text = "fund=false\n@x:registry=https://x.example.org\nregistry = \"https://n.example.org/\"\n";
        assert_eq!(super::setting(text).as_deref(), Some("https://n.example.org/"));
        assert_eq!(super::setting("fund=false"), None);
    }
}
