//! What was found by more than a text: a clock, a registry, a forge, or what a build made.

use std::collections::BTreeMap;

use super::finding::{Finding, Page};
use super::rule::Id;

/// One such finding, and the line of a text that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Which rule.
    pub id: Id,
    /// Path of the file among those looked at.
    pub file: String,
    /// From 1; 0 is the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// Seen in what a build made, and not only told of a text.
    pub observed: bool,
    /// What was seen; empty for what the line says.
    pub evidence: String,
}

impl Noted {
    pub(crate) fn new(id: Id, file: &str, line: usize, message: String, fix: impl Into<String>) -> Self {
        let (file, fix) = (file.to_owned(), fix.into());
        Self { id, file, line, message, fix, observed: false, evidence: String::new() }
    }

    /// Seen in an artifact: `evidence` says where.
    pub(crate) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.observed = true;
        self.evidence = evidence.into();
        self
    }
}

/// As findings, with their places.
pub(crate) fn look(noted: &[Noted], texts: &BTreeMap<&str, &str>) -> Vec<Finding> {
    let mut list = Vec::new();
    for it in noted {
        let text = texts.get(it.file.as_str()).copied().unwrap_or_default();
        let mut page = Page::new(&it.file, text);
        let finding = page.add(it.id, span(text, it.line), it.message.clone(), it.fix.clone());
        finding.observed = it.observed;
        if !it.evidence.is_empty() {
            finding.evidence.clone_from(&it.evidence);
        }
        list.append(&mut page.findings);
    }
    list
}

/// The bytes of a line, without the space around it.
fn span(text: &str, line: usize) -> std::ops::Range<usize> {
    let Some(nth) = line.checked_sub(1) else { return 0..0 };
    let mut at = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        if number == nth {
            let start = at + whole.len() - whole.trim_start().len();
            return start..(at + whole.trim_end().len()).max(start);
        }
        at += whole.len();
    }
    0..0
}
