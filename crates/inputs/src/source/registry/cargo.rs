//! Crates: the sparse index says the checksum of each version, its `config.json` where the files are.

use model::Purl;
use serde::Deserialize;

use super::{Check, Located, RegistryError, Remote, answer, document, same};
use crate::http::Client;
use crate::{Context, InputError};

/// `config.json` of an index.
#[derive(Deserialize)]
pub(crate) struct Config {
    pub(crate) dl: String,
}

/// One version of a crate.
#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) vers: String,
    pub(crate) cksum: String,
    #[serde(default)]
    yanked: bool,
}

pub(super) fn locate(cx: &Context<'_>, client: &Client<'_>, purl: &Purl) -> Result<Located, InputError> {
    let base = cx.host.registry("cargo")?;
    let url = format!("{base}/config.json");
    let config: Config = serde_json::from_str(&document(client, purl, &url, None)?)
        .map_err(|e| answer(&url, e.to_string()))?;
    let (name, version) = (purl.name(), purl.version());
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') || name.is_empty() {
        let reason = "a crate's name has only letters, digits, `-` and `_`".to_owned();
        return Err(RegistryError::Missing { purl: purl.to_string(), reason }.into());
    }
    let lower = name.to_ascii_lowercase();
    let url = format!("{base}/{}/{lower}", prefix(&lower));
    let text = document(client, purl, &url, None)?;
    let mut versions = Vec::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        // Lines of a later format are not for this program.
        if let Ok(line) = serde_json::from_str::<Line>(line) {
            versions.push(line);
        }
    }
    let Some(line) = versions.iter().find(|l| l.vers == version) else {
        let known: Vec<&str> = versions.iter().rev().take(5).map(|l| l.vers.as_str()).collect();
        let reason = format!("its latest versions are {}", known.join(", "));
        return Err(RegistryError::Missing { purl: purl.to_string(), reason }.into());
    };
    same(purl, (name, &line.name), (version, &line.vers))?;
    if line.yanked {
        cx.warn(format!("`{purl}` was yanked by its authors"), Some("choose another version".into()));
    }
    let sha256 = line.cksum.parse().map_err(|e| answer(&url, format!("{e}")))?;
    let url = place(&config.dl, &line.name, version, &line.cksum);
    let path = format!("{}/{version}/download", line.name);
    Ok(Located { files: vec![Remote { url, path, check: Check::Sha256(sha256), size: None }], licence: None })
}

/// The folders that spread an index: `1`, `2`, `3/f`, `fi/rs`.
pub(crate) fn prefix(name: &str) -> String {
    match name.len() {
        1 => "1".to_owned(),
        2 => "2".to_owned(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    }
}

/// Fills the markers of `dl`; without any, the registry's web API has the file.
pub(crate) fn place(dl: &str, name: &str, version: &str, checksum: &str) -> String {
    let markers = [
        ("{crate}", name.to_owned()),
        ("{version}", version.to_owned()),
        ("{prefix}", prefix(name)),
        ("{lowerprefix}", prefix(&name.to_ascii_lowercase())),
        ("{sha256-checksum}", checksum.to_owned()),
    ];
    if !markers.iter().any(|(marker, _)| dl.contains(marker)) {
        return format!("{}/{name}/{version}/download", dl.trim_end_matches('/'));
    }
    markers.iter().fold(dl.to_owned(), |url, (marker, value)| url.replace(marker, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_index_format() {
        for (name, folder) in [("a", "1"), ("ab", "2"), ("abc", "3/a"), ("abcd", "ab/cd"), ("abcde", "ab/cd")]
        {
            assert_eq!(prefix(name), folder);
        }
        let plain = place("https://d.example.org/api/", "Abcd", "1.0.0", "00");
        assert_eq!(plain, "https://d.example.org/api/Abcd/1.0.0/download");
        let marked = place("https://d.example.org/{lowerprefix}/{crate}-{version}", "Abcd", "1.0.0", "00");
        assert_eq!(marked, "https://d.example.org/ab/cd/Abcd-1.0.0");
    }
}
