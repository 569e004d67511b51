//! An attempt at what a step did not declare.
//!
//! The sandbox keeps a step from everything undeclared in any case; a violation is the record that it tried: what,
//! who, how often. What follows from one is the recipe's [`Policy`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that was attempted, by one program, once or more often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Violation {
    /// Which sort of thing.
    pub kind: Kind,
    /// What exactly: an address and port, a name, a path, a system call.
    pub what: String,
    /// Who: the process, then its parent, and so on, without process 1. Empty if it was gone too soon.
    pub by: Vec<Process>,
    /// How often.
    pub count: u64,
}

/// What can be attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An address beyond the loopback interface (`192.0.2.1:443`), or a name to be looked up (`example.org`).
    Network,
    /// A system call that no build needs.
    Call,
    /// A program that is not there.
    Program,
    /// A file that is not there.
    File,
    /// A file of the toolchain that was to be changed.
    Write,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Network, Self::Call, Self::Program, Self::File, Self::Write];

    /// The word in a recipe, in JSON and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Call => "call",
            Self::Program => "program",
            Self::File => "file",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A process of a step, as it was at the moment of the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Process {
    /// Its id inside the sandbox.
    pub pid: u32,
    /// Its command line, words parted by spaces, at most 200 bytes.
    pub command: String,
}

/// What follows from a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The step fails, whatever its commands make of the refusal.
    Deny,
    /// It is told and recorded.
    Warn,
    /// It is neither.
    Off,
}

impl Policy {
    /// The word in a recipe.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A policy for each kind.
///
/// Programs, files and writes count when a step has failed. A build looks for many things that are not there, and
/// an absence that it can live with is the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policies {
    /// For [`Kind::Network`].
    pub network: Policy,
    /// For [`Kind::Call`].
    pub call: Policy,
    /// For [`Kind::Program`].
    pub program: Policy,
    /// For [`Kind::File`].
    pub file: Policy,
    /// For [`Kind::Write`].
    pub write: Policy,
}

impl Default for Policies {
    /// All is denied.
    fn default() -> Self {
        let deny = Policy::Deny;
        Self { network: deny, call: deny, program: deny, file: deny, write: deny }
    }
}

impl Policies {
    /// The policy for a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> Policy {
        match kind {
            Kind::Network => self.network,
            Kind::Call => self.call,
            Kind::Program => self.program,
            Kind::File => self.file,
            Kind::Write => self.write,
        }
    }

    /// Another policy for a kind.
    pub const fn set(&mut self, kind: Kind, policy: Policy) {
        match kind {
            Kind::Network => self.network = policy,
            Kind::Call => self.call = policy,
            Kind::Program => self.program = policy,
            Kind::File => self.file = policy,
            Kind::Write => self.write = policy,
        }
    }
}
