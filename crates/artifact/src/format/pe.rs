//! PE: programs and libraries of Windows. Times in headers become the epoch, and the checksum follows.
//!
//! Linkers that write reproducibly put a hash where the time was, and say so in the debug directory: such files stay.

use model::recipe::Rule;

use super::elf::sections;
use crate::fields::Fields;
use crate::normal::{File, Made, Work, moment};
use crate::reading::{Found, Source, attribute};
use crate::{Kind, ReadError};

/// Numbers of directories in the optional header.
const EXPORT: usize = 0;
const RESOURCE: usize = 2;
const SECURITY: usize = 4;
const DEBUG: usize = 6;
/// The entry of the debug directory that says "times are hashes".
const REPRO: u32 = 16;

/// Where the fields are that change.
struct Places {
    checksum: usize,
    /// Place and value of each time.
    times: Vec<(&'static str, usize, u32)>,
    signed: bool,
    reproducible: bool,
}

fn places(bytes: &[u8]) -> Result<Places, ReadError> {
    let start = Fields::new(Kind::Pe, bytes);
    let at = usize::try_from(start.from(60).u32_le("an offset")?).unwrap_or(usize::MAX);
    let mut fields = start.from(at);
    fields.expect(b"PE\0\0", "the signature of PE")?;
    fields.take(2, "a machine")?;
    let sections = fields.u16_le("a count")?;
    let mut times = vec![("header", fields.at(), fields.u32_le("a time")?)];
    fields.take(8, "a symbol table")?;
    let optional_size = usize::from(fields.u16_le("a size")?);
    fields.take(2, "flags")?;
    let optional = fields.at();
    let directories = match fields.clone().u16_le("a magic")? {
        0x10b => 96,
        0x20b => 112,
        other => return Err(fields.damaged("the magic 10b or 20b", format!("{other:x}"))),
    };
    fields.take(optional_size, "an optional header")?;
    let count = start.from(optional + directories - 4).u32_le("a count")?;
    let directory = |index: usize| -> Result<(usize, usize), ReadError> {
        if u32::try_from(index).unwrap_or(u32::MAX) >= count || directories + index * 8 + 8 > optional_size {
            return Ok((0, 0));
        }
        let mut fields = start.from(optional + directories + index * 8);
        let pair = (fields.u32_le("an address")?, fields.u32_le("a size")?);
        Ok((usize::try_from(pair.0).unwrap_or(0), usize::try_from(pair.1).unwrap_or(0)))
    };
    // Section by section: where it is in memory, and where in the file.
    let mut map = Vec::new();
    for _ in 0..sections {
        let mut section = Fields::new(Kind::Pe, fields.take(40, "a section's header")?).from(12);
        let [address, size, place] =
            [section.u32_le("an address")?, section.u32_le("a size")?, section.u32_le("an offset")?];
        start.from(place as usize).take(size as usize, "a section")?;
        map.push((address as usize, size as usize, place as usize));
    }
    let in_file = |address: usize| {
        let found =
            map.iter().find(|(start, size, _)| (*start..start.saturating_add(*size)).contains(&address));
        found.and_then(|(start, _, place)| place.checked_add(address - start))
    };
    for (name, index) in [("export directory", EXPORT), ("resource directory", RESOURCE)] {
        let (address, size) = directory(index)?;
        if size > 0
            && let Some(place) = in_file(address)
        {
            times.push((name, place + 4, start.from(place + 4).u32_le("a time")?));
        }
    }
    let (address, size) = directory(DEBUG)?;
    let mut reproducible = false;
    if let Some(place) = in_file(address) {
        for entry in 0..size / 28 {
            let mut fields = start.from(place + entry * 28 + 4);
            times.push(("debug directory", fields.at(), fields.u32_le("a time")?));
            fields.take(4, "a version")?;
            reproducible |= fields.u32_le("a type")? == REPRO;
        }
    }
    let signed = directory(SECURITY)?.1 > 0;
    Ok(Places { checksum: optional + 64, times, signed, reproducible })
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let places = places(file.bytes)?;
    if places.signed {
        work.leave("", "it is signed (Authenticode)");
        return Ok(None);
    }
    if places.reproducible {
        return Ok(None);
    }
    let mut new = file.bytes.to_vec();
    for (name, at, time) in places.times {
        let time = u32::try_from(work.time(name, u64::from(time))).expect("the epoch has 32 bits at most");
        new[at..at + 4].copy_from_slice(&time.to_le_bytes());
    }
    let field = places.checksum..places.checksum + 4;
    let old: [u8; 4] = new[field.clone()].try_into().expect("four bytes");
    // Zero is no checksum: only drivers need one.
    if new != file.bytes && old != [0; 4] {
        let sum = checksum(&new, places.checksum);
        let before = format!("{:08x}", u32::from_le_bytes(old));
        work.changed("checksum", Rule::EmbeddedConsequence, before, format!("{sum:08x}"));
        new[field].copy_from_slice(&sum.to_le_bytes());
    }
    Ok(Some(new))
}

/// As `CheckSumMappedFile`: words added with their carry, without the field itself, and the length.
fn checksum(bytes: &[u8], field: usize) -> u32 {
    let mut sum: u64 = 0;
    for (index, word) in bytes.chunks(2).enumerate() {
        if (field..field + 4).contains(&(index * 2)) {
            continue;
        }
        sum += u64::from(word[0]) | u64::from(word.get(1).copied().unwrap_or(0)) << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u32::try_from((sum & 0xffff) + bytes.len() as u64).unwrap_or(u32::MAX)
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let places = places(source.bytes)?;
    let mut attributes: Vec<_> = Vec::new();
    for (name, _, time) in &places.times {
        attributes.push(attribute("time", format!("{name}: {}", moment(u64::from(*time)))));
    }
    attributes.push(attribute("signed", places.signed));
    attributes.push(attribute("times-are-hashes", places.reproducible));
    Ok((attributes, sections(source)?))
}
