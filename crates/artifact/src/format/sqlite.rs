//! SQLite databases: read only. The header counts changes and names the library's version; the rest is pages.

use crate::fields::Fields;
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind};

/// Places of four-byte fields in the header (sqlite.org, "Database File Format", 1.3), and what they are.
const FIELDS: [(usize, &str); 8] = [
    (24, "changes"),
    (28, "pages"),
    (32, "first-free"),
    (36, "free"),
    (40, "schema-cookie"),
    (60, "user-version"),
    (92, "valid-for"),
    (96, "library-version"),
];

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let mut fields = Fields::new(Kind::Sqlite, source.bytes);
    fields.expect(b"SQLite format 3\0", "the magic of SQLite")?;
    let page = match fields.u16_be("a page's size")? {
        1 => 65_536,
        size if size >= 512 && size.is_power_of_two() => usize::from(size),
        other => return Err(fields.from(16).damaged("a power of two from 512", other.to_string())),
    };
    let header = fields.from(0).take(100, "a header")?;
    let mut attributes = vec![attribute("page-size", page)];
    for (at, name) in FIELDS {
        let number = header[at..at + 4].iter().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
        attributes.push(attribute(name, number));
    }
    if !source.bytes.len().is_multiple_of(page) {
        let found = format!("{} bytes", source.bytes.len());
        return Err(fields.from(source.bytes.len()).damaged(format!("whole pages of {page} bytes"), found));
    }
    let mut parts = Vec::new();
    for (number, page) in source.bytes.chunks(page).enumerate() {
        source.budget.member()?;
        let body = Body::Bytes(page.into());
        parts.push(Part { name: format!("page {}", number + 1), attributes: Vec::new(), body });
    }
    Ok((attributes, parts))
}
