//! Manuals: the date in the title that a generator wrote, such as `.TH LS 1 "November 2026"` or `.Dd`.

use model::recipe::Rule;

use crate::Body;
use crate::dates;
use crate::fields::lossy;
use crate::normal::{File, Made, Work};
use crate::reading::{Found, Part, Source};

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    if !work.allows(Rule::Documentation) {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(file.bytes.len());
    let mut titled = false;
    for line in file.bytes.split_inclusive(|&byte| byte == b'\n') {
        let new = (!titled).then(|| title(line, work.epoch)).flatten();
        titled |= line.starts_with(b".TH ") || line.starts_with(b".Dd ");
        match new {
            Some(new) => {
                work.changed("", Rule::Documentation, lossy(line.trim_ascii()), lossy(new.trim_ascii()));
                out.extend(new);
            }
            None => out.extend(line),
        }
    }
    Ok(Some(out))
}

/// The line with an earlier date, if it is a title with a later one.
fn title(line: &[u8], epoch: u64) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(line).ok()?;
    let clamp = |date: &str| dates::iso(date, epoch).or_else(|| dates::words(date, epoch));
    if let Some(date) = text.strip_prefix(".Dd ") {
        let new = clamp(date.trim())?;
        return Some(text.replacen(date.trim(), &new, 1).into_bytes());
    }
    let range = third(text.strip_prefix(".TH ")?)?;
    let range = range.start + 4..range.end + 4;
    let new = clamp(&text[range.clone()])?;
    // Two words or more need their quotes, which stand outside of the range.
    Some(format!("{}{new}{}", &text[..range.start], &text[range.end..]).into_bytes())
}

/// Where the third argument is, without its quotes.
fn third(arguments: &str) -> Option<std::ops::Range<usize>> {
    let mut at = 0;
    for index in 0..3 {
        at += arguments[at..].len() - arguments[at..].trim_start().len();
        let rest = &arguments[at..];
        let (start, length, step) = match rest.strip_prefix('"') {
            Some(quoted) => (at + 1, quoted.find('"')?, 2),
            None => (at, rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len()), 0),
        };
        if index == 2 {
            return (length > 0).then_some(start..start + length);
        }
        at += length + step;
    }
    None
}

/// A manual is one text.
pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let body = Body::Bytes(source.bytes.into());
    Ok((Vec::new(), vec![Part { name: "text".into(), attributes: Vec::new(), body }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_word_of_the_title_is_a_date_or_stays() {
        let table = [
            (
                ".TH LS 1 \"November 2026\" \"GNU coreutils\"\n",
                Some(".TH LS 1 \"November 2023\" \"GNU coreutils\"\n"),
            ),
            (".TH \"A B\" 3pm 2026-01-02 \"x\"\n", Some(".TH \"A B\" 3pm 2023-11-14 \"x\"\n")),
            (".TH LS 1 \"\" x\n", None),
            (".TH LS 1\n", None),
            (".TH LS 1 \"May 2020\"\n", None),
            (".TH LS 1 \"unclosed\n", None),
            (".Dd December 1, 2026\n", Some(".Dd November 14, 2023\n")),
            (".Dd $Mdocdate$\n", None),
            (".SH 2026-01-01\n", None),
        ];
        for (line, expected) in table {
            let found = title(line.as_bytes(), 1_700_000_000).map(|new| String::from_utf8(new).unwrap());
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }
}
