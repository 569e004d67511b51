//! Zstandard: independent frames of 4 MiB of tar each.
//!
//! As with gzip, one frame for each block, compressed whole, keeps write sizes and threads out of the bytes; frames
//! are larger because the window is. Level 9: 2-3 % smaller than level 6 for little more time, while its tables
//! stay at a dozen MiB for each core.

use std::io::{BufRead, Read, Write};

use ::zstd::bulk::Compressor;
use ::zstd::zstd_safe::CParameter;

use super::stream::Codec;
use super::{Packing, tar};
use crate::{Kind, PackError, pipeline};

pub(super) const VERSION: &str = "zstd 1.5.7 level 9, frames of 4 MiB with size and checksum";

const LEVEL: i32 = 9;
const BLOCK: usize = 4 << 20;

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    pipeline::in_blocks(
        packing.workers,
        BLOCK,
        compressor,
        |compressor, block| {
            compressor.compress(&block).expect("the room for the output is the bound of the input")
        },
        out,
        |sink| tar::write(packing, sink),
    )
}

pub(super) const CODEC: Codec = Codec {
    kind: Kind::Zstd,
    endings: &[(".tzst", ".tar"), (".zst", ""), (".zstd", "")],
    open,
    press,
    encoder: VERSION,
};

fn open<'a>(from: &'a mut dyn BufRead) -> Box<dyn Read + 'a> {
    Box::new(::zstd::stream::read::Decoder::with_buffer(from).expect("the default window suits zstd"))
}

fn press(plain: &[u8]) -> Vec<u8> {
    let mut compressor = compressor();
    let mut block =
        |block: &[u8]| compressor.compress(block).expect("the room for the output is the bound of the input");
    if plain.is_empty() { block(plain) } else { plain.chunks(BLOCK).flat_map(block).collect() }
}

fn compressor() -> Compressor<'static> {
    let mut compressor = Compressor::new(LEVEL).expect("zstd has a level 9");
    for parameter in
        [CParameter::ContentSizeFlag(true), CParameter::ChecksumFlag(true), CParameter::DictIdFlag(false)]
    {
        compressor.set_parameter(parameter).expect("a flag takes both values");
    }
    compressor
}
