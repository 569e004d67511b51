//! What was seen so far.

use std::collections::BTreeMap;

use model::violation::{Kind, Process, Violation};

/// How many different things are kept; a step that tries more is not told apart any further.
const MOST: usize = 500;

/// Violations, each with a count.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// By kind, thing and command line of who tried; in the order of the first attempt.
    seen: BTreeMap<(Kind, String, String), usize>,
    list: Vec<Violation>,
    /// How many attempts were not kept.
    lost: u64,
}

impl Record {
    /// Notes an attempt by the process that `by` describes.
    pub(super) fn add(&mut self, kind: Kind, what: &str, by: impl FnOnce() -> Vec<Process>) {
        let by = by();
        let who = by.first().map_or_else(String::new, |process| process.command.clone());
        let next = self.list.len();
        match self.seen.get(&(kind, what.to_owned(), who.clone())) {
            Some(&at) => self.list[at].count += 1,
            None if next < MOST => {
                self.seen.insert((kind, what.to_owned(), who), next);
                self.list.push(Violation { kind, what: what.to_owned(), by, count: 1 });
            }
            None => self.lost += 1,
        }
    }

    /// The violations in the order of their first attempts, and how many attempts more there were.
    pub(crate) fn into_parts(self) -> (Vec<Violation>, u64) {
        (self.list, self.lost)
    }
}
