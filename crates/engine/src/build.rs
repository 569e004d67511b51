//! Builds every step of a job and packs its artifacts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::action::ActionResult;
use model::lock::ImageContents;
use model::recipe::{Recipe, Reference};
use model::{Conditions, Digest, Timestamp};

use crate::graph::{self, Task};
use crate::leaks::Screened;
use crate::package::{self, Packed};
pub use crate::run::{Missed, StepRun};
use crate::{BuildError, Context, Job, plan, run, sweep};

/// What a build gave.
#[derive(Debug, Clone)]
pub struct Built {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// What the steps saw of their world.
    pub conditions: Conditions,
    /// Every step that an artifact needs, in the order of the recipe; then the commands of Dockerfiles.
    pub steps: Vec<StepRun>,
    /// Every artifact, in the order of the recipe.
    pub artifacts: Vec<Packed>,
    /// What the package databases of images of Dockerfiles say, by artifact.
    pub contents: BTreeMap<String, ImageContents>,
    /// What was found in them, if they were looked through ([`crate::leaks::scan`]).
    pub leaks: Vec<Screened>,
}

impl Built {
    /// True if nothing had to be run.
    #[must_use]
    pub fn all_cached(&self) -> bool {
        self.steps.iter().all(|s| s.cached)
    }
}

/// Builds and packs. With `fresh`, every step runs and every artifact is packed anew, and the action cache is
/// neither read nor written: this is how a rebuild runs.
///
/// # Errors
/// The first failure. Where the store lacks an input, [`BuildError::inputs_are_missing`] says so.
pub fn build(cx: &Context<'_>, job: &Job, fresh: bool) -> Result<Built, BuildError> {
    let started = (cx.clock)();
    let conditions = job.conditions();
    let wanted = needed(&job.recipe);
    secrets_are_given(cx, job, &wanted, &conditions, fresh)?;
    let runs: Mutex<BTreeMap<String, StepRun>> = Mutex::new(BTreeMap::new());
    let tasks = job
        .recipe
        .steps
        .iter()
        .filter(|s| wanted.contains(&s.name))
        .map(|step| Task { name: step.name.clone(), needs: step.needs().map(str::to_owned).collect() });
    let known = (!fresh).then_some(job.recipe.name.as_str());
    let results = sweep::beside(cx.jobs, |sweeper| {
        graph::run(tasks.collect(), cx.jobs.max(1), |name, done| {
            let step = job.recipe.step(name).expect("tasks are steps of the recipe");
            let action = plan::action(cx.store, job, step, &conditions, done, cx.degraded)?;
            let (result, run) = run::run(cx, sweeper, step, &action, known, fresh)?;
            runs.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), run);
            Ok::<ActionResult, BuildError>(result)
        })
    })?;
    if cx.cancel.is_cancelled() {
        return Err(BuildError::Cancelled);
    }
    let (artifacts, made) = package::package(cx, job, &conditions, &results, fresh)?;
    let mut runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut steps: Vec<StepRun> = job.recipe.steps.iter().filter_map(|s| runs.remove(&s.name)).collect();
    steps.extend(made.runs);
    let contents = made.contents;
    Ok(Built { started, finished: (cx.clock)(), conditions, steps, artifacts, contents, leaks: Vec::new() })
}

/// Whether each of the `wanted` steps that will run has its secrets. Asked before anything runs: a step is taken to run
/// if its result is not known, or that of a step before it.
pub(crate) fn secrets_are_given(
    cx: &Context<'_>,
    job: &Job,
    wanted: &[String],
    conditions: &Conditions,
    fresh: bool,
) -> Result<(), BuildError> {
    let steps = || job.recipe.steps.iter().filter(|step| wanted.contains(&step.name));
    if steps().all(|step| cx.secrets.lacking(step).is_none()) {
        return Ok(());
    }
    let mut known = plan::Results::new();
    for step in steps() {
        if !fresh && step.needs().all(|need| known.contains_key(need)) {
            let action = plan::action(cx.store, job, step, conditions, &known, cx.degraded)?;
            if let Some(result) = run::known(cx, &action.encode().digest)? {
                known.insert(step.name.clone(), result.result);
                continue;
            }
        }
        if let Some(secret) = cx.secrets.lacking(step) {
            return Err(BuildError::NoSecret { step: step.name.clone(), secret });
        }
    }
    Ok(())
}

/// Names of the steps that some artifact needs, directly or not.
fn needed(recipe: &Recipe) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    let mut open: Vec<&str> = recipe
        .artifacts
        .iter()
        .flat_map(model::recipe::Artifact::references)
        .filter_map(|from| match from {
            Reference::Step { name, .. } => Some(name.as_str()),
            Reference::Source { .. } => None,
        })
        .collect();
    while let Some(name) = open.pop() {
        if !wanted.iter().any(|w| w == name) {
            wanted.push(name.to_owned());
            open.extend(recipe.step(name).into_iter().flat_map(model::recipe::Step::needs));
        }
    }
    wanted
}

/// The logs of a build by step, for provenance.
#[must_use]
pub fn logs(built: &Built) -> BTreeMap<String, Digest> {
    built.steps.iter().map(|s| (s.step.clone(), s.log)).collect()
}
