//! Who asks: answers to a registry's 401, for one repository and what is to be done with it.
//!
//! Registries use two challenges: `Basic`, and `Bearer` with a token from where the challenge says
//! (<https://distribution.github.io/distribution/spec/auth/token/>). A token is asked for only over the loopback interface or
//! an encrypted connection, and is kept as long as the repository is open.

use std::fmt::Display;
use std::sync::Mutex;

use base64::Engine as _;
use serde::Deserialize;

use super::credentials::{Credentials, Secret};
use super::registry::is_loopback;
use super::{DOCUMENT_LIMIT, ImageError};
use crate::http::{Client, Sending};
use crate::{Host, HttpError, InputError};

/// Names and values.
pub(super) type Headers<'a> = &'a [(&'a str, &'a str)];

/// What is to be done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Read,
    Write,
}

/// What one repository lets us do, and the proof of it.
pub(super) struct Login<'a> {
    host: &'a Host,
    client: &'a Client<'a>,
    /// Host and port, as credentials are kept for it.
    registry: String,
    /// What a token is asked for: `repository:NAME:pull`.
    scopes: Vec<String>,
    /// What is to be done with the repository.
    doing: Doing,
    /// The header `Authorization`, once the registry has asked for it.
    authorization: Mutex<Option<String>>,
}

impl<'a> Login<'a> {
    /// To read from the repository of this name.
    pub(super) fn to_read(host: &'a Host, client: &'a Client<'a>, registry: String, name: &str) -> Self {
        let (scopes, doing) = (vec![format!("repository:{name}:pull")], Doing::Read);
        Self { host, client, registry, scopes, doing, authorization: Mutex::default() }
    }

    /// To write to the repository of this name, and to take blobs for it out of the others.
    pub(super) fn to_write<'s>(
        host: &'a Host,
        client: &'a Client<'a>,
        registry: String,
        name: &str,
        others: impl IntoIterator<Item = &'s str>,
    ) -> Self {
        let mut scopes = vec![format!("repository:{name}:pull,push")];
        scopes.extend(others.into_iter().map(|other| format!("repository:{other}:pull")));
        Self { host, client, registry, scopes, doing: Doing::Write, authorization: Mutex::default() }
    }

    /// Host and port.
    pub(super) fn registry(&self) -> &str {
        &self.registry
    }

    /// Asks; and asks again with a name, if the registry wants to know it. `image` is what errors speak of.
    pub(super) fn asked<T>(
        &self,
        image: &dyn Display,
        ask: &dyn Fn(Headers<'_>) -> Result<T, InputError>,
    ) -> Result<T, InputError> {
        let known = self.authorization.lock().expect("no thread panics while it holds the token").clone();
        let answer = match &known {
            Some(value) => ask(&[("Authorization", value)]),
            None => ask(&[]),
        };
        let challenge = match answer {
            Err(InputError::Http(HttpError::Unauthorized { challenge, .. })) => challenge,
            other => return other.map_err(|e| self.said(image, e)),
        };
        let value = self.authorize(image, &challenge)?;
        let answer = ask(&[("Authorization", &value)]);
        *self.authorization.lock().expect("no thread panics while it holds the token") = Some(value);
        answer.map_err(|e| self.said(image, e))
    }

    fn said(&self, image: &dyn Display, error: InputError) -> InputError {
        let denied = |reason: String| self.denied(image, reason);
        match error {
            InputError::Http(HttpError::NotFound { url }) => {
                ImageError::Missing { image: image.to_string(), reason: format!("{url} is not there (404)") }
                    .into()
            }
            InputError::Http(HttpError::Unauthorized { .. }) => {
                denied(format!("{} is not enough", self.who()))
            }
            InputError::Http(HttpError::Status { status: 403, .. }) => {
                denied(format!("it answers 403 to {}", self.who()))
            }
            other => other,
        }
    }

    /// That the registry does not let us.
    pub(super) fn denied(&self, image: &dyn Display, reason: String) -> InputError {
        let doing = if self.doing == Doing::Read { "read" } else { "write" };
        ImageError::Denied { registry: self.registry.clone(), doing, image: image.to_string(), reason }.into()
    }

    pub(super) fn who(&self) -> String {
        match Credentials::of(self.host).map(|c| c.find(&self.registry)) {
            Ok(Ok(Some(secret))) => format!("what this host has for `{}`", secret.user),
            _ => "a request without a name".to_owned(),
        }
    }

    /// What to answer to a challenge.
    fn authorize(&self, image: &dyn Display, challenge: &str) -> Result<String, InputError> {
        let secret = Credentials::of(self.host)
            .and_then(|credentials| credentials.find(&self.registry))
            .map_err(ImageError::from)?;
        let denied = |reason: String| self.denied(image, reason);
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let secret = secret.filter(|secret| !secret.identity);
            let secret =
                secret.ok_or_else(|| denied("it wants a name, and this host has none for it".into()))?;
            return Ok(basic(&secret));
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(denied(format!("it wants to be asked in a way that is not known: `{challenge}`")));
        }
        let field = |name: &str| parameter(parameters, name);
        let realm =
            field("realm").ok_or_else(|| denied(format!("its challenge has no realm: `{challenge}`")))?;
        if !realm.starts_with("https://") && !is_loopback(&realm) {
            return Err(denied(format!(
                "it wants a token from `{realm}`, over a connection that all can read"
            )));
        }
        let header = secret.as_ref().filter(|secret| !secret.identity).map(basic);
        // What the challenge asks for is of one request, which may only look; a push also does more. One token is for all.
        let scopes = match (self.doing, field("scope")) {
            (Doing::Read, Some(scope)) => vec![scope],
            _ => self.scopes.clone(),
        };
        let mut query: Vec<_> = scopes.iter().map(|scope| format!("scope={}", escaped(scope))).collect();
        query.extend(field("service").map(|service| format!("service={}", escaped(&service))));
        let bytes = match secret.filter(|secret| secret.identity) {
            Some(secret) => self.exchanged(&realm, &scopes, field("service").as_deref(), &secret),
            None => {
                let url =
                    format!("{realm}{}{}", if realm.contains('?') { '&' } else { '?' }, query.join("&"));
                let headers: Vec<_> = header.iter().map(|value| ("Authorization", value.as_str())).collect();
                self.client.get_with(&url, &headers, DOCUMENT_LIMIT)
            }
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(HttpError::Unauthorized { .. } | HttpError::Status { status: 400 | 403, .. }) => {
                return Err(denied(format!("it gives no token to {}", self.who())));
            }
            Err(other) => return Err(other.into()),
        };
        #[derive(Deserialize)]
        struct Token {
            #[serde(default)]
            token: String,
            #[serde(default)]
            access_token: String,
        }
        let token: Token =
            serde_json::from_slice(&bytes).map_err(|e| denied(format!("its token cannot be read: {e}")))?;
        let token = if token.token.is_empty() { token.access_token } else { token.token };
        if token.is_empty() || token.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(denied("its token cannot be read".into()));
        }
        Ok(format!("Bearer {token}"))
    }

    /// Changes an identity token for one of the moment (<https://distribution.github.io/distribution/spec/auth/oauth/>).
    fn exchanged(
        &self,
        realm: &str,
        scopes: &[String],
        service: Option<&str>,
        secret: &Secret,
    ) -> Result<Vec<u8>, HttpError> {
        let scope = scopes.join(" ");
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "selfsame"),
            ("service", service.unwrap_or_default()),
            ("scope", scope.as_str()),
            ("refresh_token", secret.password.as_str()),
        ];
        let form: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", strictly(value))).collect();
        let form = form.join("&");
        let headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
        let sending = Sending { method: "POST", url: realm, headers, body: form.as_bytes(), known: false };
        let heard = self.client.send_again(&sending, DOCUMENT_LIMIT)?;
        match heard.status {
            200 => Ok(heard.body),
            status => Err(HttpError::Status { url: realm.to_owned(), status }),
        }
    }
}

fn basic(secret: &Secret) -> String {
    let text = format!("{}:{}", secret.user, secret.password);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// A parameter of a challenge (RFC 9110, 11.2): `NAME="VALUE"` or `NAME=VALUE`, with commas between.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let (key, after) = rest.split_once('=')?;
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let mut out = String::new();
            let mut characters = quoted.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => out.push(characters.next()?.1),
                    (_, c) => out.push(c),
                }
            };
            value = out;
            rest = &quoted[end + 1..];
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value = after[..end].trim().to_owned();
            rest = &after[end..];
        }
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
    }
}

/// As it may stand in a form, whatever it is.
fn strictly(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// As it may stand in a query.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/,".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let text = r#"realm="https://a.example.org/token",service="a \"b\", c" , scope=repository:x:pull"#;
        assert_eq!(parameter(text, "realm").as_deref(), Some("https://a.example.org/token"));
        assert_eq!(parameter(text, "service").as_deref(), Some("a \"b\", c"));
        assert_eq!(parameter(text, "Scope").as_deref(), Some("repository:x:pull"));
        for text in ["", "realm", "realm=\"", "realm=\"a\\"] {
            assert_eq!(parameter(text, "scope"), None);
            assert!(parameter(text, "realm").is_none());
        }
    }
}
