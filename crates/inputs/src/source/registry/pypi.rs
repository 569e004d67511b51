//! Python source distributions, and wheels that carry tools: the simple index lists files with their hashes, as JSON (PEP 691) or HTML (PEP 503).

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
    let (page, files) = files(cx, client, purl)?;
    let name = normal(purl.name());
    let Some(file) = files.iter().find(|f| is_sdist(&f.filename, &name, purl.version())) else {
        let reason = format!("{page} lists no source distribution of version {}", purl.version());
        return Err(RegistryError::Missing { purl: purl.to_string(), reason }.into());
    };
    located(&page, &name, file)
}

/// The wheel of a tool: the one that `file_name` says, else the only one for an architecture and a C library as Debian's.
pub(super) fn wheel(
    cx: &Context<'_>,
    client: &Client<'_>,
    purl: &Purl,
    arch: &str,
) -> Result<Located, InputError> {
    let (page, files) = files(cx, client, purl)?;
    let name = normal(purl.name());
    let missing = |reason: String| RegistryError::Missing { purl: purl.to_string(), reason };
    let wheels: Vec<&File> = files.iter().filter(|f| is_wheel(&f.filename, &name, purl.version())).collect();
    let list = |files: &[&File]| files.iter().map(|f| f.filename.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = purl.qualifier("file_name") {
        let found = wheels.iter().find(|f| f.filename == wanted);
        let file = found.ok_or_else(|| missing(format!("{page} lists {}", list(&wheels))))?;
        return located(&page, &name, file);
    }
    let fitting: Vec<&File> = wheels.iter().copied().filter(|f| fits(&f.filename, arch)).collect();
    match fitting.as_slice() {
        [file] => located(&page, &name, file),
        [] => Err(missing(format!("{page} lists no wheel of it for {arch}, but {}", list(&wheels))).into()),
        several => {
            let reason = format!("several wheels fit: add `?file_name=` with one of {}", list(several));
            Err(missing(reason).into())
        }
    }
}

fn is_wheel(file: &str, name: &str, version: &str) -> bool {
    let Some(stem) = file.strip_suffix(".whl") else { return false };
    let mut parts = stem.split('-');
    parts.next().is_some_and(|n| normal(n) == name) && parts.next() == Some(version)
}

/// Whether a wheel's platform tags are those of an architecture as Debian calls it, with glibc.
fn fits(file: &str, arch: &str) -> bool {
    let platform = file.strip_suffix(".whl").and_then(|f| f.rsplit('-').next()).unwrap_or_default();
    let machine = match arch {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" => "i686",
        "armhf" => "armv7l",
        "ppc64el" => "ppc64le",
        other => other,
    };
    platform.split('.').any(|tag| {
        tag == "any"
            || (tag.ends_with(&format!("_{machine}"))
                && (tag.starts_with("manylinux") || tag.starts_with("linux")))
    })
}

/// The project's page, and the files that it lists.
fn files(cx: &Context<'_>, client: &Client<'_>, purl: &Purl) -> Result<(String, Vec<File>), InputError> {
    let base = cx.host.registry("pypi")?;
    let name = normal(purl.name());
    let page = format!("{base}/{name}/");
    let text = document(client, purl, &page, Some(ACCEPT))?;
    if !text.trim_start().starts_with('{') {
        return Ok((page, anchors(&text)));
    }
    let read: Page = serde_json::from_str(&text).map_err(|e| answer(&page, e.to_string()))?;
    let found = read.name.as_deref().map_or(name.clone(), normal);
    same(purl, (&name, &found), ("", ""))?;
    Ok((page, read.files))
}

fn located(page: &str, name: &str, file: &File) -> Result<Located, InputError> {
    let hash =
        file.hashes.get("sha256").ok_or_else(|| answer(page, format!("no SHA-256 for {}", file.filename)))?;
    let sha256: Sha256 = hash.parse().map_err(|e| answer(page, format!("{e}")))?;
    let url = absolute(page, file.url.split('#').next().unwrap_or_default());
    let path = format!("{name}/{}", file.filename);
    let check = Check::Sha256(sha256);
    Ok(Located { files: vec![Remote { url, path, check, size: file.size }], licence: None })
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
    fn wheels_are_known_by_their_tags() {
        let many = "cmake-4.0.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";
        assert!(is_wheel(many, "cmake", "4.0.0") && !is_wheel(many, "cmake", "4.0"));
        assert!(fits(many, "amd64") && !fits(many, "arm64"));
        assert!(!fits("cmake-4.0.0-py3-none-musllinux_1_1_x86_64.whl", "amd64"));
        assert!(fits("x-1-py3-none-any.whl", "arm64"));
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
