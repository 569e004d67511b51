//! What a tag of an image is, asked of its registry: one manifest of the OCI Distribution API.
//!
//! Plain http is spoken with registries on this machine alone. Credentials are those of the host's own client.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::PinError;
use crate::Host;
use crate::audit::image::{Reference, parse};
use crate::http::Client;

/// Which manifests are understood; an index first, so that a pin holds for every platform.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// No manifest or token is larger.
const MAX: u64 = 4 << 20;

/// Registries as this host is configured for them.
pub struct Registries<'a> {
    client: Client<'a>,
    host: &'a Host,
    env: BTreeMap<String, String>,
    default: Option<String>,
}

/// An answer that matters here.
struct Answer {
    status: u16,
    digest: Option<String>,
    challenge: Option<String>,
    body: Vec<u8>,
}

impl<'a> Registries<'a> {
    /// `default` is the registry of names without one; else what the host's `registries.conf` says first.
    #[must_use]
    pub fn new(host: &'a Host, env: &BTreeMap<String, String>, default: Option<String>) -> Self {
        let default =
            default.or_else(|| env.get("SELFSAME_REGISTRY_OCI").cloned()).or_else(|| unqualified(env));
        Self { client: Client::new(host), host, env: env.clone(), default }
    }

    /// The digest of an image's tag.
    ///
    /// # Errors
    /// If no registry is known, it does not answer, refuses, or has no such tag.
    pub fn resolve(&self, image: &str) -> Result<String, PinError> {
        let fail = |reason: String| PinError::Registry { image: image.to_owned(), reason };
        let reference = parse(image).ok_or_else(|| fail("it is no reference to an image".to_owned()))?;
        let Some(host) = reference.host.or(self.default.as_deref()) else {
            return Err(PinError::NoRegistry { image: image.to_owned() });
        };
        let (named, base) = address(host);
        // A name without registry and folder lies in `library`, where the registry has that folder.
        let unqualified = reference.host.is_none() && !reference.path.contains('/');
        let first =
            if unqualified { format!("library/{}", reference.path) } else { reference.path.to_owned() };
        match self.digest(&named, &base, &first, &reference) {
            Err(reason) if unqualified && reason.starts_with("404") => {
                self.digest(&named, &base, reference.path, &reference).map_err(fail)
            }
            answer => answer.map_err(fail),
        }
    }

    fn digest(
        &self,
        host: &str,
        base: &str,
        path: &str,
        reference: &Reference<'_>,
    ) -> Result<String, String> {
        let tag = reference.tag.unwrap_or("latest");
        let url = format!("{base}/v2/{path}/manifests/{tag}");
        let mut authorization = None;
        let mut answer = self.ask(&url, true, None)?;
        if answer.status == 401 {
            authorization =
                Some(self.authorize(host, path, answer.challenge.as_deref().unwrap_or_default())?);
            answer = self.ask(&url, true, authorization.as_deref())?;
        }
        if answer.status == 200 && answer.digest.is_none() {
            answer = self.ask(&url, false, authorization.as_deref())?;
            let hex: String = Sha256::digest(&answer.body).iter().map(|b| format!("{b:02x}")).collect();
            answer.digest = Some(format!("sha256:{hex}"));
        }
        match answer.status {
            200 => {}
            401 | 403 => {
                return Err(format!(
                    "{}: the registry refuses; log in with the host's own client",
                    answer.status
                ));
            }
            404 => return Err(format!("404: the registry has no `{path}:{tag}`")),
            status => return Err(format!("the registry answers {status}")),
        }
        let digest = answer.digest.unwrap_or_default();
        let pinned = format!("x@{digest}");
        if !parse(&pinned).is_some_and(|r| r.is_pinned()) {
            return Err("the registry's answer has no digest".to_owned());
        }
        Ok(digest)
    }

    fn ask(&self, url: &str, head: bool, authorization: Option<&str>) -> Result<Answer, String> {
        let agent = self.client.agent(url).map_err(|e| e.to_string())?;
        let mut waits = self.host.retry.iter();
        loop {
            let mut request = if head { agent.head(url) } else { agent.get(url) }.header("Accept", ACCEPT);
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            let response = match request.call() {
                Ok(response)
                    if matches!(response.status().as_u16(), 408 | 429 | 500..=599) && waits.len() > 0 =>
                {
                    None
                }
                Ok(response) => Some(response),
                Err(error) if waits.len() == 0 => {
                    return Err(format!("the registry cannot be reached: {error}"));
                }
                Err(_) => None,
            };
            let Some(response) = response else {
                if let Some(wait) = waits.next() {
                    std::thread::sleep(*wait);
                }
                continue;
            };
            let header =
                |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
            let (digest, challenge) = (header("docker-content-digest"), header("www-authenticate"));
            let status = response.status().as_u16();
            let mut body = Vec::new();
            if !head {
                let read = response.into_body().into_reader().take(MAX).read_to_end(&mut body);
                read.map_err(|e| format!("the answer breaks off: {e}"))?;
            }
            return Ok(Answer { status, digest, challenge, body });
        }
    }

    /// What goes into `Authorization`, after a registry asked for it.
    fn authorize(&self, host: &str, path: &str, challenge: &str) -> Result<String, String> {
        let known = self.credentials(host);
        let basic = known.map(|(user, password)| {
            format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
            )
        });
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return basic.ok_or_else(|| format!("401: log in to {host} with the host's own client"));
        }
        let of = |key: &str| {
            rest.split(',').find_map(|part| {
                let (name, value) = part.trim().split_once('=')?;
                (name == key).then(|| value.trim_matches('"').to_owned())
            })
        };
        let realm = of("realm").ok_or("the registry asks for a login that is not understood")?;
        // A token is asked for where the registry says, but never over an open line.
        if !realm.starts_with("https://") && !is_loopback(realm.split("://").nth(1).unwrap_or_default()) {
            return Err(format!("the registry wants a login over plain http, at {realm}"));
        }
        let mut url =
            format!("{realm}{}scope=repository:{path}:pull", if realm.contains('?') { '&' } else { '?' });
        if let Some(service) = of("service") {
            url.push_str(&format!("&service={}", service.replace(' ', "%20")));
        }
        let answer = self.ask(&url, false, basic.as_deref())?;
        if answer.status != 200 {
            return Err(format!("the login answers {}", answer.status));
        }
        let value: Value =
            serde_json::from_slice(&answer.body).map_err(|_| "the login's answer is no JSON")?;
        let token = value.get("token").or_else(|| value.get("access_token")).and_then(Value::as_str);
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| "the login gives no token".to_owned())
    }

    /// User and password, as the host's client keeps them.
    fn credentials(&self, host: &str) -> Option<(String, String)> {
        let folder = self.env.get("DOCKER_CONFIG").map(PathBuf::from);
        let folder =
            folder.or_else(|| self.env.get("HOME").map(|home| PathBuf::from(home).join(".docker")))?;
        let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).ok()?).ok()?;
        let helper = config.get("credHelpers").and_then(|h| h.get(host)).or_else(|| config.get("credsStore"));
        if let Some(found) = helper.and_then(Value::as_str).and_then(|name| self.helped(name, host)) {
            return Some(found);
        }
        let all = config.get("auths")?.as_object()?;
        let bare = |key: &str| {
            let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
            rest.split('/').next().unwrap_or_default().to_owned()
        };
        let entry = all.iter().find(|(key, _)| bare(key) == host)?.1;
        let text = base64::engine::general_purpose::STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
        let text = String::from_utf8(text).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// Asks the client's own helper.
    fn helped(&self, name: &str, host: &str) -> Option<(String, String)> {
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return None;
        }
        let mut child = Command::new(format!("docker-credential-{name}"))
            .arg("get")
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        child.stdin.take()?.write_all(host.as_bytes()).ok()?;
        let output = child.wait_with_output().ok()?;
        let value: Value = serde_json::from_slice(&output.stdout).ok()?;
        let of = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((of("Username")?, of("Secret")?))
    }
}

/// A registry's host, and its address. Over plain http only if it is this machine.
fn address(registry: &str) -> (String, String) {
    let host = registry.split_once("://").map_or(registry, |(_, rest)| rest).trim_end_matches('/');
    let scheme = if is_loopback(host) { "http" } else { "https" };
    (host.to_owned(), format!("{scheme}://{host}"))
}

/// True for a host, with its port, that is this machine.
fn is_loopback(authority: &str) -> bool {
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The first registry that the host's configuration of containers searches.
fn unqualified(env: &BTreeMap<String, String>) -> Option<String> {
    let own = env.get("HOME").map(|home| PathBuf::from(home).join(".config/containers/registries.conf"));
    own.into_iter().chain([PathBuf::from("/etc/containers/registries.conf")]).find_map(|path| {
        let root = crate::audit::read::toml::read(&std::fs::read_to_string(path).ok()?)?;
        root.get("unqualified-search-registries")?.items().first()?.str().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_openly() {
        for (registry, expected) in [
            ("localhost:5000", "http://localhost:5000"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("r.example.org", "https://r.example.org"),
            ("http://r.example.org/", "https://r.example.org"),
            ("127.0.0.1.example.org", "https://127.0.0.1.example.org"),
        ] {
            assert_eq!(address(registry).1, expected);
        }
    }
}
