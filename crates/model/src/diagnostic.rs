//! What is wrong with a text that a person wrote, and where.

use std::fmt;
use std::ops::Range;

/// One thing that is wrong with a file: place, expected, found, fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one sentence.
    pub title: String,
    /// Byte range in the text, if the thing has a place there.
    pub span: Option<Range<usize>>,
    /// What stands at that place; shown under it.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Everything that is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file's name, as the caller gave it.
    pub origin: String,
    /// The whole text.
    pub text: String,
    /// At least one.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Line and column (both from 1) of a byte offset.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        (line, column)
    }
}

impl fmt::Display for Diagnostics {
    /// One line each: `origin:line:column: title: label (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.list.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.origin)?;
            if let Some(span) = &d.span {
                let (line, column) = self.position(span.start);
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", d.title)?;
            if !d.label.is_empty() {
                write!(f, ": {}", d.label)?;
            }
            if let Some(help) = &d.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
