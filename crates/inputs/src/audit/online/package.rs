//! What a registry says of one version: when it was released, and whether it was withdrawn.

use model::Timestamp;
use serde_json::Value;

use super::Online;
use crate::audit::noted::Noted;
use crate::audit::rule::Id;
use crate::calendar::seconds;
use crate::ecosystem::Component;
use crate::error::chain;
use crate::http::Client;
use crate::source::registry::{cargo::prefix, golang::escaped, pypi};

/// No document of a registry is larger.
const MOST: u64 = 64 << 20;

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    released: Option<i64>,
    withdrawn: Option<String>,
}

/// Asks; an error is a sentence.
pub(super) fn ask(online: &Online<'_>, client: &Client<'_>, component: &Component) -> Result<Said, String> {
    let Some(purl) = &component.purl else { return Ok(Said::default()) };
    let version = purl.version();
    let base = |kind| online.host.registry(kind).map_err(|e| e.to_string());
    let get = |url: &str, accept| -> Result<String, String> {
        let bytes = client.get(url, accept, MOST).map_err(|e| chain(&e))?;
        String::from_utf8(bytes).map_err(|_| format!("{url} is no UTF-8"))
    };
    let json = |url: &str, text: &str| -> Result<Value, String> {
        serde_json::from_str(text).map_err(|e| format!("{url} is not understood: {e}"))
    };
    match purl.kind() {
        "cargo" => {
            let name = purl.name().to_ascii_lowercase();
            if name.is_empty() || !name.is_ascii() {
                return Ok(Said::default());
            }
            let url = format!("{}/{}/{name}", base("cargo")?, prefix(&name));
            Ok(crates(&get(&url, None)?, version))
        }
        "npm" => {
            let name = purl.namespace().map_or(purl.name().to_owned(), |s| format!("{s}%2f{}", purl.name()));
            let url = format!("{}/{name}", base("npm")?);
            Ok(npm(&json(&url, &get(&url, Some("application/json"))?)?, version))
        }
        "pypi" => {
            let url = format!("{}/{}/", base("pypi")?, purl.name());
            let text = get(&url, Some(pypi::ACCEPT))?;
            if !text.trim_start().starts_with('{') {
                return Err(format!("{} answers in the old form, which has no times", base("pypi")?));
            }
            Ok(project(&json(&url, &text)?, purl.name(), version))
        }
        "golang" => {
            let base = base("golang")?;
            let base = base.split_whitespace().next().unwrap_or_default();
            // The purl has small letters only; the lockfile has the path as it is.
            let url = format!("{base}/{}/@v/{}.info", escaped(&component.name), escaped(version));
            let said = json(&url, &get(&url, None)?)?;
            Ok(Said { released: said["Time"].as_str().and_then(moment), withdrawn: None })
        }
        _ => Ok(Said::default()),
    }
}

/// Of a sparse index, one line of JSON a version.
fn crates(text: &str, version: &str) -> Said {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let Some(line) = lines.into_iter().find(|line| line["vers"] == version) else {
        return Said { released: None, withdrawn: Some("the registry no longer has it".into()) };
    };
    Said {
        released: line["pubtime"].as_str().and_then(moment),
        withdrawn: (line["yanked"] == true).then(|| "it was yanked".into()),
    }
}

fn npm(document: &Value, version: &str) -> Said {
    let there = document["versions"].get(version).is_some();
    Said {
        released: document["time"][version].as_str().and_then(moment),
        withdrawn: (!there).then(|| "the registry no longer has it".into()),
    }
}

/// Of a project's page (PEP 691, 700, 592): withdrawn if all of its files are.
fn project(page: &Value, name: &str, version: &str) -> Said {
    let of = |file: &Value| {
        let file = file["filename"].as_str().unwrap_or_default();
        let (stem, wheel) = file.strip_suffix(".whl").map_or((file, false), |stem| (stem, true));
        if wheel {
            return stem.split('-').nth(1) == Some(version);
        }
        let stem = [".tar.gz", ".zip", ".tar.bz2"].iter().find_map(|end| stem.strip_suffix(end));
        stem.and_then(|s| s.rsplit_once('-')).is_some_and(|(n, v)| v == version && pypi::normal(n) == name)
    };
    let files: Vec<&Value> = page["files"].as_array().into_iter().flatten().filter(|f| of(f)).collect();
    let yanked = |file: &&Value| !matches!(file["yanked"], Value::Null | Value::Bool(false));
    let withdrawn = if files.is_empty() {
        // A version may be spelled in more ways than a file's name shows.
        None
    } else if files.iter().all(yanked) {
        let why = files.iter().find_map(|f| f["yanked"].as_str()).filter(|why| !why.is_empty());
        Some(why.map_or("it was yanked".into(), |why| format!("it was yanked: {}", cut(why))))
    } else {
        None
    };
    let released = files.iter().filter_map(|f| f["upload-time"].as_str()).filter_map(moment).min();
    Said { released, withdrawn }
}

/// Somebody else's words: one line, and not long.
fn cut(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect()
}

/// Seconds of Unix of `2024-01-02T03:04:05.678Z`.
fn moment(text: &str) -> Option<i64> {
    let number = |at: std::ops::Range<usize>| text.get(at)?.parse::<i64>().ok();
    let good = text.get(10..11)? == "T" && text.ends_with('Z');
    let day = (number(0..4)?, number(5..7)?, number(8..10)?);
    let time = (number(11..13)?, number(14..16)?, number(17..19)?);
    good.then(|| seconds(day.0, day.1, day.2, time.0, time.1, time.2))
}

/// What to think of it.
pub(super) fn judge(online: &Online<'_>, component: &Component, said: &Said) -> Vec<Noted> {
    let mut list = Vec::new();
    let (file, line) = (component.lockfile.to_string(), component.line);
    if let Some(why) = &said.withdrawn {
        let message = format!("`{}` should not be used: {why}", component.title());
        list.push(Noted::new(Id::Lock16, &file, line, message, "take another version, and lock it"));
    }
    if let Some(released) = said.released {
        let age = (online.now.0 - released) / 86_400;
        if age < i64::from(online.cooldown) {
            let day = Timestamp(released).to_string();
            let day = day.split('T').next().unwrap_or_default();
            let message = format!(
                "`{}` was released on {day}, less than {} days ago",
                component.title(),
                online.cooldown
            );
            list.push(Noted::new(Id::Lock13, &file, line, message, "wait, or take the version before it"));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn registries_say_it_each_in_its_way() {
        let index = "{\"vers\":\"1.0.0\",\"yanked\":true}\n{\"vers\":\"1.1.0\",\"yanked\":false,\"pubtime\":\"2024-01-02T03:04:05Z\"}\nnot json\n";
        assert_eq!(crates(index, "1.0.0").withdrawn.as_deref(), Some("it was yanked"));
        assert_eq!(crates(index, "1.1.0"), Said { released: Some(1_704_164_645), withdrawn: None });
        assert!(crates(index, "2.0.0").withdrawn.is_some());

        let document = json!({"versions": {"1.0.0": {}}, "time": {"1.0.0": "2024-01-02T03:04:05.678Z"}});
        assert_eq!(npm(&document, "1.0.0"), Said { released: Some(1_704_164_645), withdrawn: None });
        assert!(npm(&document, "1.0.1").withdrawn.is_some());

        let page = json!({"files": [
            {"filename": "a_b-1.0-py3-none-any.whl", "yanked": "bad\nwheel", "upload-time": "2024-01-02T03:04:05Z"},
            {"filename": "a-b-1.0.tar.gz", "yanked": true, "upload-time": "2024-01-03T03:04:05Z"},
            {"filename": "a_b-2.0-py3-none-any.whl", "yanked": true},
            {"filename": "a-b-2.0.tar.gz", "yanked": false},
        ]});
        let one = project(&page, "a-b", "1.0");
        assert_eq!(one.withdrawn.as_deref(), Some("it was yanked: bad wheel"));
        assert_eq!(one.released, Some(1_704_164_645));
        assert_eq!(project(&page, "a-b", "2.0").withdrawn, None);
        assert_eq!(project(&page, "a-b", "3.0"), Said::default());
        assert_eq!(project(&json!([]), "a", "1"), Said::default());
        for wrong in ["", "2024", "2024-01-02 03:04:05Z", "2024-01-02T03:04:05+01:00", "x024-01-02T03:04:05Z"]
        {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
