//! Text that others wrote, made harmless for a terminal.
//!
//! What a step prints, how a member of an archive is called, what an unsigned bundle says: all of it may hold control
//! sequences that recolour, overwrite or retitle. They are shown as escapes instead of being obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// One line: every control character but the tab is escaped, and so are the marks that turn the direction of writing.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if harmful(c) && c <= '\u{ff}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if harmful(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Several lines, of which all but the first begin with `indent`: none of them can pass for a line of ours.
pub(crate) fn block(text: &str, indent: &str) -> String {
    let lines: Vec<_> = text.lines().map(plain).collect();
    lines.join(&format!("\n{indent}"))
}

/// JSON as it is, but for the control characters that JSON allows and terminals obey.
///
/// They stand only inside strings, where the escape means the same.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if obeyed(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn harmful(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        for (from, to) in [
            ("plain\ttext, größe", "plain\ttext, größe"),
            ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            ("50 %\rdone\x08", "50 %\\rdone\\x08"),
            ("\u{9b}31m", "\\x9b31m"),
            ("a\nverdict  reproduced", "a\\nverdict  reproduced"),
            ("gpj.\u{202e}exe\x7f\0", "gpj.\\u{202e}exe\\x7f\\x00"),
        ] {
            assert_eq!(plain(from), to);
        }
    }

    #[test]
    fn lines_of_others_stay_below_ours() {
        assert_eq!(block("one\r\n\x1b[2Jtwo", "    "), "one\n    \\x1b[2Jtwo");
        assert_eq!(block("one\rtwo", ""), "one\\rtwo");
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "name": "a\u{9b}\u{7f}\u{1b}" });
        let text = value.to_string();
        let safe = json(&text);
        assert!(!safe.contains(|c: char| c.is_control()));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
