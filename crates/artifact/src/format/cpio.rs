//! cpio in its "new" variety (`070701` and `070702`), as initial RAM disks and RPM packages have it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::recipe::Rule;

use crate::budget::Budget;
use crate::fields::{Fields, lossy};
use crate::normal::{File, Made, Work, moment};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError};

const END: &[u8] = b"TRAILER!!!";
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
const FILE: u32 = 0o100_000;

/// One member, as found.
struct Member<'a> {
    magic: &'a [u8],
    /// Inode, mode, owner, group, links, time, size, device (major, minor), the same of a device file, length of the
    /// name with its NUL, checksum.
    numbers: [u32; 13],
    name: &'a [u8],
    data: &'a [u8],
}

const INODE: usize = 0;
const MODE: usize = 1;
const UID: usize = 2;
const GID: usize = 3;
const LINKS: usize = 4;
const MTIME: usize = 5;
const SIZE: usize = 6;
const MAJOR: usize = 7;
const MINOR: usize = 8;
const NAME: usize = 11;
const SUM: usize = 12;

fn members<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Vec<Member<'a>>, ReadError> {
    let mut fields = Fields::new(Kind::Cpio, bytes);
    let mut members = Vec::new();
    loop {
        let at = fields.clone();
        let magic = fields.take(6, "a magic")?;
        if magic != b"070701" && magic != b"070702" {
            return Err(at.damaged("the magic of cpio", format!("{:?}", lossy(magic))));
        }
        let mut numbers = [0; 13];
        for number in &mut numbers {
            let here = fields.clone();
            let text = fields.take(8, "a number")?;
            let text =
                std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
            *number = text
                .and_then(|text| u32::from_str_radix(text, 16).ok())
                .ok_or_else(|| here.damaged("a hexadecimal number", "something else"))?;
        }
        let name = fields.take(usize::try_from(numbers[NAME]).unwrap_or(usize::MAX), "a name")?;
        let Some(name) = name.strip_suffix(b"\0").filter(|name| !name.is_empty() && !name.contains(&0))
        else {
            return Err(at.damaged("a name that ends in NUL", format!("{:?}", lossy(name))));
        };
        fields.take(padding(fields.at()), "padding")?;
        if name == END {
            break;
        }
        budget.member()?;
        let data = fields.take(usize::try_from(numbers[SIZE]).unwrap_or(usize::MAX), "content")?;
        fields.take(padding(fields.at()), "padding")?;
        if super::escapes(name) {
            let member = lossy(name);
            return Err(ReadError::Hostile { kind: Kind::Cpio, member, what: "leads out of the archive" });
        }
        members.push(Member { magic, numbers, name, data });
    }
    if fields.rest().iter().any(|&byte| byte != 0) {
        let what = "more follows behind its end".into();
        return Err(ReadError::Unsupported { kind: Kind::Cpio, what });
    }
    Ok(members)
}

/// Bytes up to a multiple of four.
const fn padding(at: usize) -> usize {
    at.wrapping_neg() % 4
}

fn path(name: &[u8]) -> Vec<&[u8]> {
    name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect()
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let mut members = members(file.bytes, &mut work.budget)?;
    let kind = |member: &Member<'_>| member.numbers[MODE] & 0o170_000;
    let linked = members.iter().any(|member| member.numbers[LINKS] > 1 && kind(member) != DIRECTORY);
    let names: std::collections::BTreeSet<_> = members.iter().map(|member| path(member.name)).collect();
    if work.allows(Rule::FileOrder) {
        if linked || names.len() != members.len() {
            work.leave("", "its members are not sorted: some have several names, or one name comes twice");
        } else {
            let before: Vec<&[u8]> = members.iter().map(|member| member.name).collect();
            members.sort_by(|a, b| path(a.name).cmp(&path(b.name)));
            if let Some(at) = (0..before.len()).find(|&at| before[at] != members[at].name) {
                let (was, is) = (lossy(before[at]), lossy(members[at].name));
                work.changed("", Rule::FileOrder, format!("member {} is `{was}`", at + 1), format!("`{is}`"));
            }
        }
    }
    let mut out = Vec::with_capacity(file.bytes.len());
    let mut inodes = BTreeMap::new();
    for member in &mut members {
        let place = lossy(member.name);
        let data = metadata(work, &place, member, &mut inodes)?;
        write(&mut out, member, &data);
    }
    let mut numbers = [0; 13];
    numbers[LINKS] = 1;
    let magic = members.first().map_or(b"070701".as_slice(), |member| member.magic);
    write(&mut out, &Member { magic, numbers, name: END, data: &[] }, &[]);
    // Archives are padded to blocks of 512 bytes by most tools; what this one did stays.
    if file.bytes.len().is_multiple_of(512) {
        out.resize(out.len().next_multiple_of(512), 0);
    }
    Ok(Some(out))
}

/// All numbers of a member by the rules, and its content.
fn metadata<'a>(
    work: &mut Work<'_>,
    place: &str,
    member: &mut Member<'a>,
    inodes: &mut BTreeMap<(u32, u32, u32), u32>,
) -> Result<Cow<'a, [u8]>, ReadError> {
    let n = &mut member.numbers;
    n[MTIME] = u32::try_from(work.time(place, u64::from(n[MTIME]))).expect("the epoch has 32 bits at most");
    if work.allows(Rule::UserGroup) && (n[UID], n[GID]) != (0, 0) {
        work.changed(place, Rule::UserGroup, format!("{}:{}", n[UID], n[GID]), "0:0");
        (n[UID], n[GID]) = (0, 0);
    }
    let mode = match n[MODE] & 0o170_000 {
        FILE if n[MODE] & 0o111 == 0 => n[MODE] & !0o777 | 0o644,
        FILE | DIRECTORY => n[MODE] & !0o777 | 0o755,
        SYMLINK => SYMLINK | 0o777,
        _ => n[MODE],
    };
    if mode != n[MODE] && work.allows(Rule::UmaskMode) {
        let (before, after) = (n[MODE] & 0o7777, mode & 0o7777);
        work.changed(place, Rule::UmaskMode, format!("{before:04o}"), format!("{after:04o}"));
        n[MODE] = mode;
    }
    if work.allows(Rule::ArchiveMetadata) {
        let next = u32::try_from(inodes.len()).unwrap_or(u32::MAX).saturating_add(1);
        let inode = *inodes.entry((n[MAJOR], n[MINOR], n[INODE])).or_insert(next);
        if (n[INODE], n[MAJOR], n[MINOR]) != (inode, 0, 0) {
            let before = format!("inode {} on {}:{}", n[INODE], n[MAJOR], n[MINOR]);
            work.changed(place, Rule::ArchiveMetadata, before, format!("inode {inode}"));
            (n[INODE], n[MAJOR], n[MINOR]) = (inode, 0, 0);
        }
    }
    let data =
        if n[MODE] & 0o170_000 == FILE { work.within(place, member.data)? } else { member.data.into() };
    member.numbers[SIZE] = u32::try_from(data.len()).map_err(|_| ReadError::Unsupported {
        kind: Kind::Cpio,
        what: format!("`{place}` has 4 GiB or more"),
    })?;
    if member.magic == b"070702" {
        let sum = data.iter().fold(0u32, |sum, &byte| sum.wrapping_add(u32::from(byte)));
        member.numbers[SUM] = if member.numbers[MODE] & 0o170_000 == FILE { sum } else { 0 };
    }
    Ok(data)
}

fn write(out: &mut Vec<u8>, member: &Member<'_>, data: &[u8]) {
    let mut numbers = member.numbers;
    numbers[NAME] = u32::try_from(member.name.len() + 1).expect("a name that was read");
    out.extend(member.magic);
    for number in numbers {
        out.extend(format!("{number:08X}").into_bytes());
    }
    out.extend(member.name);
    out.push(0);
    out.resize(out.len() + padding(out.len()), 0);
    out.extend(data);
    out.resize(out.len() + padding(out.len()), 0);
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let members = members(source.bytes, source.budget)?;
    let parts = members.into_iter().map(|member| {
        let n = member.numbers;
        let attributes = vec![
            attribute("mode", format!("{:o}", n[MODE])),
            attribute("uid", n[UID]),
            attribute("gid", n[GID]),
            attribute("links", n[LINKS]),
            attribute("mtime", moment(u64::from(n[MTIME]))),
            attribute("inode", n[INODE]),
            attribute("device", format!("{}:{}", n[MAJOR], n[MINOR])),
        ];
        let body = match n[MODE] & 0o170_000 {
            FILE => Body::Bytes(member.data.into()),
            SYMLINK => Body::Link(lossy(member.data)),
            _ => Body::Nothing,
        };
        Part { name: lossy(member.name), attributes, body }
    });
    Ok((Vec::new(), parts.collect()))
}
