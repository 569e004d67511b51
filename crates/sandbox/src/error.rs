//! Why a command could not be run. What a command itself does wrong is an [`crate::Exit`], not an error.

use std::io;
use std::path::PathBuf;

/// A command that could not be run, or not be observed to its end.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The host does not allow the sandbox.
    #[error("this host refuses the sandbox: {cause}; to allow it: {fix}")]
    Refused {
        /// What refuses.
        cause: String,
        /// The command that allows it.
        fix: String,
    },
    /// The conditions, the command or the environment cannot be given to a process.
    #[error("{what} cannot be applied: expected {expected}, found `{found}`")]
    Invalid {
        /// Which of them.
        what: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A file or directory of the caller could not be used.
    #[error("cannot {attempt} {}", path.display())]
    Path {
        /// What was attempted.
        attempt: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A step of setting the sandbox up failed.
    #[error("the sandbox could not {}{}{attempted}", stage.describe(), if attempted.is_empty() { "" } else { ": " })]
    Setup {
        /// Which step.
        stage: Stage,
        /// With what.
        attempted: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The sandbox stands, but the program is not there or cannot be executed.
    #[error("cannot execute `{program}` in the sandbox (looked at {})", looked.join(", "))]
    Exec {
        /// The program as it was asked for.
        program: String,
        /// The paths inside that were tried.
        looked: Vec<String>,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Process 1 of the sandbox was ended by something outside: the kernel's out-of-memory killer, or a person.
    #[error("the sandbox was killed from outside before its command ended")]
    Vanished,
}

macro_rules! stages {
    ($($name:ident $text:literal,)*) => {
        /// A step of setting a sandbox up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Stage { $(#[doc = $text] $name,)* }

        impl Stage {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// What the step does, as an infinitive.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

stages! {
    Prepare "prepare pipes and descriptors",
    Clone "create namespaces",
    MapIds "map user and group ids",
    Identity "become the builder",
    User "become the user of the image",
    ParentDeath "tie its life to the caller's",
    Hostname "set the host name",
    Network "create a network namespace",
    Loopback "bring the loopback interface up",
    OwnerMap "show the trees as the builder's (idmapped mount)",
    Toolchain "mount the toolchain",
    Inputs "open the inputs",
    Scratch "open the scratch directory",
    Root "create the root",
    Skeleton "fill the root",
    Bind "mount a part of the toolchain",
    Etc "lay its files over /etc",
    Proc "mount /proc",
    Mask "mask a part of /proc",
    World "show a file that tells about the machine",
    Device "mount a device",
    Terminals "mount /dev/pts",
    Secrets "put its secrets into memory",
    ReadOnly "make the root read-only",
    Private "mount a private directory",
    Build "mount the build directory",
    Layers "lay the layers of the image over each other",
    Mounts "mount over the image",
    Workdir "enter the working directory",
    Pivot "enter the root",
    Privileges "give up capabilities",
    Cpus "choose its CPUs",
    Names "take the place of a name server",
    Doors "open the doors of the network",
    Landlock "restrict where it may write (Landlock)",
    Filter "restrict its system calls",
    Addresses "keep its addresses from being random",
    Spawn "start the command",
    Exec "execute the command",
    Supervise "watch over the command",
}

impl Stage {
    pub(crate) fn number(self) -> u64 {
        self as u64
    }

    pub(crate) fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n)).copied().unwrap_or(Self::Supervise)
    }
}

/// A failed step, as it travels out of the sandbox: no allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    /// Which entry of the step's list.
    pub(crate) index: u64,
    pub(crate) errno: i32,
}

/// Names the step of an answer.
pub(crate) trait At<T> {
    fn at(self, stage: Stage) -> Result<T, Failure>;
    fn at_entry(self, stage: Stage, index: usize) -> Result<T, Failure>;
}

impl<T> At<T> for crate::kernel::Answer<T> {
    fn at(self, stage: Stage) -> Result<T, Failure> {
        self.at_entry(stage, 0)
    }

    fn at_entry(self, stage: Stage, index: usize) -> Result<T, Failure> {
        self.map_err(|errno| Failure { stage, index: index as u64, errno: errno.0 })
    }
}
