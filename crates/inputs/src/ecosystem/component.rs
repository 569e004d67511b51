//! One entry of a lockfile.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Purl, RelPath};
use packageurl::PackageUrl;

use super::Adapter;

/// How a lockfile names bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Broken, and not checked.
    Md5,
    /// Weak, but checked.
    Sha1,
    /// SHA-256 of the file.
    Sha256,
    /// SHA-384 of the file.
    Sha384,
    /// SHA-512 of the file.
    Sha512,
    /// Go's `h1:` of a module's zip: SHA-256 over the list of its files.
    GoZip,
    /// Go's `h1:` of a `go.mod` alone.
    GoMod,
    /// Yarn's own, of an archive that yarn makes: it says nothing about what was downloaded.
    YarnArchive,
}

impl Algorithm {
    /// As the algorithm is written before a value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::GoZip | Self::GoMod => "h1",
            Self::YarnArchive => "yarn",
        }
    }

    /// How many bytes a value has; `None` where it is not fixed.
    const fn size(self) -> Option<usize> {
        match self {
            Self::Md5 => Some(16),
            Self::Sha1 => Some(20),
            Self::Sha256 | Self::GoZip | Self::GoMod => Some(32),
            Self::Sha384 => Some(48),
            Self::Sha512 => Some(64),
            Self::YarnArchive => None,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }
}

/// A hash that a lockfile says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Its value in lower-case hexadecimal digits.
    pub hex: String,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl Checksum {
    /// From hexadecimal digits; `None` if they are no value of `algorithm`.
    #[must_use]
    pub fn hex(algorithm: Algorithm, hex: &str) -> Option<Self> {
        let fits = algorithm.size().is_none_or(|size| hex.len() == size * 2) && !hex.is_empty();
        (fits && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| Self { algorithm, hex: hex.to_ascii_lowercase() })
    }

    /// From `ALGORITHM:HEX`, as Python writes it.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let (name, hex) = text.split_once([':', '='])?;
        Self::hex(Algorithm::of_name(name)?, hex)
    }

    /// From Base64.
    #[must_use]
    pub fn base64(algorithm: Algorithm, text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        algorithm.size().is_none_or(|size| bytes.len() == size).then(|| Self::of(algorithm, &bytes))
    }

    /// From raw bytes.
    pub(crate) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let hex = bytes.iter().map(|b| format!("{b:02x}")).collect();
        Self { algorithm, hex }
    }

    /// From Subresource Integrity: the strongest of `sha512-BASE64 sha1-BASE64`, options left out.
    #[must_use]
    pub fn integrity(text: &str) -> Option<Self> {
        let one = |word: &str| {
            let (name, value) = word.split_once('-')?;
            Self::base64(Algorithm::of_name(name)?, value.split('?').next()?)
        };
        text.split_whitespace().filter_map(one).max()
    }
}

/// Where an entry is from, as the lockfile says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A registry; which one, if the lockfile says it.
    Registry(Option<String>),
    /// A commit of a repository.
    Git {
        /// Of the repository.
        url: String,
        /// Its id.
        commit: String,
    },
    /// A file by URL.
    Url(String),
    /// A folder or file of the repository, or beside it.
    Path(String),
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// What is built needs it, or may.
    Runtime,
    /// Only if a feature, extra or platform asks for it.
    Optional,
    /// Only while building.
    Build,
    /// Only to develop and test.
    Dev,
    /// Read to choose versions; none of its code is used. A module of which `go.sum` knows the `go.mod` alone.
    Resolution,
}

/// One file that may be fetched for an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedFile {
    /// Ends of locators that mean this file, each beginning with `/`. Empty if any distribution file of this name and
    /// version is meant.
    pub ends: Vec<String>,
    /// It must have one of these.
    pub accepted: Vec<Checksum>,
}

/// One entry of a lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Which adapter read it.
    pub adapter: Adapter,
    /// Its name as the ecosystem has it.
    pub name: String,
    /// Its version; `None` if the lockfile, or what stands for one, does not say it.
    pub version: Option<String>,
    /// Its package URL; `None` without a version.
    pub purl: Option<Purl>,
    /// Where it is from.
    pub origin: Origin,
    /// What may be fetched for it. Several for a wheel of each platform.
    pub files: Vec<LockedFile>,
    /// What it depends on, as places in the same list, sorted.
    pub depends: Vec<usize>,
    /// What it is for.
    pub scope: Scope,
    /// Whether the project itself asks for it.
    pub direct: bool,
    /// Where it stands.
    pub lockfile: RelPath,
    /// The line, from 1; 0 if unknown.
    pub line: usize,
    /// Its licence, where the lockfile says it.
    pub licence: Option<String>,
}

impl Component {
    pub(crate) fn new(adapter: Adapter, lockfile: &RelPath, name: &str, version: Option<&str>) -> Self {
        let kind = match adapter {
            Adapter::Cargo => "cargo",
            Adapter::Go => "golang",
            Adapter::Npm => "npm",
            Adapter::Pypi => "pypi",
            Adapter::Maven | Adapter::Gradle => "maven",
            Adapter::C => "generic",
            Adapter::Debian => "deb",
        };
        Self {
            adapter,
            name: name.to_owned(),
            version: version.map(str::to_owned),
            purl: version.and_then(|version| purl(kind, name, version)),
            origin: Origin::Registry(None),
            files: Vec::new(),
            depends: Vec::new(),
            scope: Scope::Runtime,
            direct: false,
            lockfile: lockfile.clone(),
            line: 0,
            licence: None,
        }
    }

    /// `name@version` for people.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Makes a purl of a name as the ecosystem writes it; `None` if it cannot be one.
pub(crate) fn purl(kind: &'static str, name: &str, version: &str) -> Option<Purl> {
    let (namespace, name) = match kind {
        "npm" if name.starts_with('@') => {
            name.split_once('/').map(|(n, m)| (Some(n.to_owned()), m.to_owned()))?
        }
        "maven" => name.split_once(':').map(|(n, m)| (Some(n.to_owned()), m.to_owned()))?,
        "golang" => {
            let name = name.to_ascii_lowercase();
            match name.rsplit_once('/') {
                Some((head, last)) => (Some(head.to_owned()), last.to_owned()),
                None => (None, name),
            }
        }
        "pypi" => (None, python_name(name)),
        "deb" => (Some("debian".to_owned()), name.to_owned()),
        _ => (None, name.to_owned()),
    };
    if version.is_empty() || name.is_empty() {
        return None;
    }
    let mut purl = PackageUrl::new(kind, name).ok()?;
    if let Some(namespace) = namespace {
        purl.with_namespace(namespace).ok()?;
    }
    purl.with_version(version.to_owned()).ok()?;
    purl.to_string().parse().ok()
}

/// A Python project's name in its normal form (PEP 503).
#[must_use]
pub(crate) fn python_name(name: &str) -> String {
    crate::source::registry::pypi::normal(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purls_have_the_form_of_their_type() {
        for (kind, name, version, expected) in [
            ("cargo", "serde", "1.0.0+x", "pkg:cargo/serde@1.0.0+x"),
            ("npm", "@babel/core", "7.0.0", "pkg:npm/%40babel/core@7.0.0"),
            (
                "golang",
                "github.com/BurntSushi/toml",
                "v1.0.0",
                "pkg:golang/github.com/burntsushi/toml@v1.0.0",
            ),
            ("golang", "gopkg", "v1", "pkg:golang/gopkg@v1"),
            ("pypi", "Zope.Interface_x", "5", "pkg:pypi/zope-interface-x@5"),
            ("maven", "org.a:b", "1", "pkg:maven/org.a/b@1"),
        ] {
            let purl = purl(kind, name, version).unwrap();
            assert_eq!(purl.to_string().replace("%2B", "+"), expected);
        }
        assert_eq!(purl("npm", "@broken", "1"), None);
        assert_eq!(purl("cargo", "", "1"), None);
    }

    #[test]
    fn integrity_gives_the_strongest() {
        let sri = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=?x";
        let sum = Checksum::integrity(sri).unwrap();
        assert_eq!(sum.algorithm, Algorithm::Sha256);
        assert_eq!(sum.hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Checksum::integrity("sha512-AAAA"), None);
        assert_eq!(Checksum::integrity("what"), None);
        assert_eq!(Checksum::named("sha256:12"), None);
    }
}
