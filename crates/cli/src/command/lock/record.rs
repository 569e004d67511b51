//! The steps that fetch: run once behind somebody who writes down what they are answered.

use engine::BuildError;
use engine::job::Job;
use engine::secrets::Secrets;
use inputs::{InputError, Network, Recorder};
use model::lock::{Declared, Lock, LockedStep};
use model::recipe::{Recipe, Reference, Step};
use model::transcript::Transcript;
use model::{Digest, Event};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::project::Project;
use crate::session::Session;

/// Puts into `lock` what each step of the recipe fetches. What `previous` has of it stays, as long as the steps get on
/// with that; of those that are `anew`, everything is asked again.
pub(in crate::command) fn record(
    session: &Session,
    project: &Project,
    lock: &mut Lock,
    previous: Option<&Lock>,
    anew: &dyn Fn(&str) -> bool,
    secrets: &Secrets,
) -> Result<(), Failure> {
    let steps = uses(&project.recipe);
    if steps.is_empty() {
        return Ok(());
    }
    for step in &steps {
        let (uses, record) = (step.uses.clone(), step.record.clone());
        let requests = previous.and_then(|p| p.steps.get(&step.name)).map(|s| s.requests.clone());
        let requests = requests.filter(|_| !anew(&step.name)).unwrap_or_default();
        lock.steps.insert(step.name.clone(), LockedStep { uses, record, requests, packages: Vec::new() });
    }
    let job = project.job_of(session, &lock.to_text(), false)?;
    for step in steps {
        let known = &job.lock.steps[&step.name].requests;
        let (requests, packages) = session.with_inputs(
            || project.bring(session, &job, false),
            || once(session, project, &job, step, known, secrets),
        )?;
        if let Some(locked) = lock.steps.get_mut(&step.name) {
            locked.requests = requests;
            locked.packages = packages;
        }
    }
    Ok(())
}

/// The steps that fetch.
fn uses(recipe: &Recipe) -> Vec<&Step> {
    recipe.steps.iter().filter(|step| !step.uses.is_empty()).collect()
}

/// The trees of a step's sources.
fn sources(job: &Job, step: &Step) -> Vec<Digest> {
    let names = step.inputs.values().filter_map(|input| match input {
        Reference::Source { name, .. } => job.sources.get(name),
        Reference::Step { .. } => None,
    });
    names.map(|source| source.tree).collect()
}

fn once(
    session: &Session,
    project: &Project,
    job: &Job,
    step: &Step,
    known: &Transcript,
    secrets: &Secrets,
) -> Result<(Transcript, Vec<Declared>), Failure> {
    if !known.0.is_empty() {
        match attempt(session, project, job, step, (known, false), secrets) {
            Err(failure)
                if failure.lost.is_none()
                    && failure.exit != Exit::NotAuthenticated
                    && !session.cancel.is_cancelled() =>
            {
                session.tell(&Event::Note {
                    text: format!(
                        "step `{}` no longer gets on with what is locked: recording anew",
                        step.name
                    ),
                });
            }
            other => return other,
        }
    }
    attempt(session, project, job, step, (known, true), secrets)
}

fn attempt(
    session: &Session,
    project: &Project,
    job: &Job,
    step: &Step,
    (known, anew): (&Transcript, bool),
    secrets: &Secrets,
) -> Result<(Transcript, Vec<Declared>), Failure> {
    session.inputs(&project.dir, |cx| {
        let network = Network::new(cx);
        let recorder = Recorder::new(cx, &network, &step.name, known, anew);
        let ran: Result<(), BuildError> =
            session.engine(|cx| engine::record::record(&engine::Context { secrets, ..*cx }, job, step, &recorder));
        let screen = |recorded: &Transcript| {
            session.engine(|cx| engine::record::screen(&engine::Context { secrets, ..*cx }, step, recorded))
        };
        // First of all, and whether the step ended well or not: what came is in the store already.
        screen(&recorder.so_far())?;
        let unanswered: Vec<InputError> = recorder.unanswered();
        match ran {
            Ok(()) => {
                // A step may get on without some host; that a registry is down is no property of the step.
                let down = |e: &InputError| matches!(e, InputError::Recording { registry: true, .. });
                if let Some(error) = unanswered.into_iter().find(down) {
                    return Err(error.into());
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                // Tools that read a lockfile refuse other bytes in words of their own, or die of them: ours name both.
                let compared = inputs::agreed(cx, &step.uses, &sources(job, step), &recorder.so_far());
                if let Err(error @ InputError::Disagreement(_)) = compared {
                    return Err(Failure::from(error).which_ended(failure));
                }
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
        let agreed = inputs::agreed(cx, &step.uses, &sources(job, step), &requests)?;
        let (step, checked, beyond) = (&step.name, agreed.checked, agreed.beyond);
        let text = format!("step `{step}`: {checked} fetched files are as its lockfiles say, {beyond} answers are pinned by the lock alone");
        session.tell(&Event::Note { text });
        for problem in agreed.problems {
            session.tell(&Event::Note { text: problem });
        }
        Ok((requests, agreed.packages))
    })
}
