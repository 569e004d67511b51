//! The files that a step really used, and who used them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::violation::Process;

/// Everything that a traced step looked at or changed, as far as it was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trace {
    /// By absolute path inside the sandbox. What was used by way of a symbolic link stands here under both names.
    pub files: BTreeMap<String, Use>,
    /// The processes that did it, in the order in which they were first heard; one that executed another program is
    /// two. [`Use::by`] counts from 0 in here.
    pub processes: Vec<Process>,
    /// How many calls could not be understood: their process was gone, or its memory out of reach. Above 0, what is
    /// not in `files` may have been used all the same.
    pub lost: u64,
}

/// How a file was used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Use {
    /// Opened for reading.
    #[serde(skip_serializing_if = "no")]
    pub read: bool,
    /// Opened for writing, made, moved or removed.
    #[serde(skip_serializing_if = "no")]
    pub written: bool,
    /// Executed.
    #[serde(skip_serializing_if = "no")]
    pub executed: bool,
    /// Only asked about: is it there, how large is it.
    #[serde(skip_serializing_if = "no")]
    pub asked: bool,
    /// It was not there when it was first used, and was not made.
    #[serde(skip_serializing_if = "no")]
    pub missing: bool,
    /// Who, by number in [`Trace::processes`]; ascending.
    pub by: Vec<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn no(value: &bool) -> bool {
    !*value
}

impl Trace {
    /// The encoding: sorted keys, no white space.
    ///
    /// # Panics
    /// Never: strings, numbers and flags are JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_value(self).expect("strings, numbers and flags are JSON").to_string()
    }
}
