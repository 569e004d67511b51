//! The nouns of selfsame and their encodings.
//!
//! This is the ground floor: every other crate speaks in these types. It holds what is *hashed*, *signed* or
//! *read by people*: the recipe and the lock, trees and actions in the encoding of the Remote Execution API,
//! conditions, statements and SBOMs, verdicts, events. It is not allowed any I/O, clock, environment,
//! randomness or unordered map: the same value gives the same bytes everywhere (see `clippy.toml` beside
//! `Cargo.toml`).
//!
//! Read in this order: a [`Digest`] names bytes, a [`RelPath`] names a place, a [`tree`] is made of both;
//! a [`dockerfile`] and a [`recipe`] say what to build, a [`lock`] says from what exactly, an [`action`] is one step with everything
//! resolved, under [`Conditions`].

pub mod digest;
pub mod path;
pub mod reapi;
pub mod tree;

pub mod conditions;
pub mod deb822;
pub mod diagnostic;
pub mod dockerfile;
pub mod limits;
pub mod oci;
pub mod purl;
pub mod recipe;

pub mod ecosystem;
pub mod transcript;

pub mod lock;

pub mod action;

pub mod sbom;
pub mod statement;

pub mod credential;
pub mod event;
pub mod leak;
pub mod pattern;
pub mod severity;
pub mod timestamp;
pub mod trace;
pub mod verdict;
pub mod violation;

pub use conditions::Conditions;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use digest::{Digest, Hasher, Sha256};
pub use ecosystem::Ecosystem;
pub use event::Event;
pub use leak::{Leak, LeakRule};
pub use limits::Limits;
pub use path::{FileName, RelPath};
pub use pattern::Pattern;
pub use purl::Purl;
pub use severity::Severity;
pub use timestamp::Timestamp;
pub use trace::Trace;
pub use transcript::Transcript;
pub use verdict::Verdict;
pub use violation::Violation;
