//! RPM packages: read only, since their headers are digested and signed as a whole.

use crate::budget::Budget;
use crate::fields::{Fields, lossy};
use crate::normal::moment;
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError};

const LEAD: usize = 96;

/// Tags that are shown by name; all others by number.
const TAGS: [(u32, &str); 12] = [
    (1000, "name"),
    (1001, "version"),
    (1002, "release"),
    (1006, "build-time"),
    (1007, "build-host"),
    (1022, "architecture"),
    (1028, "file-sizes"),
    (1034, "file-times"),
    (1044, "source"),
    (1064, "rpm-version"),
    (1124, "payload-format"),
    (1125, "payload-compressor"),
];

/// Lead, signature, header, payload.
pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let mut fields = Fields::new(Kind::Rpm, source.bytes);
    fields.take(LEAD, "a lead")?;
    let mut attributes = Vec::new();
    let mut parts = Vec::new();
    let signature = header(&mut fields, source.budget)?;
    for (tag, value) in signature {
        source.budget.member()?;
        parts.push(part(format!("signature {tag}"), value.as_bytes().to_vec()));
    }
    fields.take(fields.at().wrapping_neg() % 8, "padding")?;
    for (tag, value) in header(&mut fields, source.budget)? {
        source.budget.member()?;
        let name = TAGS.iter().find(|(number, _)| *number == tag).map(|(_, name)| *name);
        match name {
            Some(name) if !name.starts_with("file") => attributes.push(attribute(name, value)),
            _ => {
                let name = name.map_or_else(|| format!("tag {tag}"), str::to_owned);
                parts.push(part(name, value.into_bytes()));
            }
        }
    }
    // The payload is a compressed cpio; its own kind is told by its bytes.
    parts.push(Part {
        name: "payload".into(),
        attributes: Vec::new(),
        body: Body::Bytes(fields.rest().into()),
    });
    Ok((attributes, parts))
}

fn part<'a>(name: String, value: Vec<u8>) -> Part<'a> {
    Part { name, attributes: Vec::new(), body: Body::Bytes(value.into()) }
}

/// A header structure: tags and their values as texts.
fn header(fields: &mut Fields<'_>, budget: &mut Budget) -> Result<Vec<(u32, String)>, ReadError> {
    fields.expect(b"\x8e\xad\xe8\x01", "a header of RPM")?;
    fields.take(4, "reserved bytes")?;
    let (count, size) = (fields.u32_be("a count")?, fields.u32_be("a size")?);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut index = Fields::new(Kind::Rpm, fields.take(count.saturating_mul(16), "an index")?);
    let data = fields.take(usize::try_from(size).unwrap_or(usize::MAX), "data")?;
    let data = Fields::new(Kind::Rpm, data);
    let mut values = Vec::new();
    for _ in 0..count {
        let (tag, kind) = (index.u32_be("a tag")?, index.u32_be("a type")?);
        let (offset, items) = (index.u32_be("an offset")?, index.u32_be("a count")?);
        let mut at = data.from(usize::try_from(offset).unwrap_or(usize::MAX));
        // Each list is bounded by the data, whatever the count says; but many may lie at one place.
        let mut list = Vec::new();
        for _ in 0..items {
            let before = at.at();
            list.push(match kind {
                1 | 2 => at.u8("a number")?.to_string(),
                3 => at.u16_be("a number")?.to_string(),
                4 if tag == 1006 || tag == 1034 => moment(u64::from(at.u32_be("a time")?)),
                4 => at.u32_be("a number")?.to_string(),
                5 => format!("{}{:08x}", at.u32_be("a number")?, at.u32_be("a number")?),
                6 | 8 | 9 => {
                    let rest = at.rest();
                    let length = rest.iter().position(|&byte| byte == 0);
                    let length = length.ok_or_else(|| at.damaged("a text that ends in NUL", "the end"))?;
                    lossy(&at.take(length + 1, "a text")?[..length])
                }
                7 => format!("{:02x}", at.u8("a byte")?),
                0 => String::new(),
                other => return Err(at.damaged("a type from 0 to 9", other.to_string())),
            });
            if kind == 0 {
                break;
            }
            budget.spend((at.at() - before) as u64)?;
        }
        values.push((tag, list.join(if kind == 7 { "" } else { "\n" })));
    }
    Ok(values)
}
