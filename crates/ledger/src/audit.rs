//! The append-only log of everything recorded, chained by hash, and the proof that nobody changed the past.
//!
//! | enters an entry's hash | as |
//! |---|---|
//! | these rules | `rules`: `selfsame-ledger-audit/1` |
//! | the entry before | `previous`: its hash; 64 zeros before the first |
//! | place | `seq`: 1, 2, 3, … |
//! | what | `kind`, `record` (row id), `recipe` |
//! | when | `at`, in seconds |
//! | the record itself | `content`: SHA-256 of its canonical JSON, its steps, artifacts and materials with it |
//!
//! The hash is SHA-256 of these as one canonical JSON object. An edited, removed or inserted record or entry
//! breaks the chain or its tie to the records. Who can write the file can also compute a whole new chain: only a
//! head noted elsewhere ([`Ledger::audit_head`], [`Ledger::audit_verify_since`]) shows that.

use model::{Sha256, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::log::Kind;
use crate::read;
use crate::{Ledger, LedgerError, canonical};

/// A point of the chain: enough to prove later that everything up to it is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// How many entries there are up to it.
    pub seq: u64,
    /// The hash of the newest of them.
    pub hash: Sha256,
}

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// How many entries were followed, each with its record.
    pub entries: u64,
    /// Where the chain ends now.
    pub head: AuditHead,
}

/// One entry as it stands in the table.
struct Entry {
    seq: i64,
    at: i64,
    kind: String,
    record: i64,
    recipe: Option<String>,
    content: Sha256,
    hash: Sha256,
}

impl Entry {
    fn expected_hash(&self, previous: &Sha256) -> Sha256 {
        canonical::hash(&json!({
            "rules": "selfsame-ledger-audit/1",
            "previous": previous,
            "seq": self.seq,
            "at": self.at,
            "kind": self.kind,
            "record": self.record,
            "recipe": self.recipe,
            "content": self.content,
        }))
    }
}

/// Adds the entry of a record that was just written.
pub(crate) fn append(
    tx: &Transaction<'_>,
    at: Timestamp,
    kind: Kind,
    record: i64,
    recipe: Option<&str>,
    content: &Sha256,
) -> rusqlite::Result<()> {
    let (last, previous) = head(tx)?;
    let mut entry = Entry {
        seq: last + 1,
        at: at.0,
        kind: kind.as_str().to_owned(),
        record,
        recipe: recipe.map(str::to_owned),
        content: *content,
        hash: previous,
    };
    entry.hash = entry.expected_hash(&previous);
    tx.prepare_cached(
        "INSERT INTO audit (seq, at, kind, record, recipe, content, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        entry.seq,
        entry.at,
        entry.kind,
        entry.record,
        entry.recipe,
        entry.content.as_bytes(),
        entry.hash.as_bytes()
    ])?;
    tx.prepare_cached("UPDATE audit_head SET seq = ?1, hash = ?2 WHERE id = 1")?
        .execute(params![entry.seq, entry.hash.as_bytes()])?;
    Ok(())
}

fn head(tx: &Transaction<'_>) -> rusqlite::Result<(i64, Sha256)> {
    tx.prepare_cached("SELECT seq, hash FROM audit_head WHERE id = 1")?
        .query_row([], |row| Ok((row.get(0)?, read::hash(row, 1)?)))
}

impl Ledger {
    /// Where the chain ends now. Note it somewhere else, and [`Ledger::audit_verify_since`] proves that
    /// everything up to here is unchanged.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn audit_head(&self) -> Result<AuditHead, LedgerError> {
        let (seq, hash) = self.read(|tx| head(tx).map_err(self.sql()))?;
        Ok(AuditHead { seq: u64::try_from(seq).unwrap_or(0), hash })
    }

    /// Follows the whole chain and compares every entry with its record.
    ///
    /// # Errors
    /// [`LedgerError::Tampered`] at the first place where something was edited, removed or inserted;
    /// [`LedgerError::Damaged`] if the file itself does not hold together.
    pub fn audit_verify(&self) -> Result<Audited, LedgerError> {
        self.verify(None)
    }

    /// [`Ledger::audit_verify`], and the chain goes through `noted`.
    ///
    /// # Errors
    /// As [`Ledger::audit_verify`].
    pub fn audit_verify_since(&self, noted: &AuditHead) -> Result<Audited, LedgerError> {
        self.verify(Some(noted))
    }

    fn verify(&self, noted: Option<&AuditHead>) -> Result<Audited, LedgerError> {
        self.read(|tx| {
            self.file_holds(tx)?;
            let mut ask = tx
                .prepare("SELECT seq, at, kind, record, recipe, content, hash FROM audit ORDER BY seq")
                .map_err(self.sql())?;
            let mut rows = ask.query([]).map_err(self.sql())?;
            let mut last = (0_i64, Sha256::from_bytes([0; 32]));
            let mut passed = noted.is_none_or(|noted| noted.seq == 0);
            while let Some(row) = rows.next().map_err(self.sql())? {
                let entry = entry(row).map_err(self.sql())?;
                let place = format!("entry {}", last.0 + 1);
                if entry.seq != last.0 + 1 {
                    let found = format!("entry {}", entry.seq);
                    return Err(self.tampered(place, "an entry with that number", found));
                }
                self.record_holds(tx, &entry)?;
                let expected = entry.expected_hash(&last.1);
                if entry.hash != expected {
                    return Err(self.tampered(place, expected, entry.hash));
                }
                last = (entry.seq, entry.hash);
                if let Some(noted) = noted.filter(|noted| i64::try_from(noted.seq) == Ok(entry.seq)) {
                    if noted.hash != entry.hash {
                        return Err(self.tampered(place, noted.hash, entry.hash));
                    }
                    passed = true;
                }
            }
            let head = head(tx).map_err(self.sql())?;
            if head != last {
                let found = format!("entry {} ({})", last.0, last.1);
                return Err(self.tampered("the end".into(), format!("entry {} ({})", head.0, head.1), found));
            }
            if let Some(noted) = noted.filter(|_| !passed) {
                let expected = format!("at least {} entries", noted.seq);
                return Err(self.tampered("the end".into(), expected, format!("{} entries", last.0)));
            }
            self.no_record_beside(tx)?;
            let entries = u64::try_from(last.0).unwrap_or(0);
            Ok(Audited { entries, head: AuditHead { seq: entries, hash: last.1 } })
        })
    }

    /// The record of `entry` is there and is what it was.
    fn record_holds(&self, tx: &Transaction<'_>, entry: &Entry) -> Result<(), LedgerError> {
        let place = format!("entry {}, {} {}", entry.seq, entry.kind, entry.record);
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == entry.kind) else {
            return Err(self.tampered(place, "a known kind", format!("`{}`", entry.kind)));
        };
        let content = match kind {
            Kind::Build => read::build(tx, entry.record).map(|row| canonical::hash(&row)),
            Kind::Attestation => read::attestation(tx, entry.record).map(|row| canonical::hash(&row)),
            Kind::Rebuild => read::rebuild(tx, entry.record).map(|row| canonical::hash(&row)),
            Kind::Verification => read::verification(tx, entry.record).map(|row| canonical::hash(&row)),
        };
        // A value that cannot be read back, a word no record has, was not written by a record either.
        let unreadable = |error: &rusqlite::Error| {
            matches!(
                error,
                rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::InvalidColumnType(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
            )
        };
        match content.optional() {
            Ok(Some(content)) if content == entry.content => Ok(()),
            Ok(Some(content)) => Err(self.tampered(place, entry.content, content)),
            Ok(None) => Err(self.tampered(place, entry.content, "no record")),
            Err(error) if unreadable(&error) => Err(self.tampered(place, entry.content, error)),
            Err(error) => Err(self.sql()(error)),
        }
    }

    /// No record was put in without an entry.
    fn no_record_beside(&self, tx: &Transaction<'_>) -> Result<(), LedgerError> {
        for kind in Kind::ALL {
            let table = kind.as_str();
            let beside: Option<i64> = tx
                .query_row(
                    &format!(
                        "SELECT id FROM {table} WHERE NOT EXISTS
                         (SELECT 1 FROM audit WHERE audit.kind = ?1 AND audit.record = {table}.id) LIMIT 1"
                    ),
                    [table],
                    |row| row.get(0),
                )
                .optional()
                .map_err(self.sql())?;
            if let Some(id) = beside {
                let place = format!("{table} {id}");
                return Err(self.tampered(place, "an audit entry for it", "none"));
            }
        }
        Ok(())
    }

    /// Pages, indexes and references hold together.
    fn file_holds(&self, tx: &Transaction<'_>) -> Result<(), LedgerError> {
        // Indexes too: a question answered from a forged index is a lie that no table shows.
        let said: String =
            tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(self.sql())?;
        if said != "ok" {
            return Err(LedgerError::Damaged { path: self.path.clone(), detail: said });
        }
        let dangling: Option<(String, String)> = tx
            .query_row("PRAGMA foreign_key_check", [], |row| Ok((row.get(0)?, row.get(2)?)))
            .optional()
            .map_err(self.sql())?;
        dangling.map_or(Ok(()), |(table, parent)| {
            Err(self.tampered(
                format!("table {table}"),
                format!("a row of {parent} for each of its rows"),
                "none",
            ))
        })
    }

    fn tampered(
        &self,
        place: String,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> LedgerError {
        LedgerError::Tampered {
            path: self.path.clone(),
            place,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        record: row.get(3)?,
        recipe: row.get(4)?,
        content: read::hash(row, 5)?,
        hash: read::hash(row, 6)?,
    })
}
