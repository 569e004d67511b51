//! Flags of an instruction: `--name=value` before its arguments.

use std::ops::Range;

use super::line::{Escape, Line, Text};

/// A flag as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// What follows the first `=`, without quotes; none if there is no `=`.
    pub value: Option<Text>,
    /// All of it.
    pub span: Range<usize>,
}

/// The flags at the beginning of a line, and where its arguments begin.
///
/// Only a word that begins with two dashes is one, and `--` alone ends them. Quotes hold blanks together and are taken
/// off, as are escapes.
pub(super) fn split(line: &Line, escape: Escape) -> (Vec<Flag>, usize) {
    let text = line.as_str();
    let mut flags = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        if !text[at..].starts_with("--") {
            return (flags, at);
        }
        let (word, end, equals) = word(text, at, escape.char());
        if word == "--" {
            return (flags, end);
        }
        let value = equals.map(|(inside, outside)| Text {
            text: word[inside + 1..].to_owned(),
            span: line.place((outside + 1).min(end)..end),
        });
        let name = equals.map_or(word.as_str(), |(inside, _)| &word[..inside]);
        let name = name.strip_prefix("--").unwrap_or(name).to_owned();
        flags.push(Flag { name, value, span: line.place(at..end) });
        at = end;
    }
}

/// The word at a place, where it ends, and its first `=`: in the word, and in the text.
fn word(text: &str, start: usize, escape: char) -> (String, usize, Option<(usize, usize)>) {
    let mut word = String::new();
    let mut quote = None;
    let mut equals = None;
    let mut chars = text[start..].char_indices();
    while let Some((mut offset, mut c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return (word, start + offset, equals),
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                continue;
            }
            Some(open) if c == open => {
                quote = None;
                continue;
            }
            _ => {}
        }
        if c == escape {
            let Some(escaped) = chars.next() else { break };
            (offset, c) = escaped;
        }
        if c == '=' && equals.is_none() {
            equals = Some((word.len(), start + offset));
        }
        word.push(c);
    }
    (word, text.len(), equals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<(String, Option<String>)>, String) {
        let mut line = Line::default();
        line.push(text, 0);
        let (flags, at) = split(&line, Escape::Backslash);
        let flags = flags.into_iter().map(|f| (f.name, f.value.map(|v| v.text))).collect();
        (flags, text[at..].to_owned())
    }

    #[test]
    fn flags_end_where_arguments_begin() {
        let flag = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(of("a b"), (vec![], "a b".into()));
        assert_eq!(of("-a --b"), (vec![], "-a --b".into()));
        assert_eq!(of(" --a=b  c"), (vec![flag("a", Some("b"))], "c".into()));
        assert_eq!(of("--a --b= c"), (vec![flag("a", None), flag("b", Some(""))], "c".into()));
        assert_eq!(of("--a=\"b c\"=d e"), (vec![flag("a", Some("b c=d"))], "e".into()));
        assert_eq!(of("--a='b\\'c' d"), (vec![flag("a", Some("b'c"))], "d".into()));
        assert_eq!(of("--a\\=b c"), (vec![flag("a", Some("b"))], "c".into()));
        assert_eq!(of("--a=b\\ c d"), (vec![flag("a", Some("b c"))], "d".into()));
        assert_eq!(of("-- --a b"), (vec![], " --a b".into()));
        assert_eq!(of("--a=b"), (vec![flag("a", Some("b"))], String::new()));
        assert_eq!(of("--a=\"b"), (vec![flag("a", Some("b"))], String::new()));
        assert_eq!(of("--a\\"), (vec![flag("a", None)], String::new()));
        assert_eq!(of("--é=ü x"), (vec![flag("é", Some("ü"))], "x".into()));
    }
}
