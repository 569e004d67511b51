//! Dockerfiles, built sealed: every `RUN` is a step in our sandbox over the layers before it, what it fetches was recorded when
//! it was locked, and every layer is written canonically.
//!
//! [`Program`] is a Dockerfile with its context and its images, and the plan of its target. A [`Builder`] goes through the
//! plan, one instruction after the other; each makes at most one layer, known by everything that it follows from, so that
//! what is known is not made again. `COPY`, `ADD` and `WORKDIR` make layers without running anything ([`copy`]); `RUN`
//! runs ([`command`]), and what differs between two runs is taken out by named rules ([`rule`]).
//!
//! When a recipe is locked, [`Locking`] goes through the same plan, and stops at each instruction that fetches and of which the
//! lock says nothing.

mod builder;
mod command;
mod contents;
mod copy;
mod files;
mod layer;
mod lock;
mod program;
mod road;
mod rule;
mod user;

use model::{Digest, Sha256};
use store::StoreError;

use crate::BuildError;
use crate::layers::{LayerError, Stack};

pub(crate) use builder::build;
pub(crate) use contents::contents;
pub use lock::{Locking, Unlocked, images};
pub(crate) use program::{Program, Read};

/// What a stage is, so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    /// Its layers.
    pub(crate) stack: Stack,
    /// Of those that instructions made, the lowest first: the tar, and which instruction it was.
    pub(crate) made: Vec<(Sha256, String)>,
    /// The image that it began with, by its place among those of the program.
    pub(crate) base: Option<String>,
}

/// Why an instruction could not be done.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It is told already, as what it is.
    Build(BuildError),
    /// A layer, or what is in it.
    Layer(LayerError),
    /// Something else.
    Why(String),
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Build(error.into())
    }
}

impl From<LayerError> for Failed {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Store(error) => Self::Build(error.into()),
            other => Self::Layer(other),
        }
    }
}

/// Digest of values as JSON: what something is known by.
fn key(values: &serde_json::Value) -> Digest {
    Digest::of(values.to_string().as_bytes())
}
