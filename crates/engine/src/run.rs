//! One action: from the store if it is known, else in the sandbox.

use std::time::Instant;

use model::Digest;
use model::action::{Action, ActionResult, Components, Encoded};
use model::event::{Event, Outcome as Ending, Unit};
use model::recipe::Step;
use sandbox::Exit;
use serde::Serialize;

use crate::error::FailedStep;
use crate::execute::{self, Executed};
use crate::log::Tail;
use crate::observation::{OBSERVATIONS, Observation};
use crate::sweep::Sweeper;
use crate::tell::{finished, judge, less_sealed, millis};
use crate::{BuildError, Context};

/// One step that was built, or found built.
#[derive(Debug, Clone, Serialize)]
pub struct StepRun {
    /// Name of the step.
    pub step: String,
    /// Digest of its action.
    pub action: Digest,
    /// True if the result came from the store.
    pub cached: bool,
    /// Wall-clock time of this run, in milliseconds.
    pub millis: u64,
    /// The whole log of the run that made the result.
    pub log: Digest,
    /// What the sandbox saw and gave in that run.
    pub observation: Option<Digest>,
    /// The files that were used in that run, if it was traced.
    pub trace: Option<Digest>,
    /// The action's parts.
    pub components: Components,
    /// Why it was not in the store: the parts that changed since the last run. Empty if cached.
    pub missed: Vec<Missed>,
}

/// A part of an action that is not what it was in the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Which part.
    pub part: String,
    /// Its value in the last run; empty if it was not there.
    pub before: String,
    /// Its value now.
    pub now: String,
}

/// Gives the result of `action`: from the store, unless `fresh`, else by running it. If it must run, what has changed
/// since the last build of `recipe` is told, if one is given.
///
/// What the step attempted is judged anew each time: a result of the past was made under the policies of then.
pub(crate) fn run(
    cx: &Context<'_>,
    sweeper: &Sweeper,
    step: &Step,
    action: &Action,
    recipe: Option<&str>,
    fresh: bool,
) -> Result<(ActionResult, StepRun), BuildError> {
    let execute = |encoded: &Encoded| execute::execute(cx, sweeper, step, action, encoded, fresh);
    run_by(cx, step, action, recipe, fresh, execute)
}

/// As [`run`], for who runs it in a way of its own.
pub(crate) fn run_by(
    cx: &Context<'_>,
    step: &Step,
    action: &Action,
    recipe: Option<&str>,
    fresh: bool,
    execute: impl FnOnce(&Encoded) -> Result<Executed, BuildError>,
) -> Result<(ActionResult, StepRun), BuildError> {
    let begin = Instant::now();
    let encoded = action.encode();
    let components = action.components();
    let name = &step.name;
    let known = if fresh { None } else { known(cx, &encoded.digest)? };
    if let Some(Known { result, json, seen }) = known {
        less_sealed(cx, name, &seen.achieved);
        let (violations, denied) = judge(cx, step, &seen.violations, false);
        if denied {
            let ended = FailedStep::new(name, Exit::Code(0), result.log, Tail::default());
            let failed = FailedStep { violations, denied, ..ended };
            return Err(BuildError::Step(Box::new(failed)));
        }
        let observation = cx.store.put(&json)?;
        let run = StepRun {
            step: name.clone(),
            action: encoded.digest,
            cached: true,
            millis: millis(begin),
            log: result.log,
            observation: Some(observation),
            trace: seen.trace,
            components,
            missed: Vec::new(),
        };
        finished(cx, "build", name, Ending::Cached, String::new(), run.millis);
        return Ok((result, run));
    }
    // Told by whoever fetches, not as a step that failed.
    for tree in [action.toolchain, action.work] {
        if !cx.store.contains(&tree) {
            return Err(store::StoreError::Missing { digest: tree }.into());
        }
    }
    let last = recipe.map(|recipe| cx.ledger.last_components(recipe, name)).transpose()?.flatten();
    let missed = last.map_or_else(Vec::new, |last| why(&components, &last));
    (cx.events)(Event::Started { stage: "build", name: name.clone(), total: None, unit: Unit::Items });
    let done = execute(&encoded);
    let detail = match (&done, missed.as_slice()) {
        (Err(BuildError::Step(failed)), _) => failed.sentence(),
        (Err(_), _) => String::new(),
        (Ok(_), []) => String::new(),
        (Ok(_), parts) => {
            let names: Vec<_> = parts.iter().map(|m| m.part.as_str()).collect();
            format!("changed: {}", names.join(", "))
        }
    };
    let ending = match &done {
        Ok(_) => Ending::Done,
        Err(BuildError::Cancelled) => Ending::Stopped,
        Err(_) => Ending::Failed,
    };
    finished(cx, "build", name, ending, detail, millis(begin));
    let Executed { result, observation, trace } = done?;
    let run = StepRun {
        step: name.clone(),
        action: encoded.digest,
        cached: false,
        millis: millis(begin),
        log: result.log,
        observation: Some(observation),
        trace,
        components,
        missed,
    };
    Ok((result, run))
}

/// A result of the past that will do.
pub(crate) struct Known {
    pub(crate) result: ActionResult,
    /// The observation, as it is kept.
    json: Vec<u8>,
    seen: Observation,
}

/// The result of an action, if the store has one that will do.
///
/// One of which nobody knows any more what its step attempted cannot be judged; and who wants to know which files were
/// used is not served by a run that nobody listened to.
pub(crate) fn known(cx: &Context<'_>, action: &Digest) -> Result<Option<Known>, BuildError> {
    let Some(result) = cx.store.action_result(action)? else { return Ok(None) };
    let Some(json) = cx.store.memo_get(OBSERVATIONS, action) else { return Ok(None) };
    let Ok(seen) = serde_json::from_slice::<Observation>(&json) else { return Ok(None) };
    let enough = !cx.trace || seen.trace.is_some();
    Ok(enough.then_some(Known { result, json, seen }))
}

fn why(now: &Components, last: &Components) -> Vec<Missed> {
    let changed = now.changed_since(last).into_iter();
    changed.map(|(part, before, now)| Missed { part, before, now }).collect()
}
