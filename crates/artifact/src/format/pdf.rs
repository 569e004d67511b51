//! PDF: dates and identifiers that stand in the open. All stay where they are and as long as they are, since a table
//! in the file counts bytes.
//!
//! What compressed object streams hold is not looked at.

use std::ops::Range;

use model::Sha256;
use model::recipe::Rule;

use crate::fields::{Fields, lossy};
use crate::normal::{File, Made, Work};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError, dates};

/// How far from the end the mark of the end may stand (ISO 32000, implementation notes).
const TAIL: usize = 1024;

/// What stands before a date: in the dictionary of information, and in XMP as elements and as attributes.
const DATES: [(&[u8], u8); 8] = [
    (b"/CreationDate", b')'),
    (b"/ModDate", b')'),
    (b"<xmp:CreateDate>", b'<'),
    (b"<xmp:ModifyDate>", b'<'),
    (b"<xmp:MetadataDate>", b'<'),
    (b"xmp:CreateDate=\"", b'"'),
    (b"xmp:ModifyDate=\"", b'"'),
    (b"xmp:MetadataDate=\"", b'"'),
];

fn check(bytes: &[u8]) -> Result<(), ReadError> {
    let fields = Fields::new(Kind::Pdf, bytes);
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    if memchr::memmem::rfind(tail, b"%%EOF").is_none() {
        return Err(fields.from(bytes.len()).damaged("%%EOF near the end", "none"));
    }
    Ok(())
}

/// Where a date is: its text without what stands around it.
fn date_ranges(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (before, behind) in DATES {
        for at in memchr::memmem::find_iter(bytes, before) {
            let mut start = at + before.len();
            if before.starts_with(b"/") {
                let rest = &bytes[start..];
                let blank = rest.len() - rest.trim_ascii_start().len();
                if rest.get(blank) != Some(&b'(') {
                    continue; // a reference to an object, or something else
                }
                start += blank + 1;
            }
            let end = bytes[start..].iter().take(40).position(|&byte| byte == behind);
            ranges.extend(end.map(|length| start..start + length));
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}

/// Where hexadecimal digits of identifiers are: `/ID [<...> <...>]`, and the UUIDs of XMP.
fn id_ranges(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for at in memchr::memmem::find_iter(bytes, b"/ID") {
        let mut fields = &bytes[at + 3..];
        let Some(rest) = fields.trim_ascii_start().strip_prefix(b"[") else { continue };
        fields = rest;
        for _ in 0..2 {
            let Some(rest) = fields.trim_ascii_start().strip_prefix(b"<") else { break };
            let length = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let start = bytes.len() - rest.len();
            let Some(after) = rest[length..].strip_prefix(b">") else { break };
            ranges.push(start..start + length);
            fields = after;
        }
    }
    for before in [&b"uuid:"[..], b"xmp.iid:", b"xmp.did:"] {
        for at in memchr::memmem::find_iter(bytes, before) {
            let start = at + before.len();
            let length =
                bytes[start..].iter().take_while(|&&byte| byte.is_ascii_hexdigit() || byte == b'-').count();
            if matches!(length, 32 | 36) {
                ranges.push(start..start + length);
            }
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    check(file.bytes)?;
    let holds = |text: &[u8]| memchr::memmem::find(file.bytes, text).is_some();
    if holds(b"/ByteRange") {
        work.leave("", "it is signed (`/ByteRange`)");
        return Ok(None);
    }
    if holds(b"/Encrypt") {
        work.leave("", "it is encrypted, and its identifier is part of the key");
        return Ok(None);
    }
    let mut new = file.bytes.to_vec();
    if work.allows(Rule::Timestamp) {
        for range in date_ranges(file.bytes) {
            let Ok(text) = std::str::from_utf8(&file.bytes[range.clone()]) else { continue };
            let instead = dates::pdf(text, work.epoch).or_else(|| dates::iso(text, work.epoch));
            if let Some(instead) = instead {
                work.changed("", Rule::Timestamp, text, &instead);
                new[range].copy_from_slice(instead.as_bytes());
            }
        }
    }
    if work.allows(Rule::RandomId) {
        identify(work, &mut new);
    }
    Ok(Some(new))
}

/// Identifiers follow from all else in the file: two files are told apart as before, one file made twice is not.
fn identify(work: &mut Work<'_>, new: &mut [u8]) {
    let ranges = id_ranges(new);
    let old: Vec<Vec<u8>> = ranges.iter().map(|range| new[range.clone()].to_vec()).collect();
    for range in &ranges {
        new[range.clone()].iter_mut().filter(|byte| byte.is_ascii_hexdigit()).for_each(|byte| *byte = b'0');
    }
    let hex = Sha256::of(new).hex();
    for (range, before) in ranges.into_iter().zip(old) {
        let upper = !before.iter().any(u8::is_ascii_lowercase);
        let mut digits = hex.bytes().cycle();
        for byte in new[range.clone()].iter_mut().filter(|byte| **byte != b'-') {
            let digit = digits.next().expect("a cycle has no end");
            *byte = if upper { digit.to_ascii_uppercase() } else { digit };
        }
        let after = &new[range];
        if after != before {
            work.changed("", Rule::RandomId, lossy(&before), lossy(after));
        }
    }
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    check(source.bytes)?;
    let text = |range: Range<usize>| lossy(&source.bytes[range]);
    let mut attributes: Vec<_> =
        date_ranges(source.bytes).into_iter().map(|range| attribute("date", text(range))).collect();
    attributes.extend(id_ranges(source.bytes).into_iter().map(|range| attribute("id", text(range))));
    let body = Body::Bytes(source.bytes.into());
    Ok((attributes, vec![Part { name: "content".into(), attributes: Vec::new(), body }]))
}
