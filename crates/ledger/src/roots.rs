//! What the store must keep because the ledger speaks of it.

use std::collections::BTreeSet;

use model::Digest;
use rusqlite::Transaction;

use crate::{Ledger, LedgerError, read};

/// Which builds to keep whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// Of each recipe (by name) the newest so many that ended well, and the newest so many that failed: a row of
    /// failures does not push out the last good build.
    Newest(u32),
}

impl Ledger {
    /// The digests that garbage collection must keep: of the builds to keep, recipe, lock, source tree, materials,
    /// artifacts, logs and by-products; and every bundle about their artifacts, or about something not built here.
    ///
    /// Source trees and materials may be trees: what they contain must be kept with them. Actions are not in it:
    /// [`Ledger::actions`] has them.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn roots(&self, keep: Keep) -> Result<BTreeSet<Digest>, LedgerError> {
        self.read(|tx| roots(tx, keep).map_err(self.sql()))
    }

    /// The actions of the steps of the builds to keep: whose results a next build would like to find.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn actions(&self, keep: Keep) -> Result<BTreeSet<Digest>, LedgerError> {
        const ASK: &str = "
            WITH ranked AS (SELECT id, row_number() OVER (PARTITION BY recipe, ok ORDER BY id DESC) AS place FROM build)
            SELECT DISTINCT digest.sha256, digest.size FROM step
              JOIN ranked ON ranked.id = step.build AND ranked.place <= ?1
              JOIN digest ON digest.id = step.action";
        let ask = |tx: &Transaction<'_>| -> rusqlite::Result<BTreeSet<Digest>> {
            tx.prepare(ASK)?.query_map([keep.newest()], |row| read::digest(row, 0))?.collect()
        };
        self.read(|tx| ask(tx).map_err(self.sql()))
    }
}

impl Keep {
    fn newest(self) -> i64 {
        match self {
            Self::All => i64::MAX,
            Self::Newest(count) => i64::from(count),
        }
    }
}

fn roots(tx: &Transaction<'_>, keep: Keep) -> rusqlite::Result<BTreeSet<Digest>> {
    const ASK: &str = "
        WITH ranked AS (SELECT id, row_number() OVER (PARTITION BY recipe, ok ORDER BY id DESC) AS place FROM build),
        kept AS (SELECT build.* FROM build JOIN ranked ON ranked.id = build.id WHERE ranked.place <= ?1),
        dropped AS (SELECT id FROM ranked WHERE place > ?1),
        root AS (
          SELECT recipe_digest AS digest FROM kept
          UNION SELECT lock_digest FROM kept
          UNION SELECT source_tree FROM kept
          UNION SELECT digest FROM artifact WHERE build IN (SELECT id FROM kept)
          UNION SELECT log FROM step WHERE build IN (SELECT id FROM kept)
          UNION SELECT digest FROM material WHERE material_set IN (SELECT materials FROM kept)
          UNION SELECT digest FROM material WHERE material_set IN (SELECT byproducts FROM kept)
          UNION SELECT bundle FROM attestation a
            WHERE NOT EXISTS (SELECT 1 FROM attestation_subject s WHERE s.attestation = a.id)
              OR EXISTS (
              SELECT 1 FROM attestation_subject s JOIN digest d ON d.id = s.digest
              WHERE s.attestation = a.id
                AND (EXISTS (SELECT 1 FROM digest e JOIN artifact ON artifact.digest = e.id
                             WHERE e.sha256 = d.sha256 AND artifact.build IN (SELECT id FROM kept))
                  OR NOT EXISTS (SELECT 1 FROM digest e JOIN artifact ON artifact.digest = e.id
                             WHERE e.sha256 = d.sha256 AND artifact.build IN (SELECT id FROM dropped))))
        )
        SELECT digest.sha256, digest.size FROM root JOIN digest ON digest.id = root.digest";
    tx.prepare(ASK)?.query_map([keep.newest()], |row| read::digest(row, 0))?.collect()
}
