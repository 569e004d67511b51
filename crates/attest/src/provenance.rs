//! SLSA provenance v1 of a build: [`build`] writes it, [`read`] gives back everything that a rebuild needs.
//!
//! Field by field in `docs/formats/provenance.md`. The recipe's and the lock's whole texts stand in the
//! statement, so that a bundle alone is enough to fetch every input and build again.

mod fetched;
mod read;
mod toolchain;
mod write;

use std::collections::BTreeMap;

use model::lock::{Lock, LockedSource};
use model::recipe::Format;
use model::{Conditions, Diagnostics, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use model::statement::Builder;
pub use read::read;
pub use write::{build, subjects};

/// The `buildType`: how to read the parameters. Documented in `docs/formats/provenance.md`.
pub const BUILD_TYPE: &str = "https://selfsame.dev/build/v1";

/// Everything that provenance says. `read(&build(&record)) == record`, but for credentials in a URL.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildRecord {
    /// Name of what was built, as the recipe says it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The recipe as it was read.
    pub recipe: TextFile,
    /// The lock as it was read.
    pub lock: TextFile,
    /// What `lock.text` says.
    pub locked: Lock,
    /// The artifacts, in the order of the recipe.
    pub subjects: Vec<SubjectRecord>,
    /// What was asked for.
    pub requested: Requested,
    /// Work trees that were sources, by their names in the recipe. Other sources are in the lock.
    pub worktrees: BTreeMap<String, Worktree>,
    /// The conditions of the steps.
    pub conditions: Conditions,
    /// Limits that the engine set, by name. An object.
    pub limits: Value,
    /// What the sandbox achieved on this host. An object.
    pub sandbox: Value,
    /// Names of the secrets that steps could read, by step. What they are is nowhere.
    pub secrets: BTreeMap<String, Vec<String>>,
    /// Who asked, as far as the caller says.
    pub requester: Option<String>,
    /// The machine.
    pub host: Host,
    /// Steps in the order of the recipe.
    pub steps: Vec<StepRecord>,
    /// SBOMs made of the same build.
    pub sboms: Vec<Byproduct>,
    /// What was looked for in each artifact and found, by the artifact's name; empty if nobody looked.
    pub leaks: Vec<Byproduct>,
    /// Who vouches for the build.
    pub builder: Builder,
    /// This run's name.
    pub invocation_id: String,
    /// When it began.
    pub started: Timestamp,
    /// When it was done.
    pub finished: Timestamp,
}

/// A text that stands in the provenance as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// Relative to the root of the source, or its name.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRecord {
    /// File name.
    pub name: String,
    /// How it is packed.
    pub format: Format,
    /// Of its bytes; of its tree for [`Format::Dir`].
    pub digest: Digest,
    /// Name and version of the encoder that packed it.
    pub encoder: String,
    /// The image in it, a subject of its own: registries know it by another digest than that of the file.
    pub image: Option<ImageRecord>,
}

/// An image in an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// `NAME:TAG`.
    pub name: String,
    /// What it is for; nothing for an index.
    pub platform: Option<String>,
    /// Of a manifest or of an index.
    pub media_type: String,
    /// Of the manifest or index.
    pub digest: Digest,
}

/// What was asked for, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requested {
    /// Artifacts.
    pub artifacts: Vec<String>,
    /// Steps, of which those that the artifacts need.
    pub steps: Vec<String>,
}

/// A work tree that was a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// Folder in the repository; `.` for all of it.
    pub path: String,
    /// URL of the repository that it is a clone of, if it has one. Credentials in it are not written.
    pub url: Option<String>,
    /// The commit that is checked out, if there is one.
    pub commit: Option<String>,
    /// Files that are not as in that commit. Empty: clean.
    pub dirty: Vec<String>,
    /// What was built.
    pub tree: Digest,
}

/// The machine that built.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Instruction set, as `uname -m` says it.
    pub arch: String,
    /// Kernel, as `uname -sr` says it.
    pub kernel: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Name in the recipe.
    pub name: String,
    /// Of its action.
    pub action: Digest,
    /// Whether its result was taken from the cache.
    pub cached: bool,
    /// Of its whole log.
    pub log: Option<Digest>,
    /// Of what the sandbox saw.
    pub observation: Option<Digest>,
}

/// A file made besides the artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Byproduct {
    /// File name.
    pub name: String,
    /// What kind of file.
    pub media_type: String,
    /// Of its bytes.
    pub digest: Digest,
}

/// Why a statement is no provenance of ours, or contradicts itself.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Another predicate.
    #[error("the statement's predicate is `{found}`: expected `{expected}`")]
    PredicateType {
        /// SLSA provenance v1.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Built by other rules.
    #[error("the provenance's build type is `{found}`: expected `{BUILD_TYPE}`")]
    BuildType {
        /// What it is.
        found: String,
    },
    /// Not the JSON of a provenance.
    #[error("the provenance is damaged")]
    Json(#[from] serde_json::Error),
    /// A field is missing or has no meaning.
    #[error("the provenance is damaged: `{field}` is {found}")]
    Field {
        /// Where.
        field: String,
        /// What is there: `missing`, or the value.
        found: String,
    },
    /// The lock in it cannot be read.
    #[error("the lock in the provenance cannot be read: {0}")]
    Lock(Diagnostics),
    /// Two places that must say the same do not.
    #[error("the provenance contradicts itself: {what}: expected {expected}, found {found}")]
    Contradiction {
        /// Which thing.
        what: String,
        /// What one place says.
        expected: String,
        /// What the other says.
        found: String,
    },
}

impl BuildRecord {
    /// The locked sources by name: those that are not work trees.
    #[must_use]
    pub fn sources(&self) -> &BTreeMap<String, LockedSource> {
        &self.locked.sources
    }
}
