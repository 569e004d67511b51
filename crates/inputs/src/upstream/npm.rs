//! npm packages inside: `/NAME` is a package's document, `/NAME/-/FILE.tgz` a tarball.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Listing, Route, Upstream, UpstreamError};

const INSIDE: &str = "http://npm.registry.internal";

pub(super) fn route(up: &Upstream<'_>, path: &str) -> Result<Route, UpstreamError> {
    let bases = up.bases("npm")?;
    let to = |path: &str| bases.iter().map(|base| format!("{base}{path}")).collect::<Vec<_>>();
    if path.contains("/-/") {
        return Ok(Route::To(to(path)));
    }
    let Some((name, rest)) = split(path) else { return Ok(Route::Nowhere) };
    match rest {
        None => {
            let urls = to(&format!("/{}", name.replace('/', "%2f")));
            Ok(Route::Page(Listing::Npm(name), urls))
        }
        // One version's manifest: the document has it, and addresses of the inside.
        Some(_) => Ok(Route::Nowhere),
    }
}

/// The package that a path is of, and what stands behind its name.
fn split(path: &str) -> Option<(String, Option<String>)> {
    let path = path.split('?').next()?.strip_prefix('/')?.replace("%2f", "/").replace("%2F", "/");
    let mut parts = path.splitn(if path.starts_with('@') { 3 } else { 2 }, '/');
    let mut name = parts.next().filter(|n| !n.is_empty())?.to_owned();
    if name.starts_with('@') {
        name = format!("{name}/{}", parts.next().filter(|n| !n.is_empty())?);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~@/".contains(&b);
    (name.bytes().all(plain) && !name.contains("..")).then(|| (name, parts.next().map(str::to_owned)))
}

/// Package and file name of the tarball that stands at a path.
pub(super) fn fetched(path: &str) -> Option<(String, String)> {
    let (name, file) = path.strip_prefix('/')?.split_once("/-/")?;
    Some((name.replace("%2f", "/").replace("%2F", "/"), file.to_owned()))
}

/// The path in the registry of a tarball whose address at another one a lockfile has: `…/NAME/-/BASE-VERSION.tgz`.
pub(super) fn elsewhere(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    let (before, file) = path.rsplit_once("/-/")?;
    let mut parts: Vec<&str> = before.rsplitn(3, '/').collect();
    parts.reverse();
    // A registry may lie in folders of its host; a scope begins with `@`.
    let scoped = parts.len() > 1 && parts[parts.len() - 2].starts_with('@');
    let name = parts[parts.len() - if scoped { 2 } else { 1 }..].join("/");
    let base = name.rsplit('/').next()?;
    let is_its = file.strip_prefix(base).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(".tgz"));
    let path = format!("/{name}/-/{file}");
    (is_its && split(&path).is_some() && !file.contains(['?', '#', '/'])).then_some(path)
}

/// A package's document: the versions whose tarballs stay, with addresses of the inside, keys sorted; no times, no
/// people, no tags but those that point to such a version.
pub(super) fn canonical(text: &str, name: &str, kept: Option<&BTreeSet<String>>) -> Result<String, String> {
    let page: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut versions = Map::new();
    for (version, manifest) in page.get("versions").and_then(Value::as_object).into_iter().flatten() {
        let Some(mut manifest) = manifest.as_object().cloned() else { continue };
        let tarball = manifest.get("dist").and_then(|d| d.get("tarball")).and_then(Value::as_str);
        let file = tarball.and_then(|t| t.rsplit('/').next()).unwrap_or_default().to_owned();
        if kept.is_some_and(|kept| !kept.contains(&file)) {
            continue;
        }
        manifest.retain(|key, _| {
            !key.starts_with('_') && !matches!(key.as_str(), "maintainers" | "gitHead" | "deprecated")
        });
        if let Some(dist) = manifest.get_mut("dist").and_then(Value::as_object_mut) {
            dist.retain(|key, _| matches!(key.as_str(), "integrity" | "shasum"));
            dist.insert("tarball".into(), format!("{INSIDE}/{name}/-/{file}").into());
        }
        versions.insert(version.clone(), manifest.into());
    }
    let mut tags = Map::new();
    for (tag, version) in page.get("dist-tags").and_then(Value::as_object).into_iter().flatten() {
        if version.as_str().is_some_and(|v| versions.contains_key(v)) {
            tags.insert(tag.clone(), version.clone());
        }
    }
    Ok(serde_json::json!({ "dist-tags": tags, "name": name, "versions": versions }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_follows() {
        assert_eq!(split("/left-pad"), Some(("left-pad".into(), None)));
        assert_eq!(split("/@a%2fb"), Some(("@a/b".into(), None)));
        assert_eq!(split("/@a/b/1.0.0"), Some(("@a/b".into(), Some("1.0.0".into()))));
        assert_eq!((split("/"), split("/@a"), split("/../x")), (None, None, None));
        assert_eq!(fetched("/@a/b/-/b-1.tgz"), Some(("@a/b".into(), "b-1.tgz".into())));
    }

    #[test]
    fn tarballs_at_other_registries() {
        for (url, path) in [
            ("https://n.example.org/left/-/left-1.0.0.tgz", Some("/left/-/left-1.0.0.tgz")),
            ("https://n.example.org/api/npm/@s/left/-/left-1.0.0.tgz", Some("/@s/left/-/left-1.0.0.tgz")),
            ("https://n.example.org/api/npm/left/-/left-1.0.0.tgz", Some("/left/-/left-1.0.0.tgz")),
            ("https://n.example.org/left/-/right-1.0.0.tgz", None),
            ("https://n.example.org/left/-/left-1.0.0.zip", None),
            ("https://n.example.org/left-1.0.0.tgz", None),
            ("https://n.example.org/-/left-1.0.0.tgz", None),
            ("https://n.example.org/../-/..-1.tgz", None),
            ("https://n.example.org", None),
        ] {
            assert_eq!(elsewhere(url).as_deref(), path, "{url}");
        }
    }

    #[test]
    fn a_document_is_made_canonical() {
        let text = r#"{"_rev":"9","time":{"1.0.0":"2020"},"dist-tags":{"latest":"2.0.0","old":"1.0.0"},"versions":{
            "2.0.0":{"name":"a","dist":{"tarball":"https://r.example.org/a/-/a-2.0.0.tgz"}},
            "1.0.0":{"name":"a","_id":"x","dist":{"tarball":"https://r.example.org/a/-/a-1.0.0.tgz","shasum":"00","signatures":[]}}}}"#;
        let kept = BTreeSet::from(["a-1.0.0.tgz".to_owned()]);
        let canonical = canonical(text, "a", Some(&kept)).unwrap();
        let expected = r#"{"dist-tags":{"old":"1.0.0"},"name":"a","versions":{"1.0.0":{"dist":{"shasum":"00","tarball":"http://npm.registry.internal/a/-/a-1.0.0.tgz"},"name":"a"}}}"#;
        assert_eq!(canonical, expected);
    }
}
