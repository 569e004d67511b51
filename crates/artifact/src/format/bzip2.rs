//! bzip2: one stream by libbz2-rs, level 9, the whole buffer at once.

use std::io::{BufRead, Read, Write};

use super::stream::Codec;
use crate::Kind;

pub(super) const CODEC: Codec = Codec {
    kind: Kind::Bzip2,
    endings: &[(".tbz2", ".tar"), (".tbz", ".tar"), (".bz2", "")],
    open,
    press,
    encoder: "libbz2-rs 0.2.6 level 9",
};

fn open<'a>(from: &'a mut dyn BufRead) -> Box<dyn Read + 'a> {
    Box::new(bzip2::bufread::MultiBzDecoder::new(from))
}

fn press(plain: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(plain).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
