//! What a build of one target does, with every variable resolved.
//!
//! Two questions, since the answer depends on images that are not known yet: [`bases`] tells which images are needed, as
//! far as can be told, and [`plan`] takes what the base images say of themselves. An image may record instructions
//! (`ONBUILD`) that need further images, so `bases` is asked again with what is known until it names nothing new.
//!
//! Order of what a variable means, as BuildKit has it: in `FROM`, the platform's variables and the `ARG`s before the
//! first `FROM`, each as the caller chose it or by its default. In a stage, what the base left, and then whatever `ENV` or
//! `ARG` set last; an `ARG` takes what the caller chose, else its default, else what it is before the first `FROM`, and is
//! forgotten by the image that comes out.

mod add;
mod config;
mod copy;
mod outline;
mod planner;
mod platform;
mod ports;
mod run;
mod signal;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use config::Config;
pub use outline::{bases, plan};

use super::instruction::{Device, Network, Security};
use super::mount::Mount;
use crate::oci::Platform;

/// What a caller chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// The stage that is wanted, by name; none is the last.
    pub target: Option<String>,
    /// Values of `ARG`s, of the platform's variables and of proxies.
    pub build_args: BTreeMap<String, String>,
    /// What the image is for.
    pub platform: Platform,
    /// What it is built on.
    pub build_platform: Platform,
    /// Labels of the image, whatever the file says.
    pub labels: BTreeMap<String, String>,
}

/// An image in a registry, for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As the file has it when its variables are replaced; [`crate::oci::Reference`] reads it.
    pub name: String,
    /// What it has to be for.
    pub platform: Platform,
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.name, self.platform)
    }
}

/// What is known of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Images(BTreeMap<String, Config>);

impl Images {
    /// Notes the configuration of an image.
    pub fn insert(&mut self, image: &Image, config: Config) {
        self.0.insert(image.to_string(), config);
    }

    /// The configuration of an image, if it is known.
    #[must_use]
    pub fn get(&self, image: &Image) -> Option<&Config> {
        self.0.get(&image.to_string())
    }
}

/// An image that a build needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Which.
    pub image: Image,
    /// Whether its configuration is needed too: a stage begins with it, and not only takes files.
    pub begins: bool,
    /// Where the file names it first.
    pub span: Range<usize>,
}

/// What a build does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the target needs, each after what it needs itself; the last is the target.
    pub stages: Vec<Stage>,
    /// How the image is run.
    pub config: Config,
    /// What it is for.
    pub platform: Platform,
    /// What the caller gave a value and nothing asked for.
    pub unused: BTreeSet<String>,
}

/// A stage of the same plan, further up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageId(pub(super) usize);

impl StageId {
    /// Its place in [`Plan::stages`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A file system, from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `AS name`.
    pub name: Option<String>,
    /// Which `FROM` of the file, from 0.
    pub number: usize,
    /// What it begins with.
    pub from: From,
    /// What runs in it.
    pub platform: Platform,
    /// What changes it, in their order.
    pub steps: Vec<Step>,
    /// Its `FROM`.
    pub span: Range<usize>,
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Nothing.
    Scratch,
    /// An image.
    Image(Image),
    /// The end of another stage.
    Stage(StageId),
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// What is built: the context, without what is ignored.
    Context,
    /// Nothing.
    Scratch,
    /// Another stage.
    Stage(StageId),
    /// An image.
    Image(Image),
}

/// An instruction that changes the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands; of a trigger, the `FROM` that brought it.
    pub span: Range<usize>,
    /// What it does.
    pub work: Work,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Runs a command.
    Run(Box<Run>),
    /// Copies files.
    Copy(Copy),
    /// Adds files, from wherever they are.
    Add(Add),
    /// Makes a folder, with those above it.
    Workdir(Workdir),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The program and its arguments, the shell among them. Not empty.
    pub argv: Vec<String>,
    /// A document that is the program.
    pub script: Option<Script>,
    /// Every variable, those of `ARG` too. The same map is shared by commands with the same variables.
    pub env: Arc<BTreeMap<String, String>>,
    /// Proxies that the caller gave, in both spellings: they are no part of what the command means.
    pub proxies: BTreeMap<String, String>,
    /// `USER`; empty is root.
    pub user: String,
    /// Absolute.
    pub workdir: String,
    /// In their order.
    pub mounts: Vec<Mount<Origin>>,
    /// What network is asked for.
    pub network: Network,
    /// Whether it asks for all capabilities.
    pub security: Security,
    /// Devices that it asks for.
    pub devices: Vec<Device>,
}

/// A program that stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where the command expects it, executable.
    pub path: String,
    /// What it is.
    pub text: String,
}

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Absolute, without a slash at its end.
    pub path: String,
    /// It is written as a folder: files go into it under their names.
    pub folder: bool,
}

/// Files that are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where from.
    pub from: Origin,
    /// Paths there, absolute, perhaps with wildcards; see [`super::sources`]. With a second one (`--parents`), that is a
    /// pattern below the first, and keeps its folders.
    pub sources: Vec<(String, Option<String>)>,
    /// Files that stand in the Dockerfile.
    pub documents: Vec<Document>,
    /// Where to.
    pub to: Place,
    /// `user[:group]`; none is root.
    pub owner: Option<String>,
    /// Permissions; none are those of the source.
    pub mode: Option<Mode>,
    /// Whether it is a layer of its own.
    pub link: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
}

/// Files that are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// In their order.
    pub sources: Vec<Added>,
    /// Files that stand in the Dockerfile.
    pub documents: Vec<Document>,
    /// Where to.
    pub to: Place,
    /// `user[:group]`; none is root.
    pub owner: Option<String>,
    /// Permissions; none are those of the source.
    pub mode: Option<Mode>,
    /// Whether it is a layer of its own.
    pub link: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
}

/// What is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// A path of the context, absolute, perhaps with wildcards.
    Path {
        /// Which.
        path: String,
        /// Whether an archive is unpacked.
        unpack: bool,
    },
    /// A file at a URL.
    Url {
        /// Where.
        url: String,
        /// What it is called, in a folder.
        name: String,
        /// `algorithm:hex`.
        checksum: Option<String>,
        /// Whether an archive is unpacked.
        unpack: bool,
    },
    /// A commit of a git repository.
    Git {
        /// Where, without what follows `#` and `?`.
        remote: String,
        /// Branch, tag or commit; none is the default branch.
        reference: Option<String>,
        /// The commit that it has to be.
        commit: Option<String>,
        /// A folder in it; none is all.
        folder: Option<String>,
        /// Whether `.git` stays.
        keep_git_dir: bool,
        /// Whether submodules come with it.
        submodules: bool,
    },
}

/// A file that stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is called, in a folder.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// As a number, at most 07777.
    Octal(u32),
    /// As `chmod` writes them: `u+x,go-w`.
    Symbolic(String),
}

/// A folder that is made if it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir {
    /// Absolute, and not the root.
    pub path: String,
    /// Who owns it; empty is root.
    pub user: String,
}
