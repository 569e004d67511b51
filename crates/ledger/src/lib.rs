//! The database of what was built, attested, rebuilt and verified.
//!
//! One SQLite file, written by many processes at once. Each record goes in whole, together with its entry in an
//! append-only audit log, in one transaction: a process that dies leaves all of it or nothing. The clock is an
//! argument everywhere. The file's layout is specified in `docs/formats/ledger.md`.
//!
//! This crate builds nothing, signs nothing, speaks no HTTP and keeps no blobs: bundles, logs and SBOMs lie in
//! the store, and the ledger holds their digests. SQL is kept to what PostgreSQL also says; what is SQLite's own
//! stands in `open` and `error` alone.
//!
//! Read in this order: the [`rows`] are what is recorded, [`Ledger::open`] opens the file, `record` writes,
//! `read` reads a row back, [`find`] and [`log`] answer questions, [`audit`] proves that nobody changed the past.

pub mod rows;

mod error;
mod open;
mod schema;

mod record;

mod read;

pub mod audit;
pub mod find;
pub mod log;
mod roots;

mod canonical;

pub use audit::{AuditHead, Audited};
pub use error::LedgerError;
pub use find::{Dossier, Found, Made, Role, Used};
pub use log::{Filter, Kind, LogEntry};
pub use open::Ledger;
pub use roots::Keep;
pub use rows::{
    ArtifactRow, AttestationRow, BuildRow, Builder, Material, RebuildRow, RebuiltArtifact, Source, StepRow,
    VerificationRow,
};
