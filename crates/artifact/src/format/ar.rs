//! ar: static libraries, whose members stay where they are, since linkers look at them in order and by offset.
//!
//! A library's bytes are changed in place: times, owners and modes stand in headers of a fixed size. What is in a
//! member is an object file, of which nothing is normalised.

use model::recipe::Rule;

use crate::budget::Budget;
use crate::fields::{Fields, lossy};
use crate::normal::{File, Made, Work, moment};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError};

pub(super) const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// One member, as found.
pub(super) struct Member<'a> {
    /// Where its header is.
    pub(super) at: usize,
    /// Its whole name, or `/`, `//` and the like for tables.
    pub(super) name: String,
    pub(super) mtime: u64,
    uid: u64,
    gid: u64,
    mode: u64,
    pub(super) data: &'a [u8],
}

/// Reads a whole archive.
pub(super) fn members<'a>(
    kind: Kind,
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Result<Vec<Member<'a>>, ReadError> {
    let mut fields = Fields::new(kind, bytes);
    fields.expect(MAGIC, "the magic of ar")?;
    let mut members: Vec<Member<'a>> = Vec::new();
    let mut names: &[u8] = &[];
    while !fields.is_at_end() {
        let header = fields.clone();
        let at = fields.at();
        let block = fields.take(HEADER, "a header")?;
        if &block[58..] != b"`\n" {
            return Err(header.damaged("a header that ends in a grave accent", format!("{:?}", lossy(block))));
        }
        let number = |range: std::ops::Range<usize>, radix, what: &str| {
            let text = std::str::from_utf8(&block[range]).unwrap_or("?").trim();
            if text.is_empty() { Ok(0) } else { u64::from_str_radix(text, radix) }
                .map_err(|_| header.damaged(what, format!("`{text}`")))
        };
        let size = number(48..58, 10, "a size")?;
        let size = usize::try_from(size).map_err(|_| header.damaged("a size", size.to_string()))?;
        let mut data = fields.take(size, "content")?;
        if size % 2 == 1 && !fields.is_at_end() {
            fields.expect(b"\n", "a newline as padding")?;
        }
        budget.member()?;
        let short = lossy(block[..16].trim_ascii_end());
        let name = if short == "//" || short == "/" || short == "/SYM64/" {
            if short == "//" {
                names = data;
            }
            short
        } else if let Some(offset) = short.strip_prefix('/') {
            let rest = offset.parse().ok().and_then(|offset: usize| names.get(offset..));
            let name = rest.and_then(|rest| rest.split(|&b| b == b'\n' || b == 0).next());
            let name = name.ok_or_else(|| header.damaged("a name in the table of names", short.clone()))?;
            lossy(name.strip_suffix(b"/").unwrap_or(name))
        } else if let Some(length) = short.strip_prefix("#1/") {
            let length: usize = length.parse().map_err(|_| header.damaged("a length of a name", &*short))?;
            let name = data.get(..length).ok_or_else(|| header.damaged("a name", "the end"))?;
            data = &data[length..];
            lossy(name.split(|&b| b == 0).next().unwrap_or_default())
        } else {
            short.strip_suffix('/').unwrap_or(&short).to_owned()
        };
        members.push(Member {
            at,
            name,
            mtime: number(16..28, 10, "a time")?,
            uid: number(28..34, 10, "an owner")?,
            gid: number(34..40, 10, "a group")?,
            mode: number(40..48, 8, "a mode")?,
            data,
        });
    }
    Ok(members)
}

/// Writes a number into its field, left-aligned, as ar does.
fn put(field: &mut [u8], text: &str) {
    field.fill(b' ');
    field[..text.len()].copy_from_slice(text.as_bytes());
}

/// The header of `member`, with what the rules leave of it; `size` is that of all that follows.
pub(super) fn header(work: &mut Work<'_>, member: &Member<'_>, old: &[u8], size: usize) -> Vec<u8> {
    let mut header = old.to_vec();
    let time = work.time(&member.name, member.mtime);
    if time != member.mtime {
        put(&mut header[16..28], &time.to_string());
    }
    if (member.uid, member.gid) != (0, 0) && work.allows(Rule::UserGroup) {
        let before = format!("{}:{}", member.uid, member.gid);
        work.changed(&member.name, Rule::UserGroup, before, "0:0");
        put(&mut header[28..34], "0");
        put(&mut header[34..40], "0");
    }
    // Linkers read members whatever their mode; tables have none.
    let mode = member.mode & 0o7777;
    let git = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
    if member.mode != 0 && mode != git && work.allows(Rule::UmaskMode) {
        work.changed(&member.name, Rule::UmaskMode, format!("{mode:04o}"), format!("{git:04o}"));
        put(&mut header[40..48], &format!("{:o}", member.mode & !0o7777 | git));
    }
    put(&mut header[48..58], &size.to_string());
    header
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let members = members(file.kind, file.bytes, &mut work.budget)?;
    let mut new = file.bytes.to_vec();
    for member in &members {
        let old = &file.bytes[member.at..member.at + HEADER];
        let size = lossy(old[48..58].trim_ascii()).parse().unwrap_or(member.data.len());
        let header = header(work, member, old, size);
        new[member.at..member.at + HEADER].copy_from_slice(&header);
    }
    Ok(Some(new))
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let members = members(source.kind, source.bytes, source.budget)?;
    let parts = members.into_iter().map(|member| Part {
        name: member.name,
        attributes: vec![
            attribute("mode", format!("{:o}", member.mode)),
            attribute("uid", member.uid),
            attribute("gid", member.gid),
            attribute("mtime", moment(member.mtime)),
        ],
        body: Body::Bytes(member.data.into()),
    });
    Ok((Vec::new(), parts.collect()))
}
