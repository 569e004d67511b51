//! The answer of a rebuild.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a rebuild found. The four never merge: a build that could not be done says nothing about its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Built again; every artifact has the same digest.
    Reproduced,
    /// Built again; at least one artifact has another digest.
    Differs,
    /// Could not be built again: an input is gone, or a step failed.
    NotBuilt,
    /// Nobody could tell: not tried yet, or the machine that tried had a fault of its own.
    Unknown,
}

impl Verdict {
    /// The word used in text, JSON and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Differs => "differs",
            Self::NotBuilt => "not_built",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
