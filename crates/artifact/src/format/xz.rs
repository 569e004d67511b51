//! xz: one stream of one block by liblzma, level 6, CRC-64, the whole buffer at once.

use std::io::{BufRead, Read};

use liblzma::stream::{Action, CONCATENATED, Check, Status, Stream};

use super::stream::Codec;
use crate::Kind;

/// Reading may use so much memory; more than any level of `xz` needs.
const MEMORY: u64 = 256 << 20;

pub(super) const CODEC: Codec = Codec {
    kind: Kind::Xz,
    endings: &[(".txz", ".tar"), (".xz", "")],
    open,
    press,
    encoder: "liblzma 5.8.4 level 6",
};

fn open<'a>(from: &'a mut dyn BufRead) -> Box<dyn Read + 'a> {
    let stream = Stream::new_stream_decoder(MEMORY, CONCATENATED).expect("liblzma knows the flag");
    Box::new(liblzma::bufread::XzDecoder::new_stream(from, stream))
}

fn press(plain: &[u8]) -> Vec<u8> {
    let mut stream = Stream::new_easy_encoder(6, Check::Crc64).expect("liblzma has a level 6 and CRC-64");
    let mut out = Vec::with_capacity(plain.len() / 3 + 1024);
    loop {
        let done = usize::try_from(stream.total_in()).expect("the plain bytes are in memory");
        match stream.process_vec(&plain[done..], &mut out, Action::Finish).expect("it has a valid state") {
            Status::StreamEnd => return out,
            _ => out.reserve(out.capacity().max(4096)),
        }
    }
}
