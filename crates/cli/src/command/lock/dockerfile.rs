//! The Dockerfiles of a recipe: the images that they name, and what their instructions fetch.

use std::collections::BTreeMap;

use engine::dockerfile::{Locking, Unlocked, images};
use engine::job::Job;
use engine::secrets::Secrets;
use inputs::{InputError, Network, Recorder};
use model::dockerfile::Image;
use model::ecosystem::Ecosystem;
use model::lock::{Lock, LockedStep};
use model::recipe::{Artifact, Locator, Reference, artifact_of, locked_image};
use model::transcript::Transcript;
use model::{Digest, Event};

use crate::failure::Failure;
use crate::project::Project;
use crate::session::Session;

/// An image may record instructions that need further images; nobody means more.
const ROUNDS: usize = 32;

/// Puts into `lock` which images the recipe's Dockerfiles name and what they fetch. What `previous` has of it stays, as long as
/// the instructions get on with that and `moves` does not name image or artifact.
pub(in crate::command) fn record(
    session: &Session,
    project: &Project,
    lock: &mut Lock,
    previous: Option<&Lock>,
    moves: &dyn Fn(&str) -> bool,
    secrets: &Secrets,
) -> Result<(), Failure> {
    for artifact in project.recipe.artifacts.iter().filter(|a| a.dockerfile().is_some()) {
        let mut rounds = 0;
        let job = loop {
            let job = project.job_of(session, &lock.to_text(), false)?;
            let lacks = session.with_inputs(
                || project.bring(session, &job, false),
                || session.engine(|cx| images(cx, &job, artifact)).map_err(Failure::from),
            )?;
            rounds += 1;
            if lacks.is_empty() || rounds > ROUNDS {
                break job;
            }
            for image in lacks {
                let name = locked_image(&image);
                let origin = locator(&image)?;
                let known = previous.and_then(|p| p.sources.get(&name)).filter(|_| !moves(&image.name));
                let locked = session.inputs(&project.dir, |cx| {
                    inputs::lock_image(cx, &project.recipe, lock, &name, &origin, known)
                })?;
                lock.sources.insert(name, locked);
            }
        };
        let known: BTreeMap<String, LockedStep> = previous
            .filter(|_| !moves(&artifact.name))
            .into_iter()
            .flat_map(|lock| &lock.steps)
            .filter(|(name, _)| artifact_of(name) == Some(&artifact.name))
            .map(|(name, step)| (name.clone(), step.clone()))
            .collect();
        let recorded = session.with_inputs(
            || project.bring(session, &job, false),
            || {
                let mut locked = known.clone();
                session.engine(|cx| {
                    Locking::new(&engine::Context { secrets, ..*cx }, &job, artifact)
                        .run(&mut locked, |unlocked| {
                            fetch(session, project, (&job, artifact), &known, secrets, unlocked)
                        })
                })?;
                Ok(locked)
            },
        )?;
        lock.steps.extend(recorded);
    }
    Ok(())
}

fn locator(image: &Image) -> Result<Locator, Failure> {
    let reference = image.name.parse().map_err(|error: model::oci::ReferenceError| {
        Failure::invalid(format!("`{}` is no image: {error}", image.name))
    })?;
    Ok(Locator::Image { image: reference, platform: image.platform.clone() })
}

/// Has an instruction fetch what it needs, and writes that down. What was recorded of it before is answered as it was.
fn fetch(
    session: &Session,
    project: &Project,
    (job, artifact): (&Job, &Artifact),
    before: &BTreeMap<String, LockedStep>,
    secrets: &Secrets,
    unlocked: Unlocked<'_>,
) -> Result<LockedStep, Failure> {
    session.inputs(&project.dir, |cx| {
        let network = Network::new(cx);
        let nothing = Transcript::default();
        let known = |name: &str| before.get(name).map_or(&nothing, |step| &step.requests);
        match unlocked {
            Unlocked::Add { name, urls } => {
                let recorder = Recorder::new(cx, &network, &name, known(&name), false);
                for url in &urls {
                    recorder.get(url)?;
                }
                let requests = recorder.finish()?;
                Ok(LockedStep { uses: vec![Ecosystem::Web], record: urls, requests, packages: Vec::new() })
            }
            Unlocked::Run { step, run } => {
                let recorder = Recorder::new(cx, &network, &step.name, known(&step.name), false);
                let ran = run(&recorder);
                let screen = |recorded: &Transcript| {
                    session.engine(|cx| {
                        engine::record::screen(&engine::Context { secrets, ..*cx }, &step, recorded)
                    })
                };
                // First of all, and whether the command ended well or not: what came is in the store already.
                screen(&recorder.so_far())?;
                let unanswered: Vec<InputError> = recorder.unanswered();
                match ran {
                    Ok(()) => {
                        // A command may get on without some host; that a registry is down is no property of it.
                        let down = |e: &InputError| matches!(e, InputError::Recording { registry: true, .. });
                        if let Some(error) = unanswered.into_iter().find(down) {
                            return Err(error.into());
                        }
                    }
                    Err(error) => {
                        let failure = Failure::from(error);
                        return Err(match unanswered.into_iter().next() {
                            Some(cause) if failure.lost.is_none() => {
                                failure.line(format!("unanswered: {}", Failure::from(cause).sentence()))
                            }
                            _ => failure,
                        });
                    }
                }
                let requests = recorder.finish()?;
                screen(&requests)?;
                let agreed = inputs::agreed(cx, &step.uses, &context(job, artifact), &requests)?;
                for text in agreed.problems {
                    session.tell(&Event::Note { text });
                }
                let (uses, record, packages) = (step.uses, step.record, agreed.packages);
                Ok(LockedStep { uses, record, requests, packages })
            }
        }
    })
}

/// The tree of the context, if it is a source.
fn context(job: &Job, artifact: &Artifact) -> Vec<Digest> {
    match artifact.dockerfile().map(|image| &image.context) {
        Some(Reference::Source { name, .. }) => {
            job.sources.get(name).map(|source| source.tree).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
