//! What this host says to registries: the configuration of `docker` and its kin, and their credential helpers.
//!
//! Read when a registry asks, and never kept, told or recorded.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde::Deserialize;

use crate::Host;

/// Why the host's credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The configuration cannot be read.
    #[error("{path}: {reason}", path = .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The helper gave no answer.
    #[error("the credential helper `{helper}` gives nothing for `{registry}`: {reason}")]
    Helper {
        /// Its program.
        helper: String,
        /// For whom.
        registry: String,
        /// What it said.
        reason: String,
    },
}

/// A name and what proves it.
pub(super) struct Secret {
    pub user: String,
    pub password: String,
    /// The password is an identity token, which is changed for a token of the moment and sent nowhere else.
    pub identity: bool,
}

/// What helpers call the user of an identity token.
const TOKEN: &str = "<token>";

impl Secret {
    fn new(user: String, password: String) -> Self {
        let identity = user == TOKEN;
        Self { user, password, identity }
    }
}

/// `config.json` of docker, or `auth.json` of podman, as far as it is of use.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// The configurations of this host, the first before the others.
pub(super) struct Credentials<'a> {
    host: &'a Host,
    configs: Vec<(PathBuf, Config)>,
}

impl<'a> Credentials<'a> {
    pub(super) fn of(host: &'a Host) -> Result<Self, CredentialError> {
        let var = |name: &str| host.env.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = var("HOME");
        let mut places = Vec::new();
        places.extend(var("REGISTRY_AUTH_FILE"));
        match var("DOCKER_CONFIG") {
            Some(folder) => places.push(folder.join("config.json")),
            None => places.extend(home.iter().map(|h| h.join(".docker/config.json"))),
        }
        places.extend(var("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")));
        places.extend(home.iter().map(|h| h.join(".config/containers/auth.json")));
        let mut configs = Vec::new();
        for path in places {
            let text = match std::fs::read(&path) {
                Ok(text) => text,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(CredentialError::Config { path, reason: e.to_string() }),
            };
            // Its content is not shown, only where it is wrong.
            let config = serde_json::from_slice(&text).map_err(|e| {
                let reason = format!("not readable as JSON at line {}, column {}", e.line(), e.column());
                CredentialError::Config { path: path.clone(), reason }
            })?;
            configs.push((path, config));
        }
        Ok(Self { host, configs })
    }

    /// What to say to a registry, by host and port.
    pub(super) fn find(&self, registry: &str) -> Result<Option<Secret>, CredentialError> {
        for (path, config) in &self.configs {
            if let Some(helper) = config.cred_helpers.get(registry) {
                return self.helper(helper, registry);
            }
            // Older clients write a URL, and sometimes the version of the API.
            let is_it = |key: &&String| {
                let key = key.split_once("://").map_or(key.as_str(), |(_, rest)| rest);
                key.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2") == registry
            };
            let key = config.auths.keys().find(is_it);
            if let (Some(key), Some(store)) = (key, &config.creds_store) {
                return self.helper(store, key);
            }
            let Some(auth) = key.map(|key| &config.auths[key]) else { continue };
            if let Some(token) = auth.identitytoken.as_ref().filter(|token| !token.is_empty()) {
                return Ok(Some(Secret::new(TOKEN.to_owned(), token.clone())));
            }
            if let (Some(user), Some(password)) = (&auth.username, &auth.password) {
                return Ok(Some(Secret::new(user.clone(), password.clone())));
            }
            let Some(text) = &auth.auth else { continue };
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok();
            let pair = bytes.and_then(|bytes| {
                let text = String::from_utf8(bytes).ok()?;
                let (user, password) = text.split_once(':')?;
                Some(Secret::new(user.to_owned(), password.to_owned()))
            });
            return match pair {
                Some(secret) => Ok(Some(secret)),
                None => {
                    let reason = format!("`auth` of `{registry}` is not NAME:PASSWORD in base64");
                    Err(CredentialError::Config { path: path.clone(), reason })
                }
            };
        }
        Ok(None)
    }

    /// Asks a credential helper (`docker-credential-NAME get`).
    fn helper(&self, name: &str, registry: &str) -> Result<Option<Secret>, CredentialError> {
        let helper = format!("docker-credential-{name}");
        let wrong = |reason: String| CredentialError::Helper {
            helper: helper.clone(),
            registry: registry.to_owned(),
            reason,
        };
        if name.contains('/') {
            return Err(wrong("its name is no name of a program".into()));
        }
        let run = || {
            let mut child = Command::new(&helper)
                .arg("get")
                .env_clear()
                .envs(&self.host.env)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            if let Some(mut input) = child.stdin.take() {
                // One that answers without reading is fine.
                let _ = input.write_all(registry.as_bytes());
            }
            child.wait_with_output()
        };
        let output = run().map_err(|e| wrong(format!("it cannot be started: {e}")))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            // The protocol's word for "nothing is kept".
            if said.contains("credentials not found") {
                return Ok(None);
            }
            return Err(wrong(format!("it ends with {}", output.status)));
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            username: String,
            secret: String,
        }
        let answer: Answer = serde_json::from_str(&said)
            .map_err(|_| wrong("its answer is not the JSON of a helper".into()))?;
        Ok(Some(Secret::new(answer.username, answer.secret)))
    }
}
