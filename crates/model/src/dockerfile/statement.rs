//! The file as statements: keyword, flags, arguments, documents. What each means is not asked yet, and nothing is so
//! broken that it is not read.

use std::ops::Range;

use super::array::{self, Form};
use super::directive::{Directives, Head};
use super::flag::{self, Flag};
use super::heredoc::Heredoc;
use super::line::{self, Escape, Line, Text};
use crate::Diagnostic;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// As it is written; of `ONBUILD RUN …` it is `ONBUILD`.
    pub keyword: Text,
    /// All of it, without its documents.
    pub span: Range<usize>,
    /// All of it, as it is meant.
    pub line: Line,
    /// Before the arguments.
    pub flags: Vec<Flag>,
    /// What follows the flags.
    pub arguments: Line,
    /// Of `ONBUILD`: what follows it, as a statement without documents.
    pub trigger: Option<Box<Statement>>,
    /// In the order of their markers.
    pub heredocs: Vec<Heredoc>,
}

/// What was understood of a file, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What its head says.
    pub directives: Directives,
    /// In their order.
    pub statements: Vec<Statement>,
    /// What cannot be read at all; not all that is wrong.
    pub mistakes: Vec<Diagnostic>,
}

/// Reads any text as a Dockerfile.
#[must_use]
pub fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let mut head = Head::default();
    let mut lines = Lines { text, at: 0 };
    let mark = text.strip_prefix('\u{feff}').map_or(0, |rest| text.len() - rest.len());
    lines.at = mark;
    while let Some((raw, at)) = lines.next() {
        let bare = raw.trim_end_matches(['\r', '\n']);
        let first = bare.trim_start();
        let at = at + (bare.len() - first.len());
        head.line(first, at, &mut reading.mistakes);
        if first.is_empty() || first.starts_with('#') {
            continue;
        }
        let escape = head.directives.escape;
        let mut line = Line::default();
        let mut more = continues(first, escape.char());
        line.push(more.unwrap_or(first), at);
        let mut end = at + first.len();
        while more.is_some() {
            let Some((raw, at)) = lines.next() else { break };
            let bare = raw.trim_end_matches(['\r', '\n']);
            end = at + bare.len();
            let trimmed = bare.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            more = continues(bare, escape.char());
            line.push(more.unwrap_or(bare), at);
        }
        let mut statement = statement(line, at..end, escape);
        if statement.takes_documents() {
            documents(&mut statement, &mut lines, &mut reading.mistakes);
        }
        reading.statements.push(statement);
    }
    reading.directives = head.directives;
    reading
}

impl Statement {
    /// Whether the keyword is this one, which is given in capitals.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.text.eq_ignore_ascii_case(keyword)
    }

    /// The statement that acts: what `ONBUILD` triggers, or itself.
    #[must_use]
    pub fn acting(&self) -> &Self {
        self.trigger.as_deref().unwrap_or(self)
    }

    /// Which form the arguments have.
    #[must_use]
    pub fn form(&self) -> Form {
        array::form(&self.arguments)
    }

    /// The arguments, parted by blanks or as items of a list: what `FROM`, `COPY`, `ADD`, `VOLUME` and `EXPOSE` read.
    #[must_use]
    pub fn words(&self) -> Vec<Text> {
        match self.form() {
            Form::List(items) => items,
            _ => line::plain(&self.arguments),
        }
    }

    /// A flag by its name.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    fn takes_documents(&self) -> bool {
        let acting = self.acting();
        ["RUN", "COPY", "ADD"].iter().any(|keyword| acting.is(keyword))
            && !matches!(acting.form(), Form::List(_))
    }
}

/// Lines with their ends.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(&'a str, usize)> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = (&rest[..end], self.at);
        self.at += end;
        Some(line)
    }
}

/// A line without the escape character that continues it, if one does: the last that is no blank, and not the second of
/// two.
fn continues(line: &str, escape: char) -> Option<&str> {
    let rest = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!rest.ends_with(escape)).then_some(rest)
}

fn statement(line: Line, span: Range<usize>, escape: Escape) -> Statement {
    let (keyword, flags, arguments) = split(&line, escape);
    let onbuild = keyword.text.eq_ignore_ascii_case("ONBUILD");
    let trigger = onbuild.then(|| {
        let line = arguments.clone();
        // One in another is refused anyway, and is not read further.
        let (keyword, flags, arguments) = split(&line, escape);
        let span = line.span();
        Box::new(Statement { keyword, span, line, flags, arguments, trigger: None, heredocs: Vec::new() })
    });
    let trigger = trigger.filter(|trigger| !trigger.keyword.text.is_empty());
    Statement { keyword, span, line, flags, arguments, trigger, heredocs: Vec::new() }
}

/// Keyword, flags and arguments.
fn split(line: &Line, escape: Escape) -> (Text, Vec<Flag>, Line) {
    let text = line.as_str();
    let start = text.len() - text.trim_start().len();
    let stop = text.trim_end().len().max(start);
    let end = text[start..stop].find(line::parts).map_or(stop, |end| start + end);
    let keyword = line.piece(start..end);
    let rest = line.slice(end..stop);
    let (flags, at) = flag::split(&rest, escape);
    let arguments = &rest.as_str()[at..];
    let from = at + (arguments.len() - arguments.trim_start().len());
    let arguments = rest.slice(from..rest.as_str().len());
    (keyword, flags, arguments)
}

/// Reads the documents that follow a statement.
fn documents(statement: &mut Statement, lines: &mut Lines<'_>, mistakes: &mut Vec<Diagnostic>) {
    for mut document in Heredoc::markers(statement.line.as_str()) {
        let start = lines.at;
        let mut end = None;
        while let Some((line, at)) = lines.next() {
            if document.ends(line) {
                end = Some(at);
                break;
            }
        }
        if end.is_none() {
            mistakes.push(Diagnostic {
                title: format!("the document `<<{}` does not end", document.name),
                span: Some(statement.span.clone()),
                label: format!("expected a line with `{}` and nothing else", document.name),
                help: None,
            });
        }
        let span = start..end.unwrap_or(lines.text.len()).max(start);
        document.body = Text { text: lines.text[span.clone()].to_owned(), span };
        statement.heredocs.push(document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# syntax=docker/dockerfile:1\n# escape=\\\n\nARG V=12\n\
        FROM --platform=linux/amd64 debian:${V} AS build\nRUN a \\\n# note\n\n  && b\nRUN <<EOF\nc\nEOF\n\
        ONBUILD COPY --from=build [\"x\", \"y\"]\r\nonbuild run <<-A <<'B'\r\n1\r\n\tA\r\n2\nB\n";

    #[test]
    fn statements_are_read_whole() {
        let reading = read(TEXT);
        assert_eq!(reading.mistakes, []);
        assert_eq!(&TEXT[reading.directives.syntax.unwrap().span], "docker/dockerfile:1");
        let words: Vec<_> = reading.statements.iter().map(|s| s.acting().keyword.text.as_str()).collect();
        assert_eq!(words, ["ARG", "FROM", "RUN", "RUN", "COPY", "run"]);
        let from = &reading.statements[1];
        assert_eq!(&TEXT[from.words()[0].span.clone()], "debian:${V}");
        assert_eq!(&TEXT[from.flags[0].value.clone().unwrap().span], "linux/amd64");
        let run = &reading.statements[2];
        assert_eq!(run.arguments.as_str(), "a   && b");
        assert_eq!(run.arguments.in_place().len(), run.arguments.span().len());
        assert_eq!(&TEXT[run.span.clone()], "RUN a \\\n# note\n\n  && b");
        assert_eq!(&TEXT[reading.statements[3].heredocs[0].body.span.clone()], "c\n");
        let copy = reading.statements[4].acting();
        assert_eq!(copy.flag("from").unwrap().value.clone().unwrap().text, "build");
        assert_eq!(&TEXT[copy.words()[1].span.clone()], "\"y\"");
        let bodies: Vec<_> = reading.statements[5].heredocs.iter().map(|h| h.body.text.as_str()).collect();
        assert_eq!(bodies, ["1\r\n", "2\n"]);
    }

    #[test]
    fn what_continues_a_line() {
        let cases = [
            ("RUN a\\\nb", "RUN ab"),
            ("RUN a\\ \t\n b", "RUN a b"),
            ("RUN a\\\\\nb", "RUN a\\\\"),
            ("\\\nRUN a", "RUN a"),
            ("RUN a \\\n\n#x\n   # y\\\n b", "RUN a  b"),
            ("RUN a \\\n#x", "RUN a "),
            ("RUN a \\", "RUN a "),
            ("RUN a \\\r\nb\r\n", "RUN a b"),
            ("# escape=`\nRUN a\\\n", "RUN a\\"),
            ("# escape=`\nRUN a `\nb", "RUN a b"),
            ("\u{feff}RUN a", "RUN a"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).statements[0].line.as_str(), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_is_too_broken_to_be_read() {
        for text in [
            "RUN \\",
            "RUN <<E",
            "FROM",
            "ONBUILD ONBUILD",
            "ONBUILD",
            "#",
            "\\\n\\\n",
            "\\",
            "RUN é\\\n# é\né",
            "--a",
        ] {
            for statement in read(text).statements {
                assert!(statement.span.end <= text.len(), "{text:?}");
            }
        }
        assert_eq!(read("RUN <<E\nx").mistakes.len(), 1);
    }
}
