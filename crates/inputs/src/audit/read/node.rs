//! A value with its place: what the readers of YAML, JSON and TOML all give.

use std::ops::Range;

/// How deep values may lie in each other; what is deeper is not read.
pub(crate) const DEPTH: usize = 120;

/// A value and the bytes it stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Of a scalar: with its quotes, of a block, its lines.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Scalar(String, Style),
    List(Vec<Node>),
    /// In the order of the text; a key may occur twice.
    Map(Vec<(Node, Node)>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    /// A block that keeps its line ends.
    Literal,
    /// A block whose lines are one.
    Folded,
}

impl Node {
    pub(crate) fn scalar(span: Range<usize>, text: impl Into<String>, style: Style) -> Self {
        Self { span, value: Value::Scalar(text.into(), style) }
    }

    /// The text of a scalar.
    pub(crate) fn str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// How a scalar is written; plain for all else.
    pub(crate) const fn style(&self) -> Style {
        match &self.value {
            Value::Scalar(_, style) => *style,
            _ => Style::Plain,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, _)| k.str() == Some(key)).map(|(_, v)| v)
    }

    /// The value at a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at a path of keys.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.str()
    }

    /// The elements of a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a map.
    pub(crate) fn entries(&self) -> &[(Self, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Calls `visit` for every entry of every map below, with the keys above it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&[&'a str], &'a Self, &'a Self)) {
        fn go<'a>(
            node: &'a Node,
            path: &mut Vec<&'a str>,
            visit: &mut dyn FnMut(&[&'a str], &'a Node, &'a Node),
        ) {
            for item in node.items() {
                go(item, path, visit);
            }
            for (key, value) in node.entries() {
                visit(path, key, value);
                path.push(key.str().unwrap_or_default());
                go(value, path, visit);
                path.pop();
            }
        }
        go(self, &mut Vec::new(), visit);
    }

    /// Where the text of a scalar stands, without its quotes.
    pub(crate) fn inner(&self, source: &str) -> Range<usize> {
        let (start, end) = (self.span.start.min(source.len()), self.span.end.min(source.len()));
        match self.style() {
            Style::Plain => start..end,
            Style::Single | Style::Double => {
                // TOML has quotes of three as well.
                let raw = source.get(start..end).unwrap_or_default();
                let quotes = if raw.len() >= 6 && (raw.starts_with("\"\"\"") || raw.starts_with("'''")) {
                    3
                } else {
                    1
                };
                let from = (start + quotes).min(end);
                from..end.saturating_sub(quotes).max(from)
            }
            Style::Literal | Style::Folded => start..end,
        }
    }

    /// The text of a scalar as a script of the same length as where it stands, so that places stay right: escapes are
    /// blanked, folded lines are one. Gives the script and where it begins.
    pub(crate) fn script(&self, source: &str) -> Option<(String, usize)> {
        self.str()?;
        let range = self.inner(source);
        let raw = source.get(range.clone())?;
        let script = match self.style() {
            Style::Plain | Style::Folded => raw.replace('\n', " "),
            Style::Literal => raw.to_owned(),
            Style::Single => raw.replace("''", " '"),
            Style::Double => {
                let mut out = String::with_capacity(raw.len());
                let mut chars = raw.chars();
                while let Some(c) = chars.next() {
                    match (c, c == '\\') {
                        (_, true) => match chars.next() {
                            Some('n') => out.push_str(" \n"),
                            Some('t') => out.push_str("  "),
                            Some(other @ ('"' | '/')) => out.extend([' ', other]),
                            Some('\n') => out.push_str(" \n"),
                            Some(other) => out.extend(['\\', other]),
                            None => out.push('\\'),
                        },
                        (c, _) => out.push(c),
                    }
                }
                out
            }
        };
        Some((script, range.start))
    }
}
