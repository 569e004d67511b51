//! The ecosystems whose own tools fetch what a step needs, and how those tools are told where to fetch.
//!
//! A step that `uses` one has a network of a single door: a gateway, which records what is asked at lock time and
//! replays exactly that at build time. Inside, each registry stands under a [`host`](Ecosystem::host) of its own, the
//! same on every machine; where it really is, only wall one knows. One file per ecosystem holds its [`Preset`]: plain
//! data, part of the step's command and environment and so of its cache key.

mod cargo;
mod go;
mod maven;
mod npm;
mod pypi;
mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ecosystem, by the name that recipes, locks and purls have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ecosystem {
    /// Rust crates, fetched by cargo.
    Cargo,
    /// Go modules, fetched by go.
    Go,
    /// Java artifacts, fetched by Maven or Gradle.
    Maven,
    /// JavaScript packages, fetched by npm, pnpm or yarn.
    Npm,
    /// Python packages, fetched by pip, uv, poetry, …
    Pypi,
    /// Anything else that is fetched by HTTP or HTTPS from its own address.
    Web,
}

/// How an ecosystem's tools are made to ask the registry behind the gateway, and nothing that changes.
#[derive(Debug)]
pub(crate) struct Preset {
    /// Variables: name, value.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Files that are there before the first command: path below `$HOME`, content.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Shell command that fetches, by the lockfile, all that a build will ask for; empty if only the build itself knows.
    pub(crate) prefetch: &'static str,
}

/// Where the certificate of the gateway's authority lies, in PEM.
pub const AUTHORITY: &str = "/run/selfsame/authority.pem";
/// The same as a Java key store (password [`JAVA_PASSWORD`]).
pub const JAVA_AUTHORITY: &str = "/run/selfsame/authority.jks";
/// What every Java has for its own store of authorities.
pub const JAVA_PASSWORD: &str = "changeit";
/// Where the gateway is a proxy for tools that know one.
pub const PROXY: &str = "http://127.0.0.1:3128";

/// What tools are told that trust no store of the system's.
const TRUST: &[&str] = &[
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

impl Ecosystem {
    /// Every one, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Cargo, Self::Go, Self::Maven, Self::Npm, Self::Pypi, Self::Web];

    /// The word in a recipe.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Go => "go",
            Self::Maven => "maven",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Web => "web",
        }
    }

    /// The name that its registry has inside a sandbox; none for [`Ecosystem::Web`], where every host has its own.
    #[must_use]
    pub const fn host(self) -> Option<&'static str> {
        match self {
            Self::Cargo => Some(cargo::HOST),
            Self::Go => Some(go::HOST),
            Self::Maven => Some(maven::HOST),
            Self::Npm => Some(npm::HOST),
            Self::Pypi => Some(pypi::HOST),
            Self::Web => None,
        }
    }

    /// The ecosystem whose registry has that name inside.
    #[must_use]
    pub fn of_host(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.host() == Some(host))
    }

    const fn preset(self) -> &'static Preset {
        match self {
            Self::Cargo => &cargo::PRESET,
            Self::Go => &go::PRESET,
            Self::Maven => &maven::PRESET,
            Self::Npm => &npm::PRESET,
            Self::Pypi => &pypi::PRESET,
            Self::Web => &web::PRESET,
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Ecosystem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|e| e.as_str() == text)
            .ok_or_else(|| format!("expected one of {}, found `{text}`", names()))
    }
}

/// The variables of a step that uses these: the gateway, whom to trust, and each preset's. Empty for none.
#[must_use]
pub fn environment(uses: &[Ecosystem]) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    if uses.is_empty() {
        return env;
    }
    let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
    for name in TRUST {
        set(name, AUTHORITY);
    }
    for scheme in ["http", "https"] {
        set(&format!("{scheme}_proxy"), PROXY);
        set(&format!("{}_PROXY", scheme.to_ascii_uppercase()), PROXY);
    }
    let direct = "localhost,127.0.0.1,::1,.registry.internal";
    set("no_proxy", direct);
    set("NO_PROXY", direct);
    for (name, value) in uses.iter().flat_map(|e| e.preset().env) {
        set(name, value);
    }
    env
}

/// Shell commands that write the files of the presets, to stand before a step's own; they print nothing. Empty for none.
#[must_use]
pub fn prologue(uses: &[Ecosystem]) -> String {
    let mut script = String::new();
    for (path, content) in uses.iter().flat_map(|e| e.preset().files) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        script.push_str(&format!(
            "mkdir -p \"$HOME/{folder}\"\ncat >\"$HOME/{path}\" <<'SELFSAME'\n{content}SELFSAME\n"
        ));
    }
    script
}

/// The commands that fetch everything a step will ask for, if every ecosystem it uses has one.
#[must_use]
pub fn prefetch(uses: &[Ecosystem]) -> Option<Vec<String>> {
    let commands: Vec<String> = uses.iter().map(|e| e.preset().prefetch.to_owned()).collect();
    (!commands.is_empty() && commands.iter().all(|c| !c.is_empty())).then_some(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for ecosystem in Ecosystem::ALL {
            assert_eq!(ecosystem.as_str().parse(), Ok(ecosystem));
            assert_eq!(ecosystem.host().and_then(Ecosystem::of_host), ecosystem.host().map(|_| ecosystem));
            assert!(ecosystem.host().is_none_or(|host| host.ends_with(".registry.internal")));
        }
        assert!("gem".parse::<Ecosystem>().unwrap_err().contains("cargo, go"));
    }

    #[test]
    fn nothing_is_set_for_a_step_that_uses_none() {
        assert!(environment(&[]).is_empty() && prologue(&[]).is_empty() && prefetch(&[]).is_none());
    }

    #[test]
    fn presets_are_well_formed() {
        for ecosystem in Ecosystem::ALL {
            for (path, content) in ecosystem.preset().files {
                assert!(path.parse::<crate::RelPath>().is_ok(), "{path}");
                assert!(content.ends_with('\n') && !content.contains("SELFSAME\n"), "{path}");
            }
            let env = environment(&[ecosystem]);
            assert_eq!(env["SSL_CERT_FILE"], AUTHORITY);
        }
        assert!(prefetch(&[Ecosystem::Cargo, Ecosystem::Web]).is_none());
        assert_eq!(prefetch(&[Ecosystem::Cargo]).unwrap(), ["cargo fetch --locked"]);
    }
}
