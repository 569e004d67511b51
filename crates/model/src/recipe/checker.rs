//! What every part of the check works with: a list of mistakes, and values of plain kinds.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use super::raw::At;
use crate::{Diagnostic, RelPath};

/// Words become file names, which have at most 255 bytes, with endings such as `.sigstore.json`.
pub(super) const MAX_WORD: usize = 200;

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Checker {
    pub(super) list: Vec<Diagnostic>,
}

impl Checker {
    pub(super) fn wrong<T>(&mut self, at: &At<T>, title: &str, label: impl Display, help: Option<String>) {
        self.wrong_at(at.span(), title, label, help);
    }

    pub(super) fn wrong_at(
        &mut self,
        span: Range<usize>,
        title: &str,
        label: impl Display,
        help: Option<String>,
    ) {
        self.list.push(Diagnostic {
            title: title.to_owned(),
            span: Some(span),
            label: label.to_string(),
            help,
        });
    }

    /// A name that can stand in a file name, a reference and a purl.
    pub(super) fn word(&mut self, at: &At<String>, what: &str) -> Option<String> {
        let text = at.get_ref();
        let fits = |c: char| c.is_ascii_alphanumeric() || "._+-~".contains(c);
        if text.is_empty() || !text.chars().all(fits) || text.starts_with(['.', '-']) {
            let label = "letters, digits and `. _ + - ~` are allowed, and `.` and `-` not at the beginning";
            self.wrong(at, &format!("not a usable {what}"), label, None);
            return None;
        }
        if text.len() > MAX_WORD {
            let label = format!("it has {} bytes: expected at most {MAX_WORD}", text.len());
            self.wrong(at, &format!("not a usable {what}"), label, None);
            return None;
        }
        Some(text.clone())
    }

    /// What the C library looks up below a folder of its own: a name, perhaps with folders, that stays there.
    pub(super) fn data_name(&mut self, at: &At<String>, what: &str) -> Option<String> {
        let text = at.get_ref();
        let fits = |c: char| c.is_ascii_alphanumeric() || "_+-.@/".contains(c);
        let stays = text.parse::<RelPath>().is_ok_and(|p| p.as_str() == text && !p.is_root());
        if !stays || !text.chars().all(fits) || text.len() > MAX_WORD {
            let label =
                "letters, digits and `_ + - . @ /` are allowed, and neither `..` nor `/` at the beginning";
            self.wrong(at, &format!("not a usable {what}"), label, None);
            return None;
        }
        Some(text.clone())
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, at: &At<String>, title: &str) -> Option<T> {
        at.get_ref().parse().map_err(|e: T::Err| self.wrong(at, title, e, None)).ok()
    }

    pub(super) fn duration(&mut self, at: &At<String>) -> Option<Duration> {
        let parsed = at.get_ref().char_indices().last().and_then(|(last, unit)| {
            let number: u64 = at.get_ref()[..last].parse().ok()?;
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                _ => return None,
            };
            number.checked_mul(seconds).filter(|s| (1..=7 * 86_400).contains(s))
        });
        if parsed.is_none() {
            self.wrong(
                at,
                "not a time limit",
                "expected such as \"90s\", \"30m\" or \"2h\", at most a week",
                None,
            );
        }
        parsed.map(Duration::from_secs)
    }

    pub(super) fn bytes(&mut self, at: &At<String>) -> Option<u64> {
        self.amount(at, "memory")
    }

    /// An amount of `what`, in bytes.
    pub(super) fn amount(&mut self, at: &At<String>, what: &str) -> Option<u64> {
        let text = at.get_ref();
        let parsed = [("MiB", 20), ("GiB", 30)].iter().find_map(|(unit, shift)| {
            let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(1 << shift).filter(|n| *n > 0)
        });
        if parsed.is_none() {
            self.wrong(
                at,
                &format!("not an amount of {what}"),
                "expected such as \"512MiB\" or \"4GiB\"",
                None,
            );
        }
        parsed
    }
}
