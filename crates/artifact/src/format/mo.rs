//! gettext's compiled catalogues: the dates in the header, which is the translation of the empty message.

use model::recipe::Rule;

use crate::fields::{Fields, lossy};
use crate::normal::{File, Made, Work};
use crate::reading::{Found, Part, Source};
use crate::{Body, Kind, ReadError, dates};

/// A message and its translation, as ranges of the file.
type Pair = (std::ops::Range<usize>, std::ops::Range<usize>);

fn messages(bytes: &[u8]) -> Result<Vec<Pair>, ReadError> {
    let mut fields = Fields::new(Kind::Mo, bytes);
    let little = fields.take(4, "a magic")? == b"\xde\x12\x04\x95";
    let number = |fields: &mut Fields<'_>, what: &str| -> Result<usize, ReadError> {
        let number = if little { fields.u32_le(what) } else { fields.u32_be(what) }?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    };
    number(&mut fields, "a version")?;
    let count = number(&mut fields, "a count")?;
    let tables = [number(&mut fields, "an offset")?, number(&mut fields, "an offset")?];
    let mut pairs = Vec::new();
    for index in 0..count {
        let range = |table: usize| -> Result<std::ops::Range<usize>, ReadError> {
            let at = index.checked_mul(8).and_then(|step| table.checked_add(step)).unwrap_or(usize::MAX);
            let mut entry = fields.from(at.min(bytes.len()));
            let (length, offset) = (number(&mut entry, "a length")?, number(&mut entry, "an offset")?);
            // One more for the NUL behind each text.
            let end = offset.checked_add(length).filter(|&end| end < bytes.len());
            let end =
                end.ok_or_else(|| entry.damaged("a text within the file", format!("offset {offset}")))?;
            Ok(offset..end)
        };
        pairs.push((range(tables[0])?, range(tables[1])?));
    }
    Ok(pairs)
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let messages = messages(file.bytes)?;
    if !work.allows(Rule::Timestamp) {
        return Ok(None);
    }
    let mut new = file.bytes.to_vec();
    for (_, header) in messages.into_iter().filter(|(message, _)| message.is_empty()) {
        let mut at = header.start;
        for line in file.bytes[header].split_inclusive(|&byte| byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let dated = ["POT-Creation-Date: ", "PO-Revision-Date: "]
                .iter()
                .find_map(|name| Some((name.len(), text.strip_prefix(name)?.trim_end())));
            if let Some((skip, date)) = dated
                && let Some(instead) = dates::iso(date, work.epoch)
            {
                work.changed(text[..skip].trim_end_matches(": "), Rule::Timestamp, date, &instead);
                new[at + skip..at + skip + instead.len()].copy_from_slice(instead.as_bytes());
            }
            at += line.len();
        }
    }
    Ok(Some(new))
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let mut parts = Vec::new();
    for (message, translation) in messages(source.bytes)? {
        source.budget.member()?;
        // Many messages may lie at one place.
        source.budget.spend(message.len() as u64)?;
        let name = lossy(&source.bytes[message]);
        let body = Body::Bytes(source.bytes[translation].into());
        parts.push(Part { name, attributes: Vec::new(), body });
    }
    Ok((Vec::new(), parts))
}
