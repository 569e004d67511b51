//! The steps that fetch: run once behind somebody who writes down what they are answered.

use engine::BuildError;
use engine::job::Job;
use engine::record::Recording;
use engine::secrets::Secrets;
use inputs::{Agreed, InputError, Network, Recorder};
use model::event::Outcome;
use model::lock::{Declared, Lock, LockedStep};
use model::recipe::{Recipe, Reference, Step};
use model::transcript::Transcript;
use model::{Digest, Event};
use serde_json::json;

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
    let recording = session.engine(|cx| Recording::new(&engine::Context { secrets, ..*cx }, job, step))?;
    if let Some(seen) = Seen::of(session, &recording, known) {
        let packages = seen.packages.clone();
        seen.tell(session, step);
        return Ok((known.clone(), packages));
    }
    if !known.0.is_empty() {
        match attempt(session, project, job, step, &recording, (known, false), secrets) {
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
    let mut known = known.clone();
    for (asked, answered) in begun(session, &recording)?.0 {
        known.0.entry(asked).or_insert(answered);
    }
    attempt(session, project, job, step, &recording, (&known, true), secrets)
}

fn attempt(
    session: &Session,
    project: &Project,
    job: &Job,
    step: &Step,
    recording: &Recording<'_>,
    (known, anew): (&Transcript, bool),
    secrets: &Secrets,
) -> Result<(Transcript, Vec<Declared>), Failure> {
    session.inputs(&project.dir, |cx| {
        let network = Network::new(cx);
        let recorder = Recorder::new(cx, &network, &step.name, known, anew);
        let ran: Result<(), BuildError> =
            session.engine(|cx| recording.run(&engine::Context { secrets, ..*cx }, &recorder));
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
                    return Err(Failure::from(error).line(keep(session, recording, &recorder)));
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
                    Some(cause) if failure.lost.is_none() => failure
                        .line(format!("unanswered: {}", Failure::from(cause).sentence()))
                        .line(keep(session, recording, &recorder)),
                    _ => failure,
                });
            }
        }
        let requests = recorder.finish()?;
        screen(&requests)?;
        let agreed = inputs::agreed(cx, &step.uses, &sources(job, step), &requests)?;
        let seen = Seen::new(step, agreed);
        if requests == *known {
            seen.remember(session, recording, known)?;
        }
        for note in seen.notes {
            session.tell(&Event::Note { text: note });
        }
        Ok((requests, seen.packages))
    })
}

/// Where it is kept what a recording that failed has brought.
const BEGUN: &str = "recording-begun";

/// Keeps what a recording that fails has brought, so that the next one goes on from there; says how much it is.
fn keep(session: &Session, recording: &Recording<'_>, recorder: &Recorder<'_>) -> String {
    let files = recorder.files();
    let text = format!("{} files that came are in the store", files.0.len());
    match recording
        .digest()
        .map(|key| session.store.memo_put(BEGUN, &key, files.lines().join("\n").as_bytes()))
    {
        Some(Ok(())) => format!("{text}, and are not asked for again"),
        // The failure that is told is the other one.
        Some(Err(_)) | None => text,
    }
}

/// What an earlier recording of the same has brought before it failed. Given once: should it be what makes a recording
/// fail, the next one asks for all of it.
fn begun(session: &Session, recording: &Recording<'_>) -> Result<Transcript, Failure> {
    let Some(key) = recording.digest() else { return Ok(Transcript::default()) };
    let Some(text) = session.store.memo_get(BEGUN, &key).filter(|text| !text.is_empty()) else {
        return Ok(Transcript::default());
    };
    session.store.memo_put(BEGUN, &key, b"")?;
    Ok(Transcript::from_lines(String::from_utf8_lossy(&text).lines()).unwrap_or_default())
}

/// A recording that was seen to ask exactly what is locked, and to get on with that.
///
/// It asked nobody, so what came of it follows from what it is made of; and so it need not run again.
struct Seen {
    /// What was said of it.
    notes: Vec<String>,
    /// What is known of the packages that it fetched.
    packages: Vec<Declared>,
}

impl Seen {
    const SPACE: &str = "recorded";

    fn new(step: &Step, agreed: Agreed) -> Self {
        let (name, checked, beyond) = (&step.name, agreed.checked, agreed.beyond);
        let text = format!(
            "step `{name}`: {checked} fetched files are as its lockfiles say, {beyond} answers are pinned by the lock alone"
        );
        let notes = std::iter::once(text).chain(agreed.problems).collect();
        Self { notes, packages: agreed.packages }
    }

    /// As it was remembered, if every answer is in the store.
    fn of(session: &Session, recording: &Recording<'_>, known: &Transcript) -> Option<Self> {
        let text = session.store.memo_get(Self::SPACE, &Self::key(recording, known)?)?;
        let (notes, packages) = serde_json::from_slice::<(Vec<String>, Vec<String>)>(&text).ok()?;
        let packages = packages.iter().map(|line| line.parse()).collect::<Result<_, _>>().ok()?;
        known.bodies().iter().all(|body| session.store.contains(body)).then_some(Self { notes, packages })
    }

    fn remember(
        &self,
        session: &Session,
        recording: &Recording<'_>,
        known: &Transcript,
    ) -> Result<(), Failure> {
        let Some(key) = Self::key(recording, known) else { return Ok(()) };
        let packages: Vec<String> = self.packages.iter().map(ToString::to_string).collect();
        session.store.memo_put(Self::SPACE, &key, json!([self.notes, packages]).to_string().as_bytes())?;
        Ok(())
    }

    /// Another version of this program may read lockfiles, and so compare, in another way.
    fn key(recording: &Recording<'_>, known: &Transcript) -> Option<Digest> {
        let version = env!("CARGO_PKG_VERSION");
        let parts = json!([version, recording.digest()?.to_string(), known.lines()]);
        Some(Digest::of(parts.to_string().as_bytes()))
    }

    fn tell(self, session: &Session, step: &Step) {
        let (name, detail) = (step.name.clone(), "it asks what is locked".to_owned());
        session.tell(&Event::Finished { stage: "record", name, outcome: Outcome::Cached, detail, millis: 0 });
        for text in self.notes {
            session.tell(&Event::Note { text });
        }
    }
}
