//! Images without a registry in their name: which registry this host looks them up in.

use super::Host;

/// The first of `unqualified-search-registries` in the configuration that podman, buildah and skopeo share.
pub(super) fn registry(host: &Host) -> Result<String, String> {
    let user = host.home().map(|h| h.join(".config/containers/registries.conf"));
    for path in user.into_iter().chain(["/etc/containers/registries.conf".into()]) {
        if let Some(name) = std::fs::read_to_string(path).ok().as_deref().and_then(setting) {
            return Ok(name);
        }
    }
    Err("no registries.conf names one in `unqualified-search-registries`; write the registry before the image's name".into())
}

fn setting(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let list = table.get("unqualified-search-registries")?.as_array()?;
    list.first()?.as_str().filter(|name| !name.contains('/')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_setting_is_found() {
        let text = "unqualified-search-registries = [\"r.example.org\", \"s.example.org\"]\n";
        assert_eq!(super::setting(text).as_deref(), Some("r.example.org"));
        assert_eq!(super::setting("[[registry]]\nprefix = \"a\"\n"), None);
    }
}
