//! Writing records: each with its audit entry, in one transaction.

use model::{Digest, Sha256};
use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::log::Kind;
use crate::{AttestationRow, BuildRow, Ledger, LedgerError, Material, RebuildRow, VerificationRow};
use crate::{audit, canonical};

/// `digest.size` where only the hash is known.
pub(crate) const NO_SIZE: i64 = -1;

impl Ledger {
    /// Records a build.
    ///
    /// # Errors
    /// [`LedgerError::Duplicate`] if its id is taken; then nothing is written.
    pub fn record_build(&self, build: &BuildRow) -> Result<(), LedgerError> {
        let written = self.write(|tx| {
            let taken = tx.prepare_cached("SELECT 1 FROM build WHERE name = ?1")?.exists([&build.id])?;
            if taken {
                return Ok(false);
            }
            let id = insert_build(tx, build)?;
            audit::append(tx, build.finished, Kind::Build, id, Some(&build.recipe), &canonical::hash(build))?;
            Ok(true)
        })?;
        if written { Ok(()) } else { Err(LedgerError::Duplicate { id: build.id.clone() }) }
    }

    /// Records an attestation.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is.
    pub fn record_attestation(&self, attestation: &AttestationRow) -> Result<(), LedgerError> {
        self.write(|tx| {
            let id: i64 = tx
                .prepare_cached(
                    "INSERT INTO attestation (predicate_type, bundle, key_id, build, at)
                     VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
                )?
                .query_row(
                    params![
                        attestation.predicate_type,
                        digest(tx, &attestation.bundle)?,
                        attestation.key_id,
                        attestation.build,
                        attestation.at.0
                    ],
                    |row| row.get(0),
                )?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO attestation_subject (attestation, position, digest) VALUES (?1, ?2, ?3)",
            )?;
            for (position, subject) in (0_i64..).zip(&attestation.subjects) {
                insert.execute(params![id, position, hash(tx, subject)?])?;
            }
            let recipe = recipe_of(tx, attestation.build.as_deref(), &attestation.subjects)?;
            let content = canonical::hash(attestation);
            audit::append(tx, attestation.at, Kind::Attestation, id, recipe.as_deref(), &content)
        })
    }

    /// Records a rebuild.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is.
    pub fn record_rebuild(&self, rebuild: &RebuildRow) -> Result<(), LedgerError> {
        self.write(|tx| {
            let id: i64 = tx
                .prepare_cached(
                    "INSERT INTO rebuild (build, verdict, at, millis, builder, builder_version, reason)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
                )?
                .query_row(
                    params![
                        rebuild.build,
                        rebuild.verdict.as_str(),
                        rebuild.at.0,
                        integer(rebuild.millis)?,
                        rebuild.builder.id,
                        rebuild.builder.version,
                        rebuild.reason
                    ],
                    |row| row.get(0),
                )?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO rebuild_artifact (rebuild, position, name, expected, found)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (position, artifact) in (0_i64..).zip(&rebuild.artifacts) {
                let found = artifact.found.map(|found| hash(tx, &found)).transpose()?;
                insert.execute(params![id, position, artifact.name, hash(tx, &artifact.expected)?, found])?;
            }
            let expected: Vec<_> = rebuild.artifacts.iter().map(|artifact| artifact.expected).collect();
            let recipe = recipe_of(tx, rebuild.build.as_deref(), &expected)?;
            let content = canonical::hash(rebuild);
            audit::append(tx, rebuild.at, Kind::Rebuild, id, recipe.as_deref(), &content)
        })
    }

    /// Records a verification.
    ///
    /// # Errors
    /// If it cannot be written; then nothing is.
    pub fn record_verification(&self, verification: &VerificationRow) -> Result<(), LedgerError> {
        self.write(|tx| {
            let id: i64 = tx
                .prepare_cached(
                    "INSERT INTO verification (subject, ok, status, class, at, checks)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
                )?
                .query_row(
                    params![
                        hash(tx, &verification.subject)?,
                        i64::from(verification.ok),
                        verification.exit,
                        verification.class,
                        verification.at.0,
                        document(tx, &canonical::json(&verification.checks))?
                    ],
                    |row| row.get(0),
                )?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO verification_key (verification, position, key_id) VALUES (?1, ?2, ?3)",
            )?;
            for (position, key) in (0_i64..).zip(&verification.keys) {
                insert.execute(params![id, position, key])?;
            }
            let recipe = recipe_of(tx, None, &[verification.subject])?;
            let content = canonical::hash(verification);
            audit::append(tx, verification.at, Kind::Verification, id, recipe.as_deref(), &content)
        })
    }
}

fn insert_build(tx: &Transaction<'_>, build: &BuildRow) -> rusqlite::Result<i64> {
    let id: i64 = tx
        .prepare_cached(
            "INSERT INTO build (name, recipe, version, recipe_path, recipe_digest, lock_digest, started, finished,
               source_commit, source_remote, source_dirty, source_tree, builder, builder_version, requester, ok,
               error, conditions, materials, byproducts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
             RETURNING id",
        )?
        .query_row(
            params![
                build.id,
                build.recipe,
                build.version,
                build.recipe_path,
                digest(tx, &build.recipe_digest)?,
                build.lock_digest.map(|lock| digest(tx, &lock)).transpose()?,
                build.started.0,
                build.finished.0,
                build.source.commit,
                build.source.remote,
                i64::from(build.source.dirty),
                build.source.tree.map(|tree| digest(tx, &tree)).transpose()?,
                build.builder.id,
                build.builder.version,
                build.requester,
                i64::from(build.ok),
                build.error,
                document(tx, &canonical::json(&build.conditions))?,
                materials(tx, &build.materials)?,
                materials(tx, &build.byproducts)?
            ],
            |row| row.get(0),
        )?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO step (build, position, name, action, cached, millis, log, components)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (position, step) in (0_i64..).zip(&build.steps) {
        insert.execute(params![
            id,
            position,
            step.name,
            digest(tx, &step.action)?,
            i64::from(step.cached),
            integer(step.millis)?,
            step.log.map(|log| digest(tx, &log)).transpose()?,
            document(tx, &canonical::json(&step.components))?
        ])?;
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO artifact (build, position, name, format, digest, encoder) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (position, artifact) in (0_i64..).zip(&build.artifacts) {
        insert.execute(params![
            id,
            position,
            artifact.name,
            artifact.format,
            digest(tx, &artifact.digest)?,
            artifact.encoder
        ])?;
    }
    Ok(id)
}

/// The id of a digest, new or known.
fn digest(tx: &Transaction<'_>, digest: &Digest) -> rusqlite::Result<i64> {
    intern(tx, &digest.sha256, integer(digest.size)?)
}

/// The id of a digest of which only the hash is known: one with a size if there is any.
fn hash(tx: &Transaction<'_>, sha256: &Sha256) -> rusqlite::Result<i64> {
    let known = tx
        .prepare_cached("SELECT id FROM digest WHERE sha256 = ?1 ORDER BY size DESC LIMIT 1")?
        .query_row([sha256.as_bytes()], |row| row.get(0))
        .optional()?;
    known.map_or_else(|| intern(tx, sha256, NO_SIZE), Ok)
}

fn intern(tx: &Transaction<'_>, sha256: &Sha256, size: i64) -> rusqlite::Result<i64> {
    // The update changes nothing; it makes RETURNING answer for a known digest too.
    tx.prepare_cached(
        "INSERT INTO digest (sha256, size) VALUES (?1, ?2)
         ON CONFLICT (sha256, size) DO UPDATE SET size = excluded.size RETURNING id",
    )?
    .query_row(params![sha256.as_bytes(), size], |row| row.get(0))
}

/// The id of a text, new or known.
fn document(tx: &Transaction<'_>, body: &str) -> rusqlite::Result<i64> {
    let sha256 = Sha256::of(body.as_bytes());
    let known = tx
        .prepare_cached("SELECT id FROM document WHERE sha256 = ?1")?
        .query_row([sha256.as_bytes()], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => tx
            .prepare_cached("INSERT INTO document (sha256, body) VALUES (?1, ?2) RETURNING id")?
            .query_row(params![sha256.as_bytes(), body], |row| row.get(0)),
    }
}

/// The id of a list of materials, new or known.
fn materials(tx: &Transaction<'_>, list: &[Material]) -> rusqlite::Result<i64> {
    let sha256 = canonical::hash(&list);
    let known = tx
        .prepare_cached("SELECT id FROM material_set WHERE sha256 = ?1")?
        .query_row([sha256.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id: i64 = tx
        .prepare_cached("INSERT INTO material_set (sha256) VALUES (?1) RETURNING id")?
        .query_row([sha256.as_bytes()], |row| row.get(0))?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO material (material_set, position, digest, kind, name) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, material) in (0_i64..).zip(list) {
        insert.execute(params![id, position, digest(tx, &material.digest)?, material.kind, material.name])?;
    }
    Ok(id)
}

/// The recipe that a record is about: of its build, or else of the newest build that made one of its subjects.
fn recipe_of(
    tx: &Transaction<'_>,
    build: Option<&str>,
    subjects: &[Sha256],
) -> rusqlite::Result<Option<String>> {
    if let Some(build) = build {
        let recipe = tx
            .prepare_cached("SELECT recipe FROM build WHERE name = ?1")?
            .query_row([build], |row| row.get(0))
            .optional()?;
        if recipe.is_some() {
            return Ok(recipe);
        }
    }
    let mut ask = tx.prepare_cached(
        "SELECT build.recipe FROM digest
         JOIN artifact ON artifact.digest = digest.id JOIN build ON build.id = artifact.build
         WHERE digest.sha256 = ?1 ORDER BY build.id DESC LIMIT 1",
    )?;
    for subject in subjects {
        let recipe = ask.query_row([subject.as_bytes()], |row| row.get(0)).optional()?;
        if recipe.is_some() {
            return Ok(recipe);
        }
    }
    Ok(None)
}

/// An amount as the database holds it.
fn integer(amount: u64) -> rusqlite::Result<i64> {
    i64::try_from(amount).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
