//! Comments at the head of the file that change how it is read: `# escape=`, `# syntax=`, `# check=`.

use super::line::{Escape, Text};
use crate::Diagnostic;

/// What the head of a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// The image of the frontend that is asked for.
    pub syntax: Option<Text>,
    /// The escape character.
    pub escape: Escape,
    /// Options of BuildKit's linter.
    pub check: Option<Text>,
}

/// Reads directives, one line after the other, until one is none.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) directives: Directives,
    seen: Vec<&'static str>,
    done: bool,
}

const KNOWN: [&str; 3] = ["syntax", "escape", "check"];

impl Head {
    /// Looks at a line without its blanks at the beginning, that stands at `at`.
    pub(super) fn line(&mut self, line: &str, at: usize, mistakes: &mut Vec<Diagnostic>) {
        if self.done {
            return;
        }
        let Some((name, value, offset)) = parts(line) else {
            self.done = true;
            return;
        };
        let span = at + offset..at + offset + value.len();
        let mut wrong = |title: String, label: &str, help: &str| {
            let span = Some(span.clone());
            mistakes.push(Diagnostic { title, span, label: label.to_owned(), help: Some(help.to_owned()) });
        };
        if self.seen.contains(&name) {
            wrong(
                format!("`# {name}=` stands here for the second time"),
                "expected once",
                "leave one of them away",
            );
            return;
        }
        self.seen.push(name);
        let text = Text { text: value.to_owned(), span: span.clone() };
        match (name, value) {
            ("syntax", _) => self.directives.syntax = Some(text),
            ("check", _) => self.directives.check = Some(text),
            (_, "`") => self.directives.escape = Escape::Backtick,
            (_, "\\") => {}
            _ => wrong(
                "not an escape character".to_owned(),
                "expected a backslash or a backtick",
                "write `# escape=\\`, or leave it away",
            ),
        }
    }
}

/// `# name = value`: the name if it is known, the value, and where that begins.
fn parts(line: &str) -> Option<(&'static str, &str, usize)> {
    let inner = line.strip_prefix('#')?.trim_start();
    let (name, value) = inner.split_once('=')?;
    let name = name.trim_end_matches(BLANK);
    let name = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let begin = line.len() - value.trim_start_matches(BLANK).len();
    let value = value.trim_matches(BLANK);
    (!value.is_empty()).then_some((name, value, begin))
}

/// Blanks of a regular expression.
const BLANK: [char; 5] = ['\t', '\n', '\u{c}', '\r', ' '];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Directives, usize) {
        let (mut head, mut mistakes) = (Head::default(), Vec::new());
        let mut at = 0;
        for line in lines {
            head.line(line, at, &mut mistakes);
            at += line.len() + 1;
        }
        (head.directives, mistakes.len())
    }

    #[test]
    fn directives_end_with_the_first_line_that_is_none() {
        let (found, wrong) =
            read(&["# Syntax = a/b:1 ", "#escape=`", "# check=skip=all", "# note", "# escape=x"]);
        assert_eq!(found.syntax, Some(Text { text: "a/b:1".into(), span: 11..16 }));
        assert_eq!((found.escape, wrong), (Escape::Backtick, 0));
        assert_eq!(found.check.unwrap().text, "skip=all");
        for (lines, wrong) in [
            (vec!["# escape=x"], 1),
            (vec!["# escape=\\", "# escape=\\"], 1),
            (vec!["", "# escape=`"], 0),
            (vec!["# other=1", "# escape=`"], 0),
            (vec!["# escape=", "# escape=`"], 0),
        ] {
            let (found, mistakes) = read(&lines);
            assert_eq!((found.escape, mistakes), (Escape::Backslash, wrong), "{lines:?}");
        }
    }
}
