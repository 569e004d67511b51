//! One action: from the store if it is known, else in the sandbox.

use std::time::Instant;

use model::action::{Action, ActionResult, Components, Encoded};
use model::event::{Event, Outcome as Ending, Unit};
use model::{Digest, Timestamp};
use sandbox::{Achieved, Exit, Io, Spec};
use serde::{Deserialize, Serialize};
use store::BlobWriter;

use crate::error::{FailedStep, describe};
use crate::{BuildError, Context, hint};

/// Modification time of every file of a toolchain: a constant, so that one tree on disk serves all builds.
const TOOLCHAIN_TIME: Timestamp = crate::job::EARLIEST;
/// How many lines of a log are kept for an error.
const LAST_LINES: usize = 20;
/// Where observations are kept, by action.
const OBSERVATIONS: &str = "observations";

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

/// What the sandbox saw a step do and gave to it. Kept as canonical JSON by digest, named in provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Which isolation was really applied.
    pub achieved: Achieved,
    /// True if processes of the step outlived its command and were killed.
    pub survivors_killed: bool,
    /// Processor time in user mode, in milliseconds.
    pub user_millis: u64,
    /// Processor time in the kernel, in milliseconds.
    pub system_millis: u64,
    /// Wall-clock time in milliseconds.
    pub wall_millis: u64,
    /// Largest resident set of one process, in bytes.
    pub max_rss: u64,
}

/// Gives the result of `action`: from the store, unless `fresh`, else by running it.
pub(crate) fn run(
    cx: &Context<'_>,
    step: &str,
    action: &Action,
    last: Option<&Components>,
    fresh: bool,
) -> Result<(ActionResult, StepRun), BuildError> {
    let begin = Instant::now();
    let encoded = action.encode();
    let components = action.components();
    if !fresh && let Some(result) = cx.store.action_result(&encoded.digest)? {
        let observation = cx.store.memo_get(OBSERVATIONS, &encoded.digest).map(|json| cx.store.put(&json));
        let run = StepRun {
            step: step.to_owned(),
            action: encoded.digest,
            cached: true,
            millis: millis(begin),
            log: result.log,
            observation: observation.transpose()?,
            components,
            missed: Vec::new(),
        };
        finished(cx, step, Ending::Cached, String::new(), run.millis);
        return Ok((result, run));
    }
    // Told by whoever fetches, not as a step that failed.
    for tree in [action.toolchain, action.work] {
        if !cx.store.contains(&tree) {
            return Err(store::StoreError::Missing { digest: tree }.into());
        }
    }
    let missed = last.map_or_else(Vec::new, |last| why(&components, last));
    (cx.events)(Event::Started { stage: "build", name: step.to_owned(), total: None, unit: Unit::Items });
    let done = execute(cx, step, action, &encoded, fresh);
    let detail = match (&done, missed.as_slice()) {
        (Err(BuildError::Step(failed)), _) => describe(failed.exit),
        (Err(_), _) => String::new(),
        (Ok(_), []) => String::new(),
        (Ok(_), parts) => {
            let names: Vec<_> = parts.iter().map(|m| m.part.as_str()).collect();
            format!("changed: {}", names.join(", "))
        }
    };
    let ending = if done.is_ok() { Ending::Done } else { Ending::Failed };
    finished(cx, step, ending, detail, millis(begin));
    let (result, observation) = done?;
    let run = StepRun {
        step: step.to_owned(),
        action: encoded.digest,
        cached: false,
        millis: millis(begin),
        log: result.log,
        observation: Some(observation),
        components,
        missed,
    };
    Ok((result, run))
}

fn why(now: &Components, last: &Components) -> Vec<Missed> {
    let changed = now.changed_since(last).into_iter();
    changed.map(|(part, before, now)| Missed { part, before, now }).collect()
}

fn finished(cx: &Context<'_>, step: &str, outcome: Ending, detail: String, millis: u64) {
    (cx.events)(Event::Finished { stage: "build", name: step.to_owned(), outcome, detail, millis });
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Runs an action in the sandbox and keeps what it made. `fresh` leaves the action cache as it is.
fn execute(
    cx: &Context<'_>,
    step: &str,
    action: &Action,
    encoded: &Encoded,
    fresh: bool,
) -> Result<(ActionResult, Digest), BuildError> {
    if cx.cancel.is_cancelled() {
        return Err(BuildError::Cancelled);
    }
    let root = cx.store.materialise(&action.toolchain, TOOLCHAIN_TIME)?;
    let work = cx.store.materialise_writable(&action.work, action.conditions.source_date_epoch)?;
    let scratch = cx.store.scratch()?;
    let mut log = Log::new(cx, step)?;
    let outcome = sandbox::run(Spec {
        root: &root,
        work: &work,
        scratch: scratch.path(),
        arguments: &action.arguments(),
        env: &action.env,
        conditions: &action.conditions,
        timeout: Some(action.timeout),
        memory: action.memory,
        io: Io::Log { sink: &mut |bytes| log.write(bytes) },
        cancel: cx.cancel,
    })
    .map_err(|source| BuildError::Sandbox { step: step.to_owned(), source })?;
    let (log, last_lines) = log.finish()?;
    match outcome.exit {
        Exit::Code(0) => {}
        Exit::Cancelled => return Err(BuildError::Cancelled),
        exit => {
            let command = last_lines.iter().rev().find_map(|l| l.strip_prefix("$ ")).map(str::to_owned);
            let hints = hint::hints(&last_lines);
            let step = step.to_owned();
            return Err(BuildError::Step(Box::new(FailedStep {
                step,
                exit,
                command,
                last_lines,
                log,
                hints,
            })));
        }
    }
    let mut result = ActionResult { outputs: std::collections::BTreeMap::new(), log };
    for output in &action.outputs {
        use std::os::fd::AsFd;
        let imported = cx.store.import(outcome.work.as_fd(), output).map_err(|source| match source {
            store::StoreError::Import { .. } => {
                BuildError::Unkept { step: step.to_owned(), source: Box::new(source), log }
            }
            other => other.into(),
        })?;
        let Some(node) = imported else {
            let nearby = nearby(&outcome.work, output);
            return Err(BuildError::Output { step: step.to_owned(), output: output.clone(), nearby, log });
        };
        result.outputs.insert(output.clone(), node);
    }
    drop(outcome.work);
    // What a step leaves there may be closed to its owner; then this opens it. Failing is the store's matter: it
    // removes what is left when it is next opened.
    let _ = sandbox::remove_scratch(scratch.path());
    let observation = Observation {
        achieved: outcome.achieved,
        survivors_killed: outcome.survivors_killed,
        user_millis: u64::try_from(outcome.usage.user.as_millis()).unwrap_or(u64::MAX),
        system_millis: u64::try_from(outcome.usage.system.as_millis()).unwrap_or(u64::MAX),
        wall_millis: u64::try_from(outcome.usage.wall.as_millis()).unwrap_or(u64::MAX),
        max_rss: outcome.usage.max_rss,
    };
    let json = serde_json::to_value(&observation).expect("plain values are JSON").to_string();
    let observation = cx.store.put(json.as_bytes())?;
    if !fresh {
        for bytes in encoded.blobs.values() {
            cx.store.put(bytes)?;
        }
        cx.store.memo_put(OBSERVATIONS, &encoded.digest, json.as_bytes())?;
        cx.store.put_action_result(&encoded.digest, &result)?;
    }
    Ok((result, observation))
}

/// Names in the directory where an output belongs; at most ten.
fn nearby(work: &impl std::os::fd::AsRawFd, output: &model::RelPath) -> Vec<String> {
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

/// The log of a step while it runs: kept whole, told line by line.
struct Log<'a> {
    cx: &'a Context<'a>,
    step: &'a str,
    writer: BlobWriter,
    line: Vec<u8>,
    last: std::collections::VecDeque<String>,
    failed: Option<std::io::Error>,
}

impl<'a> Log<'a> {
    fn new(cx: &'a Context<'a>, step: &'a str) -> Result<Self, BuildError> {
        let writer = cx.store.writer()?;
        Ok(Self { cx, step, writer, line: Vec::new(), last: std::collections::VecDeque::new(), failed: None })
    }

    fn write(&mut self, bytes: &[u8]) {
        use std::io::Write as _;
        if self.failed.is_none() {
            self.failed = self.writer.write_all(bytes).err();
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        // A line without end does not fill the memory: what is over 64 KiB is told in pieces.
        for piece in rest.chunks(64 << 10) {
            self.line.extend_from_slice(piece);
            if self.line.len() >= 64 << 10 {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim_end_matches('\r').to_owned();
        self.line.clear();
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.clone());
        (self.cx.events)(Event::Output { step: self.step.to_owned(), line });
    }

    fn finish(mut self) -> Result<(Digest, Vec<String>), BuildError> {
        if !self.line.is_empty() {
            self.end_line();
        }
        if let Some(source) = self.failed {
            return Err(store::StoreError::io("write", self.cx.store.dir(), source).into());
        }
        Ok((self.writer.finish()?, self.last.into()))
    }
}
