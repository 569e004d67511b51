//! The toolchain as a recipe asks for it: a base, and archives laid over it.

use std::collections::BTreeMap;

use crate::{RelPath, Sha256};

use super::Locator;

/// The root filesystem of the steps: a base with archives over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Architecture, as Debian calls it. Default `amd64`.
    pub arch: String,
    /// What lies below the archives.
    pub base: Base,
    /// In the order of the recipe.
    pub archives: Vec<ToolArchive>,
}

/// What a toolchain begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Debian packages: `kind = "debian"`.
    Debian(Debian),
    /// An OCI image: `kind = "image"`.
    Image {
        /// Which.
        image: crate::oci::Reference,
    },
    /// Programs of the machine that locks: `kind = "host"`.
    Host {
        /// Names, or absolute paths. Sorted.
        programs: Vec<String>,
    },
    /// Nothing but the archives: `kind = "archive"`.
    Empty,
}

/// Packages of a Debian archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debian {
    /// What the recipe asks for, sorted: `NAME`, `NAME=VERSION`, or a dependency as control files have it. The closure is in
    /// the lock.
    pub packages: Vec<String>,
    /// Suite, such as `bookworm`.
    pub suite: String,
    /// Components of the suite, sorted. Default `main`.
    pub components: Vec<String>,
    /// Base URL of the archive. Default: what the host's package manager is configured for.
    pub mirror: Option<String>,
    /// Base URL of a snapshot archive's mirror for `snapshot`; `{snapshot}` in it stands for the time.
    pub snapshot_mirror: Option<String>,
    /// Time of the snapshot, `YYYYMMDDTHHMMSSZ`.
    pub snapshot: Option<String>,
    /// Keyring file, relative to the recipe. Default: the host's Debian archive keyring.
    pub keyring: Option<RelPath>,
}

/// An archive that is laid over the base: `[[toolchain.archive]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolArchive {
    /// Unique among the archives.
    pub name: String,
    /// For the SBOM. Of a purl, its version.
    pub version: Option<String>,
    /// A [`Locator::Url`] or [`Locator::Package`].
    pub origin: Locator,
    /// What a package's file must be, beside what its registry says.
    pub sha256: Option<Sha256>,
    /// The purl that the SBOM shows for what comes from a URL.
    pub purl: Option<crate::Purl>,
    /// How many leading components of the members' paths are dropped; `None` is what the origin needs.
    pub strip: Option<u32>,
    /// Where its members lie in the root.
    pub at: RelPath,
    /// Directories of the root that come before others in `PATH`, in this order.
    pub path: Vec<RelPath>,
    /// Links in `/usr/local/bin`: by name, what in the root they lead to.
    pub link: BTreeMap<String, RelPath>,
    /// Variables of every step.
    pub env: BTreeMap<String, String>,
}

impl Base {
    /// The word in a recipe.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Debian(_) => "debian",
            Self::Image { .. } => "image",
            Self::Host { .. } => "host",
            Self::Empty => "archive",
        }
    }
}

impl Toolchain {
    /// The Debian packages, if it has such.
    #[must_use]
    pub const fn debian(&self) -> Option<&Debian> {
        match &self.base {
            Base::Debian(debian) => Some(debian),
            Base::Image { .. } | Base::Host { .. } | Base::Empty => None,
        }
    }

    /// Whether the recipe names this package, with or without a version, also first of alternatives; `None` if its packages are not of its naming.
    #[must_use]
    pub fn has(&self, package: &str) -> Option<bool> {
        let name = |p: &String| p.split(['=', ' ']).next() == Some(package);
        self.debian().map(|debian| debian.packages.iter().any(name))
    }
}
