//! What is recorded. Each row is also its JSON form, and the canonical form of that JSON is what the audit log
//! hashes: a field added later must be left out of the JSON while it is empty (`skip_serializing_if`).

use model::action::Components;
use model::{Digest, Sha256, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One run of a recipe, ended well or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildRow {
    /// Unique in the ledger; given by the caller.
    pub id: String,
    /// The recipe's name.
    pub recipe: String,
    /// The version that the recipe builds.
    pub version: String,
    /// Where the recipe lies, as the person would call it.
    pub recipe_path: String,
    /// The recipe's bytes.
    pub recipe_digest: Digest,
    /// The lock's bytes, if there was a lock.
    pub lock_digest: Option<Digest>,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; the time of the record in the log.
    pub finished: Timestamp,
    /// What was built.
    pub source: Source,
    /// Who built.
    pub builder: Builder,
    /// Who asked.
    pub requester: Option<String>,
    /// Whether every step and artifact came out.
    pub ok: bool,
    /// Why not, in one sentence.
    pub error: Option<String>,
    /// The conditions of the build, as JSON.
    pub conditions: Value,
    /// The steps, in the order given.
    pub steps: Vec<StepRow>,
    /// What came out, in the order given.
    pub artifacts: Vec<ArtifactRow>,
    /// What went in: sources, toolchain packages, dependencies, in the order given.
    pub materials: Vec<Material>,
    /// What else came out and must be kept: SBOMs, observations. Same form as a material.
    pub byproducts: Vec<Material>,
}

/// Where the source of a build came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    /// The commit.
    pub commit: Option<String>,
    /// The repository's address.
    pub remote: Option<String>,
    /// Whether the work tree had changes that no commit holds.
    pub dirty: bool,
    /// The tree that was built.
    pub tree: Option<Digest>,
}

/// A program that builds, by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// The builder's id, as provenance says it.
    pub id: String,
    /// Its version.
    pub version: String,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    /// The step's name.
    pub name: String,
    /// The action's digest: the cache key.
    pub action: Digest,
    /// Whether the result was taken from the store.
    pub cached: bool,
    /// Wall-clock milliseconds.
    pub millis: u64,
    /// The whole log, if the step ran far enough to have one.
    pub log: Option<Digest>,
    /// The parts of the action, to tell the next run what changed.
    pub components: Components,
}

/// One packed output of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRow {
    /// Its file name.
    pub name: String,
    /// Its format: `file`, `tar.gz`, …
    pub format: String,
    /// Its bytes: hash and size.
    pub digest: Digest,
    /// The encoder that wrote it, with version.
    pub encoder: String,
}

/// Something that went into a build, or came out of it besides the artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// Its bytes, or its tree.
    pub digest: Digest,
    /// What it is: `source`, `toolchain`, `package`, `sbom`, …
    pub kind: String,
    /// What it is called: a purl, a path, a file name.
    pub name: String,
}

/// A signed statement about artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationRow {
    /// The subjects' hashes, in the statement's order. A statement names no sizes.
    pub subjects: Vec<Sha256>,
    /// The type of its predicate.
    pub predicate_type: String,
    /// The bundle's bytes.
    pub bundle: Digest,
    /// The key that signed.
    pub key_id: String,
    /// The build it speaks of, which need not be in this ledger.
    pub build: Option<String>,
    /// When it was signed or came in.
    pub at: Timestamp,
}

/// One attempt to build the same again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildRow {
    /// The build it repeats, which need not be in this ledger.
    pub build: Option<String>,
    /// What it found.
    pub verdict: Verdict,
    /// When it ended.
    pub at: Timestamp,
    /// Wall-clock milliseconds.
    pub millis: u64,
    /// Who rebuilt.
    pub builder: Builder,
    /// What was compared, in the order given.
    pub artifacts: Vec<RebuiltArtifact>,
    /// Why the verdict is not `reproduced`, in one sentence.
    pub reason: Option<String>,
}

/// One artifact of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuiltArtifact {
    /// Its file name.
    pub name: String,
    /// The hash that was attested.
    pub expected: Sha256,
    /// The hash that came out, if anything did.
    pub found: Option<Sha256>,
}

/// One verification of an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerificationRow {
    /// The artifact's hash, as found.
    pub subject: Sha256,
    /// Whether it may be used.
    pub ok: bool,
    /// The exit code.
    pub exit: u8,
    /// The exit code's name: `ok`, `digest_mismatch`, …
    pub class: String,
    /// When it was decided.
    pub at: Timestamp,
    /// The keys it was verified with.
    pub keys: Vec<String>,
    /// Every check and its answer, as JSON.
    pub checks: Value,
}
