//! Leaks: what in a finished artifact tells of the machine or person that built it, or a secret.
//!
//! Nouns only. `artifact` finds them, the engine keeps them, a recipe allows them by [`crate::recipe::AllowedLeak`]. What is
//! looked for and how is specified in `docs/formats/leaks.md`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Severity;

/// What kind of leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakRule {
    /// The path that it was built in, or the home folder there. The same for everybody, but it tells of the build.
    BuildPath,
    /// The same where it is meant to be: in debugging information.
    DebugPath,
    /// A folder of the machine that built: somebody's home, a checkout, the store.
    HostPath,
    /// The name of that machine.
    HostName,
    /// The name of its user.
    UserName,
    /// A private key.
    PrivateKey,
    /// A token, by its shape.
    Token,
    /// The value of a secret that was given to the build.
    Secret,
}

/// A word that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no rule: expected one of {}", LeakRule::ALL.map(LeakRule::as_str).join(", "))]
pub struct UnknownLeakRule {
    /// The word.
    pub found: String,
}

impl LeakRule {
    /// Every rule, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::BuildPath,
        Self::DebugPath,
        Self::HostPath,
        Self::HostName,
        Self::UserName,
        Self::PrivateKey,
        Self::Token,
        Self::Secret,
    ];

    /// The number that stays, whatever happens to the word.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::BuildPath => "LEAK01",
            Self::DebugPath => "LEAK02",
            Self::HostPath => "LEAK03",
            Self::HostName => "LEAK04",
            Self::UserName => "LEAK05",
            Self::PrivateKey => "LEAK06",
            Self::Token => "LEAK07",
            Self::Secret => "LEAK08",
        }
    }

    /// The word in a recipe, a report and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuildPath => "build-path",
            Self::DebugPath => "debug-path",
            Self::HostPath => "host-path",
            Self::HostName => "host-name",
            Self::UserName => "user-name",
            Self::PrivateKey => "private-key",
            Self::Token => "token",
            Self::Secret => "secret",
        }
    }

    /// How much a finding of it weighs, unless it says less itself.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::DebugPath => Severity::Info,
            Self::BuildPath => Severity::Warn,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for LeakRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LeakRule {
    type Err = UnknownLeakRule;

    fn from_str(text: &str) -> Result<Self, UnknownLeakRule> {
        let found = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        found.ok_or_else(|| UnknownLeakRule { found: text.to_owned() })
    }
}

/// One leak: what one rule finds in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// The rule.
    pub rule: LeakRule,
    /// Its number.
    pub id: String,
    /// How much it weighs.
    pub severity: Severity,
    /// Where in the artifact: names of members, one for each level, `!/` between them; empty for the file itself.
    pub place: String,
    /// Of the first one in the bytes there, unpacked; 0 where a name or another field says it, and not the content.
    pub offset: u64,
    /// How many there are.
    pub count: u64,
    /// What stands there. Of a secret, a key or a token never more than what all of its kind begin with.
    pub excerpt: String,
    /// What would keep it out.
    pub advice: String,
    /// Why it may be there, if the recipe says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl Leak {
    /// Whether it keeps an artifact from being released: it weighs more than [`Severity::Info`] and nobody allowed it.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.severity > Severity::Info && self.allowed.is_none()
    }
}

/// What a scan could not look at, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Where, as [`Leak::place`].
    pub place: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_stay() {
        for (at, rule) in LeakRule::ALL.into_iter().enumerate() {
            assert_eq!(rule.as_str().parse(), Ok(rule));
            assert_eq!(rule.id(), format!("LEAK{:02}", at + 1));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        let error = "buildpath".parse::<LeakRule>().unwrap_err().to_string();
        assert!(error.ends_with(
            "build-path, debug-path, host-path, host-name, user-name, private-key, token, secret"
        ));
    }
}
