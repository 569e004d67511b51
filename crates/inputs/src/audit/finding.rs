//! What was found, where, and how it would be mended.

use std::ops::Range;

use super::pin::Named;
use super::rule::{Id, Rule, Severity};

/// One thing that floats or leaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static Rule,
    /// The rule's, or less.
    pub severity: Severity,
    /// Path in the repository.
    pub file: String,
    /// Bytes in the file; empty at its beginning if all of it is meant.
    pub span: Range<usize>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Where it ends: line and column after the last character.
    pub end: (usize, usize),
    /// What stands there; never a secret.
    pub evidence: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub fix: String,
    /// The same as a change of the text, where it is mechanical.
    pub edit: Option<Edit>,
    /// The reason, if a comment allows it.
    pub allowed: Option<String>,
    /// Seen in a build, and not only in a text.
    pub observed: bool,
}

/// A change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Range<usize>,
    /// What comes.
    pub text: String,
}

/// A file and what was found in it.
pub(crate) struct Page<'a> {
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) findings: Vec<Finding>,
    /// Images and actions that it names, for `pin`.
    pub(crate) named: Vec<(Range<usize>, Named)>,
}

/// Evidence is one line, and not longer than this.
const EVIDENCE: usize = 160;

impl<'a> Page<'a> {
    pub(crate) const fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, findings: Vec::new(), named: Vec::new() }
    }

    /// Notes a finding at a place. One rule speaks once of one place.
    pub(crate) fn add(
        &mut self,
        id: Id,
        span: Range<usize>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Finding {
        let rule = id.rule();
        let span = clamp(self.text, span);
        let same = |f: &Finding| std::ptr::eq(f.rule, rule) && f.span == span;
        if let Some(at) = self.findings.iter().position(same) {
            return &mut self.findings[at];
        }
        let evidence = one_line(self.text.get(span.clone()).unwrap_or_default());
        let (line, column) = position(self.text, span.start);
        let end = position(self.text, span.end);
        let (message, fix) = (message.into(), fix.into());
        let file = self.path.to_owned();
        let (edit, allowed, observed) = (None, None, false);
        let severity = rule.severity;
        let finding = Finding {
            rule,
            severity,
            file,
            span,
            line,
            column,
            end,
            evidence,
            message,
            fix,
            edit,
            allowed,
            observed,
        };
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Notes where an image or action is named.
    pub(crate) fn name(&mut self, span: Range<usize>, named: Named) {
        self.named.push((clamp(self.text, span), named));
    }

    /// Notes a finding about the whole file.
    pub(crate) fn whole(
        &mut self,
        id: Id,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Finding {
        self.add(id, 0..0, message, fix)
    }
}

impl Finding {
    /// Weighs less here than its rule does.
    pub(crate) fn at(&mut self, severity: Severity) -> &mut Self {
        self.severity = self.severity.min(severity);
        self
    }

    /// Can be mended by this.
    pub(crate) fn edit(&mut self, span: Range<usize>, text: impl Into<String>) -> &mut Self {
        self.edit = Some(Edit { span, text: text.into() });
        self
    }
}

/// A span within a text, on the borders of characters.
fn clamp(text: &str, span: Range<usize>) -> Range<usize> {
    let border = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (border(span.start), border(span.end));
    start..end.max(start)
}

/// Line and column of a byte, both from 1.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn one_line(text: &str) -> String {
    let mut out = text.split_whitespace().filter(|w| *w != "\\").collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = out.char_indices().nth(EVIDENCE) {
        out.truncate(cut);
        out.push('…');
    }
    out
}
