//! `.dockerignore`: what of the context a build does not see.

use super::pattern::Pattern;
use crate::{Diagnostic, Diagnostics};

/// Patterns in their order.
///
/// A line is a pattern of a path from the root of the context, with or without a slash before it. What it matches, and
/// what lies below that, is left out; a line with `!` lets it in again, and the last line that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignore {
    patterns: Vec<(Pattern, bool)>,
}

impl Ignore {
    /// Reads a file. Comments begin with `#` in the first column; blanks around a pattern are none of it.
    ///
    /// # Errors
    /// With every line that is no pattern.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Diagnostics> {
        let mut ignore = Self::default();
        let mut list = Vec::new();
        let mut at = 0;
        for (number, raw) in text.split_inclusive('\n').enumerate() {
            let line = raw.trim_end_matches(['\n', '\r']);
            let line = if number == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
            let trimmed = line.trim();
            let start = at + (raw.len() - raw.trim_start_matches(['\u{feff}', ' ', '\t']).len());
            at += raw.len();
            if trimmed.is_empty() || line.starts_with('#') {
                continue;
            }
            let (lets_in, pattern) = trimmed.strip_prefix('!').map_or((false, trimmed), |p| (true, p.trim()));
            let cleaned = if pattern.is_empty() { String::new() } else { clean(pattern) };
            let cleaned = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&cleaned);
            let mut wrong = |label: String| {
                let span = start..(start + trimmed.len()).min(text.len());
                let title = "not a pattern".to_owned();
                list.push(Diagnostic { title, span: Some(span), label, help: None });
            };
            if cleaned.is_empty() || (lets_in && cleaned == "/") {
                wrong("expected a pattern after the `!`".to_owned());
                continue;
            }
            // Docker looks for the `!` once more when the slash before it is gone.
            let (lets_in, cleaned) = match cleaned.strip_prefix('!') {
                Some(rest) if !lets_in && !rest.is_empty() => (true, rest),
                _ => (lets_in, cleaned),
            };
            match Pattern::ignore(cleaned) {
                Ok(pattern) => ignore.patterns.push((pattern, lets_in)),
                Err(error) => wrong(error.to_string()),
            }
        }
        if list.is_empty() {
            return Ok(ignore);
        }
        Err(super::parse::collected(origin, text, list))
    }

    /// Whether a path, from the root of the context and with slashes, is left out.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut out = false;
        for (pattern, lets_in) in &self.patterns {
            // What would change nothing is not asked.
            if *lets_in != out {
                continue;
            }
            let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            if std::iter::once(path).chain(parents).any(|path| pattern.matches(path)) {
                out = !lets_in;
            }
        }
        out
    }

    /// Whether a line lets something in again: then what lies below a folder that is left out has to be asked too.
    #[must_use]
    pub fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|(_, lets_in)| *lets_in)
    }
}

/// A path without empty and `.` components, and with `..` taken as far as it goes. The empty path is `.`.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(text: &str, paths: &[&str]) -> Vec<bool> {
        let ignore = Ignore::parse(".dockerignore", text).unwrap();
        paths.iter().map(|path| ignore.matches(path)).collect()
    }

    #[test]
    fn the_last_line_that_matches_decides() {
        let text = "# note\n*.md\n!README*.md\nREADME-secret.md\n";
        assert_eq!(
            left_out(text, &["a.md", "README.md", "README-secret.md", "d/a.md", "# note"]),
            [true, false, true, false, false]
        );
        assert_eq!(left_out("*\n!src\n", &["a", "src", "src/a", "src2"]), [true, false, false, true]);
        assert_eq!(left_out("a/b\n", &["a", "a/b", "a/b/c", "a/bc"]), [false, true, true, false]);
        assert_eq!(left_out("/a\n./b\n c \n", &["a", "b", "c/d"]), [true, true, true]);
    }

    #[test]
    fn two_stars_are_any_depth() {
        assert_eq!(left_out("**/x", &["x", "a/x", "a/b/x", "ax", "a/x/c"]), [true, true, true, false, true]);
        assert_eq!(left_out("**x", &["x", "a/bx", "xa"]), [true, true, false]);
        assert_eq!(left_out("a/**", &["a", "a/b", "a/b/c"]), [false, true, true]);
        assert_eq!(left_out("a/**/b", &["a/b", "a/c/b", "a/c/d/b", "a/cb"]), [true, true, true, false]);
        assert_eq!(left_out("**", &["a", "a/b"]), [true, true]);
        assert_eq!(left_out("**/*.[ch]", &["a.c", "d/b.h", "d/b.o"]), [true, true, false]);
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        let text = "a\n  [b\n!\n";
        let wrong = Ignore::parse("x", text).unwrap_err();
        let places: Vec<_> = wrong.list.iter().map(|w| &text[w.span.clone().unwrap()]).collect();
        assert_eq!(places, ["[b", "!"]);
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in [
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../a", "../a"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("", "."),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), expected);
        }
    }
}
