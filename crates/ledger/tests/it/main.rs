//! The ledger against real files, real processes and real tampering.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]
#![allow(clippy::print_stdout, reason = "the child of a test reports to its parent")]

mod audit;
mod file;
mod kill;
mod questions;
mod sample;
mod writers;
