//! `selfsame.toml`: the one declaration of a build.
//!
//! [`parse`] reads the text, [`check`](self::check) turns it into a [`Recipe`] in which every reference resolves, paths cannot
//! escape and the steps form a graph without cycles. Everything that is wrong is reported at once, each with
//! its place and its fix ([`crate::Diagnostics`]). The format is specified in `docs/formats/recipe.md`.

mod check;
mod checker;
mod conditions;
mod debug;
mod dockerfile;
mod image;
mod leaks;
mod limits;
mod policies;
mod raw;
mod rule;
mod toolchain;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::conditions::{Clock, DirectoryOrder, Random};
use crate::ecosystem::Ecosystem;
use crate::oci;
use crate::purl::Purl;
use crate::violation::Policies;
use crate::{Conditions, Diagnostics, Limits, RelPath, Sha256, Timestamp};

pub use debug::Debug;
pub use dockerfile::{DockerfileImage, artifact_of, has_dockerfile, locked_image, locked_instruction};
pub use image::{Image, Layer, Owner, OwnerError, Run, Times};
pub use leaks::AllowedLeak;
pub use rule::{Rule, UnknownRule};
pub use toolchain::{Base, Debian, ToolArchive, Toolchain};

/// The version of the format that this program reads, the value of the key `selfsame`.
pub const FORMAT: i64 = 1;

/// A recipe in which everything holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What is built.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Licence expression (SPDX) of what is built, if the recipe says it.
    pub licence: Option<String>,
    /// Person or organisation that makes it, if the recipe says it.
    pub producer: Option<String>,
    /// By name. At least one.
    pub sources: BTreeMap<String, Source>,
    /// The root filesystem of the steps.
    pub toolchain: Toolchain,
    /// What the recipe changes of the canonical conditions.
    pub conditions: ConditionChoices,
    /// In an order in which every step comes after what it needs. At least one.
    pub steps: Vec<Step>,
    /// In the order of the recipe. At least one.
    pub artifacts: Vec<Artifact>,
}

/// Where source code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The git work tree around the recipe, or a folder of it: `worktree = "."`. Read at each build.
    Worktree {
        /// Folder, relative to the recipe's.
        path: RelPath,
    },
    /// Brought once, at lock time.
    Fetched(Locator),
}

/// Where something is to be had, relative to its registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Locator {
    /// A git repository at a commit: `git = "URL", commit = "40 or 64 hex"`.
    Git {
        /// Anything that `git fetch` takes.
        url: String,
        /// Full commit id.
        commit: String,
    },
    /// A file or archive: `url = "URL", sha256 = "HEX"`.
    Url {
        /// `http`, `https` or `file`.
        url: String,
        /// Of the file as served.
        sha256: Sha256,
        /// How many leading path components of an archive's members are dropped. Default 1.
        strip: u32,
    },
    /// A registry's source package: `purl = "pkg:TYPE/NAME@VERSION"`; types `cargo`, `deb`, `npm`, `pypi`.
    Package {
        /// Which package.
        purl: Purl,
        /// Its files as the registry serves them, instead of what is in them: `packed = true`. Of a source only.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        packed: bool,
    },
    /// An image, as the layout of it alone: `image = "REFERENCE"`. Of a source only.
    Image {
        /// Which.
        image: oci::Reference,
        /// Of an index, the one for this platform. Default: the toolchain's architecture.
        #[serde(with = "oci::platform_text")]
        platform: oci::Platform,
    },
}

impl Locator {
    /// Whether it may mean something else tomorrow, so that `update` has something to move.
    #[must_use]
    pub const fn moves(&self) -> bool {
        matches!(self, Self::Image { image, .. } if image.digest.is_none())
    }
}

impl fmt::Display for Locator {
    /// As provenance writes it: `git+URL@COMMIT`, a URL, a purl, or the reference of an image.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git { url, commit } => write!(f, "git+{url}@{commit}"),
            Self::Url { url, .. } => f.write_str(url),
            Self::Package { purl, .. } => purl.fmt(f),
            Self::Image { image, .. } => image.fmt(f),
        }
    }
}

/// What a recipe may choose of the conditions; `None` is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConditionChoices {
    /// Instead of the time of the newest source.
    pub source_date_epoch: Option<Timestamp>,
    /// Whether addresses in memory are random.
    pub address_randomness: Option<bool>,
    /// The wall clock.
    pub clock: Option<ClockChoice>,
    /// How many CPUs.
    pub cpus: Option<u32>,
    /// The order of directories.
    pub directory_order: Option<DirectoryOrder>,
    /// NIS domain name.
    pub domain: Option<String>,
    /// Group name.
    pub group: Option<String>,
    /// Group id.
    pub gid: Option<u32>,
    /// Absolute path of the home.
    pub home: Option<String>,
    /// Release of the kernel.
    pub kernel_release: Option<String>,
    /// Version of the kernel.
    pub kernel_version: Option<String>,
    /// How much memory is seen, in bytes.
    pub memory_seen: Option<u64>,
    /// The first process has a greater number.
    pub process_ids_after: Option<u32>,
    /// Random numbers.
    pub random: Option<Random>,
    /// User id.
    pub uid: Option<u32>,
    /// Absolute build path.
    pub build_path: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Locale.
    pub locale: Option<String>,
    /// Time zone.
    pub timezone: Option<String>,
    /// Umask.
    pub umask: Option<u32>,
    /// User name.
    pub user: Option<String>,
}

/// A wall clock, perhaps at the time of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChoice {
    /// The machine's.
    Host,
    /// Stands still; `None` is the source date epoch.
    Fixed(Option<Timestamp>),
    /// Runs from there; `None` is the source date epoch.
    Running(Option<Timestamp>),
}

impl ConditionChoices {
    /// The canonical conditions of sources of `epoch`, with what is chosen here.
    #[must_use]
    pub fn apply(&self, epoch: Timestamp) -> Conditions {
        let epoch = self.source_date_epoch.unwrap_or(epoch);
        let mut c = Conditions::canonical(epoch);
        let set = |field: &mut String, choice: &Option<String>| {
            if let Some(value) = choice {
                field.clone_from(value);
            }
        };
        set(&mut c.build_path, &self.build_path);
        set(&mut c.domain, &self.domain);
        set(&mut c.group, &self.group);
        set(&mut c.home, &self.home);
        set(&mut c.hostname, &self.hostname);
        set(&mut c.kernel_release, &self.kernel_release);
        set(&mut c.kernel_version, &self.kernel_version);
        set(&mut c.locale, &self.locale);
        set(&mut c.timezone, &self.timezone);
        set(&mut c.user, &self.user);
        c.address_randomness = self.address_randomness.unwrap_or(c.address_randomness);
        c.clock = match self.clock {
            None => c.clock,
            Some(ClockChoice::Host) => Clock::Host,
            Some(ClockChoice::Fixed(at)) => Clock::Fixed(at.unwrap_or(epoch)),
            Some(ClockChoice::Running(from)) => Clock::Running(from.unwrap_or(epoch)),
        };
        c.cpus = self.cpus.unwrap_or(c.cpus);
        c.directory_order = self.directory_order.unwrap_or(c.directory_order);
        c.gid = self.gid.unwrap_or(c.gid);
        c.memory_seen = self.memory_seen.unwrap_or(c.memory_seen);
        c.process_ids_after = self.process_ids_after.unwrap_or(c.process_ids_after);
        c.random = self.random.unwrap_or(c.random);
        c.uid = self.uid.unwrap_or(c.uid);
        c.umask = self.umask.unwrap_or(c.umask);
        c
    }
}

/// One step: commands run in the sandbox, in a build directory made of declared inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Unique in the recipe.
    pub name: String,
    /// What lies where in the build directory.
    pub inputs: BTreeMap<RelPath, Reference>,
    /// Shell commands, run one after the other by one `/bin/sh -e`.
    pub run: Vec<String>,
    /// Files or directories that the step makes, relative to the build directory. Sorted.
    pub outputs: Vec<RelPath>,
    /// Added to the environment of the conditions.
    pub env: BTreeMap<String, String>,
    /// The ecosystems whose tools it runs: what they fetch was recorded at lock time. Sorted.
    pub uses: Vec<Ecosystem>,
    /// Shell commands that run at lock time, in its place, so that what they fetch is recorded. Empty if it uses nothing.
    pub record: Vec<String>,
    /// Names of the secrets that lie in `/run/secrets` while it runs. Sorted. Their values are in no recipe.
    pub secrets: Vec<String>,
    /// Wall-clock limit. Default one hour.
    pub timeout: Duration,
    /// What else it may use.
    pub limits: Limits,
    /// By which rules its outputs are normalised before they are kept. None by default.
    pub normalize: BTreeSet<Rule>,
    /// What follows from attempts at what is not declared: the step's word, else the recipe's, else the default.
    pub policies: Policies,
}

/// Something that a recipe builds from: `source:NAME[/PATH]` or `step:NAME/OUTPUT[/PATH]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A source, or what lies at a path in it.
    Source {
        /// Name of the source.
        name: String,
        /// Path in its tree.
        path: RelPath,
    },
    /// What a step made.
    Step {
        /// Name of the step.
        name: String,
        /// One of its outputs, or a path below one.
        path: RelPath,
    },
}

impl Reference {
    /// The path in the source or the step.
    #[must_use]
    pub const fn path(&self) -> &RelPath {
        match self {
            Self::Source { path, .. } | Self::Step { path, .. } => path,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name, path) = match self {
            Self::Source { name, path } => ("source", name, path),
            Self::Step { name, path } => ("step", name, path),
        };
        write!(f, "{kind}:{name}")?;
        if !path.is_root() {
            write!(f, "/{path}")?;
        }
        Ok(())
    }
}

/// What is shipped: something that was built, packed in a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// File name of the artifact. Unique in the recipe.
    pub name: String,
    /// What is in it.
    pub contents: Contents,
    /// By which rules its files are normalised before they are packed. None by default.
    pub normalize: BTreeSet<Rule>,
    /// The artifact of its programs' debugging information, if that is split off.
    pub debug: Option<Debug>,
    /// What may be found in it. Nothing by default.
    pub allow_leaks: Vec<AllowedLeak>,
}

/// What is in an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// One thing that was built, packed.
    Packed {
        /// How it is packed: any format but those of images.
        format: Format,
        /// What is packed.
        from: Reference,
        /// Path put before every member of an archive. The root for none.
        prefix: RelPath,
    },
    /// An OCI image.
    Image(Box<Image>),
    /// An OCI image, as a Dockerfile says.
    Dockerfile(Box<DockerfileImage>),
    /// One OCI index of images for different platforms: names of other artifacts of the recipe.
    Index(Vec<String>),
}

impl Artifact {
    /// Its format's word in the recipe.
    #[must_use]
    pub const fn format(&self) -> Format {
        match &self.contents {
            Contents::Packed { format, .. } => *format,
            Contents::Image(_) | Contents::Dockerfile(_) => Format::OciImage,
            Contents::Index(_) => Format::OciIndex,
        }
    }

    /// Everything of the recipe that it is made of, but for other artifacts.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        match &self.contents {
            Contents::Packed { from, .. } => vec![from],
            Contents::Image(image) => image.references().collect(),
            Contents::Dockerfile(image) => image.references().collect(),
            Contents::Index(_) => Vec::new(),
        }
    }

    /// The image that it is made of the recipe alone.
    #[must_use]
    pub fn image(&self) -> Option<&Image> {
        match &self.contents {
            Contents::Image(image) => Some(image),
            _ => None,
        }
    }

    /// The image that it is made of a Dockerfile.
    #[must_use]
    pub fn dockerfile(&self) -> Option<&DockerfileImage> {
        match &self.contents {
            Contents::Dockerfile(image) => Some(image),
            _ => None,
        }
    }

    /// The name of the image that it is, and what that is for.
    #[must_use]
    pub fn names_image(&self) -> Option<(&str, &oci::Platform)> {
        match &self.contents {
            Contents::Image(image) => Some((&image.name, &image.platform)),
            Contents::Dockerfile(image) => Some((&image.name, &image.platform)),
            Contents::Packed { .. } | Contents::Index(_) => None,
        }
    }
}

/// How an artifact is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One file as it is.
    File,
    /// A directory; its digest is that of its tree.
    Dir,
    /// An uncompressed tar archive.
    Tar,
    /// A tar archive in gzip.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A tar archive in Zstandard.
    #[serde(rename = "tar.zst")]
    TarZst,
    /// A zip archive.
    Zip,
    /// A zip archive for a service that runs functions: bytes follow from the files alone.
    FunctionZip,
    /// A Python wheel, from what is to be in it.
    Wheel,
    /// A Debian package, from its files and `DEBIAN/`.
    Deb,
    /// An OCI image, as an archive of its layout.
    OciImage,
    /// An OCI index of several images, as an archive of their layout.
    OciIndex,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::File,
        Self::Dir,
        Self::Tar,
        Self::TarGz,
        Self::TarZst,
        Self::Zip,
        Self::FunctionZip,
        Self::Wheel,
        Self::Deb,
        Self::OciImage,
        Self::OciIndex,
    ];

    /// The word in a recipe.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "dir",
            Self::Tar => "tar",
            Self::TarGz => "tar.gz",
            Self::TarZst => "tar.zst",
            Self::Zip => "zip",
            Self::FunctionZip => "function-zip",
            Self::Wheel => "wheel",
            Self::Deb => "deb",
            Self::OciImage => "oci-image",
            Self::OciIndex => "oci-index",
        }
    }

    /// Whether it can lie in a folder of its own: it is an archive, and nobody says what is at its root.
    #[must_use]
    pub const fn has_prefix(self) -> bool {
        matches!(self, Self::Tar | Self::TarGz | Self::TarZst | Self::Zip)
    }
}

/// Reads and checks a recipe. `origin` names the text in diagnostics.
///
/// # Errors
/// Everything that is wrong with the text, each with place and fix.
pub fn parse(origin: &str, text: &str) -> Result<Recipe, Diagnostics> {
    let failed = |list| Diagnostics { origin: origin.to_owned(), text: text.to_owned(), list };
    let raw = raw::read(text).map_err(|d| failed(vec![d]))?;
    check::check(&raw).map_err(failed)
}

impl Recipe {
    /// The artifact that is so called: one of the recipe's, or one that has a second one of debugging information so called.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        let names =
            |a: &&Artifact| a.name == name || a.debug.as_ref().is_some_and(|debug| debug.name == name);
        self.artifacts.iter().find(names)
    }

    /// The step with that name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|s| s.name == name)
    }
}
