//! Just enough of Rust's lexical rules to tell code from comments and texts.

/// Line numbers (from 1) of `word` where it stands as code: an identifier or keyword of its own.
pub(crate) fn lines_with(word: &str, source: &str) -> Vec<usize> {
    let code = code_only(source);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut words = line.split(|c| !is_part(c));
        if words.any(|found| found == word) {
            lines.push(number);
        }
    }
    lines
}

/// The source with comments, strings and characters blanked out; lines stay where they are.
pub(crate) fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let mut out = String::with_capacity(source.len());
    let mut place = 0;
    while place < chars.len() {
        let begun = place;
        match at(place) {
            '/' if at(place + 1) == '/' => {
                while place < chars.len() && at(place) != '\n' {
                    place += 1;
                }
            }
            '/' if at(place + 1) == '*' => place = end_of_block(&chars, place),
            '"' => place = end_of_string(&chars, place),
            // A raw string, `r"…"`, `r#"…"#`, also after `b` or `c`; not an identifier that ends with r.
            'r' if matches!(at(place + 1), '"' | '#') && !is_word(&chars, place) => {
                match end_of_raw(&chars, place + 1) {
                    Some(end) => place = end,
                    None => {
                        out.push('r');
                        place += 1;
                        continue;
                    }
                }
            }
            // A character, or else a lifetime.
            '\'' if at(place + 1) == '\\' => {
                place += 3;
                while place < chars.len() && at(place) != '\'' {
                    place += 1;
                }
                place += 1;
            }
            '\'' if at(place + 2) == '\'' => place += 3,
            other => {
                out.push(other);
                place += 1;
                continue;
            }
        }
        place = place.min(chars.len());
        out.extend(chars[begun..place].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    }
    out
}

/// Whether the `r` at `place` ends an identifier, other than the prefixes `b` and `c`.
fn is_word(chars: &[char], place: usize) -> bool {
    let before = |back: usize| place.checked_sub(back).and_then(|place| chars.get(place)).copied();
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match before(1) {
        Some('b' | 'c') => part(before(2)),
        other => part(other),
    }
}

fn end_of_block(chars: &[char], mut place: usize) -> usize {
    let mut depth = 0_usize;
    while place < chars.len() {
        match (chars[place], chars.get(place + 1)) {
            ('/', Some('*')) => (depth, place) = (depth + 1, place + 2),
            ('*', Some('/')) => {
                (depth, place) = (depth - 1, place + 2);
                if depth == 0 {
                    break;
                }
            }
            _ => place += 1,
        }
    }
    place
}

fn end_of_string(chars: &[char], mut place: usize) -> usize {
    place += 1;
    while place < chars.len() && chars[place] != '"' {
        place += if chars[place] == '\\' { 2 } else { 1 };
    }
    place + 1
}

/// Where the raw string ends whose first `#` or quote is at `place`; `None` if it is a raw identifier.
fn end_of_raw(chars: &[char], place: usize) -> Option<usize> {
    let hashes = chars[place..].iter().take_while(|&&c| c == '#').count();
    if chars.get(place + hashes) != Some(&'"') {
        return None;
    }
    let mut end = place + hashes + 1;
    while end < chars.len() {
        let closing =
            chars[end] == '"' && chars[end + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        end += 1;
        if closing {
            return Some(end + hashes);
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_only_as_code() {
        let hidden = [
            "// unsafe",
            "/* unsafe /* unsafe */ unsafe */ fn f() {}",
            r#"let a = "unsafe \" unsafe";"#,
            r###"let a = r#"unsafe " unsafe"#;"###,
            r#"let a = br"unsafe\";"#,
            "unsafe_code; not_unsafe; unsafely",
            "let q = '\"'; // unsafe \"",
            r"let q = '\''; // unsafe",
        ];
        for source in hidden {
            assert_eq!(lines_with("unsafe", source), [0_usize; 0], "{source}");
        }
        let seen = [
            "unsafe { }",
            "fn f<'a>(a: &'a str) { unsafe {} }",
            r#"let a = "\\"; unsafe {}"#,
            r##"let a = r"\"; unsafe {}"##,
            r###"let a = r#""#; unsafe {}"###,
            "let q = '\"'; unsafe {}",
            r"let q = '\''; unsafe {}",
            "/* */ unsafe fn f() {}",
            "let r#type = 1; unsafe {}",
            "r#unsafe",
        ];
        for source in seen {
            assert_eq!(lines_with("unsafe", source), [1], "{source}");
        }
        assert_eq!(lines_with("unsafe", "\"a\nb\"\n/*\n*/\nunsafe"), [5]);
    }
}
