//! Crates inside: `/index/` is a sparse index, `/crates/NAME/VERSION/download` the files.

use std::collections::BTreeSet;

use super::{Listing, Route, Upstream, UpstreamError, wrong};
use crate::source::registry::cargo::{Config, Line, place, prefix};

/// The index inside says that files are where this host's registry need not have them.
const CONFIG: &str = "{\"dl\":\"http://cargo.registry.internal/crates\"}";

pub(super) fn route(up: &Upstream<'_>, path: &str) -> Result<Route, UpstreamError> {
    if path == "/index/config.json" {
        return Ok(Route::Here("application/json", CONFIG.to_owned()));
    }
    let bases = up.bases("cargo")?;
    if let Some(page) = path.strip_prefix("/index/") {
        let name = page.rsplit('/').next().unwrap_or_default();
        if !is_name(name) || page != format!("{}/{name}", prefix(name)) {
            return Ok(Route::Nowhere);
        }
        let urls = bases.iter().map(|base| format!("{base}/{page}")).collect();
        return Ok(Route::Page(Listing::Cargo(name.to_owned()), urls));
    }
    let Some((name, version)) = fetched(path) else { return Ok(Route::Nowhere) };
    let mut urls = Vec::new();
    for base in &bases {
        let url = format!("{base}/config.json");
        let text = up.document(&url)?;
        let config: Config = serde_json::from_slice(&text).map_err(|e| wrong(&url, e.to_string()))?;
        // Only a registry that spreads its files by checksum needs its page for that.
        let checksum = if config.dl.contains("{sha256-checksum}") {
            let lower = name.to_ascii_lowercase();
            let urls = [format!("{base}/{}/{lower}", prefix(&lower))];
            let page = up.page(&Listing::Cargo(lower), &urls)?;
            let lines = page.map(|p| String::from_utf8_lossy(&p.1).into_owned()).unwrap_or_default();
            let mut lines = lines.lines().filter_map(|l| serde_json::from_str::<Line>(l).ok());
            lines.find(|l| l.vers == version).map(|l| l.cksum).unwrap_or_default()
        } else {
            String::new()
        };
        urls.push(place(&config.dl, &name, &version, &checksum));
    }
    Ok(Route::To(urls))
}

/// Name and version of the crate whose file stands at a path.
pub(super) fn fetched(path: &str) -> Option<(String, String)> {
    let (name, version) = path.strip_prefix("/crates/")?.strip_suffix("/download")?.split_once('/')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._+".contains(&b);
    (is_name(name) && !version.is_empty() && version.bytes().all(plain))
        .then(|| (name.to_owned(), version.to_owned()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The lines of the versions that stay, as they are but for `yanked`, which may change at any time.
pub(super) fn canonical(text: &str, kept: Option<&BTreeSet<String>>) -> String {
    let mut out = String::new();
    let quoted: Vec<String> = kept.into_iter().flatten().map(|version| format!("\"{version}\"")).collect();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let Some(kept) = kept else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        // A page has hundreds of long lines, of which few stay; an escape may hide what a line says.
        let may = line.contains('\\') || quoted.iter().any(|version| line.contains(version));
        if may && serde_json::from_str::<Line>(line).is_ok_and(|l| kept.contains(&l.vers)) {
            out.push_str(&line.replace("\"yanked\":true", "\"yanked\":false"));
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_fetched_stays() {
        let line = |version: &str, yanked: bool| {
            format!(
                "{{\"name\":\"a\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"00\",\"yanked\":{yanked}}}\n"
            )
        };
        let text = format!("{}{}{}", line("1.0.0", false), line("1.1.0", true), line("2.0.0", false));
        let kept = BTreeSet::from(["1.1.0".to_owned()]);
        assert_eq!(canonical(&text, Some(&kept)), line("1.1.0", false));
        assert_eq!(canonical(&text, None), text);
    }

    #[test]
    fn paths_of_files() {
        assert_eq!(fetched("/crates/serde/1.0.0/download"), Some(("serde".into(), "1.0.0".into())));
        for other in [
            "/crates/serde/1.0.0",
            "/crates/../1/download",
            "/crates/serde//download",
            "/crates/a/b/c/download",
        ] {
            assert_eq!(fetched(other), None, "{other}");
        }
    }
}
