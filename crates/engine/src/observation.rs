//! What the sandbox saw a step do, and gave to it.

use model::Digest;
use model::violation::Violation;
use sandbox::{Achieved, Outcome};
use serde::{Deserialize, Serialize};

/// Where observations are kept, by action.
pub(crate) const OBSERVATIONS: &str = "observations";

/// Kept as canonical JSON by digest, named in provenance.
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
    /// What was attempted and not declared.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// How many attempts there were beyond those.
    #[serde(default)]
    pub more_violations: u64,
    /// The files that it used ([`model::Trace`] as JSON), if the run was traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Digest>,
}

impl Observation {
    /// Of a step that has ended.
    pub(crate) fn of(outcome: &Outcome, trace: Option<Digest>) -> Self {
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            achieved: outcome.achieved.clone(),
            survivors_killed: outcome.survivors_killed,
            user_millis: millis(outcome.usage.user),
            system_millis: millis(outcome.usage.system),
            wall_millis: millis(outcome.usage.wall),
            max_rss: outcome.usage.max_rss,
            violations: outcome.violations.clone(),
            more_violations: outcome.more_violations,
            trace,
        }
    }

    /// The encoding: sorted keys, no white space.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_value(self).expect("plain values are JSON").to_string()
    }
}
