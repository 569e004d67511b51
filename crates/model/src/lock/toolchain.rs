//! The toolchain in a lock: what every kind has, and what each has of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::ToolchainText;
use super::{LockedFile, LockedPackage, LockedSource};
use crate::oci::Reference;
use crate::recipe::Locator;
use crate::{Digest, Purl, RelPath, Timestamp};

/// A root filesystem, with everything that it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ToolchainText", into = "ToolchainText")]
pub struct LockedToolchain {
    /// As in the recipe.
    pub arch: String,
    /// Version of the rules by which its inputs become a tree.
    pub assembler: u32,
    /// The tree that they make.
    pub tree: Digest,
    /// What lies below the archives.
    pub base: LockedBase,
    /// The tree of the base alone; [`Self::tree`] if there are no archives.
    pub base_tree: Digest,
    /// In the order of the recipe.
    pub archives: Vec<LockedArchive>,
}

/// What a toolchain begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedBase {
    /// Debian packages.
    Debian(LockedDebian),
    /// An OCI image.
    Image(LockedImage),
    /// What was captured of a machine.
    Host(LockedHost),
    /// Nothing.
    Empty,
}

/// Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedDebian {
    /// As in the recipe.
    pub suite: String,
    /// As in the recipe, sorted.
    pub components: Vec<String>,
    /// As in the recipe.
    pub snapshot: Option<String>,
    /// The names in the recipe, sorted.
    pub requested: Vec<String>,
    /// OpenPGP fingerprints (hex, upper case) of the keys whose signatures of the index were verified. Sorted.
    pub signed_by: Vec<String>,
    /// The closure, sorted by name.
    pub packages: Vec<LockedPackage>,
}

/// An OCI image, all of it by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedImage {
    /// As in the recipe.
    pub image: Reference,
    /// The list of platforms that the manifest was chosen from, if there was one.
    pub index: Option<Digest>,
    /// The manifest; none in what `docker save` writes.
    pub manifest: Option<Digest>,
    /// The configuration, whose digest is the image's id.
    pub config: Digest,
    /// As served, the lowest first.
    pub layers: Vec<Digest>,
    /// Variables that the image gives its processes, without those that conditions give.
    pub env: BTreeMap<String, String>,
    /// Distribution, `ID-VERSION`, as its `os-release` says.
    pub distro: Option<String>,
    /// What its package databases say. Sorted.
    pub installed: Vec<Installed>,
}

/// What was captured of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedHost {
    /// The programs in the recipe, sorted.
    pub requested: Vec<String>,
    /// Name of the machine's system, as its `os-release` says.
    pub machine: String,
    /// Distribution, `ID-VERSION`.
    pub distro: Option<String>,
    /// The packages whose files were captured. Sorted.
    pub installed: Vec<Installed>,
    /// Files of no package, absolute. Sorted.
    pub files: Vec<String>,
}

/// A package that is there already: its name and version are the word of a database, no hash goes with them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Installed {
    /// Type of its purl: `deb`, `apk`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, as the database says it.
    pub arch: String,
    /// The source package that it was built from, if the database says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its version, if it is another than the package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// Licence, if the database says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// An archive that was laid over the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedArchive {
    /// Unique among the archives.
    pub name: String,
    /// As in the recipe; of a purl, its version.
    pub version: Option<String>,
    /// Where it comes from.
    pub origin: Locator,
    /// The purl to show for what comes from a URL.
    pub purl: Option<Purl>,
    /// As in the recipe; for a URL, that of the locator.
    pub strip: Option<u32>,
    /// As in the recipe.
    pub at: RelPath,
    /// As in the recipe.
    pub path: Vec<RelPath>,
    /// As in the recipe.
    pub link: BTreeMap<String, RelPath>,
    /// As in the recipe.
    pub env: BTreeMap<String, String>,
    /// Licence expression that the package declares.
    pub licence: Option<String>,
    /// Its own tree, before it is laid over anything.
    pub tree: Digest,
    /// The files that it was unpacked from, sorted by name.
    pub files: Vec<LockedFile>,
}

impl LockedBase {
    /// The word in recipe and lock.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Debian(_) => "debian",
            Self::Image(_) => "image",
            Self::Host(_) => "host",
            Self::Empty => "archive",
        }
    }
}

impl LockedToolchain {
    /// The Debian packages, if it has such.
    #[must_use]
    pub const fn debian(&self) -> Option<&LockedDebian> {
        match &self.base {
            LockedBase::Debian(debian) => Some(debian),
            LockedBase::Image(_) | LockedBase::Host(_) | LockedBase::Empty => None,
        }
    }

    /// Its locked Debian packages; none for other kinds.
    #[must_use]
    pub fn packages(&self) -> &[LockedPackage] {
        self.debian().map_or(&[], |d| &d.packages)
    }

    /// Packages that an image or a machine had already; none for other kinds.
    #[must_use]
    pub fn installed(&self) -> &[Installed] {
        match &self.base {
            LockedBase::Image(image) => &image.installed,
            LockedBase::Host(host) => &host.installed,
            LockedBase::Debian(_) | LockedBase::Empty => &[],
        }
    }

    /// Distribution of what is installed, `ID-VERSION`, if it is known.
    #[must_use]
    pub fn distro(&self) -> Option<&str> {
        match &self.base {
            LockedBase::Image(image) => image.distro.as_deref(),
            LockedBase::Host(host) => host.distro.as_deref(),
            LockedBase::Debian(debian) => Some(&debian.suite),
            LockedBase::Empty => None,
        }
    }

    /// The base in a few words: `debian bookworm`, `image NAME`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.base {
            LockedBase::Debian(debian) => format!("debian {}", debian.suite),
            LockedBase::Image(image) => format!("image {}", image.image),
            LockedBase::Host(host) => format!("host {}", host.machine),
            LockedBase::Empty => "archive".to_owned(),
        }
    }

    /// `env` of the conditions with what the toolchain adds.
    ///
    /// What the conditions give stays, but for `PATH`: directories of archives come first, in the order of the recipe,
    /// then what the image says, else what the conditions say. Of two archives the later one's variable counts.
    #[must_use]
    pub fn environment(&self, mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut add = |name: &String, value: &String| {
            env.insert(name.clone(), value.clone());
        };
        if let LockedBase::Image(image) = &self.base {
            image.env.iter().for_each(|(name, value)| add(name, value));
        }
        for archive in &self.archives {
            archive.env.iter().for_each(|(name, value)| add(name, value));
        }
        let first: Vec<String> =
            self.archives.iter().flat_map(|a| &a.path).map(|p| format!("/{p}")).collect();
        if !first.is_empty() {
            let rest = env.remove("PATH").into_iter();
            env.insert("PATH".into(), first.into_iter().chain(rest).collect::<Vec<_>>().join(":"));
        }
        env
    }
}

impl Installed {
    /// `pkg:KIND/ID/NAME@VERSION?arch=ARCH&distro=ID-VERSION`.
    ///
    /// # Errors
    /// If a part cannot stand in a purl.
    pub fn purl(&self, distro: Option<&str>) -> Result<Purl, crate::purl::PurlError> {
        let namespace = distro.and_then(|d| d.split('-').next());
        let qualifiers = [("arch", Some(self.arch.as_str())), ("distro", distro)];
        Purl::new(&self.kind, namespace, &self.name, &self.version, &qualifiers)
    }
}

impl LockedArchive {
    /// The archive as a source: how it is brought and unpacked is the same.
    #[must_use]
    pub fn source(&self) -> LockedSource {
        LockedSource {
            origin: self.origin.clone(),
            licence: self.licence.clone(),
            epoch: Timestamp(0),
            tree: self.tree,
            files: self.files.clone(),
            contents: None,
        }
    }

    /// The purl to show: its own, or the one that the recipe gives to a URL.
    #[must_use]
    pub const fn shown(&self) -> Option<&Purl> {
        match &self.origin {
            Locator::Package { purl, .. } => Some(purl),
            Locator::Url { .. } | Locator::Git { .. } | Locator::Image { .. } => self.purl.as_ref(),
        }
    }
}
