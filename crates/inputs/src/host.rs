//! What this host's own client configuration says: where its registries are, and how to get there.
//!
//! Read once, at the beginning, from the files and commands of `apt`, `cargo`, `npm` and `pip`; the environment is given
//! by the caller. A host on which a client is missing still works for everything else.

mod apt;
mod cargo;
mod credentials;
mod dpkg;
mod golang;
mod maven;
mod npm;
mod oci;
mod pypi;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

pub use apt::AptSource;
pub use dpkg::package_of;

/// Why the host's configuration does not help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HostError {
    /// No entry for a suite.
    #[error(
        "the host's package manager has no http, https or file entry for suite `{suite}` with component{s} {components}: \
         set `mirror` in the recipe's [toolchain]", s = if .components.contains(' ') { "s" } else { "" }
    )]
    Suite {
        /// The suite.
        suite: String,
        /// Space-separated.
        components: String,
    },
    /// No keyring at all.
    #[error("no OpenPGP keyring was found (looked at {looked}): set `keyring` in the recipe's [toolchain]")]
    Keyring {
        /// Where.
        looked: String,
    },
    /// A keyring or configuration file cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No address for a registry.
    #[error(
        "where the {registry} registry is cannot be learned from this host: {reason}; \
         set its address in the variable SELFSAME_REGISTRY_{}", .registry.to_ascii_uppercase()
    )]
    Registry {
        /// Type of purl.
        registry: &'static str,
        /// What was tried.
        reason: String,
    },
}

/// How to reach registries from this host.
#[derive(Debug)]
pub struct Host {
    /// What `apt` is configured for, in its order.
    pub apt: Vec<AptSource>,
    /// Keyrings for entries that name none.
    pub keyrings: Vec<PathBuf>,
    /// Base address of a registry by type of purl (`cargo`: sparse index, `npm`, `pypi`: simple index, `deb`), before
    /// what the clients' configuration says.
    pub registries: BTreeMap<String, String>,
    /// Proxies for all downloads.
    pub proxies: Proxies,
    /// PEM files of the certificate authorities that are trusted.
    pub roots: Vec<PathBuf>,
    /// How long to wait before each further attempt.
    pub retry: Vec<Duration>,
    /// How many downloads run at once.
    pub connections: usize,
    /// Mirrors that are asked for what is locked before its locators are: URLs, folders, archives. In this order.
    pub mirrors: Vec<String>,
    /// Where this machine's files are: `/`, and another folder only where a machine is made up.
    pub root: PathBuf,
    /// For the commands that are started: `git`, `cargo`, `npm`, `python3`.
    pub env: BTreeMap<String, String>,
    learned: Mutex<BTreeMap<&'static str, Result<String, HostError>>>,
}

/// Which proxy for which URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` URLs.
    pub http: Option<String>,
    /// For `https` URLs.
    pub https: Option<String>,
    /// Hosts, and domains by suffix, that are reached directly. `*` is all.
    pub direct: Vec<String>,
    /// Proxies of single hosts, before all others; `None` is direct.
    pub by_host: BTreeMap<String, Option<String>>,
}

impl Proxies {
    fn discover(env: &BTreeMap<String, String>) -> Self {
        let get = |names: &[&str]| names.iter().find_map(|n| env.get(*n)).filter(|v| !v.is_empty()).cloned();
        let direct = get(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        Self {
            // Not HTTP_PROXY: where a request's headers become variables, anyone could set it.
            http: get(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            https: get(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            direct: direct.split(',').map(|d| d.trim().to_owned()).filter(|d| !d.is_empty()).collect(),
            by_host: BTreeMap::new(),
        }
    }

    /// The proxy for `url`; `None` is a direct connection.
    #[must_use]
    pub fn of(&self, url: &str) -> Option<&str> {
        let host = host_of(url)?;
        if let Some(proxy) = self.by_host.get(host) {
            return proxy.as_deref();
        }
        let direct = self.direct.iter().any(|d| {
            let d = d.trim_start_matches('.');
            d == "*" || host == d || host.strip_suffix(d).is_some_and(|rest| rest.ends_with('.'))
        });
        let proxy = if url.starts_with("https:") { &self.https } else { &self.http };
        proxy.as_deref().filter(|_| !direct)
    }
}

/// The host of a URL, without user and port.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map(|(host, _)| host);
    }
    Some(host.split_once(':').map_or(host, |(host, _)| host))
}

impl Host {
    /// A host on which nothing is configured.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            apt: Vec::new(),
            keyrings: Vec::new(),
            registries: BTreeMap::new(),
            proxies: Proxies::default(),
            roots: Vec::new(),
            retry: [500, 1000, 2000, 4000].map(Duration::from_millis).to_vec(),
            connections: 8,
            mirrors: Vec::new(),
            root: PathBuf::from("/"),
            env: BTreeMap::new(),
            learned: Mutex::default(),
        }
    }

    /// Reads the configuration of this host. `env` is the environment of the program. What cannot be read is left out,
    /// and missed only by what needs it.
    #[must_use]
    pub fn discover(env: &BTreeMap<String, String>) -> Self {
        let mut host = Self { proxies: Proxies::discover(env), env: env.clone(), ..Self::empty() };
        host.apt = apt::sources(Path::new("/etc/apt"));
        host.keyrings = apt::keyrings(Path::new("/"));
        apt::proxies(Path::new("/etc/apt"), &mut host);
        let bundles = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/pki/tls/cacert.pem",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/ssl/cert.pem",
        ];
        let named = env.get("SSL_CERT_FILE").map(PathBuf::from).filter(|p| p.is_file());
        host.roots =
            named.or_else(|| bundles.iter().map(PathBuf::from).find(|p| p.is_file())).into_iter().collect();
        let mirrors = env.get("SELFSAME_MIRRORS").map_or("", String::as_str);
        host.mirrors = mirrors.split_whitespace().map(str::to_owned).collect();
        for (name, address) in env {
            if let Some(kind) = name.strip_prefix("SELFSAME_REGISTRY_").filter(|_| !address.is_empty()) {
                host.registries.insert(kind.to_ascii_lowercase(), address.clone());
            }
        }
        host
    }

    /// The base address of the registry of a type of purl: `cargo`, `npm`, `oci` or `pypi`; for `golang` and `maven` perhaps
    /// several, parted by spaces. Asked of the host's client once, when it is first needed.
    ///
    /// # Errors
    /// If neither [`Host::registries`] nor a client says it.
    pub fn registry(&self, kind: &'static str) -> Result<String, HostError> {
        if let Some(base) = self.registries.get(kind) {
            return Ok(base.trim_end_matches('/').to_owned());
        }
        let mut learned = self.learned.lock().expect("no thread panics while it asks");
        learned
            .entry(kind)
            .or_insert_with(|| {
                let base = match kind {
                    "cargo" => cargo::index(self),
                    "golang" => golang::proxies(self),
                    "maven" => maven::repositories(self),
                    "npm" => npm::registry(self),
                    "oci" => oci::registry(self),
                    "pypi" => pypi::simple_index(self),
                    _ => Err("no client is known for it".to_owned()),
                };
                base.map(|b| b.trim().trim_end_matches('/').to_owned())
                    .map_err(|reason| HostError::Registry { registry: kind, reason })
            })
            .clone()
    }

    /// Name of the database that vouches for Go modules; `None` if this host uses none.
    pub(crate) fn go_checksums(&self) -> Option<String> {
        golang::checksums(self)
    }

    fn home(&self) -> Option<PathBuf> {
        self.env.get("HOME").filter(|h| !h.is_empty()).map(PathBuf::from)
    }

    /// Runs a client and gives what it prints.
    fn ask(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(&self.env)
            .current_dir("/")
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|e| format!("`{program}` cannot be started: {e}"))?;
        if !output.status.success() {
            return Err(format!("`{program} {}` ends with {}", arguments.join(" "), output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_depends_on_scheme_and_host() {
        let env: BTreeMap<String, String> = [
            ("http_proxy", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://127.0.0.1:2"),
            ("no_proxy", "localhost, .example.org"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let proxies = Proxies::discover(&env);
        assert_eq!(proxies.of("http://a.example.com:80/x"), Some("http://127.0.0.1:1"));
        assert_eq!(proxies.of("https://user@a.example.com/"), Some("http://127.0.0.1:2"));
        assert_eq!(proxies.of("https://a.example.org/"), None);
        assert_eq!(proxies.of("https://example.org/"), None);
        assert_eq!(proxies.of("https://notexample.org/"), Some("http://127.0.0.1:2"));
        assert_eq!(proxies.of("http://localhost:8080/"), None);
    }
}
