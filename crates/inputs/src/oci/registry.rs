//! A registry over the OCI Distribution API: manifests and blobs of one repository.
//!
//! The only client of that protocol: toolchains bring images with it, `pin` asks what a tag is. Unencrypted only on the
//! loopback interface. Who asks is in [`login`](super::login).

use std::fmt::Display;

use model::oci::{INDEX, MANIFEST};
use model::{Digest, Sha256};

use super::DOCUMENT_LIMIT;
use super::login::Login;
use crate::http::Client;
use crate::source::download_with;
use crate::{Context, Host, HttpError, InputError};

/// One repository of a registry.
pub(crate) struct Registry<'a> {
    client: &'a Client<'a>,
    /// `SCHEME://HOST[:PORT]`.
    base: String,
    repository: String,
    login: Login<'a>,
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
        if !base.starts_with("https://") && !is_loopback(&base) {
            let reason =
                "a registry is asked over https, and over http only on this machine itself".to_owned();
            return Err(HttpError::Url { url: base, reason }.into());
        }
        let name = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest).to_owned();
        let login = Login::new(host, client, name, format!("repository:{repository}:pull"));
        Ok(Self { client, base, repository: repository.to_owned(), login })
    }

    /// The bytes of a manifest or index, by tag or digest.
    pub(super) fn manifest(&self, image: &dyn Display, name: &str) -> Result<Vec<u8>, InputError> {
        let url = format!("{}/v2/{}/manifests/{name}", self.base, self.repository);
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
        let url = format!("{}/v2/{}/manifests/{tag}", self.base, self.repository);
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
        let url = format!("{}/v2/{}/blobs/sha256:{}", self.base, self.repository, digest.hex());
        let name = format!("layer {}", &digest.hex()[..12]);
        self.login
            .asked(image, &|headers| download_with(cx, self.client, &name, &url, headers, digest.size.max(1)))
    }
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
