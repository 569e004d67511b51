//! Python packages inside: `/simple/NAME/` lists a project's files, `/files/NAME/FILE` is one of them, with `.metadata`
//! behind it its metadata alone (PEP 658).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Listing, Route, Upstream, UpstreamError};
use crate::source::registry::pypi::{File, Page, absolute, anchors, normal};

pub(super) fn route(up: &Upstream<'_>, path: &str, json: bool) -> Result<Route, UpstreamError> {
    let bases = up.bases("pypi")?;
    let pages = |name: &str| bases.iter().map(|base| format!("{base}/{name}/")).collect::<Vec<_>>();
    if let Some(name) = path.strip_prefix("/simple/") {
        let name = name.trim_end_matches('/');
        if !is_name(name) {
            return Ok(Route::Nowhere);
        }
        let name = normal(name);
        let urls = pages(&name);
        return Ok(Route::Page(Listing::Pypi(name, json), urls));
    }
    let Some((name, file)) = path.strip_prefix("/files/").and_then(|p| p.split_once('/')) else {
        return Ok(Route::Nowhere);
    };
    if !is_name(name) || file.contains('/') {
        return Ok(Route::Nowhere);
    }
    let Some(page) = up.page(&Listing::Pypi(name.to_owned(), true), &pages(name))? else {
        return Ok(Route::Nowhere);
    };
    let (url, bytes) = &*page;
    let files = listed(&String::from_utf8_lossy(bytes)).map_err(|reason| super::wrong(url, reason))?;
    let (whole, suffix) = match file.strip_suffix(".metadata") {
        Some(whole) => (whole, ".metadata"),
        None => (file, ""),
    };
    let found = files.iter().find(|f| f.filename == whole);
    Ok(found.map_or(Route::Nowhere, |found| {
        let link = found.url.split('#').next().unwrap_or_default();
        Route::To(vec![format!("{}{suffix}", absolute(url, link))])
    }))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.contains("..")
}

/// Project and name of the file that stands at a path.
pub(super) fn fetched(path: &str) -> Option<(String, String)> {
    let (name, file) = path.strip_prefix("/files/")?.split_once('/')?;
    Some((name.to_owned(), file.strip_suffix(".metadata").unwrap_or(file).to_owned()))
}

fn listed(text: &str) -> Result<Vec<File>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str::<Page>(text).map(|page| page.files).map_err(|e| e.to_string());
    }
    Ok(anchors(text))
}

/// A project's page: the files that stay, sorted by name, with addresses of the inside and SHA-256 alone. Whether one was
/// withdrawn is told only where all stay, since that is when one of them is chosen.
pub(super) fn canonical(
    text: &str,
    _page: &str,
    name: &str,
    kept: Option<&BTreeSet<String>>,
    structured: bool,
) -> Result<String, String> {
    let mut files = listed(text)?;
    files.retain(|f| kept.is_none_or(|kept| kept.contains(&f.filename)));
    files.sort_by(|a, b| a.filename.cmp(&b.filename));
    let list = files.iter().map(|file| {
        let mut entry =
            json!({ "filename": file.filename, "url": format!("/files/{name}/{}", file.filename) });
        let hash = file.hashes.get("sha256");
        entry["hashes"] = hash.map_or_else(|| json!({}), |hash| json!({ "sha256": hash }));
        if let Some(python) = &file.requires_python {
            entry["requires-python"] = python.clone().into();
        }
        if !matches!(file.core_metadata, Value::Null | Value::Bool(false)) {
            entry["core-metadata"] = true.into();
        }
        if kept.is_none() && file.yanked != Value::Bool(false) && !file.yanked.is_null() {
            entry["yanked"] = true.into();
        }
        entry
    });
    if structured {
        let files: Vec<Value> = list.collect();
        return Ok(json!({ "files": files, "meta": { "api-version": "1.0" }, "name": name }).to_string());
    }
    let escape = |text: &str| {
        text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
    };
    let mut html = format!("<!DOCTYPE html>\n<html><head><title>{name}</title></head><body>\n");
    for entry in list {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        let hash = entry["hashes"]["sha256"].as_str().map(|h| format!("#sha256={h}")).unwrap_or_default();
        html.push_str(&format!("<a href=\"{}{hash}\"", escape(text("url"))));
        if entry.get("requires-python").is_some() {
            html.push_str(&format!(" data-requires-python=\"{}\"", escape(text("requires-python"))));
        }
        for (key, attribute) in [("core-metadata", "data-core-metadata"), ("yanked", "data-yanked")] {
            if entry.get(key).is_some() {
                html.push_str(&format!(" {attribute}=\"true\""));
            }
        }
        html.push_str(&format!(">{}</a><br>\n", escape(text("filename"))));
    }
    Ok(html + "</body></html>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let html = "<a href=\"../../p/b-1.tar.gz#sha256=bb\">b</a><a href=\"../../p/a-1.whl#sha256=aa\" \
                    data-requires-python=\"&gt;=3.8\" data-core-metadata=\"sha256=cc\">a</a>";
        let kept = BTreeSet::from(["a-1.whl".to_owned()]);
        let page = "https://r.example.org/simple/x/";
        let json = canonical(html, page, "x", Some(&kept), true).unwrap();
        let expected = r#"{"files":[{"core-metadata":true,"filename":"a-1.whl","hashes":{"sha256":"aa"},"requires-python":">=3.8","url":"/files/x/a-1.whl"}],"meta":{"api-version":"1.0"},"name":"x"}"#;
        assert_eq!(json, expected);
        let again = canonical(&json, page, "x", Some(&kept), true).unwrap();
        assert_eq!(again, expected);
        let html = canonical(&json, page, "x", None, false).unwrap();
        assert!(html.contains("<a href=\"/files/x/a-1.whl#sha256=aa\" data-requires-python=\"&gt;=3.8\" data-core-metadata=\"true\">a-1.whl</a>"), "{html}");
    }

    #[test]
    fn metadata_is_of_its_file() {
        assert_eq!(fetched("/files/x/x-1.whl.metadata"), Some(("x".into(), "x-1.whl".into())));
        assert_eq!(fetched("/simple/x/"), None);
    }
}
