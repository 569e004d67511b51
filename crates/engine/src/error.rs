//! Why a build did not come to its end.

use crate::leaks::Report;
use crate::log::Tail;
use model::tree::TreeError;
use model::violation::Violation;
use model::{Digest, RelPath};
use sandbox::{Exit, SandboxError};
use store::StoreError;

/// Why a build did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store cannot give or take bytes.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A tree cannot be put together.
    #[error("inputs of step `{step}` do not fit together: {source}")]
    Inputs {
        /// Which step.
        step: String,
        /// What does not fit.
        source: TreeError,
    },
    /// Nothing lies where a reference points.
    #[error("`{reference}`, used by `{user}`, does not exist")]
    Reference {
        /// The step or artifact that refers to it.
        user: String,
        /// What it says.
        reference: String,
        /// What is there instead; may be empty.
        nearby: Vec<String>,
    },
    /// The host cannot run a sealed step.
    #[error("the sandbox for step `{step}` cannot be set up: {source}")]
    Sandbox {
        /// Which step.
        step: String,
        /// Why not.
        source: SandboxError,
    },
    /// What stands between a step and the network cannot be set up.
    #[error("the gateway for step `{step}` cannot be set up: {reason}")]
    Gateway {
        /// Which step.
        step: String,
        /// Why not.
        reason: String,
    },
    /// A step ran and failed, or attempted what is denied.
    #[error("step `{}` {}", .0.step, .0.sentence())]
    Step(Box<FailedStep>),
    /// A step ended well but a declared output is not there.
    #[error("step `{step}` ended well but did not make `{output}`")]
    Output {
        /// Which step.
        step: String,
        /// Which output.
        output: RelPath,
        /// What stands in the directory where it belongs.
        nearby: Vec<String>,
        /// Its whole log.
        log: Digest,
    },
    /// A step ended well but left something in an output that cannot be kept.
    #[error("step `{step}` ended well but its output cannot be kept: {source}")]
    Unkept {
        /// Which step.
        step: String,
        /// What and why.
        source: Box<StoreError>,
        /// Its whole log.
        log: Digest,
    },
    /// A step ended well but an output cannot be normalised as the recipe asks.
    #[error("step `{step}` ended well but {reason}")]
    Unnormalised {
        /// Which step.
        step: String,
        /// What and why.
        reason: String,
        /// Its whole log.
        log: Digest,
    },
    /// A step that would run has a secret that was not given.
    #[error("step `{step}` needs the secret `{secret}`, which was not given")]
    NoSecret {
        /// Which step.
        step: String,
        /// Which secret.
        secret: String,
    },
    /// A step ended well but one of its secrets is in an output. Nothing was kept.
    #[error(
        "step `{step}` ended well but {place} of its outputs holds the secret `{secret}`: nothing is kept"
    )]
    Leak {
        /// Which step.
        step: String,
        /// Which secret.
        secret: String,
        /// Where; a path in it with the secret replaced.
        place: String,
        /// Its whole log.
        log: Digest,
    },
    /// What a step asks or is answered while it is recorded holds one of its secrets. Nothing was locked.
    #[error(
        "step `{step}` cannot be recorded: {place} holds the secret `{secret}`, which would be in the lock or the store"
    )]
    Recorded {
        /// Which step.
        step: String,
        /// Which secret.
        secret: String,
        /// The request, or whose answer it is; with secrets replaced.
        place: String,
    },
    /// What is to be packed does not suit the format.
    #[error("artifact `{artifact}` cannot be packed as `{format}`: {reason}")]
    Package {
        /// Which artifact.
        artifact: String,
        /// Its format.
        format: &'static str,
        /// Why not.
        reason: String,
    },
    /// A text that people wrote has mistakes: a Dockerfile, or what it leaves out.
    #[error("{}", .0.to_string())]
    Text(model::Diagnostics),
    /// What is built fetches something, and nobody has locked that.
    #[error("{what} is not locked")]
    Unlocked {
        /// What.
        what: String,
    },
    /// The package databases of an image cannot be read.
    #[error("what is in the image cannot be told: {reason}")]
    Contents {
        /// Why.
        reason: String,
    },
    /// An instruction of a Dockerfile cannot be done.
    #[error("{place}: `{instruction}` of `{artifact}`: {reason}")]
    Instruction {
        /// Which artifact.
        artifact: String,
        /// File and line.
        place: String,
        /// The instruction, on one line.
        instruction: String,
        /// Why.
        reason: String,
    },
    /// The ledger cannot be written or read.
    #[error("{0}")]
    Ledger(#[from] ledger::LedgerError),
    /// Artifacts hold what tells of a machine, a person or a secret, and that was not to be.
    #[error("{} that no line of the recipe allows", leaks(.reports))]
    Leaks {
        /// Those that have some, in the order of the recipe.
        reports: Vec<Report>,
    },
    /// Somebody stopped it.
    #[error("stopped")]
    Cancelled,
}

/// A step that ran and failed.
#[derive(Debug)]
pub struct FailedStep {
    /// Its name.
    pub step: String,
    /// How it ended.
    pub exit: Exit,
    /// The command that was running, if the log tells.
    pub command: Option<String>,
    /// The last lines of the log.
    pub last_lines: Vec<String>,
    /// The whole log.
    pub log: Digest,
    /// What it attempted and what it missed, unless the recipe does not care.
    pub violations: Vec<Violation>,
    /// Whether one of them is denied.
    pub denied: bool,
    /// What the log suggests.
    pub hints: Vec<String>,
    /// Whether the disk was full when it failed: then this machine may be the cause, and not the step.
    pub full: bool,
}

impl FailedStep {
    /// A step that ended so, with this end of its log; what it attempted is the caller's to add.
    pub(crate) fn new(step: &str, exit: Exit, log: Digest, tail: Tail) -> Self {
        let Tail { lines: last_lines, command } = tail;
        let (violations, hints) = (Vec::new(), Vec::new());
        Self {
            step: step.to_owned(),
            exit,
            command,
            last_lines,
            log,
            violations,
            denied: false,
            hints,
            full: false,
        }
    }

    /// How it failed, without its name.
    pub(crate) fn sentence(&self) -> String {
        match self.exit {
            Exit::Code(0) => "attempted what its recipe does not declare".to_owned(),
            exit if self.full => format!("failed on a full disk: {}", describe(exit)),
            exit => format!("failed: {}", describe(exit)),
        }
    }
}

impl From<FailedStep> for BuildError {
    fn from(failed: FailedStep) -> Self {
        Self::Step(Box::new(failed))
    }
}

impl BuildError {
    /// True if a step failed on a full disk, which says nothing about the step.
    #[must_use]
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Step(failed) if failed.full)
    }

    /// True if the store lacks an input or has found one damaged: fetching, then building again, may help.
    #[must_use]
    pub fn inputs_are_missing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_absent())
    }
}

/// How many leaks in how many artifacts, in words.
fn leaks(reports: &[Report]) -> String {
    let seen: usize = reports.iter().map(|report| report.counting().len()).sum();
    let count = seen as u64 + reports.iter().map(Report::unseen).sum::<u64>();
    let names: Vec<_> = reports.iter().map(|report| format!("`{}`", report.artifact)).collect();
    let leaks = if count == 1 { "a leak".to_owned() } else { format!("{count} leaks") };
    format!("{} {} {leaks}", names.join(", "), if names.len() == 1 { "has" } else { "have" })
}

/// How a step ended, in words.
pub(crate) fn describe(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("killed by signal {signal}"),
        Exit::TimedOut => "its time limit passed".into(),
        Exit::OutOfMemory => "its memory limit was reached".into(),
        Exit::OutOfProcesses => "its limit of processes was reached".into(),
        Exit::OutOfCpuTime => "its limit of processor time was reached".into(),
        Exit::FileTooLarge => "a file reached its limit of size".into(),
        Exit::OutOfDisk => "it wrote more than its limit of the disk".into(),
        Exit::DiskFull => "it was ended before it filled the disk".into(),
        Exit::Cancelled => "stopped".into(),
    }
}
