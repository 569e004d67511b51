//! What is wrong with a manifest or a lockfile.

use std::fmt;
use std::io;

use model::RelPath;

/// Why an adapter cannot say what a project depends on.
#[derive(Debug, thiserror::Error)]
pub enum EcosystemError {
    /// A file of the repository cannot be read.
    #[error("cannot read `{file}`")]
    Read {
        /// Which.
        file: RelPath,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A manifest without a lockfile: nothing says which versions are meant.
    #[error("{0}")]
    NoLockfile(Box<Problem>),
    /// A lockfile or manifest that cannot be understood, or is of a version that cannot be used.
    #[error("{0}")]
    Form(Box<Problem>),
    /// The lockfile is not what the manifest asks for now.
    #[error("{0}")]
    Stale(Box<Problem>),
    /// The lockfile names something that nothing pins: no hash, no address, a branch.
    #[error("{0}")]
    Loose(Box<Problem>),
}

impl EcosystemError {
    /// What is wrong, unless a file could not be read.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Read { .. } => None,
            Self::NoLockfile(p) | Self::Form(p) | Self::Stale(p) | Self::Loose(p) => Some(p),
        }
    }
}

/// Place, expected, found, fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: RelPath,
    /// The line in it, from 1; 0 if it is about the whole file.
    pub line: usize,
    /// What is wrong, in a sentence without a stop.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to do, mostly a command.
    pub fix: String,
    /// How many more entries of the same file have the same fault.
    pub more: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)?;
        if self.more > 0 {
            write!(f, ", and so have {} more", self.more)?;
        }
        write!(f, "\n  expected {}\n  found    {}\nfix: {}", self.expected, self.found, self.fix)
    }
}

impl Problem {
    /// All of it in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let place =
            if self.line > 0 { format!("{}:{}", self.file, self.line) } else { self.file.to_string() };
        format!("{place}: {} (expected {}, found {}): {}", self.what, self.expected, self.found, self.fix)
    }

    /// A problem of a file as a whole; [`Problem::at`] gives it a line.
    pub(crate) fn new(
        file: &RelPath,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            file: file.clone(),
            line: 0,
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
            fix: fix.into(),
            more: 0,
        }
    }

    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }

    /// There is no lockfile beside this manifest; `command` makes one.
    pub(crate) fn no_lockfile(manifest: &RelPath, expected: &str, command: &str) -> EcosystemError {
        EcosystemError::NoLockfile(Box::new(Self::new(
            manifest,
            "has no lockfile, so nothing says which versions are meant",
            expected,
            "no such file among those that git tracks",
            format!("run `{command}` and `git add` the lockfile"),
        )))
    }

    /// The text cannot be read as what it should be.
    pub(crate) fn form(
        file: &RelPath,
        line: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> EcosystemError {
        EcosystemError::Form(Box::new(Self::new(file, "cannot be used", expected, found, fix).at(line)))
    }
}

/// The problems of one kind that a file has: the first is told, the others are counted.
#[derive(Default)]
pub(crate) struct Tally {
    first: Option<Problem>,
    more: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, problem: Problem) {
        match self.first {
            None => self.first = Some(problem),
            Some(_) => self.more += 1,
        }
    }

    /// `Err` if there was any.
    pub(crate) fn finish(self, kind: fn(Box<Problem>) -> EcosystemError) -> Result<(), EcosystemError> {
        match self.first {
            None => Ok(()),
            Some(first) => Err(kind(Box::new(Problem { more: self.more, ..first }))),
        }
    }
}
