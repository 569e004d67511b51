//! A registry over the OCI Distribution API: manifests and blobs of one repository
//! (<https://github.com/opencontainers/distribution-spec>).
//!
//! The only client of that protocol: toolchains bring images with it, `pin` asks what a tag is, images are pushed and pulled
//! with it. Unencrypted only on the loopback interface. Who asks is in [`login`](super::login), how a blob gets there in
//! [`upload`](super::upload). Redirections of downloads are followed, without credentials; those of uploads are not.

use std::cell::RefCell;
use std::fmt::Display;

use model::oci::{INDEX, MANIFEST};
use model::{Digest, Sha256};
use serde::Deserialize;

use super::login::{Headers, Login};
use super::{DOCUMENT_LIMIT, ImageError};
use crate::http::{Client, Heard, Region, Sending};
use crate::source::download_with;
use crate::{Context, Host, HttpError, InputError};

/// How much of what a registry says of a refusal is read.
pub(super) const SAID: u64 = 64 << 10;

/// One repository of a registry.
pub(crate) struct Registry<'a> {
    pub(super) client: &'a Client<'a>,
    /// `SCHEME://HOST[:PORT]`.
    pub(super) base: String,
    repository: String,
    login: Login<'a>,
}

/// What became of a manifest that was put.
pub(super) struct Taken {
    /// The registry has read its `subject`, and lists it by itself.
    pub(super) listed: bool,
}

impl<'a> Registry<'a> {
    /// To read of `repository`; `named` is its registry, and without one it is the host's.
    pub(crate) fn open(
        host: &'a Host,
        client: &'a Client<'a>,
        named: Option<&str>,
        repository: &str,
    ) -> Result<Self, InputError> {
        // A mirror, if one is set, stands for every registry: what comes is known by its digest.
        let base = match (host.registries.get("oci"), named) {
            (Some(base), _) => base.trim_end_matches('/').to_owned(),
            (None, Some(named)) => address(named),
            (None, None) => address(&host.registry("oci")?),
        };
        let (base, name) = private(base)?;
        let login = Login::to_read(host, client, name, repository);
        Ok(Self { client, base, repository: repository.to_owned(), login })
    }

    /// To write to `repository`, and to mount blobs of `others`. What is written goes to the registry that is `named`, and
    /// never to a mirror in its place.
    pub(super) fn open_to_write<'s>(
        host: &'a Host,
        client: &'a Client<'a>,
        named: Option<&str>,
        repository: &str,
        others: impl IntoIterator<Item = &'s str>,
    ) -> Result<Self, InputError> {
        let base = match named {
            Some(named) => address(named),
            None => address(&host.registry("oci")?),
        };
        let (base, name) = private(base)?;
        let login = Login::to_write(host, client, name, repository, others);
        Ok(Self { client, base, repository: repository.to_owned(), login })
    }

    /// Host and port.
    pub(super) fn name(&self) -> &str {
        self.login.registry()
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// A place in the repository.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.base, self.repository)
    }

    /// Asks with `ask`, which is given the headers that say who asks.
    pub(super) fn asked<T>(
        &self,
        image: &dyn Display,
        ask: &dyn Fn(Headers<'_>) -> Result<T, InputError>,
    ) -> Result<T, InputError> {
        self.login.asked(image, ask)
    }

    /// Sends what may arrive twice; gives whatever is answered, with `most` bytes of its body.
    pub(super) fn send(
        &self,
        image: &dyn Display,
        method: &'static str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        most: u64,
    ) -> Result<Heard, InputError> {
        self.asked(image, &|who| {
            let headers = who.iter().chain(headers).copied().collect();
            let sending = Sending { method, url, headers, body, known: true };
            Ok(self.client.send_again(&sending, most)?)
        })
    }

    /// What is said of an answer that is a refusal.
    pub(super) fn refused(&self, image: &dyn Display, doing: &'static str, heard: &Heard) -> InputError {
        let reason = reason(&heard.body);
        if heard.status == 403 {
            let who = self.login.who();
            return self.login.denied(image, format!("it answers 403 to {who}{reason}"));
        }
        let (registry, image, status) = (self.name().to_owned(), image.to_string(), heard.status);
        ImageError::Refused { registry, image, doing, status, reason }.into()
    }

    /// The bytes of a manifest or index, by tag or digest.
    pub(super) fn manifest(&self, image: &dyn Display, name: &str) -> Result<Vec<u8>, InputError> {
        let url = self.url(&format!("manifests/{name}"));
        let accept = [INDEX, MANIFEST].concat().join(", ");
        self.login.asked(image, &|headers| {
            let mut headers = headers.to_vec();
            headers.push(("Accept", &accept));
            Ok(self.client.get_with(&url, &headers, DOCUMENT_LIMIT)?)
        })
    }

    /// What a tag is now: the digest of its index, where it has one, else of its manifest. The registry is believed if it
    /// says it; one that does not is asked for the bytes.
    pub(crate) fn digest(&self, image: &dyn Display, tag: &str) -> Result<Sha256, InputError> {
        let url = self.url(&format!("manifests/{tag}"));
        let accept = [INDEX, MANIFEST].concat().join(", ");
        let said = self.login.asked(image, &|headers| {
            let mut headers = headers.to_vec();
            headers.push(("Accept", &accept));
            Ok(self.client.head(&url, &headers, "docker-content-digest")?)
        })?;
        match said.as_deref().and_then(|d| d.strip_prefix("sha256:")).and_then(|hex| hex.parse().ok()) {
            Some(digest) => Ok(digest),
            None => Ok(Sha256::of(&self.manifest(image, tag)?)),
        }
    }

    /// Brings a blob into the store and says what came.
    pub(super) fn blob(
        &self,
        cx: &Context<'_>,
        image: &dyn Display,
        digest: &Digest,
    ) -> Result<Digest, InputError> {
        let url = self.url(&format!("blobs/sha256:{}", digest.hex()));
        let name = format!("layer {}", &digest.hex()[..12]);
        self.login
            .asked(image, &|headers| download_with(cx, self.client, &name, &url, headers, digest.size.max(1)))
    }

    /// Fills a part of a file with a blob; the caller looks whether it is right.
    pub(super) fn fill(
        &self,
        image: &dyn Display,
        digest: &Digest,
        region: &mut Region<'_>,
    ) -> Result<(), InputError> {
        let url = self.url(&format!("blobs/sha256:{}", digest.hex()));
        let region = RefCell::new(region);
        self.asked(image, &|who| {
            Ok(self.client.fill(&url, who, digest.size.max(1), &mut region.borrow_mut())?)
        })
    }

    /// As [`Registry::digest`], of a tag or digest that may not be there.
    pub(super) fn find(&self, image: &dyn Display, name: &str) -> Result<Option<Sha256>, InputError> {
        match self.digest(image, name) {
            Ok(digest) => Ok(Some(digest)),
            Err(InputError::Image(ImageError::Missing { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the repository has a blob. One that it would send us elsewhere for is there.
    pub(super) fn has(&self, image: &dyn Display, digest: &Digest) -> Result<bool, InputError> {
        let url = self.url(&format!("blobs/sha256:{}", digest.hex()));
        let heard = self.send(image, "HEAD", &url, &[], &[], 0)?;
        let length = heard.header("content-length").and_then(|n| n.parse::<u64>().ok());
        match heard.status {
            200 => Ok(length.is_none_or(|n| n == digest.size)),
            300..=399 => Ok(true),
            404 | 410 => Ok(false),
            _ => Err(self.refused(image, "say whether it has a blob", &heard)),
        }
    }

    /// Puts a manifest or index, by digest or as a tag.
    pub(super) fn put(
        &self,
        image: &dyn Display,
        name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Taken, InputError> {
        let url = self.url(&format!("manifests/{name}"));
        let heard = self.send(image, "PUT", &url, &[("Content-Type", media_type)], bytes, SAID)?;
        if !matches!(heard.status, 200..=299) {
            return Err(self.refused(image, "take the manifest", &heard));
        }
        self.same(image, &Digest::of(bytes), &heard)?;
        Ok(Taken { listed: heard.header("oci-subject").is_some() })
    }

    /// That a registry which says what it has taken, says what we gave.
    pub(super) fn same(&self, image: &dyn Display, gave: &Digest, heard: &Heard) -> Result<(), InputError> {
        let expected = format!("sha256:{}", gave.hex());
        match heard.header("docker-content-digest").filter(|d| d.starts_with("sha256:") && *d != expected) {
            None => Ok(()),
            Some(found) => Err(InputError::Mismatch {
                what: format!("what `{}` says it was given for `{image}`", self.name()),
                expected,
                found: found.to_owned(),
                advice: "the registry changes what it is given: nothing in it can be relied on",
            }),
        }
    }
}

/// Checks that a base address is encrypted, or of this machine itself; gives host and port too.
fn private(base: String) -> Result<(String, String), InputError> {
    if !base.starts_with("https://") && !is_loopback(&base) {
        let reason = "a registry is asked over https, and over http only on this machine itself".to_owned();
        return Err(HttpError::Url { url: base, reason }.into());
    }
    let name = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest).to_owned();
    Ok((base, name))
}

/// What a registry says of a refusal, as `: CODE: MESSAGE`; empty if that cannot be read. Of no more than a line.
fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Told>,
    }
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(Answer { errors }) = serde_json::from_slice(body) else { return String::new() };
    let told = errors.iter().filter(|e| !(e.code.is_empty() && e.message.is_empty()));
    let text: Vec<_> = told.map(|e| format!("{}: {}", e.code, e.message)).collect();
    let text: String = text.join("; ").chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Where a registry is. Unencrypted only on this machine itself.
fn address(registry: &str) -> String {
    if registry.contains("://") {
        return registry.trim_end_matches('/').to_owned();
    }
    let plain = format!("http://{registry}");
    if is_loopback(&plain) { plain } else { format!("https://{registry}") }
}

/// Whether a URL is of this machine itself.
pub(super) fn is_loopback(url: &str) -> bool {
    let Some(host) = crate::host::host_of(url) else { return false };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_of_a_refusal_is_one_short_line() {
        let body =
            r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob\u0007 unknown","detail":{}},{}]}"#;
        assert_eq!(reason(body.as_bytes()), ": MANIFEST_BLOB_UNKNOWN: blob unknown");
        for body in ["", "no", "[]", r#"{"errors":null}"#, r#"{"errors":[]}"#] {
            assert_eq!(reason(body.as_bytes()), "", "{body}");
        }
        let long = format!(r#"{{"errors":[{{"code":"C","message":"{}"}}]}}"#, "x".repeat(9999));
        assert_eq!(reason(long.as_bytes()).len(), 302);
    }

    #[test]
    fn only_this_machine_is_asked_in_the_clear() {
        for (registry, url) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("localhost:5000", "http://localhost:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("example.org", "https://example.org"),
            ("localhost.example.org", "https://localhost.example.org"),
            ("127.0.0.1.example.org", "https://127.0.0.1.example.org"),
        ] {
            assert_eq!(address(registry), url);
        }
    }
}
