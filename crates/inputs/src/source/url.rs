//! A file or archive at a URL, with its hash.

use model::lock::{LockedFile, LockedSource};
use model::recipe::Locator;
use model::{Digest, Sha256};

use super::{FILE_LIMIT, download};
use crate::http::{Client, percent_decode};
use crate::{Context, InputError, archive};

/// Where files are found by their hash alone: a recipe gives no size, without which the store knows no blob.
const SPACE: &str = "url";

/// Brings the file, unless the store holds it: as `locked` says, or as it came before.
pub(crate) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    url: &str,
    sha256: &Sha256,
    strip: u32,
    locked: &[LockedFile],
) -> Result<LockedSource, InputError> {
    let key = Digest::of(sha256.hex().as_bytes());
    let known = match locked {
        [file] => Some(file.digest),
        _ => cx.store.memo_get(SPACE, &key).and_then(|b| String::from_utf8(b).ok()?.parse::<Digest>().ok()),
    };
    let digest = match known {
        Some(digest) if digest.sha256 == *sha256 && cx.store.contains(&digest) => digest,
        _ => {
            let found = download(cx, client, name, url, FILE_LIMIT)?;
            if found.sha256 != *sha256 {
                return Err(InputError::Mismatch {
                    what: url.to_owned(),
                    expected: format!("sha256:{sha256}"),
                    found: format!("sha256:{}", found.sha256),
                    advice: "if the file was changed on purpose and you trust it, put the new hash into the recipe",
                });
            }
            cx.store.memo_put(SPACE, &key, found.to_string().as_bytes())?;
            found
        }
    };
    let file = file_name(url);
    let unpacked = archive::unpack(cx.store, cx.store.open_blob(&digest)?, &file, strip)?;
    Ok(LockedSource {
        origin: Locator::Url { url: url.to_owned(), sha256: *sha256, strip },
        licence: None,
        epoch: unpacked.newest,
        tree: unpacked.tree,
        files: vec![LockedFile { path: file, digest, registry_hash: None }],
        contents: None,
    })
}

/// The last component of a URL's path.
pub(super) fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = percent_decode(last);
    if name.parse::<model::FileName>().is_ok() { name } else { "source".to_owned() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_url_names_its_file() {
        for (url, name) in [
            ("https://a.example.org/x/y-1.tar.gz?token=/z#f", "y-1.tar.gz"),
            ("https://a.example.org/a%20b", "a b"),
            ("https://a.example.org/%2e%2e", "source"),
            ("https://a.example.org/..%2f..", "source"),
        ] {
            assert_eq!(super::file_name(url), name);
        }
    }
}
