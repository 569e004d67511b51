//! How much a finding weighs.

use serde::{Deserialize, Serialize};

/// How much a finding weighs, of an audit and of a scan alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// May make two builds differ, or hides what makes them; tells more than it should.
    Warn,
    /// Two builds will differ one day, or run what nobody chose; tells a person, a machine or a secret.
    Error,
}

impl Severity {
    /// The word in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
