//! Normalises zip, and what jars and wheels add to it. Compressed data is kept as it is, byte for byte, except of
//! members that are normalised themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::recipe::Rule;

use super::super::{jar, wheel};
use super::read::{Archive, Entry, archive, key};
use super::{DEFLATED, STORED, dos, dos_text};
use crate::deflate::{self, Deflater};
use crate::fields::lossy;
use crate::normal::{File, Made, Work};
use crate::{Kind, ReadError};

/// Extra fields that say when, where and by whom: extended times, NTFS times, owners (Info-ZIP's old and new).
const DROPPED: [u16; 5] = [0x5455, 0x000a, 0x5855, 0x7855, 0x7875];
const TIMES: u16 = 0x5455;

/// An entry as it will be written.
struct New<'a> {
    entry: Entry<'a>,
    data: Cow<'a, [u8]>,
}

pub(in super::super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let Archive { before, entries, comment, from_first } = archive(file.kind, file.bytes, &mut work.budget)?;
    if let Some(reason) = jar::signed(file.bytes, &entries).or_else(|| wheel::signed(&entries)) {
        work.leave("", reason);
        return Ok(None);
    }
    let mut list = Vec::with_capacity(entries.len());
    let mut renewed = BTreeMap::new();
    let mut deflater = Deflater::default();
    for mut entry in entries {
        let place = lossy(entry.name);
        metadata(work, &place, &mut entry);
        let new = content(work, file.kind, &mut entry, &mut renewed, &mut deflater)?;
        list.push(New { data: new.map_or(Cow::Borrowed(entry.data), Cow::Owned), entry });
    }
    if file.kind == Kind::Wheel {
        record(work, &mut list, &renewed, &mut deflater)?;
    }
    if work.allows(Rule::FileOrder) {
        sort(work, file.kind, &mut list);
    }
    let entries = list.iter().map(|new| super::Copied { entry: &new.entry, data: &new.data });
    Ok(Some(super::write_copied(before, entries, comment, from_first)))
}

/// Everything but the content.
fn metadata(work: &mut Work<'_>, place: &str, entry: &mut Entry<'_>) {
    let mut local = std::mem::take(&mut entry.local_extra);
    // The field of extended times is in UTC, the other one in whatever zone the tool believed to be in.
    // Tools round up to the two seconds that fit, and so it is done here.
    let utc = local.iter().chain(&entry.extra).find(|(id, _)| *id == TIMES).and_then(|(_, field)| {
        (field.first()? & 1 == 1)
            .then(|| field.get(1..5))?
            .and_then(|four| Some(u32::from_le_bytes(four.try_into().ok()?)))
    });
    if work.allows(Rule::Timestamp) {
        let latest = dos(work.epoch);
        let own = utc.map_or(entry.dos, |utc| dos(u64::from(utc) + u64::from(utc % 2)));
        let new = own.min(latest);
        if new != entry.dos {
            work.changed(place, Rule::Timestamp, dos_text(entry.dos), dos_text(new));
            entry.dos = new;
        }
    }
    let mut drop = |list: &mut Vec<(u16, &[u8])>| {
        list.retain(|(id, field)| {
            let rule = match *id {
                0x7855 | 0x7875 => Rule::UserGroup,
                TIMES | 0x000a | 0x5855 => Rule::Timestamp,
                _ => Rule::ArchiveMetadata,
            };
            let gone = DROPPED.contains(id) && work.allows(rule);
            if gone {
                work.changed(place, rule, format!("extra field {id:#06x} of {} bytes", field.len()), "none");
            }
            !gone
        });
    };
    drop(&mut local);
    drop(&mut entry.extra);
    entry.local_extra = local;
    let mode = entry.mode();
    if mode & 0o777 != 0 && work.allows(Rule::UmaskMode) {
        let bits = match mode & 0o170_000 {
            0o120_000 => 0o777,
            0o040_000 => 0o755,
            _ if mode & 0o111 == 0 => 0o644,
            _ => 0o755,
        };
        let new = mode & !0o777 | bits;
        if new != mode {
            let before = format!("{:04o}", mode & 0o7777);
            work.changed(place, Rule::UmaskMode, before, format!("{:04o}", new & 0o7777));
            entry.external = entry.external & 0xffff | new << 16;
        }
    }
}

/// What becomes of the bytes: `None` if they stay compressed as they are.
fn content(
    work: &mut Work<'_>,
    kind: Kind,
    entry: &mut Entry<'_>,
    renewed: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    deflater: &mut Deflater,
) -> Result<Option<Vec<u8>>, ReadError> {
    if entry.is_directory()
        || entry.is_symlink()
        || entry.flags & 1 != 0
        || !matches!(entry.method, STORED | DEFLATED)
    {
        return Ok(None);
    }
    let place = lossy(entry.name);
    let text = (kind == Kind::Jar && work.allows(Rule::JarClass)).then(|| jar::text(entry.name)).flatten();
    if text.is_none() && !Work::handles(&place, &entry.head()) || !work.allows(Rule::Compression) {
        return Ok(None);
    }
    let plain = entry.unpack(kind, &mut work.budget)?;
    let new = match text {
        Some(text) => Cow::Owned(jar::normalise(work, &place, text, &plain)),
        None => work.within(&place, &plain)?,
    };
    if *new != *plain {
        renewed.insert(entry.name.to_vec(), new.to_vec());
    }
    Ok(Some(press(work, &place, entry, &new, deflater)))
}

/// Compresses `plain` as the entry's data, if it was compressed.
fn press(
    work: &mut Work<'_>,
    place: &str,
    entry: &mut Entry<'_>,
    plain: &[u8],
    deflater: &mut Deflater,
) -> Vec<u8> {
    let same = plain.len() as u64 == entry.size && deflate::crc32(plain) == entry.crc;
    entry.crc = deflate::crc32(plain);
    entry.size = plain.len() as u64;
    if entry.method == STORED {
        return plain.to_vec();
    }
    let mut out = Vec::new();
    deflater.whole(plain, &mut out);
    entry.flags &= !0b110; // how hard another compressor tried
    if same && out != entry.data {
        let after = format!("{} bytes by {}", out.len(), super::VERSION);
        work.changed(place, Rule::Compression, format!("{} bytes", entry.data.len()), after);
    }
    out
}

/// A wheel's list of its files follows what changed in them.
fn record(
    work: &mut Work<'_>,
    list: &mut [New<'_>],
    renewed: &BTreeMap<Vec<u8>, Vec<u8>>,
    deflater: &mut Deflater,
) -> Result<(), ReadError> {
    let Some(new) = list.iter_mut().find(|new| wheel::is_record(new.entry.name)) else {
        work.leave("", "it has no RECORD");
        return Ok(());
    };
    let plain = new.entry.unpack(Kind::Wheel, &mut work.budget)?;
    let place = lossy(new.entry.name);
    let text = wheel::record(work, &place, &plain, renewed);
    if text != plain {
        new.data = Cow::Owned(press(work, &place, &mut new.entry, &text, deflater));
    }
    Ok(())
}

/// Sorts entries by path, except those that have to be first or are best last.
fn sort(work: &mut Work<'_>, kind: Kind, list: &mut Vec<New<'_>>) {
    // EPUB and OpenDocument begin with their type, which must not be compressed.
    let typed = list.first().is_some_and(|new| new.entry.name == b"mimetype");
    let rank = |name: &[u8]| match kind {
        Kind::Jar => jar::rank(name),
        Kind::Wheel => wheel::rank(name),
        _ if typed && name == b"mimetype" => 0,
        _ => 1,
    };
    let before: Vec<&[u8]> = list.iter().map(|new| new.entry.name).collect();
    list.sort_by(|a, b| {
        let (a, b) = (a.entry.name, b.entry.name);
        rank(a).cmp(&rank(b)).then_with(|| key(a).cmp(&key(b)))
    });
    if let Some(at) = (0..before.len()).find(|&at| before[at] != list[at].entry.name) {
        let (was, is) = (lossy(before[at]), lossy(list[at].entry.name));
        work.changed("", Rule::FileOrder, format!("entry {} is `{was}`", at + 1), format!("`{is}`"));
    }
}
