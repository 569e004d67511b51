//! From a few digits to everything known about what they name.

use std::fmt;

use model::{Sha256, Timestamp};
use rusqlite::{Transaction, params, params_from_iter};
use serde::Serialize;

use crate::{
    ArtifactRow, AttestationRow, BuildRow, Ledger, LedgerError, RebuildRow, VerificationRow, log, read,
};

/// How many digits of a digest, or characters of a build's id, must be given at least.
pub const LEAST_DIGITS: usize = 4;

/// The most candidates that [`Ledger::find`] lists, and the most rows in each list of a [`Dossier`].
pub const MOST: usize = 100;

/// Something that the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Found {
    /// Bytes, or a tree.
    Digest {
        /// Its hash.
        sha256: Sha256,
        /// Its size in bytes, if any record says it.
        size: Option<u64>,
        /// What it has been, sorted.
        roles: Vec<Role>,
        /// What it is called, if it has a name.
        name: Option<String>,
    },
    /// A build.
    Build {
        /// Its id.
        id: String,
        /// The recipe's name.
        recipe: String,
        /// The version that it built.
        version: String,
        /// When it ended.
        finished: Timestamp,
        /// Whether it ended well.
        ok: bool,
    },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { sha256, roles, name, .. } => {
                write!(f, "sha256:{sha256}")?;
                if let Some(role) = roles.first() {
                    write!(f, " ({role}")?;
                    name.as_ref().map_or(Ok(()), |name| write!(f, " {name}"))?;
                    f.write_str(")")?;
                }
                Ok(())
            }
            Self::Build { id, recipe, version, .. } => write!(f, "build {id} ({recipe} {version})"),
        }
    }
}

/// What a digest has been in some record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An artifact of a build.
    Artifact,
    /// The subject of an attestation, a rebuild or a verification.
    Subject,
    /// What a rebuild made instead of the artifact.
    Rebuilt,
    /// A signed bundle.
    Bundle,
    /// Something that came out of a build besides the artifacts: an SBOM.
    Byproduct,
    /// Something that went into a build.
    Material,
    /// The source tree of a build.
    Source,
    /// A recipe.
    Recipe,
    /// A lock.
    Lock,
    /// The log of a step.
    Log,
    /// An action.
    Action,
}

/// Each role, its word, and the question whether a digest (by row id) has it.
const ROLES: &[(Role, &str, &str)] = &[
    (Role::Artifact, "artifact", "SELECT 1 FROM artifact WHERE digest = ?1"),
    (
        Role::Subject,
        "subject",
        "SELECT 1 FROM attestation_subject WHERE digest = ?1
         UNION ALL SELECT 1 FROM rebuild_artifact WHERE expected = ?1
         UNION ALL SELECT 1 FROM verification WHERE subject = ?1",
    ),
    (Role::Rebuilt, "rebuilt", "SELECT 1 FROM rebuild_artifact WHERE found = ?1 AND found <> expected"),
    (Role::Bundle, "bundle", "SELECT 1 FROM attestation WHERE bundle = ?1"),
    (
        Role::Byproduct,
        "byproduct",
        "SELECT 1 FROM material JOIN build ON build.byproducts = material.material_set WHERE material.digest = ?1",
    ),
    (
        Role::Material,
        "material",
        "SELECT 1 FROM material JOIN build ON build.materials = material.material_set WHERE material.digest = ?1",
    ),
    (Role::Source, "source", "SELECT 1 FROM build WHERE source_tree = ?1"),
    (Role::Recipe, "recipe", "SELECT 1 FROM build WHERE recipe_digest = ?1"),
    (Role::Lock, "lock", "SELECT 1 FROM build WHERE lock_digest = ?1"),
    (Role::Log, "log", "SELECT 1 FROM step WHERE log = ?1"),
    (Role::Action, "action", "SELECT 1 FROM step WHERE action = ?1"),
];

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (.., word, _) = ROLES.iter().find(|(role, ..)| role == self).expect("every role is in the table");
        f.pad(word)
    }
}

/// Everything known about one thing. Each list has the newest first, and at most [`MOST`] rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dossier {
    /// What it is about.
    pub subject: Found,
    /// Builds that made it; the build itself if it is one.
    pub builds: Vec<BuildRow>,
    /// The artifacts concerned: itself, or those of the build.
    pub artifacts: Vec<Made>,
    /// What was built from it, if it went into builds.
    pub used_by: Vec<Used>,
    /// Attestations about it, or of which it is the bundle, or of the build.
    pub attestations: Vec<AttestationRow>,
    /// Rebuilds of it, or of the build, or that made it instead of what was expected.
    pub rebuilds: Vec<RebuildRow>,
    /// Verifications of it, or of the build's artifacts.
    pub verifications: Vec<VerificationRow>,
    /// Whether a list was cut at [`MOST`].
    pub cut: bool,
}

/// An artifact and the build that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The build's id.
    pub build: String,
    /// The artifact.
    #[serde(flatten)]
    pub artifact: ArtifactRow,
}

/// A build that something went into or came out of besides its artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// The build's id.
    pub build: String,
    /// The recipe's name.
    pub recipe: String,
    /// As what: the material's kind, or `recipe`, `lock`, `source tree`, `log of STEP`, `action of STEP`.
    pub role: String,
    /// What it was called there.
    pub name: String,
    /// What that build made.
    pub artifacts: Vec<ArtifactRow>,
}

impl Ledger {
    /// What `text` may mean: a digest or its first digits (with or without `sha256:`, size or capitals), a build's
    /// id or its beginning, or an artifact's name. An exact hit hides mere beginnings. Newest first, [`MOST`] at
    /// most; empty if it means nothing, or if fewer than [`LEAST_DIGITS`] characters hit nothing exactly.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn find(&self, text: &str) -> Result<Vec<Found>, LedgerError> {
        self.read(|tx| find(tx, text).map_err(self.sql()))
    }

    /// Everything known about the one thing that `text` means (see [`Ledger::find`]).
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] or [`LedgerError::Ambiguous`].
    pub fn show(&self, text: &str) -> Result<Dossier, LedgerError> {
        self.read(|tx| {
            let mut candidates = find(tx, text).map_err(self.sql())?;
            match (candidates.pop(), candidates.is_empty()) {
                (None, _) => Err(LedgerError::NotFound { text: text.to_owned() }),
                (Some(one), true) => dossier(tx, one).map_err(self.sql()),
                (Some(last), false) => {
                    candidates.push(last);
                    Err(LedgerError::Ambiguous { text: text.to_owned(), candidates })
                }
            }
        })
    }
}

fn find(tx: &Transaction<'_>, text: &str) -> rusqlite::Result<Vec<Found>> {
    let text = text.trim();
    let mut found = Vec::new();
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    // `HEX/SIZE`: the hash says it all.
    let hex = hex.split_once('/').map_or(hex, |(hex, _)| hex).to_ascii_lowercase();
    let is_hex = hex.len() <= 64 && !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());

    builds(tx, &mut found, "SELECT id FROM build WHERE name = ?1 LIMIT 1", &[text])?;
    if is_hex && hex.len() == 64 {
        digests(tx, &mut found, &hex)?;
    }
    let names: Vec<[u8; 32]> = tx
        .prepare_cached(
            "SELECT digest.sha256 FROM artifact JOIN digest ON digest.id = artifact.digest
             WHERE artifact.name = ?1 GROUP BY digest.sha256 ORDER BY max(artifact.build) DESC LIMIT ?2",
        )?
        .query_map(params![text, limit()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for sha256 in names {
        found.push(digest(tx, &Sha256::from_bytes(sha256))?);
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if text.chars().count() >= LEAST_DIGITS {
        // The character after the last that can follow a prefix: U+10FFFF sorts behind every text.
        let end = format!("{text}\u{10FFFF}");
        let ask = "SELECT id FROM build WHERE name >= ?1 AND name < ?2 ORDER BY id DESC LIMIT 100";
        builds(tx, &mut found, ask, &[text, &end])?;
    }
    if is_hex && hex.len() >= LEAST_DIGITS {
        digests(tx, &mut found, &hex)?;
    }
    Ok(found)
}

fn limit() -> i64 {
    i64::try_from(MOST).expect("a small number")
}

fn builds(tx: &Transaction<'_>, found: &mut Vec<Found>, ask: &str, values: &[&str]) -> rusqlite::Result<()> {
    let ids: Vec<i64> = tx
        .prepare_cached(ask)?
        .query_map(params_from_iter(values), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut load =
        tx.prepare_cached("SELECT name, recipe, version, finished, ok FROM build WHERE id = ?1")?;
    for id in ids {
        found.push(load.query_row([id], |row| {
            Ok(Found::Build {
                id: row.get(0)?,
                recipe: row.get(1)?,
                version: row.get(2)?,
                finished: Timestamp(row.get(3)?),
                ok: row.get(4)?,
            })
        })?);
    }
    Ok(())
}

/// Adds the digests that begin with `hex`.
fn digests(tx: &Transaction<'_>, found: &mut Vec<Found>, hex: &str) -> rusqlite::Result<()> {
    let end = |fill: char| -> Sha256 {
        let padded: String = hex.chars().chain(std::iter::repeat(fill)).take(64).collect();
        padded.parse().expect("64 hexadecimal digits")
    };
    let hits: Vec<[u8; 32]> = tx
        .prepare_cached(
            "SELECT DISTINCT sha256 FROM digest WHERE sha256 BETWEEN ?1 AND ?2 ORDER BY sha256 LIMIT ?3",
        )?
        .query_map(params![end('0').as_bytes(), end('f').as_bytes(), limit()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for sha256 in hits {
        found.push(digest(tx, &Sha256::from_bytes(sha256))?);
    }
    Ok(())
}

/// What is known of one hash.
fn digest(tx: &Transaction<'_>, sha256: &Sha256) -> rusqlite::Result<Found> {
    let (ids, size) = ids(tx, sha256)?;
    let mut roles = Vec::new();
    for &(role, _, ask) in ROLES {
        let mut ask = tx.prepare_cached(&format!("{ask} LIMIT 1"))?;
        for &id in &ids {
            if ask.exists([id])? {
                roles.push(role);
                break;
            }
        }
    }
    let mut name = log::artifact_name(tx, sha256)?;
    if name.is_none() {
        let mut ask = tx.prepare_cached("SELECT name FROM material WHERE digest = ?1 LIMIT 1")?;
        for &id in &ids {
            name = name.or(ask.query_map([id], |row| row.get(0))?.next().transpose()?);
        }
    }
    Ok(Found::Digest { sha256: *sha256, size, roles, name })
}

/// The row ids of a hash (more than one if records disagree on the size), and its size if known.
fn ids(tx: &Transaction<'_>, sha256: &Sha256) -> rusqlite::Result<(Vec<i64>, Option<u64>)> {
    let rows: Vec<(i64, Option<u64>)> = tx
        .prepare_cached("SELECT id, size FROM digest WHERE sha256 = ?1 ORDER BY size DESC")?
        .query_map([sha256.as_bytes()], |row| Ok((row.get(0)?, read::size(row, 1)?)))?
        .collect::<Result<_, _>>()?;
    let size = rows.iter().find_map(|&(_, size)| size);
    Ok((rows.into_iter().map(|(id, _)| id).collect(), size))
}

/// Row ids and what they say, gathered from several questions: newest first, each once, at most [`MOST`].
struct Gathered<'a, 'c> {
    tx: &'a Transaction<'c>,
    cut: bool,
}

impl Gathered<'_, '_> {
    fn newest<T>(
        &mut self,
        questions: &[(&str, &[i64])],
        load: fn(&Transaction<'_>, i64) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut ids = Vec::new();
        for (ask, keys) in questions {
            let mut ask = self.tx.prepare_cached(&format!("{ask} ORDER BY 1 DESC LIMIT {}", MOST + 1))?;
            for key in *keys {
                for id in ask.query_map([key], |row| row.get::<_, i64>(0))? {
                    ids.push(id?);
                }
            }
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        self.cut |= ids.len() > MOST;
        ids.into_iter().take(MOST).map(|id| load(self.tx, id)).collect()
    }
}

fn dossier(tx: &Transaction<'_>, subject: Found) -> rusqlite::Result<Dossier> {
    let mut gather = Gathered { tx, cut: false };
    // The digests that attestations, rebuilds and verifications are asked by, and the build they may name.
    let (digests, build) = match &subject {
        Found::Digest { sha256, .. } => (ids(tx, sha256)?.0, None),
        Found::Build { id, .. } => {
            let build: i64 = tx
                .prepare_cached("SELECT id FROM build WHERE name = ?1")?
                .query_row([id], |row| row.get(0))?;
            // Another build may have made the same artifact: what is said about its bits holds here too.
            let made: Vec<i64> = tx
                .prepare_cached(
                    "SELECT DISTINCT b.id FROM artifact JOIN digest a ON a.id = artifact.digest
                     JOIN digest b ON b.sha256 = a.sha256 WHERE artifact.build = ?1",
                )?
                .query_map([build], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            (made, Some(build))
        }
    };
    let itself = build.as_slice();
    let builds = match build {
        Some(id) => vec![read::build(tx, id)?],
        None => gather
            .newest(&[("SELECT DISTINCT build FROM artifact WHERE digest = ?1", &digests)], read::build)?,
    };
    let artifacts = builds
        .iter()
        .flat_map(|row| row.artifacts.iter().map(move |artifact| (row, artifact)))
        .filter(|(_, artifact)| match &subject {
            Found::Digest { sha256, .. } => artifact.digest.sha256 == *sha256,
            Found::Build { .. } => true,
        })
        .map(|(row, artifact)| Made { build: row.id.clone(), artifact: artifact.clone() })
        .collect();
    let attestations = gather.newest(
        &[
            ("SELECT attestation FROM attestation_subject WHERE digest = ?1", &digests),
            ("SELECT id FROM attestation WHERE bundle = ?1", &digests),
            ("SELECT a.id FROM attestation a JOIN build b ON b.name = a.build WHERE b.id = ?1", itself),
        ],
        read::attestation,
    )?;
    let rebuilds = gather.newest(
        &[
            ("SELECT rebuild FROM rebuild_artifact WHERE expected = ?1", &digests),
            ("SELECT rebuild FROM rebuild_artifact WHERE found = ?1", &digests),
            ("SELECT r.id FROM rebuild r JOIN build b ON b.name = r.build WHERE b.id = ?1", itself),
        ],
        read::rebuild,
    )?;
    let verifications =
        gather.newest(&[("SELECT id FROM verification WHERE subject = ?1", &digests)], read::verification)?;
    let used_by = if build.is_some() { Vec::new() } else { used_by(&mut gather, &digests)? };
    let cut = gather.cut;
    Ok(Dossier { subject, builds, artifacts, used_by, attestations, rebuilds, verifications, cut })
}

/// The builds that have the digest as anything but an artifact.
fn used_by(gather: &mut Gathered<'_, '_>, digests: &[i64]) -> rusqlite::Result<Vec<Used>> {
    const ASK: &str = "
        SELECT build.id, m.kind, m.name FROM material m JOIN build ON build.materials = m.material_set
          WHERE m.digest = ?1
        UNION SELECT build.id, m.kind, m.name FROM material m JOIN build ON build.byproducts = m.material_set
          WHERE m.digest = ?1
        UNION SELECT id, 'source tree', '' FROM build WHERE source_tree = ?1
        UNION SELECT id, 'recipe', recipe_path FROM build WHERE recipe_digest = ?1
        UNION SELECT id, 'lock', recipe_path FROM build WHERE lock_digest = ?1
        UNION SELECT build, 'log', name FROM step WHERE log = ?1
        UNION SELECT build, 'action', name FROM step WHERE action = ?1
        ORDER BY 1 DESC, 2, 3 LIMIT ?2";
    let mut hits: Vec<(i64, String, String)> = Vec::new();
    let mut ask = gather.tx.prepare_cached(ASK)?;
    for digest in digests {
        let rows =
            ask.query_map(params![digest, limit() + 1], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for row in rows {
            hits.push(row?);
        }
    }
    hits.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| (&a.1, &a.2).cmp(&(&b.1, &b.2))));
    gather.cut |= hits.len() > MOST;
    let mut name = gather.tx.prepare_cached("SELECT name, recipe FROM build WHERE id = ?1")?;
    hits.into_iter()
        .take(MOST)
        .map(|(id, role, called)| {
            let (build, recipe) = name.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Used { build, recipe, role, name: called, artifacts: read::artifacts(gather.tx, id)? })
        })
        .collect()
}
