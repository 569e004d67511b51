//! What to run, and what came of it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use model::trace::Trace;
use model::violation::Violation;
use model::{Conditions, Limits};
use serde::{Deserialize, Serialize};

use crate::{Achieved, Cancel, Gateway, Image};

/// One command and its world.
///
/// What it is given.
pub struct Spec<'a> {
    /// What its root is.
    pub files: Files<'a>,
    /// A private, empty directory on disk for what the command writes: to the build directory, or to the image, where it is
    /// `upper` of it then, as an overlay has it. The caller deletes it, with [`crate::remove_scratch`], after it has let go of
    /// [`Outcome::work`].
    pub scratch: &'a Path,
    /// The program and its arguments. A program without a slash is looked for in `env`'s `PATH`.
    pub arguments: &'a [String],
    /// The whole environment; nothing else is inherited.
    pub env: &'a BTreeMap<String, String>,
    /// Files of `/run/secrets`, by name, sorted: in memory that is never swapped, readable by the builder alone. Without any, there
    /// is no such directory. Of an image, by absolute path instead: files in memory, over those of the image, that all of its
    /// users may read.
    pub secrets: &'a [(&'a str, &'a [u8])],
    /// What stands at the end of the only way out of the command's network; without one, there is no way.
    pub gateway: Option<&'a dyn Gateway>,
    /// What the command sees of its world.
    pub conditions: &'a Conditions,
    /// Wall-clock limit.
    pub timeout: Option<Duration>,
    /// What it may use. Without a limit of processes they are [`PROCESSES`]; without one of the disk it leaves a reserve.
    pub limits: Limits,
    /// Whether every look at a file is heard ([`Outcome::trace`]); slows a build down by a tenth to a half.
    pub trace: bool,
    /// Whether it may run without a network namespace, a `/proc` or an overlay where the host refuses one.
    pub degraded: bool,
    /// Where its input and output go.
    pub io: Io<'a>,
    /// Kills everything at once when raised.
    pub cancel: &'a Cancel,
}

/// What a command finds as its root.
pub enum Files<'a> {
    /// For a step: a toolchain, and inputs to work on.
    ///
    /// Both trees must belong to the caller's effective user (materialised by it): their owner is the builder inside. Files
    /// of `work` should have modes 0644 or 0755 and its directories 0755, so that the builder may change its copies; on disk
    /// they are never written to.
    Trees {
        /// The toolchain: becomes `/`, read-only. It need not hold mount points, `/etc/passwd` or device files.
        root: &'a Path,
        /// The inputs: lower layer of the overlay at `conditions.build_path`.
        work: &'a Path,
    },
    /// For an instruction of a Dockerfile: an image. The conditions' user, home and build path have no meaning then;
    /// [`Spec::degraded`] is refused.
    Image(Image<'a>),
}

/// How many processes and threads a command may have where nothing is said.
pub(crate) const PROCESSES: u32 = 8192;

/// Standard input, output and error of the command.
pub enum Io<'a> {
    /// Input is `/dev/null`; output and error are one pipe whose bytes go to `sink` in the order written.
    Log {
        /// Called on the thread of [`crate::run`] with each piece of the log.
        sink: &'a mut dyn FnMut(&[u8]),
    },
    /// The caller's own descriptors 0, 1 and 2; where 0 is a terminal, the command is its foreground job.
    Terminal,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It took longer than [`Spec::timeout`] and was killed.
    TimedOut,
    /// Its processes needed more memory than [`Spec::limits`] say, and were killed ([`crate::MemoryLimit`]).
    OutOfMemory,
    /// It reached its limit of processes and threads, and was killed.
    OutOfProcesses,
    /// Its processes together used their processor time up, and were killed.
    OutOfCpuTime,
    /// It failed, and a file of it had reached the limit of size.
    FileTooLarge,
    /// It had written more than it may, and was killed or had just ended.
    OutOfDisk,
    /// Almost nothing was left on the disk of [`Spec::scratch`], and it was killed before others came to harm.
    DiskFull,
    /// [`Cancel`] was raised, and it was killed.
    Cancelled,
}

/// What came of a command. Every process of it is dead.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// The build directory, or the image, as the command left it: an `O_PATH` directory, for `openat` and its like.
    ///
    /// To list it, open `"."` relative to it. It lives as long as this descriptor, and reads `work` and
    /// `scratch` on disk.
    pub work: OwnedFd,
    /// What it used.
    pub usage: Usage,
    /// Which isolation was really applied.
    pub achieved: Achieved,
    /// Whether processes were still there when the command ended (they were killed).
    pub survivors_killed: bool,
    /// What was attempted and not declared, in the order of the first attempts.
    pub violations: Vec<Violation>,
    /// How many attempts there were beyond those kept in `violations`.
    pub more_violations: u64,
    /// The files that were used, if [`Spec::trace`] was asked for and the host could.
    pub trace: Option<Trace>,
}

/// What a command and its processes used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in user space.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Wall-clock time from the call of [`crate::run`] to the end.
    pub wall: Duration,
    /// The greatest resident size of one process, in bytes.
    ///
    /// Never less than the caller's own private memory: the kernel counts the fork before the exec.
    pub max_rss: u64,
}
