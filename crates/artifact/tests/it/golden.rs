//! Packer format 1 is kept for ever: these digests never change. A change of one means that a new format is needed.

use artifact::encoder;
use model::Digest;
use model::recipe::Format;

use crate::sample::{Sample, everything, large, options};

fn check(sample: &Sample, mtime: i64, prefix: &str, expected: &[(Format, &str)]) {
    let found: Vec<_> = expected
        .iter()
        .map(|&(format, _)| (format, Digest::of(&sample.pack(format, &options(mtime, prefix))).to_string()))
        .collect();
    let expected: Vec<_> = expected.iter().map(|&(format, digest)| (format, digest.to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn everything_has_its_bytes() {
    check(
        &everything(),
        1_700_000_000,
        "name-1.0",
        &[
            (Format::Tar, "sha256:23e07598f12fca5bbb811cdeedb20a0827dfa286862a4db5ebcdee1e75d7d988/171520"),
            (Format::TarGz, "sha256:95c08a1a1809a69fa7235088d0de5f1e5e736c94c2c59fbfdfb2adba02f36b92/85764"),
            (Format::TarZst, "sha256:3bbc648a1b5aed3423e0073349dfebb61b120c5fd06d670516a16eb717ab4221/90635"),
            (Format::Zip, "sha256:2eeb03263351a80913f61eea8c86d960a423c4c140d998e0b9f1ab8200df4f78/88474"),
        ],
    );
}

#[test]
fn many_blocks_have_their_bytes() {
    check(
        &large(),
        0,
        ".",
        &[
            (Format::Tar, "sha256:dd745d99f30d5e5d9921585b659fd391825bd7698cf8a3f69b2152a516709e1f/8552448"),
            (
                Format::TarGz,
                "sha256:790bb71f8c77a1281303411e61a972c6e2a6506383f6db49c9e743966622ece5/4563958",
            ),
            (
                Format::TarZst,
                "sha256:3cb6ad2a47f2177212041d17d22275eb5f12a84c206dbe65fa5d3132fa931b16/4572932",
            ),
            (Format::Zip, "sha256:c94154a40aa7b0f651fa471832f761fe2521dee98013bc20e5104a65610ce97e/4562812"),
        ],
    );
}

#[test]
fn nothing_has_its_bytes() {
    let nothing = Sample::default();
    assert_eq!(nothing.pack(Format::Tar, &options(0, ".")), [0; 1024]);
    let zip = nothing.pack(Format::Zip, &options(0, "."));
    assert_eq!(zip, [&b"PK\x05\x06"[..], &[0; 18]].concat());
}

#[test]
fn one_file_is_itself() {
    let sample = Sample::default().file("f", "bytes", true);
    assert_eq!(sample.pack(Format::File, &options(-5, "no/matter")), b"bytes");
}

#[test]
fn encoders_are_named() {
    let named: Vec<_> =
        Format::ALL.iter().map(|&f| encoder(f)).map(|e| format!("{}: {}", e.name, e.version)).collect();
    assert_eq!(
        named,
        [
            "file: -",
            "reapi-directory/2: -",
            "selfsame-tar/1: -",
            "selfsame-tar.gz/1: libdeflate 1.26.1 level 6, members of 1 MiB",
            "selfsame-tar.zst/1: zstd 1.5.7 level 9, frames of 4 MiB with size and checksum",
            "selfsame-zip/1: libdeflate 1.26.1 level 6, blocks of 1 MiB in one stream",
            "selfsame-function-zip/1: libdeflate 1.26.1 level 6, blocks of 1 MiB in one stream",
            "selfsame-wheel/1: libdeflate 1.26.1 level 6, blocks of 1 MiB in one stream",
            "selfsame-deb/1: libdeflate 1.26.1 level 6, members of 1 MiB",
            "selfsame-oci-image/1: libdeflate 1.26.1 level 6, members of 1 MiB",
            "selfsame-oci-index/1: -",
        ]
    );
}
