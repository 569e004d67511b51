//! zip (APPNOTE 6.3.10), with nothing that is optional: no extra field but zip64's and only where it is needed,
//! no data descriptors, no comments.
//!
//! A file's sizes stand before its data, so its data must be known first. Files up to [`KEEP`] are held in
//! memory, several at a time, so that all cores work on small files too; a larger one is compressed twice, once to
//! learn its size. Either way gives the same bytes.
//!
//! Read by hand, because an archive whose two directories disagree must be refused, not understood.

mod normal;
mod read;

use std::collections::VecDeque;
use std::io::Write;

use model::{Digest, Timestamp};

use super::Packing;
use crate::deflate::{self, Deflater};
use crate::listing::{Entry, Kind};
use crate::pipeline::{self, Pipeline};
use crate::{PackError, member};

pub(super) use normal::normalise;
pub(super) use read::{Entry as Found, read};

pub(super) const VERSION: &str = "libdeflate 1.26.1 level 6, blocks of 1 MiB in one stream";

/// The largest file that is held in memory, and about how many bytes of files are held at once.
const KEEP: u64 = 32 << 20;
/// The largest number of entries that are held, for there are trees of nothing but tiny files.
const ENTRIES: usize = 4096;

/// Fields of 16 and 32 bits that are full send the reader to zip64.
const FULL16: u64 = 0xffff;
const FULL32: u64 = 0xffff_ffff;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const UTF8: u16 = 1 << 11;
/// "Made by" Unix: the upper 16 bits of the external attributes are `st_mode`.
const UNIX: u16 = 3 << 8;

/// A piece of a file, and whether it is the file's last.
struct Piece(Vec<u8>, bool);

/// A piece as it was and as it is compressed.
struct Pressed {
    plain: Vec<u8>,
    deflated: Vec<u8>,
}

type Press<'a> = Pipeline<'a, Piece, Pressed>;

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    write_keeping(KEEP, packing, out)
}

/// [`write`] with another bound than [`KEEP`], for which the bytes are the same.
fn write_keeping(keep: u64, packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    let press = |deflater: &mut Deflater, Piece(plain, last): Piece| {
        let mut deflated = Vec::new();
        if last {
            deflater.last(&plain, &mut deflated);
        } else {
            deflater.inner(&plain, &mut deflated);
        }
        deflated.shrink_to_fit(); // many are held at once
        Pressed { plain, deflated }
    };
    pipeline::with_workers(packing.workers, Deflater::default, press, |press| {
        let out = std::io::BufWriter::with_capacity(256 * 1024, out);
        Archive { out, keep, offset: 0, central: Vec::new(), count: 0, dos: dos(packing.mtime) }
            .write(packing, press)
    })
}

struct Archive<W: Write> {
    out: W,
    keep: u64,
    offset: u64,
    central: Vec<u8>,
    count: u64,
    dos: u32,
}

/// An entry whose pieces are on their way through the press.
struct Pending<'a> {
    entry: &'a Entry<'a>,
    crc: u32,
    size: u64,
}

impl<W: Write> Archive<W> {
    fn write<'a>(mut self, packing: &'a Packing<'a>, press: &mut Press<'_>) -> Result<(), PackError> {
        let mut pending: VecDeque<Pending<'a>> = VecDeque::new();
        let mut held = 0;
        for entry in packing.entries {
            let mut crc = libdeflater::Crc::new();
            let mut size = 0;
            match entry.kind {
                Kind::Directory => {}
                Kind::Symlink(target) => {
                    crc.update(target.as_bytes());
                    size = target.len() as u64;
                }
                Kind::File { digest, .. } if digest.size > self.keep => {
                    while let Some(oldest) = pending.pop_front() {
                        self.held(&oldest, press)?;
                    }
                    held = 0;
                    self.large(packing, entry, digest, press)?;
                    continue;
                }
                Kind::File { digest, .. } => {
                    pieces(packing, entry, digest, |piece| {
                        crc.update(&piece.0);
                        press.submit(piece);
                        Ok(())
                    })?;
                    size = digest.size;
                }
            }
            held += size;
            pending.push_back(Pending { entry, crc: crc.sum(), size });
            while held > self.keep || pending.len() > ENTRIES {
                let Some(oldest) = pending.pop_front() else { break };
                held -= oldest.size;
                self.held(&oldest, press)?;
            }
        }
        while let Some(oldest) = pending.pop_front() {
            self.held(&oldest, press)?;
        }
        self.end()
    }

    /// Writes an entry whose pieces are the oldest in the press.
    fn held(
        &mut self,
        Pending { entry, crc, size }: &Pending<'_>,
        press: &mut Press<'_>,
    ) -> Result<(), PackError> {
        if let Kind::Symlink(target) = entry.kind {
            self.header(entry, STORED, *crc, *size, *size)?;
            return self.put(target.as_bytes());
        }
        let pieces: Vec<Pressed> =
            (0..size.div_ceil(deflate::BLOCK as u64)).filter_map(|_| press.next()).collect();
        let packed = pieces.iter().map(|piece| piece.deflated.len() as u64).sum();
        let (method, packed) = choose(*size, packed);
        self.header(entry, method, *crc, packed, *size)?;
        for piece in &pieces {
            self.put(if method == STORED { &piece.plain } else { &piece.deflated })?;
        }
        Ok(())
    }

    /// Writes a file that is too large to be held: reads it once for its sizes and once for its bytes.
    fn large(
        &mut self,
        packing: &Packing<'_>,
        entry: &Entry<'_>,
        digest: &Digest,
        press: &mut Press<'_>,
    ) -> Result<(), PackError> {
        let limit = packing.workers.get() * 2;
        let mut crc = libdeflater::Crc::new();
        let mut packed = 0;
        let mut count = |press: &mut Press<'_>, left| {
            while press.len() > left {
                packed += press.next().map_or(0, |piece| piece.deflated.len() as u64);
            }
        };
        pieces(packing, entry, digest, |piece| {
            crc.update(&piece.0);
            press.submit(piece);
            count(press, limit);
            Ok(())
        })?;
        count(press, 0);
        let (method, packed) = choose(digest.size, packed);
        self.header(entry, method, crc.sum(), packed, digest.size)?;
        pieces(packing, entry, digest, |piece| {
            if method == STORED {
                return self.put(&piece.0);
            }
            press.submit(piece);
            self.drain(press, limit)
        })?;
        self.drain(press, 0)
    }

    fn drain(&mut self, press: &mut Press<'_>, left: usize) -> Result<(), PackError> {
        while press.len() > left {
            if let Some(piece) = press.next() {
                self.put(&piece.deflated)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.offset += bytes.len() as u64;
        self.out.write_all(bytes).map_err(PackError::Write)
    }

    /// Writes the local header and remembers the central one.
    fn header(
        &mut self,
        entry: &Entry<'_>,
        method: u16,
        crc: u32,
        packed: u64,
        size: u64,
    ) -> Result<(), PackError> {
        let (local, central) = headers(entry, method, self.dos, crc, packed, size, self.offset);
        self.central.extend(central);
        self.count += 1;
        self.put(&local)
    }

    fn end(mut self) -> Result<(), PackError> {
        let central = std::mem::take(&mut self.central);
        let (start, length) = (self.offset, central.len() as u64);
        self.put(&central)?;
        let end = end(self.count, start, length, self.offset);
        self.put(&end)?;
        self.out.flush().map_err(PackError::Write)
    }
}

/// Reads a file in blocks that say whether they are the last.
fn pieces(
    packing: &Packing<'_>,
    entry: &Entry<'_>,
    digest: &Digest,
    mut sink: impl FnMut(Piece) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut left = digest.size;
    member::blocks(packing.contents, &entry.path, digest, deflate::BLOCK, |piece| {
        left -= piece.len() as u64;
        sink(Piece(piece, left == 0))
    })
}

/// Deflated only where that is smaller.
fn choose(size: u64, packed: u64) -> (u16, u64) {
    if packed < size { (DEFLATED, packed) } else { (STORED, size) }
}

/// Local and central header of one entry.
fn headers(
    entry: &Entry<'_>,
    method: u16,
    dos: u32,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
) -> (Vec<u8>, Vec<u8>) {
    let name = entry.name();
    let name_length = narrow16(name.len() as u64);
    let flags = if name.is_ascii() { 0 } else { UTF8 };
    let (kind, dos_attributes) = match entry.kind {
        Kind::File { .. } => (0o100_000, 0),
        Kind::Directory => (0o040_000, 0x10),
        Kind::Symlink(_) => (0o120_000, 0),
    };
    let attributes = (kind | entry.mode()) << 16 | dos_attributes;

    // The local header's zip64 field must hold both sizes, the central one only what is full, in this order.
    let big = packed >= FULL32 || size >= FULL32;
    let wide: Vec<u64> = [size, packed, offset].into_iter().filter(|&n| n >= FULL32).collect();
    let (local_extra, local_packed, local_size) =
        if big { (zip64(&[size, packed]), FULL32, FULL32) } else { (Vec::new(), packed, size) };
    let central_extra = if wide.is_empty() { Vec::new() } else { zip64(&wide) };

    let fields = |version: u16, packed: u64, size: u64, extra: &[u8]| {
        let mut out = Vec::with_capacity(26 + 20 + name.len() + extra.len());
        out.extend(version.to_le_bytes());
        out.extend(flags.to_le_bytes());
        out.extend(method.to_le_bytes());
        out.extend(dos.to_le_bytes()); // time, then date
        out.extend(crc.to_le_bytes());
        out.extend(narrow32(packed).to_le_bytes());
        out.extend(narrow32(size).to_le_bytes());
        out.extend(name_length.to_le_bytes());
        out.extend(narrow16(extra.len() as u64).to_le_bytes());
        out
    };
    let mut local = b"PK\x03\x04".to_vec();
    local.extend(fields(version(big), local_packed, local_size, &local_extra));
    local.extend(name.as_bytes());
    local.extend(local_extra);

    let needed = version(!wide.is_empty());
    let mut central = b"PK\x01\x02".to_vec();
    central.extend((UNIX | needed).to_le_bytes());
    central.extend(fields(needed, packed, size, &central_extra));
    central.extend([0; 2]); // comment length
    central.extend([0; 2]); // disk
    central.extend([0; 2]); // internal attributes
    central.extend(attributes.to_le_bytes());
    central.extend(narrow32(offset).to_le_bytes());
    central.extend(name.as_bytes());
    central.extend(central_extra);
    (local, central)
}

/// The end of the archive, that of zip64 before it where a field is full. `here` is where it is written.
fn end(count: u64, start: u64, length: u64, here: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if count >= FULL16 || start >= FULL32 || length >= FULL32 {
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes()); // how much of this record follows
        out.extend((UNIX | version(true)).to_le_bytes());
        out.extend(version(true).to_le_bytes());
        out.extend([0; 8]); // this disk, and the central directory's
        for number in [count, count, length, start] {
            out.extend(number.to_le_bytes());
        }
        out.extend(b"PK\x06\x07");
        out.extend([0; 4]); // disk
        out.extend(here.to_le_bytes());
        out.extend(1u32.to_le_bytes()); // disks
    }
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]); // this disk, and the central directory's
    out.extend(narrow16(count).to_le_bytes());
    out.extend(narrow16(count).to_le_bytes());
    out.extend(narrow32(length).to_le_bytes());
    out.extend(narrow32(start).to_le_bytes());
    out.extend([0; 2]); // comment length
    out
}

/// An entry of another archive, with the data that it has here.
struct Copied<'a> {
    entry: &'a read::Entry<'a>,
    data: &'a [u8],
}

/// An archive of entries that were read: as packed archives are, with what each entry says of itself.
fn write_copied<'a>(
    before: &[u8],
    entries: impl Iterator<Item = Copied<'a>>,
    comment: &[u8],
    from_first: bool,
) -> Vec<u8> {
    let mut out = before.to_vec();
    let base = if from_first { before.len() as u64 } else { 0 };
    let mut central = Vec::new();
    let mut count = 0;
    for Copied { entry, data } in entries {
        let offset = out.len() as u64 - base;
        let packed = data.len() as u64;
        let big = packed >= FULL32 || entry.size >= FULL32;
        let wide: Vec<u64> = [entry.size, packed, offset].into_iter().filter(|&n| n >= FULL32).collect();
        let fields = |sizes: [u64; 2], zip64: Vec<u8>, own: &[(u16, &[u8])], needed: u16| {
            let mut extra = zip64;
            for (id, content) in own {
                extra.extend(id.to_le_bytes());
                extra.extend(narrow16(content.len() as u64).to_le_bytes());
                extra.extend(*content);
            }
            let mut out = Vec::with_capacity(26);
            out.extend(needed.to_le_bytes());
            out.extend((entry.flags & !8).to_le_bytes()); // sizes stand before the data
            out.extend(entry.method.to_le_bytes());
            out.extend(entry.dos.to_le_bytes());
            out.extend(entry.crc.to_le_bytes());
            out.extend(sizes.iter().flat_map(|&size| narrow32(size).to_le_bytes()));
            out.extend(narrow16(entry.name.len() as u64).to_le_bytes());
            out.extend(narrow16(extra.len() as u64).to_le_bytes());
            (out, extra)
        };
        let needed = if big || !wide.is_empty() { entry.needed.max(45) } else { entry.needed };
        let sizes = if big { [FULL32; 2] } else { [packed, entry.size] };
        let local64 = if big { zip64(&[entry.size, packed]) } else { Vec::new() };
        let (local, extra) = fields(sizes, local64, &entry.local_extra, needed);
        out.extend(b"PK\x03\x04");
        out.extend(local);
        out.extend(entry.name);
        out.extend(extra);
        out.extend(data);

        let central64 = if wide.is_empty() { Vec::new() } else { zip64(&wide) };
        let (header, extra) = fields([packed, entry.size], central64, &entry.extra, needed);
        central.extend(b"PK\x01\x02");
        central.extend(entry.made_by.to_le_bytes());
        central.extend(header);
        central.extend(narrow16(entry.comment.len() as u64).to_le_bytes());
        central.extend([0; 2]); // disk
        central.extend(entry.internal.to_le_bytes());
        central.extend(entry.external.to_le_bytes());
        central.extend(narrow32(offset).to_le_bytes());
        central.extend(entry.name);
        central.extend(extra);
        central.extend(entry.comment);
        count += 1;
    }
    let (start, length) = (out.len() as u64 - base, central.len() as u64);
    out.extend(central);
    let here = out.len() as u64 - base;
    out.extend(end(count, start, length, here));
    let at = out.len() - 2;
    out[at..].copy_from_slice(&narrow16(comment.len() as u64).to_le_bytes());
    out.extend(comment);
    out
}

/// The version needed to read: 4.5 for zip64, else 2.0.
fn version(zip64: bool) -> u16 {
    if zip64 { 45 } else { 20 }
}

fn zip64(numbers: &[u64]) -> Vec<u8> {
    let mut extra = 1u16.to_le_bytes().to_vec();
    extra.extend(narrow16(numbers.len() as u64 * 8).to_le_bytes());
    extra.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    extra
}

fn narrow16(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn narrow32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// MS-DOS time (low half) and date (high half) in UTC, in steps of two seconds rounded down, from 1980 to 2107.
fn dos(mtime: u64) -> u32 {
    const FIRST: i64 = 315_532_800; // 1980-01-01T00:00:00Z
    const LAST: i64 = 4_354_819_198; // 2107-12-31T23:59:58Z
    let seconds = i64::try_from(mtime).unwrap_or(LAST).clamp(FIRST, LAST);
    let (year, month, day, hour, minute, second) = Timestamp(seconds).civil();
    let year = u32::try_from(year - 1980).expect("clamped to 1980 to 2107");
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(u32::from);
    (year << 25) | (month << 21) | (day << 16) | (hour << 11) | (minute << 5) | (second / 2)
}

/// A DOS time as people write it.
fn dos_text(dos: u32) -> String {
    let [year, month, day] = [1980 + (dos >> 25), dos >> 21 & 15, dos >> 16 & 31];
    let [hour, minute, second] = [dos >> 11 & 31, dos >> 5 & 63, (dos & 31) * 2];
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read};
    use std::num::NonZeroUsize;

    use super::*;

    fn file(digest: &Digest) -> Entry<'_> {
        Entry { path: "f".parse().unwrap(), kind: Kind::File { digest, executable: false } }
    }

    #[test]
    fn what_is_held_in_memory_does_not_reach_the_bytes() {
        let text: Vec<u8> = (0..400_000u32).flat_map(|n| format!("{} {n}\n", n % 89).into_bytes()).collect();
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        };
        let noise: Vec<u8> = (0..2_500_000).map(|_| noise()).collect();
        let blobs = [text, noise, b"small".to_vec(), Vec::new()].map(|blob| (Digest::of(&blob), blob));
        let paths = ["text", "noise", "small", "empty"].map(|path| path.parse().unwrap());
        let mut entries: Vec<_> = (blobs.iter().zip(paths))
            .map(|((digest, _), path)| Entry { path, kind: Kind::File { digest, executable: false } })
            .collect();
        entries.push(Entry { path: "zz".parse().unwrap(), kind: Kind::Symlink("small") });
        let contents = |digest: &Digest| -> io::Result<Box<dyn Read>> {
            let blob = blobs.iter().find(|(d, _)| d == digest).unwrap();
            Ok(Box::new(Cursor::new(blob.1.clone())))
        };
        let mut outs =
            [(KEEP, 2), (KEEP, 1), (2_600_000, 2), (100, 2), (0, 3), (0, 1)].map(|(keep, workers)| {
                let workers = NonZeroUsize::new(workers).unwrap();
                let packing = Packing {
                    entries: &entries,
                    members: &[],
                    mtime: 0,
                    contents: &contents,
                    workers,
                    rooted: false,
                };
                let mut out = Vec::new();
                write_keeping(keep, &packing, &mut out).unwrap();
                out
            });
        let (first, others) = outs.split_first_mut().unwrap();
        assert!(first.len() > 2_500_000 && others.iter().all(|other| other == first));
    }

    #[test]
    fn dos_times_are_clamped_and_even() {
        assert_eq!(dos(0), 0x0021_0000);
        assert_eq!(dos(315_532_800), 0x0021_0000);
        assert_eq!(dos(315_532_803), 0x0021_0001);
        assert_eq!(dos(u64::MAX), 0xff9f_bf7d);
        assert_eq!(dos(1_700_000_000), (43 << 9 | 11 << 5 | 14) << 16 | (22 << 11 | 13 << 5 | 10));
    }

    #[test]
    fn zip64_appears_where_a_field_is_full_and_only_there() {
        let digest = Digest::of(b"");
        let entry = file(&digest);
        let (local, central) = headers(&entry, DEFLATED, 0, 0, FULL32 - 1, FULL32 - 1, FULL32 - 1);
        assert_eq!((local.len(), central.len()), (31, 47));
        let (local, central) = headers(&entry, DEFLATED, 0, 0, 5, FULL32, 7);
        assert_eq!((local.len(), central.len()), (31 + 20, 47 + 12));
        assert_eq!(&local[18..26], [0xff; 8], "the local header sends both sizes to zip64");
        assert_eq!(&central[20..28], [5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let (local, central) = headers(&entry, STORED, 0, 0, 5, 5, FULL32);
        assert_eq!((local.len(), central.len()), (31, 47 + 12));
        assert_eq!(end(65_534, FULL32 - 1, 9, 9).len(), 22);
        for (count, start, length) in [(65_535, 1, 1), (1, FULL32, 1), (1, 1, FULL32)] {
            assert_eq!(end(count, start, length, 9).len(), 56 + 20 + 22);
        }
    }
}
