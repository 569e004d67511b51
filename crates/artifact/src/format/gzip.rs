//! gzip: independent members of 1 MiB each, and the time in the headers of other people's.
//!
//! One member for each block makes the bytes independent of write sizes and threads by construction, and lets
//! both packing and reading use all cores; it costs about 0.3 % of size. RFC 1952 asks every reader to take
//! several members for one stream.

use std::io::{BufRead, Read, Write};
use std::num::NonZeroUsize;

use super::stream::Codec;
use super::{Packing, tar};
use crate::deflate::{self, Deflater};
use crate::fields::lossy;
use crate::normal::{File, Made, Work, moment};
use crate::reading::{Found, Source, attribute};
use crate::{Kind, PackError, ReadError, pipeline};

pub(super) const VERSION: &str = "libdeflate 1.26.1 level 6, members of 1 MiB";

/// ID, deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    stream(packing.workers, out, |sink| tar::write(packing, sink))
}

/// Compresses what `body` writes.
pub(super) fn stream(
    workers: NonZeroUsize,
    out: &mut dyn Write,
    body: impl FnOnce(&mut dyn Write) -> Result<(), PackError>,
) -> Result<(), PackError> {
    pipeline::in_blocks(
        workers,
        deflate::BLOCK,
        Deflater::default,
        |deflater, block| member(deflater, &block),
        out,
        body,
    )
}

fn member(deflater: &mut Deflater, block: &[u8]) -> Vec<u8> {
    let mut member = HEADER.to_vec();
    deflater.last(block, &mut member);
    member.extend(deflate::crc32(block).to_le_bytes());
    let size = u32::try_from(block.len()).expect("a block is 1 MiB at most");
    member.extend(size.to_le_bytes());
    member
}

pub(super) const CODEC: Codec = Codec {
    kind: Kind::Gzip,
    endings: &[(".tgz", ".tar"), (".svgz", ".svg"), (".gz", "")],
    open,
    press,
    encoder: VERSION,
};

fn open<'a>(from: &'a mut dyn BufRead) -> Box<dyn Read + 'a> {
    Box::new(flate2::bufread::MultiGzDecoder::new(from))
}

fn press(plain: &[u8]) -> Vec<u8> {
    let mut deflater = Deflater::default();
    if plain.is_empty() {
        return member(&mut deflater, plain);
    }
    plain.chunks(deflate::BLOCK).flat_map(|block| member(&mut deflater, block)).collect()
}

/// Offset of the time in a member's header (RFC 1952, 2.3).
const MTIME: usize = 4;

/// Anew if what is in it is normalised, else the time of each member alone.
pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    if let Some(new) = CODEC.renew(work, file)? {
        return Ok(Some(new));
    }
    let mut new = file.bytes.to_vec();
    for at in members(work, file)? {
        let field = &mut new[at + MTIME..at + MTIME + 4];
        let time = u32::from_le_bytes(field.try_into().expect("four bytes"));
        let time = u32::try_from(work.time("", u64::from(time))).expect("the epoch has 32 bits at most");
        field.copy_from_slice(&time.to_le_bytes());
    }
    Ok(Some(new))
}

/// Where members begin. Everything is unpacked for it, as nothing else tells where a member ends.
fn members(work: &mut Work<'_>, file: &File<'_>) -> Result<Vec<usize>, ReadError> {
    let mut offsets = Vec::new();
    let mut rest = file.bytes;
    while !rest.is_empty() {
        let at = file.bytes.len() - rest.len();
        let damaged = |expected: &str, found: String| ReadError::Damaged {
            kind: Kind::Gzip,
            at: at as u64,
            expected: expected.into(),
            found,
        };
        if !rest.starts_with(&[0x1f, 0x8b]) {
            return Err(damaged("a gzip member", format!("{} other bytes", rest.len())));
        }
        let limit = work.budget.left().saturating_add(1);
        let mut decoder = flate2::bufread::GzDecoder::new(&mut rest).take(limit);
        let count = std::io::copy(&mut decoder, &mut std::io::sink())
            .map_err(|error| damaged("a whole gzip member", error.to_string()))?;
        work.budget.spend(count)?;
        offsets.push(at);
    }
    Ok(offsets)
}

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    let (mut attributes, parts) = CODEC.parts(source)?;
    let decoder = flate2::bufread::GzDecoder::new(source.bytes);
    let header = decoder.header();
    if let Some(header) = header {
        attributes.push(attribute("mtime", moment(u64::from(header.mtime()))));
        attributes.push(attribute("system", header.operating_system()));
        attributes.extend(header.filename().map(|name| attribute("name", lossy(name))));
        attributes.extend(header.comment().map(|text| attribute("comment", lossy(text))));
    }
    attributes.extend(source.bytes.get(8).map(|hint| attribute("hint", hint)));
    Ok((attributes, parts))
}
