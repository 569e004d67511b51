//! Reads zip (APPNOTE 6.3.10) by its central directory, and refuses archives that readers see differently.

use crate::budget::Budget;
use crate::fields::{Fields, lossy};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError, deflate};

use super::{DEFLATED, FULL16, FULL32, STORED};

/// One entry, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) made_by: u16,
    pub(crate) needed: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    /// Time in the lower half, date in the upper.
    pub(crate) dos: u32,
    pub(crate) crc: u32,
    pub(crate) size: u64,
    pub(crate) internal: u16,
    pub(crate) external: u32,
    /// Extra fields of the central header, then those of the local one that it lacks: ID and content; without zip64's.
    pub(crate) extra: Vec<(u16, &'a [u8])>,
    pub(crate) local_extra: Vec<(u16, &'a [u8])>,
    pub(crate) comment: &'a [u8],
    /// As in the archive, compressed or not.
    pub(crate) data: &'a [u8],
}

/// A whole archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Archive<'a> {
    /// What stands before the first entry, such as `#!/usr/bin/python3`.
    pub(crate) before: &'a [u8],
    pub(crate) entries: Vec<Entry<'a>>,
    pub(crate) comment: &'a [u8],
    /// Whether offsets count from the first entry and not from the file's beginning.
    pub(crate) from_first: bool,
}

impl Entry<'_> {
    pub(crate) fn is_directory(&self) -> bool {
        self.name.ends_with(b"/")
    }

    /// Permissions and type as Unix has them; 0 if the maker knew none.
    pub(crate) const fn mode(&self) -> u32 {
        match self.made_by >> 8 {
            3 | 19 => self.external >> 16,
            _ => 0,
        }
    }

    pub(crate) const fn is_symlink(&self) -> bool {
        self.mode() & 0o170_000 == 0o120_000
    }

    /// Its first bytes, unpacked; none if that cannot be done.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = vec![0; crate::HEAD.min(usize::try_from(self.size).unwrap_or(usize::MAX))];
        match self.method {
            _ if self.flags & 1 != 0 => head.clear(),
            STORED => return self.data[..head.len().min(self.data.len())].to_vec(),
            DEFLATED => {
                let found = deflate::head(self.data, &mut head);
                head.truncate(found);
            }
            _ => head.clear(),
        }
        head
    }

    /// Its bytes, unpacked and checked.
    pub(crate) fn unpack(&self, kind: Kind, budget: &mut Budget) -> Result<Vec<u8>, ReadError> {
        let unsupported = |what: String| ReadError::Unsupported { kind, what };
        if self.flags & 1 != 0 {
            return Err(unsupported(format!("`{}` is encrypted", lossy(self.name))));
        }
        budget.spend(self.size)?;
        let damaged = |found: String| ReadError::Damaged {
            kind,
            at: 0,
            expected: format!("{} bytes with CRC {:08x} in `{}`", self.size, self.crc, lossy(self.name)),
            found,
        };
        let plain = match self.method {
            STORED => self.data.to_vec(),
            // A size that was invented is not allocated: deflate gives at most 1032 bytes for one.
            DEFLATED if self.size / 1032 > self.data.len() as u64 => {
                return Err(damaged(format!("{} compressed bytes", self.data.len())));
            }
            DEFLATED => {
                let size = usize::try_from(self.size).map_err(|_| damaged("too many".into()))?;
                deflate::inflate(self.data, size).ok_or_else(|| damaged("another deflate stream".into()))?
            }
            other => return Err(unsupported(format!("compression method {other}"))),
        };
        let crc = deflate::crc32(&plain);
        if plain.len() as u64 != self.size || crc != self.crc {
            return Err(damaged(format!("{} bytes with CRC {crc:08x}", plain.len())));
        }
        Ok(plain)
    }
}

const END: &[u8] = b"PK\x05\x06";

/// Reads a whole archive.
pub(crate) fn archive<'a>(
    kind: Kind,
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Result<Archive<'a>, ReadError> {
    let start = Fields::new(kind, bytes);
    // The end record is the last one whose comment reaches exactly to the end.
    let candidates = memchr::memmem::rfind_iter(bytes, END);
    let end = candidates.take_while(|&at| bytes.len() - at <= 22 + 0xffff).find(|&at| {
        let length = bytes.get(at + 20..at + 22).map(|two| usize::from(two[0]) | usize::from(two[1]) << 8);
        length.is_some_and(|length| at + 22 + length == bytes.len())
    });
    let Some(end) = end else { return Err(start.from(bytes.len()).damaged("an end record", "none")) };
    let mut fields = start.from(end + 4);
    if fields.u16_le("a disk")? != 0 || fields.u16_le("a disk")? != 0 {
        return Err(ReadError::Unsupported { kind, what: "it is split over several files".into() });
    }
    let here = fields.u16_le("a count")?;
    let mut count = u64::from(fields.u16_le("a count")?);
    let mut length = u64::from(fields.u32_le("a length")?);
    let mut offset = u64::from(fields.u32_le("an offset")?);
    let comment_length = fields.u16_le("a length")?;
    let comment = fields.take(usize::from(comment_length), "a comment")?;
    if u64::from(here) != count {
        return Err(start.from(end + 8).damaged(format!("{count} entries"), format!("{here}")));
    }
    let mut central_end = end;
    if (count == FULL16 || length == FULL32 || offset == FULL32)
        && let Some(at) = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(b"PK\x06\x07"))
    {
        let mut fields = start.from(at + 8);
        let said = fields.u64_le("an offset")?;
        // Where it says, or where it has to be if something stands before the archive.
        let at64 = at.checked_sub(56).filter(|&at| bytes[at..].starts_with(b"PK\x06\x06"));
        let at64 = at64.ok_or_else(|| start.from(at).damaged("a zip64 end record", said.to_string()))?;
        let mut fields = start.from(at64 + 32);
        count = fields.u64_le("a count")?;
        length = fields.u64_le("a length")?;
        offset = fields.u64_le("an offset")?;
        central_end = at64;
    }
    let central = usize::try_from(length).ok().and_then(|length| central_end.checked_sub(length));
    let central = central.ok_or_else(|| start.from(end).damaged("a central directory", "none so long"))?;
    // What stands before an archive may or may not be counted in its offsets.
    let shift = (central as u64).checked_sub(offset).and_then(|shift| usize::try_from(shift).ok());
    let shift =
        shift.ok_or_else(|| start.from(end).damaged(format!("offset {central}"), offset.to_string()))?;

    let mut fields = start.from(central);
    let mut entries = Vec::new();
    let mut places = Vec::new();
    for _ in 0..count {
        budget.member()?;
        let (entry, place) = entry(kind, &start, &mut fields, shift, central)?;
        entries.push(entry);
        places.push(place);
    }
    if fields.at() != central_end {
        return Err(fields.damaged("the end of the central directory", "more"));
    }
    places.sort_unstable();
    if let Some(pair) = places.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        return Err(start.from(pair[1].0).damaged("entries one after the other", "two that overlap"));
    }
    check(kind, &entries)?;
    let first = places.first().map_or(central, |place| place.0);
    let archive = Archive { before: &bytes[..first], entries, comment, from_first: shift > 0 };
    if shift > 0 && shift != first {
        return Err(start.from(first).damaged(format!("the first entry at {shift}"), first.to_string()));
    }
    Ok(archive)
}

/// One entry, by its central and local header, and where it lies.
fn entry<'a>(
    kind: Kind,
    start: &Fields<'a>,
    fields: &mut Fields<'a>,
    shift: usize,
    central: usize,
) -> Result<(Entry<'a>, (usize, usize)), ReadError> {
    fields.expect(b"PK\x01\x02", "a central header")?;
    let made_by = fields.u16_le("a version")?;
    let needed = fields.u16_le("a version")?;
    let flags = fields.u16_le("flags")?;
    let method = fields.u16_le("a method")?;
    let dos = fields.u32_le("a time")?;
    let crc = fields.u32_le("a CRC")?;
    let mut packed = u64::from(fields.u32_le("a size")?);
    let mut size = u64::from(fields.u32_le("a size")?);
    let lengths = [fields.u16_le("a length")?, fields.u16_le("a length")?, fields.u16_le("a length")?];
    let disk = fields.u16_le("a disk")?;
    let internal = fields.u16_le("attributes")?;
    let external = fields.u32_le("attributes")?;
    let mut offset = u64::from(fields.u32_le("an offset")?);
    let at_name = fields.clone();
    let name = fields.take(usize::from(lengths[0]), "a name")?;
    let mut extra = extras(fields, usize::from(lengths[1]))?;
    let comment = fields.take(usize::from(lengths[2]), "a comment")?;
    if disk != 0 {
        return Err(ReadError::Unsupported { kind, what: "it is split over several files".into() });
    }
    if let Some(wide) = extra.iter().find(|(id, _)| *id == 1).map(|(_, wide)| *wide) {
        let mut wide = Fields::new(kind, wide);
        for value in [&mut size, &mut packed, &mut offset] {
            if *value == FULL32 {
                *value = wide.u64_le("a value of zip64")?;
            }
        }
    }
    extra.retain(|(id, _)| *id != 1);

    let at = usize::try_from(offset).ok().and_then(|at| at.checked_add(shift)).filter(|&at| at < central);
    let at =
        at.ok_or_else(|| at_name.damaged("an offset before the central directory", offset.to_string()))?;
    let mut local = start.from(at);
    local.expect(b"PK\x03\x04", "a local header")?;
    local.take(2, "a version")?;
    let same = |what: &str, central: u64, found: u64| {
        if central == found {
            Ok(())
        } else {
            Err(start.from(at).damaged(format!("{what} {central}"), found.to_string()))
        }
    };
    let local_flags = local.u16_le("flags")?;
    same("flags", u64::from(flags & 0x0009), u64::from(local_flags & 0x0009))?;
    same("method", u64::from(method), u64::from(local.u16_le("a method")?))?;
    local.take(4, "a time")?;
    let crc_here = local.u32_le("a CRC")?;
    let sizes = [local.u32_le("a size")?, local.u32_le("a size")?];
    let name_length = local.u16_le("a length")?;
    let extra_length = local.u16_le("a length")?;
    let local_name = local.take(usize::from(name_length), "a name")?;
    if local_name != name {
        let expected = format!("`{}` as in the central directory", lossy(name));
        return Err(start.from(at).damaged(expected, format!("`{}`", lossy(local_name))));
    }
    let mut local_extra = extras(&mut local, usize::from(extra_length))?;
    local_extra.retain(|(id, _)| *id != 1);
    if flags & 8 == 0 {
        same("CRC", u64::from(crc), u64::from(crc_here))?;
        for (size, here) in [(packed, sizes[0]), (size, sizes[1])] {
            if u64::from(here) != FULL32 {
                same("size", size, u64::from(here))?;
            }
        }
    }
    let packed = usize::try_from(packed).map_err(|_| local.damaged("a size", packed.to_string()))?;
    let data = local.take(packed, "data")?;
    if method == STORED && flags & 1 == 0 && size != data.len() as u64 {
        return Err(local.damaged(format!("{size} stored bytes"), data.len().to_string()));
    }
    if local.at() > central {
        return Err(local.damaged("data before the central directory", "an overlap"));
    }
    let place = (at, local.at());
    let entry = Entry {
        name,
        made_by,
        needed,
        flags,
        method,
        dos,
        crc,
        size,
        internal,
        external,
        extra,
        local_extra,
        comment,
        data,
    };
    Ok((entry, place))
}

/// Extra fields: ID, length, content. Padding that is no field, as some tools leave it, is an error.
fn extras<'a>(fields: &mut Fields<'a>, length: usize) -> Result<Vec<(u16, &'a [u8])>, ReadError> {
    let end = fields.at() + length;
    let mut list = Vec::new();
    // Android's alignment pads with zeros that are shorter than a field's head.
    while fields.at() + 4 <= end {
        let id = fields.u16_le("an extra field")?;
        let size = usize::from(fields.u16_le("a length")?);
        if fields.at() + size > end {
            return Err(fields.damaged("an extra field within its header", format!("{size} bytes")));
        }
        list.push((id, fields.take(size, "an extra field")?));
    }
    let rest = fields.take(end.saturating_sub(fields.at()), "extra fields")?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(fields.damaged("extra fields", "a piece of one"));
    }
    Ok(list)
}

/// Refuses what would be written elsewhere, twice, or through a link.
fn check(kind: Kind, entries: &[Entry<'_>]) -> Result<(), ReadError> {
    let hostile = |entry: &Entry<'_>, what| ReadError::Hostile { kind, member: lossy(entry.name), what };
    let mut seen = std::collections::BTreeSet::new();
    let mut links = std::collections::BTreeSet::new();
    for entry in entries {
        if entry.name.is_empty() || entry.name.contains(&0) {
            return Err(hostile(entry, "has no name"));
        }
        if super::super::escapes(entry.name) {
            return Err(hostile(entry, "leads out of the archive"));
        }
        if !seen.insert(key(entry.name)) {
            return Err(hostile(entry, "is there twice"));
        }
        if entry.is_symlink() {
            links.insert(key(entry.name));
        }
    }
    for entry in entries {
        let parts = key(entry.name);
        if (1..parts.len()).any(|count| links.contains(&parts[..count])) {
            return Err(hostile(entry, "lies behind a symbolic link"));
        }
    }
    Ok(())
}

/// A name's components: what entries are sorted and compared by.
pub(crate) fn key(name: &[u8]) -> Vec<&[u8]> {
    name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect()
}

/// Every entry with all that is said of it.
pub(in super::super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let archive = archive(source.kind, source.bytes, source.budget)?;
    let mut attributes = Vec::new();
    if !archive.comment.is_empty() {
        attributes.push(attribute("comment", lossy(archive.comment)));
    }
    if !archive.before.is_empty() {
        attributes.push(attribute("before", lossy(archive.before)));
    }
    let mut parts = Vec::new();
    for entry in &archive.entries {
        let mut attributes = vec![
            attribute("mtime", super::dos_text(entry.dos)),
            attribute("made-by", format!("{:#06x}", entry.made_by)),
            attribute("needed", entry.needed),
            attribute("flags", format!("{:#06x}", entry.flags)),
            attribute("method", entry.method),
            attribute("external", format!("{:#010x}", entry.external)),
        ];
        for (id, content) in entry.extra.iter().chain(&entry.local_extra) {
            let hex: String = content.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
            attributes.push(attribute("extra", format!("{id:#06x} {hex}")));
        }
        if !entry.comment.is_empty() {
            attributes.push(attribute("comment", lossy(entry.comment)));
        }
        let body = if entry.is_directory() {
            Body::Nothing
        } else if entry.is_symlink() {
            Body::Link(lossy(&entry.unpack(source.kind, source.budget)?))
        } else {
            Body::Bytes(entry.unpack(source.kind, source.budget)?.into())
        };
        parts.push(Part { name: lossy(entry.name), attributes, body });
    }
    Ok((attributes, parts))
}
