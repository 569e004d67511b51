//! What a rule is, and which there are.

mod table;

pub use model::Severity;
pub use table::{Id, RULES};

/// The four questions about a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bar {
    /// Is every input named by what cannot change?
    Locked,
    /// Is what comes checked against a hash?
    Verified,
    /// Does a build see only what it declares?
    Hermetic,
    /// Do the same inputs give the same bytes?
    Deterministic,
}

impl Bar {
    /// Every bar, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Locked, Self::Verified, Self::Hermetic, Self::Deterministic];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Verified => "verified",
            Self::Hermetic => "hermetic",
            Self::Deterministic => "deterministic",
        }
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Family and number: `IMG01`.
    pub id: &'static str,
    /// Of a finding, unless it says a lower one.
    pub severity: Severity,
    /// The question that it belongs to.
    pub bar: Bar,
    /// Readiness points that it touches, 1 to 12.
    pub points: &'static [u8],
    /// What is found.
    pub title: &'static str,
    /// Why that matters.
    pub why: &'static str,
}

impl Id {
    /// The rule.
    #[must_use]
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

/// The rule of that name, in any case of letters.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(name))
}
