//! An instruction's line as it is meant, and where each byte of it stands in the file.

use std::ops::Range;

/// A piece of the file, and where it stands. Quotes and escapes may be taken off the text, but not off the place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// Bytes in the file.
    pub span: Range<usize>,
}

/// The character that escapes, and that continues a line: what `# escape=` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// `\`.
    #[default]
    Backslash,
    /// `` ` ``, for paths with backslashes.
    Backtick,
}

impl Escape {
    /// The character.
    #[must_use]
    pub const fn char(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// Continued lines as one: without what continues them, without comments and empty lines between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    text: String,
    /// Where each run of bytes begins: in the text, and in the file.
    runs: Vec<(usize, usize)>,
}

impl Line {
    /// Adds bytes that stand at a place of the file.
    pub(super) fn push(&mut self, piece: &str, at: usize) {
        if !piece.is_empty() || self.runs.is_empty() {
            // A run without a byte only says where nothing stands.
            if self.text.is_empty() {
                self.runs.clear();
            }
            self.runs.push((self.text.len(), at));
            self.text.push_str(piece);
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where bytes of the text stand in the file. An empty range is a place between bytes.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Range<usize> {
        let start = self.offset(range.start);
        if range.end <= range.start { start..start } else { start..self.offset(range.end - 1) + 1 }
    }

    /// Where all of it stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.place(0..self.text.len())
    }

    /// Part of it as a line of its own.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        let first = self.runs.partition_point(|(from, _)| *from <= range.start).saturating_sub(1);
        for (index, (from, at)) in self.runs.iter().enumerate().skip(first) {
            let end = self.runs.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
            let (start, end) = ((*from).max(range.start), end.min(range.end));
            if *from > range.start && *from >= range.end {
                break;
            }
            part.push(self.text.get(start..end.max(start)).unwrap_or_default(), at + (start - from));
        }
        part
    }

    /// Part of it as a piece.
    #[must_use]
    pub fn piece(&self, range: Range<usize>) -> Text {
        Text { text: self.text.get(range.clone()).unwrap_or_default().to_owned(), span: self.place(range) }
    }

    /// The text as long as it is in the file, with blanks where something else stands: an offset in it is one in the
    /// file, from the beginning of [`Line::span`].
    #[must_use]
    pub fn in_place(&self) -> String {
        let start = self.span().start;
        let mut text = String::with_capacity(self.text.len());
        for (index, (from, at)) in self.runs.iter().enumerate() {
            let end = self.runs.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
            let gap = (at - start).saturating_sub(text.len());
            text.extend(std::iter::repeat_n(' ', gap));
            text.push_str(&self.text[*from..end]);
        }
        text
    }

    fn offset(&self, of: usize) -> usize {
        let run = self.runs.partition_point(|(from, _)| *from <= of).saturating_sub(1);
        self.runs.get(run).map_or(0, |(from, at)| at + of.saturating_sub(*from))
    }
}

/// What the words of an instruction are parted by, when nothing can be quoted.
pub(super) const fn parts(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

/// Words parted by blanks, none of which can be quoted.
pub(super) fn plain(line: &Line) -> Vec<Text> {
    let text = line.as_str();
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (parts(c), start) {
            (true, Some(from)) => {
                words.push(line.piece(from..at));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    words
}

/// Words parted by blanks outside of quotes. Quotes and escapes stay: they are taken off when the word is expanded.
pub(super) fn quoted(line: &Line, escape: Escape) -> Vec<Text> {
    let text = line.as_str();
    let escape = escape.char();
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut start, mut end) = (None, 0);
    let mut quote = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if start.is_none() {
            if c.is_whitespace() {
                continue;
            }
            start = Some(at);
        }
        match quote {
            None if c.is_whitespace() => {
                words.extend(finished(line, &mut word, start.take(), end));
                continue;
            }
            None if matches!(c, '\'' | '"') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        // Between single quotes nothing is escaped. At the very end an escape is nothing.
        if c == escape && quote != Some('\'') {
            if let Some((_, next)) = chars.next() {
                word.push(c);
                word.push(next);
                end = at + c.len_utf8() + next.len_utf8();
            }
            continue;
        }
        word.push(c);
        end = at + c.len_utf8();
    }
    words.extend(finished(line, &mut word, start, end));
    words
}

fn finished(line: &Line, word: &mut String, start: Option<usize>, end: usize) -> Option<Text> {
    let start = start?;
    let text = std::mem::take(word);
    (!text.is_empty()).then(|| Text { text, span: line.place(start..end) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pieces: &[(&str, usize)]) -> Line {
        let mut line = Line::default();
        for (piece, at) in pieces {
            line.push(piece, *at);
        }
        line
    }

    #[test]
    fn places_survive_what_is_left_out() {
        // `ab \⏎# note⏎ cd`
        let line = line(&[("ab ", 0), (" cd", 12)]);
        assert_eq!(line.as_str(), "ab  cd");
        assert_eq!(line.place(4..6), 13..15);
        assert_eq!(line.place(1..5), 1..14);
        assert_eq!(line.in_place(), "ab           cd");
        let late = self::line(&[("", 0), ("a", 3)]);
        assert_eq!((late.span(), late.in_place()), (3..4, "a".to_owned()));
        let part = line.slice(1..5);
        assert_eq!((part.as_str(), part.span()), ("b  c", 1..14));
        assert_eq!(line.slice(3..3).as_str(), "");
        assert_eq!(line.slice(6..6).span(), 15..15);
        let words: Vec<_> = plain(&line).into_iter().map(|w| (w.text, w.span)).collect();
        assert_eq!(words, [("ab".to_owned(), 0..2), ("cd".to_owned(), 13..15)]);
    }

    #[test]
    fn quotes_hold_words_together_and_stay() {
        let cases: [(&str, &[&str]); 9] = [
            (" a  b=c ", &["a", "b=c"]),
            ("a=\"b c\" d", &["a=\"b c\"", "d"]),
            ("a='b \\' c'", &["a='b \\'", "c'"]),
            ("a=\"b \\\" c\"", &["a=\"b \\\" c\""]),
            ("a\\ b c", &["a\\ b", "c"]),
            ("a \"\"", &["a", "\"\""]),
            ("a=\"b c", &["a=\"b c"]),
            ("a\\", &["a"]),
            ("\\", &[]),
        ];
        for (text, expected) in cases {
            let found: Vec<_> =
                quoted(&line(&[(text, 0)]), Escape::Backslash).into_iter().map(|w| w.text).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
