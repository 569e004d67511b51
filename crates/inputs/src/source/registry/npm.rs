//! npm packages: a version's manifest says its tarball and that one's integrity.

use base64::Engine;
use model::Purl;
use serde::Deserialize;

use super::{Check, Located, Remote, answer, document, same};
use crate::http::Client;
use crate::{Context, InputError};

#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
    dist: Dist,
}

#[derive(Deserialize)]
struct Dist {
    tarball: String,
    #[serde(default)]
    integrity: String,
}

pub(super) fn locate(cx: &Context<'_>, client: &Client<'_>, purl: &Purl) -> Result<Located, InputError> {
    let base = cx.host.registry("npm")?;
    let name = match purl.namespace() {
        Some(scope) => format!("{scope}%2f{}", purl.name()),
        None => purl.name().to_owned(),
    };
    let url = format!("{base}/{name}/{}", purl.version());
    let manifest: Manifest = serde_json::from_str(&document(client, purl, &url, Some("application/json"))?)
        .map_err(|e| answer(&url, e.to_string()))?;
    let asked = name.replace("%2f", "/");
    same(purl, (&asked, &manifest.name), (purl.version(), &manifest.version))?;
    let sha512 = sha512(&manifest.dist.integrity).ok_or_else(|| {
        answer(&url, format!("expected a SHA-512 integrity, found `{}`", manifest.dist.integrity))
    })?;
    let file = manifest.dist.tarball.rsplit('/').next().unwrap_or_default().to_owned();
    let path = format!("{asked}/-/{file}");
    let check = Check::Sha512(sha512);
    Ok(Located { files: vec![Remote { url: manifest.dist.tarball, path, check, size: None }], licence: None })
}

/// The SHA-512 among the hashes of a subresource integrity, in hexadecimal.
fn sha512(integrity: &str) -> Option<String> {
    let text = integrity.split_whitespace().find_map(|h| h.strip_prefix("sha512-"))?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.split('?').next()?).ok()?;
    (bytes.len() == 64).then(|| bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn integrity_is_read() {
        let zeros = format!("sha1-AAAA sha512-{}==", "A".repeat(86));
        assert_eq!(super::sha512(&zeros), Some("0".repeat(128)));
        assert_eq!(super::sha512("sha1-AAAA"), None);
        assert_eq!(super::sha512("sha512-AAAA"), None);
    }
}
