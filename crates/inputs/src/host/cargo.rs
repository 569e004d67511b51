//! `cargo`: where its default registry's sparse index is.

use std::path::Path;

use super::Host;

/// The address of the sparse index: from `config.toml` (source replacement), else from the index that cargo itself keeps.
pub(super) fn index(host: &Host) -> Result<String, String> {
    let home = host
        .env
        .get("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| host.home().map(|h| h.join(".cargo")))
        .ok_or("neither CARGO_HOME nor HOME is set")?;
    for name in ["config.toml", "config"] {
        if let Ok(text) = std::fs::read_to_string(home.join(name))
            && let Some(url) = replacement(&text)
        {
            return sparse(&url).ok_or_else(|| format!("cargo's registry `{url}` is not a sparse index"));
        }
    }
    if let Some(url) = kept(&home) {
        return Ok(url);
    }
    // cargo writes its index's folder down the first time it asks.
    host.ask("cargo", &["info", "--quiet", "--color=never", "libc"])
        .map_err(|e| format!("cargo keeps no index below {}, and {e}", home.display()))?;
    kept(&home).ok_or_else(|| format!("cargo keeps no sparse index below {}", home.display()))
}

/// Follows `[source.crates-io] replace-with` to a registry's address.
fn replacement(config: &str) -> Option<String> {
    let config: toml::Table = config.parse().ok()?;
    let sources = config.get("source")?.as_table()?;
    let mut name = "crates-io".to_owned();
    for _ in 0..8 {
        let Some(source) = sources.get(&name) else { break };
        if let Some(url) = source.get("registry").and_then(toml::Value::as_str) {
            return Some(url.to_owned());
        }
        name = source.get("replace-with")?.as_str()?.to_owned();
    }
    let registry = config.get("registries")?.get(&name)?;
    registry.get("index")?.as_str().map(str::to_owned)
}

fn sparse(url: &str) -> Option<String> {
    url.strip_prefix("sparse+").map(str::to_owned)
}

/// Reads the address off the folder that cargo keeps for a sparse index: `HOST-HASH`, with a `config.json` in it.
fn kept(home: &Path) -> Option<String> {
    let mut folders: Vec<_> = std::fs::read_dir(home.join("registry/index")).ok()?.flatten().collect();
    folders.sort_by_key(std::fs::DirEntry::file_name);
    folders.iter().find_map(|folder| {
        let name = folder.file_name().into_string().ok()?;
        let (host, hash) = name.rsplit_once('-')?;
        // A git index has no such file in this place; a host has a dot in it or is an address.
        let sparse = folder.path().join("config.json").is_file() && hash.len() == 16 && host.contains('.');
        sparse.then(|| format!("https://{host}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_replacement_is_followed() {
        let config = "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'\n\
                      [source.b]\nregistry = 'sparse+https://b.example.org/i/'\n";
        assert_eq!(replacement(config).as_deref(), Some("sparse+https://b.example.org/i/"));
        let config = "[source.crates-io]\nreplace-with = 'a'\n[registries.a]\nindex = 'sparse+https://a.example.org/'\n";
        assert_eq!(replacement(config).as_deref(), Some("sparse+https://a.example.org/"));
        assert_eq!(replacement("[build]\njobs = 1\n"), None);
        let circle = "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'crates-io'\n";
        assert_eq!(replacement(circle), None);
    }

    #[test]
    fn the_index_that_cargo_keeps_names_its_host() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("registry/index/index.example.org-0123456789abcdef");
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(kept(home.path()), None);
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        assert_eq!(kept(home.path()).as_deref(), Some("https://index.example.org"));
    }
}
