//! Reads tar as it comes, member by member, for who looks through archives that do not fit into memory.
//!
//! Less strict than [`super::read`]: nothing is unpacked or written anew, so what readers could see differently does no
//! harm. What cannot be read ends the archive, and the caller looks at the rest as it is.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::BLOCK;
use super::read::{Member, check_sum, decimal, member, number, records, unsupported, until_nul};
use crate::fields::Fields;
use crate::{Kind, ReadError};

/// Nobody's name or set of pax records is longer.
const EXTENDED: u64 = 1 << 20;

/// Why an archive ended before its end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// What it comes from failed.
    Input(io::Error),
    /// It is damaged, or of a variety that is not handled.
    Archive(ReadError),
}

/// Hands each member to `each`, with its length and its content. The member's own `data` is empty. What `each` leaves is passed over.
pub(crate) fn stream(
    input: &mut dyn Read,
    each: &mut dyn FnMut(&Member<'_>, u64, &mut dyn Read) -> io::Result<()>,
) -> Result<(), Broken> {
    let mut at = 0;
    let mut pax: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let (mut long_name, mut long_target) = (None, None);
    loop {
        let here = |error| Broken::Archive(placed(error, at));
        let mut block = [0; BLOCK];
        let got = fill(input, &mut block).map_err(Broken::Input)?;
        if got == 0 || block.iter().all(|&byte| byte == 0) {
            // Also without the two blocks of zeros that belong there.
            return Ok(());
        }
        let header = Fields::new(Kind::Tar, &block[..got]);
        header.clone().take(BLOCK, "a header").map_err(here)?;
        check_sum(&header, &block).map_err(here)?;
        let kind = match block[156] {
            0 if until_nul(&block[..100]).ends_with(b"/") => b'5',
            0 | b'7' => b'0',
            other => other,
        };
        let size = match pax.get(b"size".as_slice()) {
            Some(text) if !matches!(kind, b'x' | b'g') => decimal(&header, text),
            _ => number(&header, &block[124..136], "a size"),
        };
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { size.map_err(here)? };
        match kind {
            b'x' | b'g' | b'L' | b'K' => {
                let mut content = Vec::new();
                if size > EXTENDED {
                    return Err(here(unsupported(&format!("an extended header of {size} bytes"))));
                }
                Read::take(&mut *input, size).read_to_end(&mut content).map_err(Broken::Input)?;
                match kind {
                    b'x' => pax = records(&header, &content).map_err(here)?,
                    b'L' => long_name = Some(until_nul(&content).to_vec()),
                    b'K' => long_target = Some(until_nul(&content).to_vec()),
                    _ => {}
                }
            }
            b'0'..=b'6' => {
                let mut member =
                    member(&header, &block, kind, &[], std::mem::take(&mut pax)).map_err(here)?;
                member.name = long_name.take().unwrap_or(member.name);
                member.target = long_target.take().unwrap_or(member.target);
                let mut content = Read::take(&mut *input, size);
                each(&member, size, &mut content).map_err(Broken::Input)?;
                io::copy(&mut content, &mut io::sink()).map_err(Broken::Input)?;
                if content.limit() > 0 {
                    let fields = Fields::new(Kind::Tar, &[]);
                    let missing = format!("{} bytes less", content.limit());
                    return Err(here(fields.damaged(format!("content of {size} bytes"), missing)));
                }
            }
            other => return Err(here(unsupported(&format!("a member has type {:?}", char::from(other))))),
        }
        let padding = super::padding(size) as u64;
        io::copy(&mut Read::take(&mut *input, padding), &mut io::sink()).map_err(Broken::Input)?;
        at += BLOCK as u64 + size + padding;
    }
}

/// Reads until `buffer` is full or there is no more; gives how much came.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// The error of a header that stands at `place`.
fn placed(error: ReadError, place: u64) -> ReadError {
    match error {
        ReadError::Damaged { kind, at, expected, found } => {
            ReadError::Damaged { kind, at: place.saturating_add(at), expected, found }
        }
        other => other,
    }
}
