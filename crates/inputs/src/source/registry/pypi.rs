//! Python source distributions: the simple index lists files with their hashes, as JSON (PEP 691) or HTML (PEP 503).

use model::{Purl, Sha256};
use serde::Deserialize;

use super::{Check, Located, RegistryError, Remote, answer, document, same};
use crate::http::{Client, percent_decode};
use crate::{Context, InputError};

/// Either form, the structured one if there is a choice.
pub(crate) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.2";

/// What a page of the index lists, in either form.
#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    pub(crate) name: Option<String>,
    pub(crate) files: Vec<File>,
}

/// One file of a project.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct File {
    pub(crate) filename: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) hashes: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) size: Option<u64>,
    #[serde(default)]
    pub(crate) requires_python: Option<String>,
    /// False, or why it was withdrawn.
    #[serde(default)]
    pub(crate) yanked: serde_json::Value,
    /// Whether its metadata is served beside it, or its hashes (PEP 714).
    #[serde(default, alias = "dist-info-metadata")]
    pub(crate) core_metadata: serde_json::Value,
}

pub(super) fn locate(cx: &Context<'_>, client: &Client<'_>, purl: &Purl) -> Result<Located, InputError> {
    let base = cx.host.registry("pypi")?;
    let name = normal(purl.name());
    let page = format!("{base}/{name}/");
    let text = document(client, purl, &page, Some(ACCEPT))?;
    let files = if text.trim_start().starts_with('{') {
        let page: Page = serde_json::from_str(&text).map_err(|e| answer(&page, e.to_string()))?;
        let found = page.name.as_deref().map_or(name.clone(), normal);
        same(purl, (&name, &found), ("", ""))?;
        page.files
    } else {
        anchors(&text)
    };
    let Some(file) = files.iter().find(|f| is_sdist(&f.filename, &name, purl.version())) else {
        let reason = format!("{page} lists no source distribution of version {}", purl.version());
        return Err(RegistryError::Missing { purl: purl.to_string(), reason }.into());
    };
    let hash = file
        .hashes
        .get("sha256")
        .ok_or_else(|| answer(&page, format!("no SHA-256 for {}", file.filename)))?;
    let sha256: Sha256 = hash.parse().map_err(|e| answer(&page, format!("{e}")))?;
    let url = absolute(&page, file.url.split('#').next().unwrap_or_default());
    let path = format!("{name}/{}", file.filename);
    Ok(Located {
        files: vec![Remote { url, path, check: Check::Sha256(sha256), size: file.size }],
        licence: None,
    })
}

/// PEP 503: runs of `-`, `_` and `.` are one `-`, letters are small.
pub(crate) fn normal(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

fn is_sdist(file: &str, name: &str, version: &str) -> bool {
    let stem = [".tar.gz", ".zip", ".tar.bz2", ".tar.xz"].iter().find_map(|suffix| file.strip_suffix(suffix));
    let Some(stem) = stem else { return false };
    stem.strip_suffix(version)
        .and_then(|rest| rest.strip_suffix('-'))
        .is_some_and(|found| normal(found) == name)
}

/// The links of an HTML page.
pub(crate) fn anchors(html: &str) -> Vec<File> {
    let mut list = Vec::new();
    for anchor in html.split("<a ").skip(1) {
        let Some(href) = anchor.split_once("href=\"").and_then(|(_, r)| r.split_once('"')).map(|(h, _)| h)
        else {
            continue;
        };
        let href = href.replace("&amp;", "&");
        let (url, fragment) = href.split_once('#').unwrap_or((&href, ""));
        let path = url.split('?').next().unwrap_or_default();
        let filename = percent_decode(path.rsplit('/').next().unwrap_or_default());
        let attribute = |name: &str| {
            let tag = anchor.split('>').next().unwrap_or_default();
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            let value = rest.split_once('"')?.0;
            Some(value.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
        };
        let requires_python = attribute("data-requires-python");
        let yanked = attribute("data-yanked").map_or(false.into(), |reason| {
            if reason.is_empty() { true.into() } else { serde_json::Value::from(reason) }
        });
        let metadata = attribute("data-core-metadata").or_else(|| attribute("data-dist-info-metadata"));
        let core_metadata = metadata.is_some_and(|m| m != "false").into();
        let hashes =
            fragment.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
        let (url, size) = (url.to_owned(), None);
        list.push(File { filename, url, hashes, size, requires_python, yanked, core_metadata });
    }
    list
}

/// A link as seen from its page.
pub(crate) fn absolute(page: &str, link: &str) -> String {
    if link.contains("://") {
        return link.to_owned();
    }
    let (scheme, rest) = page.split_once("://").unwrap_or(("https", page));
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if let Some(other) = link.strip_prefix("//") {
        return format!("{scheme}://{other}");
    }
    if link.starts_with('/') {
        return format!("{scheme}://{host}{link}");
    }
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    for part in link.split('/') {
        match part {
            ".." if folders.len() > 1 => drop(folders.pop()),
            ".." | "." => {}
            part => folders.push(part),
        }
    }
    format!("{scheme}://{host}{}", folders.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_name_and_version() {
        assert_eq!(normal("Foo__Bar.baz"), "foo-bar-baz");
        assert!(is_sdist("foo_bar-1.0.tar.gz", "foo-bar", "1.0"));
        assert!(!is_sdist("foo_bar-11.0.tar.gz", "foo-bar", "1.0"));
        assert!(!is_sdist("foo_bar-1.0-py3-none-any.whl", "foo-bar", "1.0"));
    }

    #[test]
    fn links_of_a_page() {
        let html = r#"<a href="../../packages/x-1.0.tar.gz#sha256=00" data-x="1">x</a><a>none</a>"#;
        let list = anchors(html);
        assert_eq!(
            (list.len(), list[0].filename.as_str(), list[0].hashes["sha256"].as_str()),
            (1, "x-1.0.tar.gz", "00")
        );
        let page = "https://p.example.org/a/simple/x/";
        assert_eq!(absolute(page, &list[0].url), "https://p.example.org/a/packages/x-1.0.tar.gz");
        assert_eq!(absolute(page, "/y"), "https://p.example.org/y");
        assert_eq!(absolute(page, "//q.example.org/y"), "https://q.example.org/y");
        assert_eq!(absolute(page, "https://q.example.org/y"), "https://q.example.org/y");
    }
}
