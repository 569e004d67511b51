//! Deflate by libdeflate, whole blocks at a time, and joined to one stream where a format needs one.
//!
//! libdeflate compresses a buffer whole and always ends the stream. gzip can live with that (one member for each
//! buffer), zip cannot. So [`Deflater::inner`] reopens a stream: it walks its symbols to find the last deflate
//! block, clears that block's "final" bit, and adds an empty stored block to reach a byte boundary. (What zlib's
//! `gzjoin` does.) Walking costs a small part of compressing.

use libdeflater::{CompressionLvl, Compressor};

/// How many bytes are compressed at once, the last block of a stream excepted.
pub(crate) const BLOCK: usize = 1 << 20;
const LEVEL: i32 = 6;

/// The CRC-32 of gzip and zip.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    libdeflater::crc32(bytes)
}

/// A compressor's working memory; carries nothing from one block to the next.
pub(crate) struct Deflater(Compressor);

impl Default for Deflater {
    fn default() -> Self {
        Self(Compressor::new(CompressionLvl::new(LEVEL).expect("libdeflate has a level 6")))
    }
}

impl Deflater {
    /// Appends `block` as the end of a deflate stream (or as a whole one) to `out`.
    pub(crate) fn last(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        let room = self.0.deflate_compress_bound(block.len());
        out.resize(from + room, 0);
        let found =
            self.0.deflate_compress(block, &mut out[from..]).expect("the room is libdeflate's own bound");
        out.truncate(from + found);
    }

    /// Appends the deflate stream of `plain`, block by block, to `out`: as zip is packed.
    pub(crate) fn whole(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let mut rest = plain;
        while let Some((block, more)) = rest.split_at_checked(BLOCK).filter(|(_, more)| !more.is_empty()) {
            self.inner(block, out);
            rest = more;
        }
        self.last(rest, out);
    }

    /// Appends `block` to `out` so that more of the same stream can follow, at a byte boundary.
    pub(crate) fn inner(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        self.last(block, out);
        let Ends { last, end } = Walk::new(&out[from..]).ends().expect("libdeflate writes valid streams");
        out[from + last / 8] &= !(1 << (last % 8));
        // After the last symbol: bits 000 (not final, stored), zeros up to a byte, length 0 and its complement.
        // The stream's own padding is zeros already.
        out.resize(from + (end + 3).div_ceil(8), 0);
        out.extend([0, 0, 0xff, 0xff]);
    }
}

/// Unpacks a deflate stream of exactly `size` bytes; `None` if it is not one.
pub(crate) fn inflate(stream: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut plain = vec![0; size];
    let found = libdeflater::Decompressor::new().deflate_decompress(stream, &mut plain).ok()?;
    (found == size).then_some(plain)
}

/// Unpacks a stream's first bytes into `head` and says how many; fewer than there is room for if it ends or is damaged.
pub(crate) fn head(stream: &[u8], head: &mut [u8]) -> usize {
    let mut inflater = flate2::Decompress::new(false);
    let _ = inflater.decompress(stream, head, flate2::FlushDecompress::None);
    usize::try_from(inflater.total_out()).map_or(head.len(), |found| found.min(head.len()))
}

/// Positions in bits: of the last block's first bit, and behind its last symbol.
struct Ends {
    last: usize,
    end: usize,
}

/// Reads a deflate stream (RFC 1951) without making its output. `None` means that it is not a whole one.
struct Walk<'a> {
    bytes: &'a [u8],
    bit: usize,
}

const LONGEST: u8 = 15;
const END_OF_BLOCK: usize = 256;

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bit: 0 }
    }

    fn ends(mut self) -> Option<Ends> {
        loop {
            let last = self.bit;
            let is_final = self.take(1)? == 1;
            match self.take(2)? {
                0 => self.stored()?,
                1 => {
                    let lengths: Vec<u8> = (0..288)
                        .map(|s| {
                            if s < 144 {
                                8
                            } else if s < 256 {
                                9
                            } else if s < 280 {
                                7
                            } else {
                                8
                            }
                        })
                        .collect();
                    self.symbols(&Table::new(&lengths), &Table::new(&[5; 32]))?;
                }
                2 => self.dynamic()?,
                _ => return None,
            }
            if is_final {
                return Some(Ends { last, end: self.bit });
            }
        }
    }

    /// The next 57 bits or more, the first one lowest; zeros behind the end.
    fn peek(&self) -> u64 {
        let at = self.bit / 8;
        let word = match self.bytes.get(at..at + 8) {
            Some(eight) => u64::from_le_bytes(eight.try_into().expect("eight bytes")),
            None => self.bytes.iter().skip(at).rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        word >> (self.bit % 8)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.bit += count;
        (self.bit <= self.bytes.len() * 8).then_some(())
    }

    fn take(&mut self, count: usize) -> Option<usize> {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        usize::try_from(value).ok()
    }

    fn stored(&mut self) -> Option<()> {
        self.bit = self.bit.next_multiple_of(8);
        let length = self.take(16)?;
        self.skip(16 + length * 8)
    }

    fn dynamic(&mut self) -> Option<()> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let (literals, distances, count) = (self.take(5)? + 257, self.take(5)? + 1, self.take(4)? + 4);
        let mut lengths = [0u8; 19];
        for &place in &ORDER[..count] {
            lengths[place] = u8::try_from(self.take(3)?).ok()?;
        }
        let code = Table::new(&lengths);
        let mut lengths = Vec::with_capacity(320);
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&code)? {
                length @ 0..=15 => (u8::try_from(length).ok()?, 1),
                16 => (*lengths.last()?, self.take(2)? + 3),
                17 => (0, self.take(3)? + 3),
                _ => (0, self.take(7)? + 11),
            };
            lengths.extend(std::iter::repeat_n(length, times));
        }
        let (literals, distances) = lengths.split_at(literals);
        self.symbols(&Table::new(literals), &Table::new(distances))
    }

    fn symbol(&mut self, table: &Table) -> Option<usize> {
        let (symbol, length) = table.find(self.peek())?;
        self.skip(length)?;
        Some(symbol)
    }

    /// Walks over the symbols of one block, its end included.
    fn symbols(&mut self, literals: &Table, distances: &Table) -> Option<()> {
        loop {
            match self.symbol(literals)? {
                0..END_OF_BLOCK => {}
                END_OF_BLOCK => return Some(()),
                length @ 257..=285 => {
                    // RFC 1951, 3.2.5: extra bits grow by one every four length codes, every two distance codes.
                    self.skip(if matches!(length, 257..=264 | 285) { 0 } else { (length - 261) / 4 })?;
                    let distance = self.symbol(distances)?;
                    self.skip((distance / 2).saturating_sub(1))?;
                }
                _ => return None,
            }
        }
    }
}

/// A canonical Huffman code as a table over the next 15 bits: symbol and code length in one number.
struct Table(Vec<u16>);

impl Table {
    fn new(lengths: &[u8]) -> Self {
        let mut table = vec![0u16; 1 << LONGEST];
        let mut code = 0usize;
        for length in 1..=LONGEST {
            for (symbol, _) in lengths.iter().enumerate().filter(|&(_, &l)| l == length) {
                let reversed = code.reverse_bits() >> (usize::BITS - u32::from(length));
                let entry = u16::try_from(symbol << 4).expect("below 320") | u16::from(length);
                // An over-full code, which no encoder writes, would leave the table.
                table.iter_mut().skip(reversed).step_by(1 << length).for_each(|slot| *slot = entry);
                code += 1;
            }
            code <<= 1;
        }
        Self(table)
    }

    /// The symbol that `bits` begin with, and its length.
    fn find(&self, bits: u64) -> Option<(usize, usize)> {
        let entry = self.0[usize::try_from(bits & ((1 << LONGEST) - 1)).expect("15 bits")];
        (entry != 0).then_some((usize::from(entry >> 4), usize::from(entry & 15)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that make every kind of block: noise (stored), text (dynamic), next to nothing (fixed).
    fn samples() -> Vec<Vec<u8>> {
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let random: Vec<u8> = (0..300_000).map(|_| noise()).collect();
        let text: Vec<u8> =
            (0..60_000u32).flat_map(|n| format!("line {} of {n}\n", n % 97).into_bytes()).collect();
        let mixed = [&text[..100_000], &random[..70_000], &text[5..90_000], &[0; 50_000]].concat();
        vec![random, text, mixed, vec![7; BLOCK], b"x".to_vec(), b"a short text, a short text".to_vec()]
    }

    #[test]
    fn joined_blocks_are_one_stream() {
        let mut deflater = Deflater::default();
        let samples = samples();
        for first in &samples {
            for second in &samples {
                let mut joined = Vec::new();
                deflater.inner(first, &mut joined);
                deflater.inner(second, &mut joined);
                deflater.last(first, &mut joined);
                let whole = [first.as_slice(), second, first].concat();
                let mut found = vec![0; whole.len()];
                let count = libdeflater::Decompressor::new().deflate_decompress(&joined, &mut found).unwrap();
                assert!(count == whole.len() && found == whole);
            }
        }
    }

    #[test]
    fn the_walk_ends_where_the_stream_ends_and_refuses_less() {
        let mut deflater = Deflater::default();
        for sample in samples() {
            let mut stream = Vec::new();
            deflater.last(&sample, &mut stream);
            let ends = Walk::new(&stream).ends().unwrap();
            assert_eq!(ends.end.div_ceil(8), stream.len());
            assert!(ends.last < ends.end);
            assert!(Walk::new(&stream[..stream.len() - 1]).ends().is_none());
        }
        assert!(Walk::new(&[]).ends().is_none() && Walk::new(&[7]).ends().is_none());
    }
}
