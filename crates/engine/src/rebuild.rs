//! Builds again from a bundle alone, and compares.

use std::collections::BTreeMap;
use std::time::Instant;

use ::attest::provenance::BuildRecord;
use ledger::{LedgerError, RebuildRow, RebuiltArtifact};
use model::{Digest, Verdict};
use serde::Serialize;

use crate::attest::Identity;
use crate::job::{EARLIEST, Job, JobError, Origin, Source, Worktree};
use crate::{BuildError, Built, Context, VERSION, build};

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// The answer.
    pub verdict: Verdict,
    /// Every artifact of the first build.
    pub artifacts: Vec<Compared>,
    /// Why the verdict is not `reproduced`.
    pub reason: Option<String>,
    /// Wall-clock time it took, in milliseconds.
    pub millis: u64,
}

/// One artifact, then and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// File name.
    pub name: String,
    /// What the bundle says.
    pub expected: Digest,
    /// What came out; `None` if nothing did.
    pub found: Option<Digest>,
}

/// The job that a provenance describes. Its work trees are those whose trees it names.
///
/// # Errors
/// If recipe or lock cannot be read or do not fit each other.
pub fn job(record: &BuildRecord) -> Result<Job, JobError> {
    let epoch = record.conditions.source_date_epoch;
    let mut worktrees = BTreeMap::new();
    for (name, tree) in &record.worktrees {
        let origin = Origin::Worktree(Worktree {
            commit: tree.commit.clone(),
            remote: tree.url.clone(),
            folder: tree.path.clone(),
            dirty: tree.dirty.clone(),
        });
        worktrees.insert(name.clone(), Source { tree: tree.tree, epoch: epoch.max(EARLIEST), origin });
    }
    Job::new(&record.recipe.path, &record.recipe.text, &record.lock.text, worktrees)
}

/// Builds everything anew, without the action cache, and compares with what the provenance says.
///
/// # Errors
/// If the store lacks an input ([`BuildError::inputs_are_missing`]: fetch it and call again), the host refuses the
/// sandbox, or somebody stops it. A step that fails is no error: it is the verdict `not_built`, on a full disk `unknown`. A selfsame whose
/// canonical conditions are others than those of the first build cannot tell: `unknown`.
pub fn rebuild(
    cx: &Context<'_>,
    record: &BuildRecord,
    job: &Job,
) -> Result<(Rebuilt, Option<Built>), BuildError> {
    let begin = Instant::now();
    let conditions = job.conditions();
    if conditions != record.conditions {
        let reason = format!(
            "selfsame {VERSION} would build under other conditions than the first build: expected {}, found {}",
            record.conditions.to_json(),
            conditions.to_json()
        );
        return Ok((without(record, Verdict::Unknown, reason, 0), None));
    }
    let outcome = build(cx, job, true);
    let millis = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let built = match outcome {
        Ok(built) => built,
        Err(error @ BuildError::Step(_)) if error.is_of_this_machine() => {
            return Ok((without(record, Verdict::Unknown, error.to_string(), millis), None));
        }
        Err(
            error @ (BuildError::Step(_)
            | BuildError::Output { .. }
            | BuildError::Unkept { .. }
            | BuildError::Unnormalised { .. }
            | BuildError::Leak { .. }
            | BuildError::Package { .. }),
        ) => {
            return Ok((without(record, Verdict::NotBuilt, error.to_string(), millis), None));
        }
        Err(error) => return Err(error),
    };
    let found: BTreeMap<&str, Digest> = built.artifacts.iter().map(|a| (a.name.as_str(), a.digest)).collect();
    let artifacts: Vec<Compared> = record
        .subjects
        .iter()
        .map(|s| Compared {
            name: s.name.clone(),
            expected: s.digest,
            found: found.get(s.name.as_str()).copied(),
        })
        .collect();
    let differing: Vec<&str> =
        artifacts.iter().filter(|a| a.found != Some(a.expected)).map(|a| a.name.as_str()).collect();
    let (verdict, reason) = if differing.is_empty() {
        (Verdict::Reproduced, None)
    } else {
        (Verdict::Differs, Some(format!("other bits in {}", differing.join(", "))))
    };
    Ok((Rebuilt { verdict, artifacts, reason, millis }, Some(built)))
}

/// The answer when nothing was built: [`Verdict::NotBuilt`] if it cannot be had again, [`Verdict::Unknown`] if a
/// fault of this machine leaves it open.
#[must_use]
pub fn without(record: &BuildRecord, verdict: Verdict, reason: String, millis: u64) -> Rebuilt {
    let artifacts = record
        .subjects
        .iter()
        .map(|s| Compared { name: s.name.clone(), expected: s.digest, found: None })
        .collect();
    Rebuilt { verdict, artifacts, reason: Some(reason), millis }
}

/// Writes a rebuild down.
///
/// # Errors
/// If the ledger cannot be written.
pub fn record(
    cx: &Context<'_>,
    record: &BuildRecord,
    rebuilt: &Rebuilt,
    who: &Identity,
) -> Result<(), LedgerError> {
    cx.ledger.record_rebuild(&RebuildRow {
        build: Some(record.invocation_id.clone()).filter(|id| !id.is_empty()),
        verdict: rebuilt.verdict,
        at: (cx.clock)(),
        millis: rebuilt.millis,
        builder: ledger::Builder { id: who.builder.clone(), version: VERSION.to_owned() },
        artifacts: rebuilt
            .artifacts
            .iter()
            .map(|a| RebuiltArtifact {
                name: a.name.clone(),
                expected: a.expected.sha256,
                found: a.found.map(|d| d.sha256),
            })
            .collect(),
        reason: rebuilt.reason.clone(),
    })
}
