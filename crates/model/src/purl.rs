//! Package URLs: the registry-relative name of a package.

use std::fmt;
use std::str::FromStr;

use packageurl::PackageUrl;
use serde::{Deserialize, Serialize};

/// A package URL with a version, in its canonical text (<https://github.com/package-url/purl-spec>).
#[derive(Clone, PartialEq, Eq)]
pub struct Purl(PackageUrl<'static>);

/// Why a text is no purl that selfsame can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// The text is no purl.
    #[error("`{text}` is not a package URL: {reason}")]
    Form {
        /// What was given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// It names no version.
    #[error("`{0}` names no version: expected `pkg:TYPE/NAME@VERSION`")]
    Version(String),
}

impl Purl {
    /// The type: `cargo`, `deb`, `npm`, `pypi`, …
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.ty()
    }

    /// The namespace: `debian`, `@scope`, …
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.namespace()
    }

    /// The package's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.0.version().unwrap_or_default()
    }

    /// A qualifier, such as `arch`.
    #[must_use]
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        self.0.qualifiers().get(key).map(AsRef::as_ref)
    }

    /// Makes a purl of its parts; qualifiers without a value are left out.
    ///
    /// # Errors
    /// If a part cannot stand in a purl.
    pub fn new(
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        version: &str,
        qualifiers: &[(&str, Option<&str>)],
    ) -> Result<Self, PurlError> {
        let wrong = |reason: String| PurlError::Form { text: format!("{kind} {name} {version}"), reason };
        let mut purl = PackageUrl::new(kind.to_owned(), name.to_owned()).map_err(|e| wrong(e.to_string()))?;
        if let Some(namespace) = namespace {
            purl.with_namespace(namespace.to_owned()).map_err(|e| wrong(e.to_string()))?;
        }
        purl.with_version(version.to_owned()).map_err(|e| wrong(e.to_string()))?;
        for (key, value) in qualifiers {
            if let Some(value) = value {
                let (key, value) = ((*key).to_owned(), (*value).to_owned());
                purl.add_qualifier(key, value).map_err(|e| wrong(e.to_string()))?;
            }
        }
        Ok(Self(purl))
    }

    /// Makes the purl of a Debian package: `pkg:deb/debian/NAME@VERSION?arch=ARCH&distro=SUITE`.
    ///
    /// # Errors
    /// If a part cannot stand in a purl.
    pub fn debian(name: &str, version: &str, arch: &str, suite: &str) -> Result<Self, PurlError> {
        Self::new("deb", Some("debian"), name, version, &[("arch", Some(arch)), ("distro", Some(suite))])
    }
}

impl FromStr for Purl {
    type Err = PurlError;

    fn from_str(text: &str) -> Result<Self, PurlError> {
        let purl = PackageUrl::from_str(text)
            .map_err(|e| PurlError::Form { text: text.to_owned(), reason: e.to_string() })?;
        if purl.version().is_none_or(str::is_empty) {
            return Err(PurlError::Version(text.to_owned()));
        }
        Ok(Self(purl))
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl PartialOrd for Purl {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Purl {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl Serialize for Purl {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Purl {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
