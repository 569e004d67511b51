//! What is signed, how, and what is accepted; against the formats' own schemas and against cosign.

#![allow(clippy::disallowed_methods, reason = "tests read files and look for the programs they run against")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod cosign;
mod damage;
mod example;
mod golden;
mod provenance;
mod sbom;
mod toolchains;
mod verify;
