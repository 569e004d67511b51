//! Reading rows back, and the two questions that a build asks of the past.

use model::action::Components;
use model::{Digest, Sha256, Timestamp, Verdict};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::de::DeserializeOwned;

use crate::record::NO_SIZE;
use crate::{
    ArtifactRow, AttestationRow, BuildRow, Builder, Ledger, LedgerError, Material, RebuildRow,
    RebuiltArtifact, Source, StepRow, VerificationRow,
};

impl Ledger {
    /// The components of a step when it last ran, to say what changed since. The recipe is given by its path or,
    /// if no build has that path, by its name.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn last_components(&self, recipe: &str, step: &str) -> Result<Option<Components>, LedgerError> {
        let by = |column: &str| {
            format!(
                "SELECT document.body FROM build
                 JOIN step ON step.build = build.id JOIN document ON document.id = step.components
                 WHERE build.{column} = ?1 AND step.name = ?2 ORDER BY build.id DESC LIMIT 1"
            )
        };
        self.read(|tx| {
            for column in ["recipe_path", "recipe"] {
                let body = tx
                    .prepare_cached(&by(column))
                    .and_then(|mut ask| ask.query_row([recipe, step], |row| json(row, 0)).optional())
                    .map_err(self.sql())?;
                if body.is_some() {
                    return Ok(body);
                }
            }
            Ok(None)
        })
    }

    /// The newest build that made the artifact.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn latest_build_of(&self, artifact: &Sha256) -> Result<Option<BuildRow>, LedgerError> {
        const ASK: &str = "SELECT artifact.build FROM digest JOIN artifact ON artifact.digest = digest.id
            WHERE digest.sha256 = ?1 ORDER BY artifact.build DESC LIMIT 1";
        self.newest(ASK, artifact, build)
    }

    /// The newest rebuild of the artifact.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn latest_rebuild(&self, artifact: &Sha256) -> Result<Option<RebuildRow>, LedgerError> {
        const ASK: &str = "SELECT rebuild_artifact.rebuild FROM digest
            JOIN rebuild_artifact ON rebuild_artifact.expected = digest.id
            WHERE digest.sha256 = ?1 ORDER BY rebuild_artifact.rebuild DESC LIMIT 1";
        self.newest(ASK, artifact, rebuild)
    }

    /// The build of that id.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn build(&self, id: &str) -> Result<Option<BuildRow>, LedgerError> {
        self.read(|tx| {
            let ask = || -> rusqlite::Result<Option<BuildRow>> {
                let mut find = tx.prepare_cached("SELECT id FROM build WHERE name = ?1")?;
                let id = find.query_row([id], |row| row.get(0)).optional()?;
                id.map(|id| build(tx, id)).transpose()
            };
            ask().map_err(self.sql())
        })
    }

    fn newest<T>(
        &self,
        ask: &str,
        of: &Sha256,
        load: fn(&Transaction<'_>, i64) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, LedgerError> {
        self.read(|tx| {
            tx.prepare_cached(ask)
                .and_then(|mut ask| ask.query_row([of.as_bytes()], |row| row.get(0)).optional())
                .and_then(|id| id.map(|id| load(tx, id)).transpose())
                .map_err(self.sql())
        })
    }
}

/// The build with that row id.
pub(crate) fn build(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<BuildRow> {
    let (mut build, went_in, came_out) = tx
        .prepare_cached(
            "SELECT build.name, build.recipe, build.version, build.recipe_path, r.sha256, r.size, l.sha256, l.size,
               build.started, build.finished, build.source_commit, build.source_remote, build.source_dirty,
               t.sha256, t.size, build.builder, build.builder_version, build.requester, build.ok, build.error,
               document.body, build.materials, build.byproducts
             FROM build JOIN digest r ON r.id = build.recipe_digest LEFT JOIN digest l ON l.id = build.lock_digest
             LEFT JOIN digest t ON t.id = build.source_tree JOIN document ON document.id = build.conditions
             WHERE build.id = ?1",
        )?
        .query_row([id], |row| {
            let build = BuildRow {
                id: row.get(0)?,
                recipe: row.get(1)?,
                version: row.get(2)?,
                recipe_path: row.get(3)?,
                recipe_digest: digest(row, 4)?,
                lock_digest: digest_or_none(row, 6)?,
                started: Timestamp(row.get(8)?),
                finished: Timestamp(row.get(9)?),
                source: Source {
                    commit: row.get(10)?,
                    remote: row.get(11)?,
                    dirty: row.get(12)?,
                    tree: digest_or_none(row, 13)?,
                },
                builder: Builder { id: row.get(15)?, version: row.get(16)? },
                requester: row.get(17)?,
                ok: row.get(18)?,
                error: row.get(19)?,
                conditions: json(row, 20)?,
                steps: Vec::new(),
                artifacts: Vec::new(),
                materials: Vec::new(),
                byproducts: Vec::new(),
            };
            Ok((build, row.get(21)?, row.get(22)?))
        })?;
    build.steps = tx
        .prepare_cached(
            "SELECT step.name, a.sha256, a.size, step.cached, step.millis, l.sha256, l.size, document.body
             FROM step JOIN digest a ON a.id = step.action LEFT JOIN digest l ON l.id = step.log
             JOIN document ON document.id = step.components WHERE step.build = ?1 ORDER BY step.position",
        )?
        .query_map([id], |row| {
            Ok(StepRow {
                name: row.get(0)?,
                action: digest(row, 1)?,
                cached: row.get(3)?,
                millis: amount(row, 4)?,
                log: digest_or_none(row, 5)?,
                components: json(row, 7)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    build.artifacts = artifacts(tx, id)?;
    build.materials = materials(tx, went_in)?;
    build.byproducts = materials(tx, came_out)?;
    Ok(build)
}

/// The artifacts of the build with that row id.
pub(crate) fn artifacts(tx: &Transaction<'_>, build: i64) -> rusqlite::Result<Vec<ArtifactRow>> {
    tx.prepare_cached(
        "SELECT artifact.name, artifact.format, digest.sha256, digest.size, artifact.encoder
         FROM artifact JOIN digest ON digest.id = artifact.digest WHERE artifact.build = ?1 ORDER BY artifact.position",
    )?
    .query_map([build], |row| {
        Ok(ArtifactRow {
            name: row.get(0)?,
            format: row.get(1)?,
            digest: digest(row, 2)?,
            encoder: row.get(4)?,
        })
    })?
    .collect()
}

fn materials(tx: &Transaction<'_>, set: i64) -> rusqlite::Result<Vec<Material>> {
    tx.prepare_cached(
        "SELECT digest.sha256, digest.size, material.kind, material.name
         FROM material JOIN digest ON digest.id = material.digest WHERE material_set = ?1 ORDER BY position",
    )?
    .query_map([set], |row| Ok(Material { digest: digest(row, 0)?, kind: row.get(2)?, name: row.get(3)? }))?
    .collect()
}

/// The attestation with that row id.
pub(crate) fn attestation(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<AttestationRow> {
    let subjects = tx
        .prepare_cached(
            "SELECT digest.sha256 FROM attestation_subject s JOIN digest ON digest.id = s.digest
             WHERE s.attestation = ?1 ORDER BY s.position",
        )?
        .query_map([id], |row| hash(row, 0))?
        .collect::<Result<_, _>>()?;
    tx.prepare_cached(
        "SELECT a.predicate_type, digest.sha256, digest.size, a.key_id, a.build, a.at
         FROM attestation a JOIN digest ON digest.id = a.bundle WHERE a.id = ?1",
    )?
    .query_row([id], |row| {
        Ok(AttestationRow {
            subjects,
            predicate_type: row.get(0)?,
            bundle: digest(row, 1)?,
            key_id: row.get(3)?,
            build: row.get(4)?,
            at: Timestamp(row.get(5)?),
        })
    })
}

/// The rebuild with that row id.
pub(crate) fn rebuild(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<RebuildRow> {
    let artifacts = tx
        .prepare_cached(
            "SELECT r.name, e.sha256, f.sha256 FROM rebuild_artifact r JOIN digest e ON e.id = r.expected
             LEFT JOIN digest f ON f.id = r.found WHERE r.rebuild = ?1 ORDER BY r.position",
        )?
        .query_map([id], |row| {
            let found: Option<[u8; 32]> = row.get(2)?;
            Ok(RebuiltArtifact {
                name: row.get(0)?,
                expected: hash(row, 1)?,
                found: found.map(Sha256::from_bytes),
            })
        })?
        .collect::<Result<_, _>>()?;
    tx.prepare_cached(
        "SELECT build, verdict, at, millis, builder, builder_version, reason FROM rebuild WHERE id = ?1",
    )?
    .query_row([id], |row| {
        let verdict: String = row.get(1)?;
        let verdict = serde_json::from_value::<Verdict>(verdict.into()).map_err(|error| bad(1, error))?;
        Ok(RebuildRow {
            build: row.get(0)?,
            verdict,
            at: Timestamp(row.get(2)?),
            millis: amount(row, 3)?,
            builder: Builder { id: row.get(4)?, version: row.get(5)? },
            artifacts,
            reason: row.get(6)?,
        })
    })
}

/// The verification with that row id.
pub(crate) fn verification(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<VerificationRow> {
    let keys = tx
        .prepare_cached("SELECT key_id FROM verification_key WHERE verification = ?1 ORDER BY position")?
        .query_map([id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    tx.prepare_cached(
        "SELECT digest.sha256, v.ok, v.status, v.class, v.at, document.body FROM verification v
         JOIN digest ON digest.id = v.subject JOIN document ON document.id = v.checks WHERE v.id = ?1",
    )?
    .query_row(params![id], |row| {
        Ok(VerificationRow {
            subject: hash(row, 0)?,
            ok: row.get(1)?,
            exit: row.get(2)?,
            class: row.get(3)?,
            at: Timestamp(row.get(4)?),
            keys,
            checks: json(row, 5)?,
        })
    })
}

/// A hash in column `at`.
pub(crate) fn hash(row: &Row<'_>, at: usize) -> rusqlite::Result<Sha256> {
    row.get::<_, [u8; 32]>(at).map(Sha256::from_bytes)
}

/// A digest in the columns `at` (hash) and `at + 1` (size).
pub(crate) fn digest(row: &Row<'_>, at: usize) -> rusqlite::Result<Digest> {
    Ok(Digest { sha256: hash(row, at)?, size: amount(row, at + 1)? })
}

/// A size in column `at`, if it is known.
pub(crate) fn size(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    if row.get::<_, i64>(at)? == NO_SIZE { Ok(None) } else { amount(row, at).map(Some) }
}

fn digest_or_none(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Digest>> {
    if row.get::<_, Option<[u8; 32]>>(at)?.is_none() {
        return Ok(None);
    }
    digest(row, at).map(Some)
}

fn amount(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let amount: i64 = row.get(at)?;
    u64::try_from(amount).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, amount))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| bad(at, error))
}

fn bad(at: usize, error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
}
