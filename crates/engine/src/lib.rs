//! Wall two, build time: from declared inputs to a signed artifact, without a network.
//!
//! The modules are the way of the data: a [`job`] is a recipe with its lock and its sources as trees; [`plan`]
//! resolves a step into an action; [`build`] runs the graph of actions, each taken from the store or run in the
//! sandbox; [`mod@package`] packs what is shipped, [`leaks`] looks through it; [`mod@attest`] writes SBOMs and signed provenance; [`mod@verify`] asks whether
//! an artifact is what a bundle says; [`rebuild`] does it all again and compares.
//!
//! What this crate forbids itself: the network. An input that the store lacks is an error
//! ([`BuildError::inputs_are_missing`]); whoever called may fetch it and call again. It prints nothing and reads no
//! environment; the clock is an argument ([`Context::clock`]).

pub mod job;
pub mod plan;

pub mod advice;
pub mod build;
mod cores;
pub mod dockerfile;
mod execute;
mod failed;
mod graph;
pub mod hint;
mod layers;
mod limit;
mod log;
mod missing;
mod network;
mod normal;
pub mod observation;
mod run;
mod sealed;
pub mod secrets;
mod sweep;
mod tell;
mod tree;
pub mod usage;

pub mod image;
pub mod normalize;
pub mod package;

pub mod leaks;

pub mod attest;
pub mod verify;

pub mod rebuild;

pub mod record;

pub mod shell;

mod error;

use model::Timestamp;
use model::event::Listener;

pub use build::{Built, build};
pub use error::BuildError;
pub use job::Job;
pub use sandbox::Cancel;

/// What every stage needs of its surroundings.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where all bytes are.
    pub store: &'a store::Store,
    /// Where it is written down what happened.
    pub ledger: &'a ledger::Ledger,
    /// Who is told.
    pub events: Listener<'a>,
    /// Stops everything at once.
    pub cancel: &'a Cancel,
    /// The time now.
    pub clock: &'a (dyn Fn() -> Timestamp + Sync),
    /// How many steps run at once; at least 1.
    pub jobs: usize,
    /// What the steps may read and nobody may see.
    pub secrets: &'a secrets::Secrets,
    /// Whether steps may run less sealed, where this host refuses a layer of the sandbox.
    pub degraded: bool,
    /// Whether every look at a file is heard and kept; what was built without is then run again.
    pub trace: bool,
}

/// Version of this program, as provenance and SBOMs record it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
