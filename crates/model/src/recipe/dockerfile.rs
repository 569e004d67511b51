//! An image as a recipe asks for it that has a Dockerfile: which one, and what it is given.

use std::collections::BTreeMap;

use super::Reference;
use crate::RelPath;
use crate::dockerfile::{Choices, Image};
use crate::oci::Platform;

/// An OCI image as a Dockerfile says: `format = "oci-image"` with `[artifact.dockerfile]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileImage {
    /// What registries and container engines call it, without a tag. Default: made of the recipe's name.
    pub name: String,
    /// What `COPY` and `ADD` take files from.
    pub context: Reference,
    /// The Dockerfile, a path in the context. Default `Dockerfile`.
    pub file: RelPath,
    /// The stage that is wanted; none is the last.
    pub target: Option<String>,
    /// Values of `ARG`s.
    pub build_args: BTreeMap<String, String>,
    /// What is meant by a name after `FROM` or `--from=`, instead of an image of a registry: a source or a step's output
    /// that is the layout of one image, or a directory. As `--build-context` of other builders.
    pub contexts: BTreeMap<String, Reference>,
    /// Labels, whatever the Dockerfile says.
    pub labels: BTreeMap<String, String>,
    /// Names of the secrets that its commands may have, sorted. Their values are in no recipe.
    pub secrets: Vec<String>,
    /// What it is for, and built on. Default: the toolchain's architecture.
    pub platform: Platform,
}

impl DockerfileImage {
    /// Everything of the recipe that it is made of.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        std::iter::once(&self.context).chain(self.contexts.values())
    }

    /// What a planner is asked with.
    #[must_use]
    pub fn choices(&self) -> Choices {
        Choices {
            target: self.target.clone(),
            build_args: self.build_args.clone(),
            platform: self.platform.clone(),
            build_platform: self.platform.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// Whether the text of a recipe has an image of a Dockerfile, as far as can be told without knowing all of it.
#[must_use]
pub fn has_dockerfile(text: &str) -> bool {
    let artifacts = toml::from_str::<toml::Table>(text).ok().and_then(|table| table.get("artifact").cloned());
    let artifacts = artifacts.as_ref().and_then(toml::Value::as_array);
    artifacts.into_iter().flatten().any(|artifact| artifact.get("dockerfile").is_some())
}

/// What a lock calls an image that a Dockerfile names: no name of a source has a blank.
#[must_use]
pub fn locked_image(image: &Image) -> String {
    format!("FROM --platform={} {}", image.platform, image.name)
}

/// What a lock calls what an instruction of a Dockerfile fetches: the artifact, the stage by its name or number, and which
/// of the instructions of that name in the stage, from 1. No name of a step has a blank.
#[must_use]
pub fn locked_instruction(artifact: &str, stage: &str, instruction: &str, nth: usize) -> String {
    format!("{artifact}: {stage}: {instruction} {nth}")
}

/// The artifact of which [`locked_instruction`] speaks.
#[must_use]
pub fn artifact_of(locked: &str) -> Option<&str> {
    Some(locked.split_once(": ")?.0)
}
