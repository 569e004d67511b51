//! Reads tar: v7, ustar, pax and GNU long names. Strict about everything that later readers could see differently.

use std::collections::BTreeMap;

use super::BLOCK;
use crate::budget::Budget;
use crate::fields::{Fields, lossy};
use crate::normal::moment;
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError};

/// One member, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// As in the archive; a directory's may end in `/`.
    pub(crate) name: Vec<u8>,
    /// `0` file, `1` hard link, `2` symlink, `3` and `4` devices, `5` directory, `6` pipe.
    pub(crate) kind: u8,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) user: Vec<u8>,
    pub(crate) group: Vec<u8>,
    pub(crate) mtime: u64,
    /// Where a link leads.
    pub(crate) target: Vec<u8>,
    /// Major and minor number.
    pub(crate) device: (u64, u64),
    /// What else pax says, such as extended attributes.
    pub(crate) pax: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) data: &'a [u8],
}

/// A whole archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Archive<'a> {
    /// What pax says of all members, such as git's commit.
    pub(crate) global: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) members: Vec<Member<'a>>,
}

/// Reads `bytes` as a whole archive.
pub(crate) fn archive<'a>(bytes: &'a [u8], budget: &mut Budget) -> Result<Archive<'a>, ReadError> {
    let mut fields = Fields::new(Kind::Tar, bytes);
    let mut archive = Archive::default();
    let mut pax: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let (mut long_name, mut long_target) = (None, None);
    loop {
        let header = fields.clone();
        let block = fields.take(BLOCK, "a header")?;
        if block.iter().all(|&byte| byte == 0) {
            break;
        }
        check_sum(&header, block)?;
        let kind = match block[156] {
            0 if block[..100].iter().take_while(|&&b| b != 0).last() == Some(&b'/') => b'5',
            0 | b'7' => b'0',
            other => other,
        };
        let size = match pax.get(b"size".as_slice()) {
            Some(text) if !matches!(kind, b'x' | b'g') => decimal(&header, text)?,
            _ => number(&header, &block[124..136], "a size")?,
        };
        let content = match kind {
            b'1'..=b'6' => &[],
            _ => {
                let size = usize::try_from(size).map_err(|_| header.damaged("a size", size.to_string()))?;
                let data = fields.take(size, "content")?;
                fields.take(super::padding(size as u64), "padding")?;
                data
            }
        };
        match kind {
            b'x' => pax = records(&header, content)?,
            b'g' => {
                if !archive.members.is_empty() || !archive.global.is_empty() {
                    return Err(unsupported("a global pax header stands between members"));
                }
                archive.global = records(&header, content)?;
                if let Some(key) = archive.global.keys().find(|key| key.as_slice() != b"comment") {
                    return Err(unsupported(&format!("a global pax header has `{}`", lossy(key))));
                }
            }
            b'L' => long_name = Some(until_nul(content).to_vec()),
            b'K' => long_target = Some(until_nul(content).to_vec()),
            b'0'..=b'6' => {
                budget.member()?;
                let mut member = member(&header, block, kind, content, std::mem::take(&mut pax))?;
                member.name = long_name.take().unwrap_or(member.name);
                member.target = long_target.take().unwrap_or(member.target);
                check(&header, &member)?;
                archive.members.push(member);
            }
            other => return Err(unsupported(&format!("a member has type {:?}", char::from(other)))),
        }
    }
    if !pax.is_empty() || long_name.is_some() || long_target.is_some() {
        return Err(fields.damaged("a member behind its extended header", "the end"));
    }
    // The second block of zeros, and the rest of a tape's record.
    fields.take(BLOCK, "a second block of zeros")?;
    if fields.rest().iter().any(|&byte| byte != 0) {
        return Err(fields.damaged("zeros behind the end", "something else"));
    }
    through_links(&archive)?;
    Ok(archive)
}

pub(super) fn unsupported(what: &str) -> ReadError {
    ReadError::Unsupported { kind: Kind::Tar, what: what.to_owned() }
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

pub(super) fn check_sum(header: &Fields<'_>, block: &[u8]) -> Result<(), ReadError> {
    let expected = number(header, &block[148..156], "a checksum")?;
    let sum = |add: fn(u8) -> i64| -> i64 {
        block.iter().enumerate().map(|(at, &b)| add(if (148..156).contains(&at) { b' ' } else { b })).sum()
    };
    let (plain, signed) = (sum(i64::from), sum(|byte| i64::from(byte.cast_signed())));
    if [plain, signed].iter().any(|&sum| u64::try_from(sum) == Ok(expected)) {
        return Ok(());
    }
    Err(header.damaged(format!("the checksum {plain:o}"), format!("{expected:o}")))
}

/// Octal digits between spaces and NULs, or GNU's base 256.
pub(super) fn number(header: &Fields<'_>, field: &[u8], what: &str) -> Result<u64, ReadError> {
    let wrong = || header.damaged(format!("{what} in octal"), format!("{:?}", lossy(field)));
    if field[0] & 0x80 != 0 {
        // The number follows, in as many bytes as the field has.
        let (more, number) = field[1..].split_at((field.len() - 1).saturating_sub(8));
        if field[0] != 0x80 || more.iter().any(|&byte| byte != 0) {
            return Err(unsupported(&format!("{what} is negative or has more than 64 bits")));
        }
        return Ok(number.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)));
    }
    let text = field.trim_ascii();
    let text = until_nul(text).trim_ascii();
    if text.is_empty() {
        return Ok(0);
    }
    std::str::from_utf8(text).ok().and_then(|text| u64::from_str_radix(text, 8).ok()).ok_or_else(wrong)
}

pub(super) fn decimal(header: &Fields<'_>, text: &[u8]) -> Result<u64, ReadError> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| header.damaged("a decimal number", format!("{:?}", lossy(text))))
}

/// Pax records: length, space, keyword, `=`, value, newline.
pub(super) fn records(header: &Fields<'_>, mut text: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ReadError> {
    let mut records = BTreeMap::new();
    let wrong =
        |text: &[u8]| header.damaged("a pax record", format!("{:?}", lossy(&text[..text.len().min(40)])));
    while !text.is_empty() {
        let space = text.iter().take(20).position(|&byte| byte == b' ').ok_or_else(|| wrong(text))?;
        let length = usize::try_from(decimal(header, &text[..space])?).map_err(|_| wrong(text))?;
        let record = text.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.ok_or_else(|| wrong(text))?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(|| wrong(text))?;
        if record.starts_with(b"GNU.sparse.") {
            return Err(unsupported("a sparse file"));
        }
        if records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec()).is_some() {
            return Err(header.damaged("each pax keyword once", lossy(&record[..equals])));
        }
        text = &text[length..];
    }
    Ok(records)
}

pub(super) fn member<'a>(
    header: &Fields<'_>,
    block: &[u8],
    kind: u8,
    data: &'a [u8],
    mut pax: BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Member<'a>, ReadError> {
    let ustar = block[257..263] == *b"ustar\0";
    let mut name = until_nul(&block[..100]).to_vec();
    let prefix = until_nul(&block[345..500]);
    if ustar && !prefix.is_empty() {
        name = [prefix, b"/", &name].concat();
    }
    let mut text = |key: &[u8], field: &[u8]| pax.remove(key).unwrap_or_else(|| until_nul(field).to_vec());
    let name = text(b"path", &name);
    let target = text(b"linkpath", &block[157..257]);
    let user = text(b"uname", if block[257..262] == *b"ustar" { &block[265..297] } else { &[] });
    let group = text(b"gname", if block[257..262] == *b"ustar" { &block[297..329] } else { &[] });
    let mut wide = |key: &[u8], field: &[u8], what: &str| match pax.remove(key) {
        Some(text) => decimal(header, &text),
        None => number(header, field, what),
    };
    let uid = wide(b"uid", &block[108..116], "an owner")?;
    let gid = wide(b"gid", &block[116..124], "a group")?;
    pax.remove(b"size".as_slice());
    let mtime = match pax.remove(b"mtime".as_slice()) {
        Some(text) if text.starts_with(b"-") => return Err(unsupported("a time before 1970")),
        Some(text) => decimal(header, text.split(|&b| b == b'.').next().unwrap_or_default())?,
        None => number(header, &block[136..148], "a time")?,
    };
    let device = if matches!(kind, b'3' | b'4') {
        (number(header, &block[329..337], "a device")?, number(header, &block[337..345], "a device")?)
    } else {
        (0, 0)
    };
    let mode = number(header, &block[100..108], "a mode")? & 0o7777;
    Ok(Member { name, kind, mode, uid, gid, user, group, mtime, target, device, pax, data })
}

/// Refuses what would be written elsewhere than below the place where the archive is unpacked.
fn check(header: &Fields<'_>, member: &Member<'_>) -> Result<(), ReadError> {
    if member.name.is_empty() || member.name.contains(&0) {
        return Err(header.damaged("a name", format!("{:?}", lossy(&member.name))));
    }
    let hostile = |what| Err(ReadError::Hostile { kind: Kind::Tar, member: lossy(&member.name), what });
    if super::super::escapes(&member.name) {
        return hostile("leads out of the archive");
    }
    if member.kind == b'1' && super::super::escapes(&member.target) {
        return hostile("is a hard link to something outside");
    }
    Ok(())
}

/// Refuses members below a symlink of the archive: they would be written where it leads.
fn through_links(archive: &Archive<'_>) -> Result<(), ReadError> {
    let links: std::collections::BTreeSet<Vec<&[u8]>> =
        archive.members.iter().filter(|m| m.kind == b'2').map(|m| key(&m.name)).collect();
    if links.is_empty() {
        return Ok(());
    }
    for member in &archive.members {
        let parts = key(&member.name);
        if (1..parts.len()).any(|count| links.contains(&parts[..count])) {
            let member = lossy(&member.name);
            return Err(ReadError::Hostile { kind: Kind::Tar, member, what: "lies behind a symbolic link" });
        }
    }
    Ok(())
}

/// A name's components: what members are sorted and compared by.
pub(crate) fn key(name: &[u8]) -> Vec<&[u8]> {
    name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect()
}

/// Every member with all that is said of it.
pub(in super::super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let archive = archive(source.bytes, source.budget)?;
    let mut attributes = Vec::new();
    for (keyword, value) in &archive.global {
        attributes.push(attribute("pax", format!("{}={}", lossy(keyword), lossy(value))));
    }
    let parts = archive.members.into_iter().map(|member| {
        let mut attributes = vec![
            attribute("type", char::from(member.kind)),
            attribute("mode", format!("{:04o}", member.mode)),
            attribute("uid", member.uid),
            attribute("gid", member.gid),
            attribute("user", lossy(&member.user)),
            attribute("group", lossy(&member.group)),
            attribute("mtime", moment(member.mtime)),
        ];
        if matches!(member.kind, b'3' | b'4') {
            attributes.push(attribute("device", format!("{}:{}", member.device.0, member.device.1)));
        }
        for (keyword, value) in &member.pax {
            attributes.push(attribute("pax", format!("{}={}", lossy(keyword), lossy(value))));
        }
        let body = match member.kind {
            b'0' => Body::Bytes(member.data.into()),
            b'1' | b'2' => Body::Link(lossy(&member.target)),
            _ => Body::Nothing,
        };
        Part { name: lossy(&member.name), attributes, body }
    });
    Ok((attributes, parts.collect()))
}
