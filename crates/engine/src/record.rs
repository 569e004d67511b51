//! Lock time: a step's own commands, or those that fetch for it, run with somebody who goes out and writes down.
//!
//! The engine has no network; what answers is the caller's. The sandbox is that of the step: the same root, inputs,
//! environment and conditions, so that the same tools ask the same questions at each build.

mod screen;

use std::collections::BTreeMap;
use std::time::Instant;

use gateway::Answers;
use model::Digest;
use model::action;
use model::event::{Event, Outcome as Ending, Unit};
use model::recipe::{Reference, Step};
use sandbox::Exit;

use crate::error::FailedStep;
use crate::job::EARLIEST;
use crate::log::Log;
use crate::network::Network;
use crate::plan::{self, Results};
use crate::sealed::{Place, in_sandbox};
use crate::secrets::Guard;
use crate::tell::{finished, less_sealed, millis};
use crate::{BuildError, Context, Job, build, graph, run, sweep};

pub(crate) use screen::Screen;
pub use screen::screen;

/// A recording that can begin: the step as it is recorded, with every step that it needs done.
#[derive(Debug)]
pub struct Recording<'a> {
    step: &'a Step,
    action: action::Action,
}

impl<'a> Recording<'a> {
    /// Runs every step that `step` needs, or takes what they made from the cache.
    ///
    /// # Errors
    /// If one of them fails.
    pub fn new(cx: &Context<'_>, job: &Job, step: &'a Step) -> Result<Self, BuildError> {
        let done = before(cx, job, step)?;
        let mut action = plan::action(cx.store, job, step, &job.conditions(), &done, cx.degraded)?;
        action.script = action::script(&step.uses, &step.record);
        action.transcript = None;
        Ok(Self { step, action })
    }

    /// Names everything that a recording follows from, besides the answers that it gets. `None` for a step with secrets:
    /// what is in them is not to be remembered, be it as a digest.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.step.secrets.is_empty().then(|| self.action.encode().digest)
    }

    /// Runs the `record` commands with `answers` as their network. Nothing that they make is kept. What they ask must hold
    /// none of the step's secrets; what they are answered is for [`screen`].
    ///
    /// # Errors
    /// If they fail, ask with a secret, or the sandbox cannot be set up.
    pub fn run(&self, cx: &Context<'_>, answers: &dyn Answers) -> Result<(), BuildError> {
        let name = &self.step.name;
        (cx.events)(Event::Started { stage: "record", name: name.clone(), total: None, unit: Unit::Items });
        let begin = Instant::now();
        let result = recorded(cx, self.step, &self.action, answers);
        let ending = match &result {
            Ok(()) => Ending::Done,
            Err(BuildError::Cancelled) => Ending::Stopped,
            Err(_) => Ending::Failed,
        };
        finished(cx, "record", name, ending, String::new(), millis(begin));
        result
    }
}

fn recorded(
    cx: &Context<'_>,
    step: &Step,
    action: &action::Action,
    answers: &dyn Answers,
) -> Result<(), BuildError> {
    let guard = Guard::new(cx.secrets, step);
    let screen = Screen::new(answers, &guard);
    let network = Network::new(step, action, &screen)?;
    let root = cx.store.materialise(&action.toolchain, EARLIEST)?;
    let work = cx.store.materialise_writable(&action.work, action.conditions.source_date_epoch)?;
    let place = Place { root: &root, work: &work, guard: &guard, network: Some(&network) };
    let mut log = Log::new(cx, &step.name, &guard)?;
    let (outcome, scratch) = in_sandbox(cx, step, action, &place, false, &mut |bytes| log.write(bytes))?;
    less_sealed(cx, &step.name, &outcome.achieved);
    let (exit, violations) = (outcome.exit, outcome.violations);
    drop((outcome.work, scratch));
    let (log, tail) = log.finish()?;
    // Whether the step got on without an answer or not.
    screen.refused(&step.name)?;
    if exit == Exit::Code(0) {
        return Ok(());
    }
    Err(FailedStep { violations, ..FailedStep::new(&step.name, exit, log, tail) }.into())
}

/// The results of every step that `step` needs, directly or not.
pub(crate) fn before<'a>(cx: &Context<'_>, job: &'a Job, step: &'a Step) -> Result<Results, BuildError> {
    if let Some(secret) = cx.secrets.lacking(step) {
        return Err(BuildError::NoSecret { step: step.name.clone(), secret });
    }
    done(cx, job, step.needs().collect())
}

/// The results of every step that some of `references` need, directly or not.
pub(crate) fn before_references<'a>(
    cx: &Context<'_>,
    job: &'a Job,
    references: impl Iterator<Item = &'a Reference>,
) -> Result<Results, BuildError> {
    let names = references.filter_map(|reference| match reference {
        Reference::Step { name, .. } => Some(name.as_str()),
        Reference::Source { .. } => None,
    });
    done(cx, job, names.collect())
}

/// The results of these steps and of every step before them.
fn done<'a>(cx: &Context<'_>, job: &'a Job, mut open: Vec<&'a str>) -> Result<Results, BuildError> {
    let conditions = job.conditions();
    let mut before: BTreeMap<&str, &Step> = BTreeMap::new();
    while let Some(need) = open.pop() {
        let found = job.recipe.step(need).expect("references were checked");
        before.insert(found.name.as_str(), found);
        open.extend(found.needs());
    }
    let names: Vec<String> = before.keys().map(|name| (*name).to_owned()).collect();
    build::secrets_are_given(cx, job, &names, &conditions, false)?;
    let tasks = before
        .values()
        .map(|s| graph::Task { name: s.name.clone(), needs: s.needs().map(str::to_owned).collect() });
    sweep::beside(cx.jobs, |sweeper| {
        graph::run(tasks.collect(), cx.jobs.max(1), |name, done| {
            let action = plan::action(cx.store, job, before[name], &conditions, done, cx.degraded)?;
            run::run(cx, sweeper, before[name], &action, None, false).map(|(result, _)| result)
        })
    })
}
