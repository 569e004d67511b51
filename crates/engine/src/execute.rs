//! Running an action in the sandbox, and keeping what it made.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::time::Instant;

use gateway::Replay;
use model::action::{Action, ActionResult, Encoded};
use model::recipe::Step;
use model::tree::Node;
use model::{Digest, RelPath, Timestamp};
use sandbox::{Exit, Gateway, Outcome};
use store::StoreError;

use crate::error::FailedStep;
use crate::log::Log;
use crate::network::Network;
use crate::normal::Normal;
use crate::observation::{OBSERVATIONS, Observation};
use crate::sealed::{Place, in_sandbox};
use crate::secrets::Guard;
use crate::sweep::Sweeper;
use crate::tell::{judge, less_sealed};
use crate::{BuildError, Context, failed, network};

/// Modification time of every file of a toolchain: a constant, so that one tree on disk serves all builds.
const TOOLCHAIN_TIME: Timestamp = crate::job::EARLIEST;

/// What a run gave, all of it in the store.
pub(crate) struct Executed {
    pub(crate) result: ActionResult,
    pub(crate) observation: Digest,
    pub(crate) trace: Option<Digest>,
}

/// Runs an action and keeps what it made. `fresh` leaves the action cache as it is.
pub(crate) fn execute(
    cx: &Context<'_>,
    sweeper: &Sweeper,
    step: &Step,
    action: &Action,
    encoded: &Encoded,
    fresh: bool,
) -> Result<Executed, BuildError> {
    if cx.cancel.is_cancelled() {
        return Err(BuildError::Cancelled);
    }
    let begun = Instant::now();
    let name = &step.name;
    let root = cx.store.materialise(&action.toolchain, TOOLCHAIN_TIME)?;
    let work = cx.store.materialise_writable(&action.work, action.conditions.source_date_epoch)?;
    let guard = Guard::new(cx.secrets, step);
    let transcript = network::transcript(cx, action)?;
    let open = |digest: &Digest| cx.store.open_blob(digest).map_err(std::io::Error::other);
    let replay = transcript.as_ref().map(|transcript| Replay::new(transcript, &step.uses, &open));
    let network = replay.as_ref().map(|replay| Network::new(step, action, replay)).transpose()?;
    let network = network.as_ref().map(|network| network as &dyn Gateway);
    let place = Place { root: &root, work: &work, guard: &guard, network };
    let mut log = Log::new(cx, name, &guard)?;
    let (outcome, scratch) = in_sandbox(cx, step, action, &place, cx.trace, &mut |bytes| log.write(bytes))?;
    less_sealed(cx, name, &outcome.achieved);
    let (violations, denied) = judge(cx, step, &outcome.violations, outcome.exit != Exit::Code(0));
    if denied || outcome.exit != Exit::Code(0) {
        // Looked at while what it wrote is there; the log may need that room.
        let full =
            outcome.exit == Exit::DiskFull || outcome.exit != Exit::Code(0) && failed::disk_is_full(cx);
        let exit = outcome.exit;
        drop(outcome);
        if full {
            // Waits until the sandbox has let go of it: only then is there room again.
            let _ = sandbox::remove_scratch(scratch.path());
        }
        drop(scratch);
        let (log, tail) = log.finish()?;
        let ended = FailedStep { violations, denied, full, ..FailedStep::new(name, exit, log, tail) };
        return Err(failed::explained(cx, step, action, &place, ended, begun.elapsed()));
    }
    let (log, _) = log.finish()?;
    search(cx, name, action, &outcome, log, &guard)?;
    let outputs = keep(cx, name, action, &outcome, log, &guard)?;
    let outputs = normalised(cx, step, action, outputs, log)?;
    let result = ActionResult { outputs, log };
    let trace = outcome.trace.as_ref().map(|trace| cx.store.put(trace.to_json().as_bytes())).transpose()?;
    let json = Observation::of(&outcome, trace).to_json();
    sweeper.take(outcome.work, scratch);
    let observation = cx.store.put(json.as_bytes())?;
    if !fresh {
        for bytes in encoded.blobs.values() {
            cx.store.put(bytes)?;
        }
        cx.store.memo_put(OBSERVATIONS, &encoded.digest, json.as_bytes())?;
        cx.store.put_action_result(&encoded.digest, &result)?;
    }
    Ok(Executed { result, observation, trace })
}

/// Looks for the step's secrets in its declared outputs, before anything of them is kept.
fn search(
    cx: &Context<'_>,
    step: &str,
    action: &Action,
    outcome: &Outcome,
    log: Digest,
    guard: &Guard,
) -> Result<(), BuildError> {
    let Some(search) = guard.search() else { return Ok(()) };
    for output in &action.outputs {
        let leak = search.look(outcome.work.as_fd(), output, cx.cancel);
        if cx.cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        if let Some(leak) = leak.map_err(|source| unkept(step, source, log, guard))? {
            let (secret, place) = (leak.secret, guard.text(&leak.place));
            return Err(BuildError::Leak { step: step.to_owned(), secret, place, log });
        }
    }
    Ok(())
}

/// The error where an output could not be read.
fn unkept(step: &str, source: StoreError, log: Digest, guard: &Guard) -> BuildError {
    let source = match source {
        StoreError::Import { path, problem } => StoreError::Import { path: guard.text(&path), problem },
        StoreError::Io { doing, path, source } => {
            StoreError::Io { doing, path: guard.text(&path.to_string_lossy()).into(), source }
        }
        other => other,
    };
    match source {
        StoreError::Import { .. } => {
            BuildError::Unkept { step: step.to_owned(), source: Box::new(source), log }
        }
        other => other.into(),
    }
}

/// Takes the declared outputs into the store.
fn keep(
    cx: &Context<'_>,
    step: &str,
    action: &Action,
    outcome: &Outcome,
    log: Digest,
    guard: &Guard,
) -> Result<BTreeMap<RelPath, Node>, BuildError> {
    let mut outputs = BTreeMap::new();
    for output in &action.outputs {
        let imported = cx.store.take(outcome.work.as_fd(), output);
        let imported = imported.map_err(|source| unkept(step, source, log, guard))?;
        let Some(node) = imported else {
            let nearby = nearby(&outcome.work, output).iter().map(|name| guard.text(name)).collect();
            return Err(BuildError::Output { step: step.to_owned(), output: output.clone(), nearby, log });
        };
        outputs.insert(output.clone(), node);
    }
    Ok(outputs)
}

/// The outputs as the step's rules make them; what a rule leaves as it is, is told.
fn normalised(
    cx: &Context<'_>,
    step: &Step,
    action: &Action,
    mut outputs: BTreeMap<RelPath, Node>,
    log: Digest,
) -> Result<BTreeMap<RelPath, Node>, BuildError> {
    let epoch = action.conditions.source_date_epoch;
    let normal = Normal { rules: &step.normalize, epoch, owner: &step.name, strict: false };
    for (path, node) in &mut outputs {
        let made = normal.node(cx, path.as_str(), node);
        *node = made.map_err(|refused| {
            refused.or(|reason| BuildError::Unnormalised { step: step.name.clone(), reason, log })
        })?;
    }
    Ok(outputs)
}

/// Names in the directory where an output belongs; at most ten.
fn nearby(work: &impl std::os::fd::AsRawFd, output: &RelPath) -> Vec<String> {
    let parent = output.parent().unwrap_or_default();
    let directory = format!("/proc/self/fd/{}/{parent}", work.as_raw_fd());
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.truncate(10);
    names
}
