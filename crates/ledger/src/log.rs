//! What happened, newest first, one line each.

use std::fmt;

use model::{Sha256, Timestamp};
use rusqlite::types::{Type, Value};
use rusqlite::{OptionalExtension as _, Transaction, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::{Ledger, LedgerError, read};

/// A kind of record; also the name of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A [`crate::BuildRow`].
    Build,
    /// An [`crate::AttestationRow`].
    Attestation,
    /// A [`crate::RebuildRow`].
    Rebuild,
    /// A [`crate::VerificationRow`].
    Verification,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Build, Self::Attestation, Self::Rebuild, Self::Verification];

    /// The word used in text, JSON and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Attestation => "attestation",
            Self::Rebuild => "rebuild",
            Self::Verification => "verification",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which entries to list; an empty filter lists all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of that kind only.
    pub kind: Option<Kind>,
    /// About builds of that recipe (by name) only.
    pub recipe: Option<String>,
    /// At or after that moment only.
    pub since: Option<Timestamp>,
    /// Before that entry only: the `seq` of the last one of the page before.
    pub before: Option<u64>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Its number; the newest has the highest.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// The recipe concerned, if known.
    pub recipe: Option<String>,
    /// The build concerned, if known.
    pub build: Option<String>,
    /// In a word: `ok` or `failed`; the predicate's type; the verdict; the exit code's name.
    pub outcome: String,
    /// Whether that is good news.
    pub ok: bool,
    /// The first artifact concerned, if there is one.
    pub subject: Option<Sha256>,
    /// That artifact's name, if known.
    pub name: Option<String>,
    /// How many artifacts are concerned.
    pub subjects: usize,
    /// The recorded reason or error.
    pub detail: Option<String>,
}

impl Ledger {
    /// The newest `limit` entries that pass the filter, newest first, in the order of recording.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn log(&self, limit: usize, filter: &Filter) -> Result<Vec<LogEntry>, LedgerError> {
        let before = filter.before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // A condition that is not asked for is not in the text, so that each question can use its index.
        let mut text = "SELECT seq, at, kind, record, recipe FROM audit WHERE seq < ?".to_owned();
        let mut values: Vec<Value> = vec![before.into()];
        let mut also = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                text.push_str(condition);
                values.push(value);
            }
        };
        also(" AND kind = ?", filter.kind.map(|kind| kind.as_str().to_owned().into()));
        also(" AND recipe = ?", filter.recipe.clone().map(Value::from));
        also(" AND at >= ?", filter.since.map(|since| since.0.into()));
        also(" ORDER BY seq DESC LIMIT ?", Some(limit.into()));
        let list = |tx: &Transaction<'_>| -> rusqlite::Result<Vec<LogEntry>> {
            tx.prepare_cached(&text)?
                .query_map(params_from_iter(&values), |row| {
                    let kind: String = row.get(2)?;
                    let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) else {
                        return Err(rusqlite::Error::InvalidColumnType(2, kind, Type::Text));
                    };
                    let seq: i64 = row.get(0)?;
                    let mut entry = describe(tx, kind, row.get(3)?)?;
                    entry.seq = u64::try_from(seq).unwrap_or(0);
                    entry.at = Timestamp(row.get(1)?);
                    entry.recipe = row.get(4)?;
                    Ok(entry)
                })?
                .collect()
        };
        self.read(|tx| list(tx).map_err(self.sql()))
    }
}

/// The line of one record; `seq`, `at` and `recipe` are the caller's to fill in.
fn describe(tx: &Transaction<'_>, kind: Kind, record: i64) -> rusqlite::Result<LogEntry> {
    let blank = |outcome: String, ok: bool| LogEntry {
        seq: 0,
        at: Timestamp(0),
        kind,
        recipe: None,
        build: None,
        outcome,
        ok,
        subject: None,
        name: None,
        subjects: 0,
        detail: None,
    };
    let mut entry = match kind {
        Kind::Build => {
            let mut entry = tx.prepare_cached("SELECT name, ok, error FROM build WHERE id = ?1")?.query_row(
                [record],
                |row| {
                    let ok = row.get(1)?;
                    let entry = blank(if ok { "ok" } else { "failed" }.to_owned(), ok);
                    Ok(LogEntry { build: Some(row.get(0)?), detail: row.get(2)?, ..entry })
                },
            )?;
            let artifacts = read::artifacts(tx, record)?;
            entry.subjects = artifacts.len();
            if let Some(first) = artifacts.into_iter().next() {
                entry.subject = Some(first.digest.sha256);
                entry.name = Some(first.name);
            }
            entry
        }
        Kind::Attestation => {
            let row = read::attestation(tx, record)?;
            LogEntry {
                build: row.build,
                subject: row.subjects.first().copied(),
                subjects: row.subjects.len(),
                ..blank(row.predicate_type, true)
            }
        }
        Kind::Rebuild => {
            let row = read::rebuild(tx, record)?;
            let ok = row.verdict == model::Verdict::Reproduced;
            LogEntry {
                build: row.build,
                subject: row.artifacts.first().map(|artifact| artifact.expected),
                name: row.artifacts.first().map(|artifact| artifact.name.clone()),
                subjects: row.artifacts.len(),
                detail: row.reason,
                ..blank(row.verdict.as_str().to_owned(), ok)
            }
        }
        Kind::Verification => {
            let row = read::verification(tx, record)?;
            LogEntry { subject: Some(row.subject), subjects: 1, ..blank(row.class, row.ok) }
        }
    };
    if let (None, Some(subject)) = (&entry.name, &entry.subject) {
        entry.name = artifact_name(tx, subject)?;
    }
    Ok(entry)
}

/// What the newest build that made it calls the artifact.
pub(crate) fn artifact_name(tx: &Transaction<'_>, artifact: &Sha256) -> rusqlite::Result<Option<String>> {
    tx.prepare_cached(
        "SELECT artifact.name FROM digest JOIN artifact ON artifact.digest = digest.id
         WHERE digest.sha256 = ?1 ORDER BY artifact.build DESC LIMIT 1",
    )?
    .query_row([artifact.as_bytes()], |row| row.get(0))
    .optional()
}
