//! What can go wrong with the ledger's file or a question to it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::find::Found;

/// Why the ledger could not answer or record.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file is something else; it was not touched.
    #[error(
        "{path} is not a ledger: expected a SQLite file made by selfsame, found {found}\nfix: name another file, or move this one away",
        path = path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// The file was written by a later selfsame; it was not touched.
    #[error(
        "ledger {path} has schema version {found}, and this selfsame knows up to {known}\nfix: use the selfsame that wrote it, or a newer one",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The file is a ledger, and its bytes do not hold together.
    #[error(
        "ledger {path} is damaged: {detail}\nfix: move {path}, {path}-wal and {path}-shm away together and restore a copy; `sqlite3 {path} .recover` saves what can be read",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what was found there.
        detail: String,
    },
    /// No space is left; the record was not written, and what was there is intact.
    #[error("no space left to write ledger {path}\nfix: free some space on that file system and run again", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process held the file for too long.
    #[error(
        "ledger {path} is locked by another process for over {seconds} s\nfix: wait for it, or end the process that holds it (`fuser {path}`)",
        path = path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long this process waited.
        seconds: u64,
    },
    /// A build of that id is already recorded.
    #[error("a build with the id `{id}` is already in the ledger; ids are unique")]
    Duplicate {
        /// The id.
        id: String,
    },
    /// Nothing goes by that name.
    #[error("`{text}` names nothing in the ledger\nfix: give a digest, at least {least} of its first digits, a build's id or an artifact's name; `selfsame log` lists what there is", least = crate::find::LEAST_DIGITS)]
    NotFound {
        /// What was asked for.
        text: String,
    },
    /// More than one thing goes by that name.
    #[error("`{text}` names {count} things: {list}\nfix: give more digits", count = candidates.len(), list = list(candidates))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// What it could mean, newest first.
        candidates: Vec<Found>,
    },
    /// The record and the audit log disagree: somebody changed the past.
    #[error("the audit log of {path} does not hold at {place}: expected {expected}, found {found}\nfix: restore a copy whose audit holds; records up to there are good", path = path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
        /// Which entry or record.
        place: String,
        /// What the chain says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The file could not be opened, read or written.
    #[error("cannot {doing} ledger {path}", path = path.display())]
    Database {
        /// What was tried: `open`, `read`, `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn list(candidates: &[Found]) -> String {
    const SHOWN: usize = 8;
    let mut texts: Vec<_> = candidates.iter().take(SHOWN).map(ToString::to_string).collect();
    if candidates.len() > SHOWN {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}

/// How long a process waits for another one, in milliseconds.
pub(crate) const PATIENCE_MILLIS: u64 = 60_000;

/// Gives a database error its place and kind.
pub(crate) fn explain(path: &Path, doing: &'static str, error: rusqlite::Error) -> LedgerError {
    let path = path.to_owned();
    let extended = match &error {
        rusqlite::Error::SqliteFailure(code, _) => code.extended_code,
        _ => 0,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LedgerError::Full { path },
        // The shared-memory file could not be made larger: the only cause is want of space.
        _ if extended == ffi::SQLITE_IOERR_SHMSIZE => LedgerError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::Busy { path, seconds: PATIENCE_MILLIS / 1000 }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            LedgerError::Damaged { path, detail: error.to_string() }
        }
        _ => match error {
            // A value that no record could have written.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => {
                LedgerError::Damaged { path, detail: error.to_string() }
            }
            _ => LedgerError::Database { doing, path, source: Box::new(error) },
        },
    }
}
