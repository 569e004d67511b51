//! Statements, SBOMs, keys, signatures and verification: bytes in, bytes or verdict out.
//!
//! This crate makes what is signed, signs it, and judges what others signed. It is outside the sandbox: a
//! build never reaches it. It is not allowed any I/O, clock, environment or unordered map, and randomness only
//! in [`key`] (`clippy.toml` beside `Cargo.toml`); times and files are arguments.
//!
//! Read in this order: [`provenance`] and [`sbom`] say what is claimed, a [`key`] signs it, [`dsse`] says over
//! which bytes, a [`bundle`] carries it, and [`verify`] answers with every reason why not.
//!
//! Formats: `docs/formats/provenance.md`, `docs/formats/sbom.md`.

pub mod provenance;
pub mod sbom;

pub mod key;

pub mod bundle;
pub mod dsse;

pub mod verify;

pub use bundle::{Bundle, BundleError};
pub use key::{KeyError, PublicKey, SecretKey, SignError, Signer};
pub use verify::{Class, Expectations, Subject, Verification, verify};
