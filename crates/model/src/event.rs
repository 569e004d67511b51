//! What happens during a run, as one stream.
//!
//! Library code never prints: it sends events to a [`Listener`], and the command line renders them live, as
//! lines or as JSON, and keeps them in the run's event log.

use serde::Serialize;

use crate::violation::{Policy, Violation};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A piece of work that has a name begins. Names are unique among the running ones.
    Started {
        /// The stage: `fetch`, `unpack`, `build`, `package`, `rebuild`, …
        stage: &'static str,
        /// What is worked on: a package, a step, an artifact.
        name: String,
        /// How much there is to do, if known.
        total: Option<u64>,
        /// What `total` counts.
        unit: Unit,
    },
    /// How far that work has come, counted from its beginning.
    Advanced {
        /// The stage.
        stage: &'static str,
        /// What is worked on.
        name: String,
        /// How much is done.
        done: u64,
    },
    /// That work is over.
    Finished {
        /// The stage.
        stage: &'static str,
        /// What was worked on.
        name: String,
        /// How it ended.
        outcome: Outcome,
        /// One line for people: why it was cached, missed or failed. May be empty.
        detail: String,
        /// Wall-clock milliseconds it took.
        millis: u64,
    },
    /// A line that a step printed, without its line end.
    Output {
        /// The step.
        step: String,
        /// The line, invalid UTF-8 replaced.
        line: String,
    },
    /// A step attempted what is not declared.
    Violation {
        /// The step.
        step: String,
        /// What follows from it.
        policy: Policy,
        /// What it attempted.
        violation: Violation,
    },
    /// Something a person may want to know.
    Note {
        /// One sentence.
        text: String,
    },
    /// Something a person should act on.
    Warning {
        /// One sentence.
        text: String,
        /// What to do about it.
        advice: Option<String>,
    },
}

/// What an amount of work is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things: packages, files, steps.
    Items,
}

/// How a piece of work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done now.
    Done,
    /// Taken from the store.
    Cached,
    /// Failed.
    Failed,
    /// Somebody stopped it before its end.
    Stopped,
}

/// Receives events. Called from many threads; must not block for long.
pub type Listener<'a> = &'a (dyn Fn(Event) + Sync);
