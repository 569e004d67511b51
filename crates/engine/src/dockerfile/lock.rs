//! Lock time: the images that a Dockerfile names, and what its instructions fetch.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use gateway::Answers;
use model::dockerfile::Image;
use model::event::{Event, Outcome as Ending, Unit};
use model::lock::LockedStep;
use model::recipe::{Artifact, DockerfileImage, Step};

use super::builder::Builder;
use super::program::{Program, Read};
use crate::package::Parts;
use crate::plan::Results;
use crate::tell::{finished, millis};
use crate::{BuildError, Context, Job, record};

/// The images that the Dockerfile of an artifact names and `job` has not locked, as far as can be told without them. To be
/// asked again when they are locked: an image may record instructions that need further ones.
///
/// # Errors
/// If a step that its context comes from fails, or the Dockerfile is wrong.
pub fn images(cx: &Context<'_>, job: &Job, artifact: &Artifact) -> Result<Vec<Image>, BuildError> {
    let Some(wanted) = artifact.dockerfile() else { return Ok(Vec::new()) };
    let results = results(cx, job, wanted)?;
    Ok(match read(cx, job, artifact, wanted, &results)? {
        Read::Whole(_) => Vec::new(),
        Read::Lacks(images) => images,
    })
}

fn results(cx: &Context<'_>, job: &Job, wanted: &DockerfileImage) -> Result<Results, BuildError> {
    record::before_references(cx, job, wanted.references())
}

fn read(
    cx: &Context<'_>,
    job: &Job,
    artifact: &Artifact,
    wanted: &DockerfileImage,
    results: &Results,
) -> Result<Read, BuildError> {
    let (conditions, told, made) = (job.conditions(), Cell::new(true), RefCell::default());
    let conditions = &conditions;
    let parts = Parts { cx, job, artifact, conditions, results, fresh: false, told: &told, made: &made };
    Program::read(&parts, wanted)
}

/// Locks what the instructions of a Dockerfile fetch.
pub struct Locking<'a> {
    cx: &'a Context<'a>,
    job: &'a Job,
    artifact: &'a Artifact,
}

/// An instruction that fetches, and of which nothing is locked.
pub enum Unlocked<'a> {
    /// A command.
    Run {
        /// What it is to those who know steps.
        step: Step,
        /// Runs it with somebody who answers its requests. Nothing that it makes is kept.
        #[expect(clippy::type_complexity, reason = "what it is given, and what it gives")]
        run: Box<dyn Fn(&dyn Answers) -> Result<(), BuildError> + 'a>,
    },
    /// Files at these addresses.
    Add {
        /// What the lock calls it.
        name: String,
        /// Where they are.
        urls: Vec<String>,
    },
}

impl<'a> Locking<'a> {
    /// Of an artifact whose images `job` has locked.
    #[must_use]
    pub const fn new(cx: &'a Context<'a>, job: &'a Job, artifact: &'a Artifact) -> Self {
        Self { cx, job, artifact }
    }

    /// Builds all of it. `known` has what is locked, by what the lock calls it; for what it lacks, `fetch` is asked, and what
    /// that gives is kept in it. What no instruction asks for any more is taken out.
    ///
    /// Of an instruction that no longer gets on with what is known, `fetch` is asked too.
    ///
    /// # Errors
    /// If an instruction fails, and what `fetch` says.
    pub fn run<E: From<BuildError>>(
        &self,
        known: &mut BTreeMap<String, LockedStep>,
        mut fetch: impl FnMut(Unlocked<'_>) -> Result<LockedStep, E>,
    ) -> Result<(), E> {
        let Self { cx, job, artifact } = *self;
        let Some(wanted) = artifact.dockerfile() else { return Ok(()) };
        let results = results(cx, job, wanted)?;
        let Read::Whole(program) = read(cx, job, artifact, wanted, &results)? else {
            return Err(BuildError::Unlocked { what: "an image of the Dockerfile".to_owned() }.into());
        };
        let (conditions, told, made) = (job.conditions(), Cell::new(true), RefCell::default());
        let parts = Parts {
            cx,
            job,
            artifact,
            conditions: &conditions,
            results: &results,
            fresh: false,
            told: &told,
            made: &made,
        };
        let mut builder = Builder::new(parts, &program, known.clone());
        loop {
            let stopped = match builder.go_on() {
                Ok(None) => break,
                Ok(Some(stopped)) => stopped,
                // It may be that what it asks is not what it asked.
                Err(BuildError::Step(failed)) if builder.locked.contains_key(&failed.step) => {
                    let text =
                        format!("`{}` no longer gets on with what is locked: recording anew", failed.step);
                    (cx.events)(Event::Note { text });
                    builder.locked.remove(&failed.step);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let name = stopped.name.clone();
            let locked = if stopped.urls.is_empty() {
                let step = builder.waiting(|command| Ok(command.step()))?;
                let run = |answers: &dyn Answers| {
                    let begin = std::time::Instant::now();
                    let told = name.clone();
                    (cx.events)(Event::Started {
                        stage: "record",
                        name: told,
                        total: None,
                        unit: Unit::Items,
                    });
                    let ran = builder.waiting(|command| command.record(answers));
                    let ending = match &ran {
                        Ok(_) => Ending::Done,
                        Err(BuildError::Cancelled) => Ending::Stopped,
                        Err(_) => Ending::Failed,
                    };
                    finished(cx, "record", &name, ending, String::new(), millis(begin));
                    *builder.ran.borrow_mut() = ran?.map(|ran| (name.clone(), ran));
                    Ok(())
                };
                fetch(Unlocked::Run { step, run: Box::new(run) })?
            } else {
                fetch(Unlocked::Add { name: name.clone(), urls: stopped.urls })?
            };
            builder.locked.insert(name, locked);
        }
        let Builder { locked, names, .. } = builder;
        *known = locked.into_iter().filter(|(name, _)| names.contains(name)).collect();
        Ok(())
    }
}
