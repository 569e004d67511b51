//! YAML with places. Aliases are not followed: what they stand for is read where it is defined.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::node::{DEPTH, Node, Style, Value};

/// A list or map that is still open.
struct Open {
    start: usize,
    map: bool,
    nodes: Vec<Node>,
}

/// The documents of a text, as far as it can be understood.
pub(crate) fn read(text: &str) -> Vec<Node> {
    let bytes = Bytes::new(text);
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let span = bytes.at(span.start.index())..bytes.at(span.end.index());
        let done = match event {
            Event::Scalar(value, style, ..) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                Node::scalar(trimmed(text, span, style), value, style)
            }
            Event::Alias(_) => Node::scalar(span, "", Style::Plain),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= DEPTH {
                    break;
                }
                let map = matches!(event, Event::MappingStart(..));
                open.push(Open { start: span.start, map, nodes: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(it) => close(it, span.end),
                None => break,
            },
            _ => continue,
        };
        match open.last_mut() {
            Some(above) => above.nodes.push(done),
            None => documents.push(done),
        }
    }
    // What a mistake has cut off is read as far as it went.
    let end = text.len();
    while let Some(it) = open.pop() {
        let done = close(it, end);
        match open.last_mut() {
            Some(above) => above.nodes.push(done),
            None => documents.push(done),
        }
    }
    documents
}

fn close(open: Open, end: usize) -> Node {
    let span = open.start..end.max(open.start);
    if !open.map {
        return Node { span, value: Value::List(open.nodes) };
    }
    let mut entries = Vec::new();
    let mut nodes = open.nodes.into_iter();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        entries.push((key, value));
    }
    Node { span, value: Value::Map(entries) }
}

/// A scalar's span without the blanks that the parser counts to it; of a block, its lines alone, from the beginning of
/// the first: the parser's span begins there, in the middle of that line, or at the `|` before it.
fn trimmed(text: &str, span: Range<usize>, style: Style) -> Range<usize> {
    if !matches!(style, Style::Literal | Style::Folded) {
        let raw = text.get(span.clone()).unwrap_or_default();
        return span.start..span.start + raw.trim_end().len();
    }
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let start = if before[line..].trim().is_empty() {
        line
    } else {
        text.get(span.start..).and_then(|rest| rest.find('\n')).map_or(span.end, |at| span.start + at + 1)
    };
    start.min(span.end)..span.end
}

/// Byte offsets of characters.
struct Bytes(Option<Vec<usize>>, usize);

impl Bytes {
    fn new(text: &str) -> Self {
        let offsets = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self(offsets, text.len())
    }

    fn at(&self, character: usize) -> usize {
        match &self.0 {
            None => character.min(self.1),
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_bytes() {
        let text = "a: é\nb:\n  - 'x y' # c\n  - |\n    one\n    two\nc: {d: \"e\"}\n";
        let root = &read(text)[0];
        let of = |node: &Node| &text[node.span.clone()];
        assert_eq!(of(root.get("a").unwrap()), "é");
        let list = root.get("b").unwrap().items();
        assert_eq!(of(&list[0]), "'x y'");
        assert_eq!(&text[list[1].inner(text)], "    one\n    two\n");
        assert_eq!(of(root.at(&["c", "d"]).unwrap()), "\"e\"");
    }

    #[test]
    fn nothing_is_followed_and_nothing_is_too_deep() {
        assert_eq!(read("a: &x [1]\nb: *x\n")[0].text(&["b"]), Some(""));
        read(&"[".repeat(100_000));
        read(&"- ".repeat(5_000));
    }
}
