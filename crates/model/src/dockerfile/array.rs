//! Arguments as a list of JSON, or as a line for a shell: which of both it is, is told by looking.

use std::ops::Range;

use super::line::{Line, Text};

/// How arguments are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A list of strings in JSON.
    List(Vec<Text>),
    /// A list in JSON of which not every item is a string: always a mistake.
    Mixed,
    /// Everything else, also what only looks like a list.
    Line,
}

/// Which form the arguments have. As in JSON, so a list with single quotes or a comma too many is a line.
pub(super) fn form(line: &Line) -> Form {
    let text = line.as_str();
    let start = text.len() - text.trim_start().len();
    if !text[start..].starts_with('[') {
        return Form::Line;
    }
    if let Some(items) = strings(text, start + 1) {
        let items = items.into_iter().map(|(text, range)| Text { text, span: line.place(range) });
        return Form::List(items.collect());
    }
    let is_json = serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&text[start..]).is_ok();
    if is_json { Form::Mixed } else { Form::Line }
}

/// The strings of a list that begins before `at`, with where each stands; `None` if it is no list of strings.
fn strings(text: &str, at: usize) -> Option<Vec<(String, Range<usize>)>> {
    let blank = |mut at: usize| {
        while text.as_bytes().get(at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        at
    };
    let ends = |at: usize| blank(at) == text.len();
    let mut items = Vec::new();
    let mut at = blank(at);
    if text.as_bytes().get(at) == Some(&b']') {
        return ends(at + 1).then_some(items);
    }
    loop {
        let (value, end) = string(text, at)?;
        items.push((value, at..end));
        at = blank(end);
        match text.as_bytes().get(at)? {
            b',' => at = blank(at + 1),
            b']' => return ends(at + 1).then_some(items),
            _ => return None,
        }
    }
}

/// The string that begins at `at`, and where it ends. Half a surrogate pair becomes U+FFFD, as in Go.
fn string(text: &str, at: usize) -> Option<(String, usize)> {
    let inner = text.get(at..)?.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1 + offset + 1)),
            '\\' => {
                let (_, c) = chars.next()?;
                value.push(match c {
                    '"' | '\\' | '/' => c,
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let high = hex(&mut chars)?;
                        let mut ahead = chars.clone();
                        let pair = matches!((ahead.next(), ahead.next()), (Some((_, '\\')), Some((_, 'u'))));
                        match (char::from_u32(high), pair.then(|| hex(&mut ahead)).flatten()) {
                            (Some(c), _) => c,
                            (None, Some(low))
                                if (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low) =>
                            {
                                chars = ahead;
                                char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?
                            }
                            _ => char::REPLACEMENT_CHARACTER,
                        }
                    }
                    _ => return None,
                });
            }
            c if c < ' ' => return None,
            c => value.push(c),
        }
    }
    None
}

fn hex(chars: &mut std::str::CharIndices<'_>) -> Option<u32> {
    let mut value = 0;
    for _ in 0..4 {
        value = value * 16 + chars.next()?.1.to_digit(16)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Form {
        let mut line = Line::default();
        line.push(text, 0);
        form(&line)
    }

    #[test]
    fn a_list_is_told_from_what_looks_like_one() {
        let list = |items: &[&str]| match of(&format!("[{}]", items.join(","))) {
            Form::List(items) => items.into_iter().map(|i| i.text).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(list(&["\"a\"", " \"b c\" "]), ["a", "b c"]);
        assert_eq!(list(&[]), Vec::<String>::new());
        assert_eq!(list(&[r#""\"\\\/\b\f\n\r\tA😀""#]), ["\"\\/\u{8}\u{c}\n\r\tA\u{1f600}"]);
        assert_eq!(list(&[r#""\ud83d""#, r#""\ud83dA""#]), ["\u{fffd}", "\u{fffd}A"]);
        for text in ["[1]", "[\"a\", null]", "[[\"a\"]]", "[{}]"] {
            assert_eq!(of(text), Form::Mixed, "{text}");
        }
        for text in
            ["['a']", "[\"a\",]", "[\"a\"] b", "[\"a\"", "[ -f x ] && y", "a", "", "[\"\\x\"]", "[\"a\tb\"]"]
        {
            assert_eq!(of(text), Form::Line, "{text}");
        }
        let Form::List(items) = of("[\"a\", \"é\"]") else { panic!("a list") };
        assert_eq!((items[0].span.clone(), items[1].span.clone()), (1..4, 6..10));
    }
}
