//! PNG: the chunk of the time, and texts about it. Chunks stay where they are and as long as they are.

use model::Timestamp;
use model::recipe::Rule;

use crate::fields::{Fields, lossy};
use crate::normal::{File, Made, Work};
use crate::reading::{Found, Part, Source, attribute};
use crate::{Body, Kind, ReadError, dates, deflate};

const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A chunk: where it begins, its type, its content.
type Chunk<'a> = (usize, &'a [u8], &'a [u8]);

fn chunks(bytes: &[u8]) -> Result<Vec<Chunk<'_>>, ReadError> {
    let mut fields = Fields::new(Kind::Png, bytes);
    fields.expect(MAGIC, "the magic of PNG")?;
    let mut chunks = Vec::new();
    loop {
        let at = fields.at();
        let length = fields.u32_be("a length")?;
        let kind = fields.take(4, "a chunk's type")?;
        let length = usize::try_from(length).map_err(|_| fields.damaged("a length", length.to_string()))?;
        let content = fields.take(length, "a chunk")?;
        let crc = fields.u32_be("a CRC")?;
        let found = deflate::crc32(&bytes[at + 4..at + 8 + length]);
        if found != crc {
            return Err(fields
                .from(at)
                .damaged(format!("a chunk with CRC {crc:08x}"), format!("{found:08x}")));
        }
        chunks.push((at, kind, content));
        if kind == b"IEND" {
            // What follows belongs to no picture; readers ignore it, and so it stays.
            return Ok(chunks);
        }
    }
}

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let chunks = chunks(file.bytes)?;
    if !work.allows(Rule::Timestamp) {
        return Ok(None);
    }
    let mut new = file.bytes.to_vec();
    for (at, kind, content) in chunks {
        let instead = match kind {
            b"tIME" => time(content, work.epoch),
            b"tEXt" => text(content, work.epoch),
            _ => None,
        };
        let Some(instead) = instead else { continue };
        let show = |content: &[u8]| {
            if kind == b"tIME" { time_text(content) } else { lossy(content).replace('\0', " ") }
        };
        work.changed(&lossy(kind), Rule::Timestamp, show(content), show(&instead));
        let (start, end) = (at + 8, at + 8 + content.len());
        new[start..end].copy_from_slice(&instead);
        let crc = deflate::crc32(&new[at + 4..end]);
        new[end..end + 4].copy_from_slice(&crc.to_be_bytes());
    }
    Ok(Some(new))
}

fn time_text(content: &[u8]) -> String {
    match content {
        [high, low, month, day, hour, minute, second] => {
            let year = u16::from_be_bytes([*high, *low]);
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        }
        _ => format!("{} bytes", content.len()),
    }
}

/// Year in two bytes, then month, day, hour, minute, second.
fn time(content: &[u8], epoch: u64) -> Option<Vec<u8>> {
    dates::iso(&time_text(content), epoch)?;
    let (year, month, day, hour, minute, second) = Timestamp(i64::try_from(epoch).ok()?).civil();
    let year = u16::try_from(year).ok()?.to_be_bytes();
    Some(vec![year[0], year[1], month, day, hour, minute, second])
}

/// `date:create`, `date:modify` and `date:timestamp`, as ImageMagick writes them, and the standard's `Creation Time`.
fn text(content: &[u8], epoch: u64) -> Option<Vec<u8>> {
    let nul = content.iter().position(|&byte| byte == 0)?;
    let (keyword, value) = (&content[..nul], std::str::from_utf8(&content[nul + 1..]).ok()?);
    if !keyword.starts_with(b"date:") && keyword != b"Creation Time" {
        return None;
    }
    let new = dates::iso(value, epoch)?;
    Some([keyword, b"\0", new.as_bytes()].concat())
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let chunks = chunks(source.bytes)?;
    let mut parts = Vec::new();
    for (_, kind, content) in chunks {
        source.budget.member()?;
        let attributes =
            if kind == b"tIME" { vec![attribute("mtime", time_text(content))] } else { Vec::new() };
        parts.push(Part { name: lossy(kind), attributes, body: Body::Bytes(content.into()) });
    }
    Ok((Vec::new(), parts))
}
