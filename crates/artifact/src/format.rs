//! One file per format, and the table of them. A new format is a file, a `mod` line and a row.
//!
//! Every row is one writer. (Readers, normalisers and comparers will be further columns.)

mod directory;
mod file;
mod gzip;
mod tar;
mod zip;
mod zstd;

use std::io::Write;
use std::num::NonZeroUsize;

use model::recipe::Format;

use crate::listing::Entry;
use crate::{Contents, Member, PackError};

/// The last second that a ustar header's eleven octal digits hold: 2242-03-16T12:56:31Z.
pub(crate) const LAST_MTIME: i64 = 0o777_7777_7777;

/// Everything that a format writes from.
pub(crate) struct Packing<'a> {
    /// What an archive holds, in canonical order; empty if the format is no archive.
    pub(crate) entries: &'a [Entry<'a>],
    /// The members as given.
    pub(crate) members: &'a [Member],
    /// The time of every entry, at most [`LAST_MTIME`].
    pub(crate) mtime: u64,
    /// The bytes of files.
    pub(crate) contents: &'a dyn Contents,
    /// How many threads compress; must not reach the bytes.
    pub(crate) workers: NonZeroUsize,
}

/// One format's row.
pub(crate) struct Packer {
    format: Format,
    /// The packer format's name and version.
    pub(crate) name: &'static str,
    /// The compressor's identity.
    pub(crate) version: &'static str,
    /// Whether it holds entries, with a time and a prefix.
    pub(crate) archive: bool,
    /// Writes it.
    pub(crate) write: fn(&Packing<'_>, &mut dyn Write) -> Result<(), PackError>,
}

const PACKERS: [Packer; 6] = [
    Packer { format: Format::File, name: "file", version: "-", archive: false, write: file::write },
    Packer {
        format: Format::Dir,
        name: "reapi-directory/2",
        version: "-",
        archive: false,
        write: directory::write,
    },
    Packer { format: Format::Tar, name: "selfsame-tar/1", version: "-", archive: true, write: tar::write },
    Packer {
        format: Format::TarGz,
        name: "selfsame-tar.gz/1",
        version: gzip::VERSION,
        archive: true,
        write: gzip::write,
    },
    Packer {
        format: Format::TarZst,
        name: "selfsame-tar.zst/1",
        version: zstd::VERSION,
        archive: true,
        write: zstd::write,
    },
    Packer {
        format: Format::Zip,
        name: "selfsame-zip/1",
        version: zip::VERSION,
        archive: true,
        write: zip::write,
    },
];

/// The row of `format`.
pub(crate) fn packer(format: Format) -> &'static Packer {
    PACKERS.iter().find(|packer| packer.format == format).expect("every format has a row: a test says so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_one_row() {
        for format in Format::ALL {
            assert_eq!(PACKERS.iter().filter(|p| p.format == format).count(), 1, "{}", format.as_str());
        }
    }

    #[test]
    fn versions_name_the_libraries_that_are_linked() {
        let pins = include_str!("../Cargo.toml");
        assert!(
            pins.contains("libdeflate-sys = \"=1.26.1\"") && gzip::VERSION.starts_with("libdeflate 1.26.1 ")
        );
        assert!(zip::VERSION.starts_with("libdeflate 1.26.1 "));
        assert!(zstd::VERSION.starts_with(&format!("zstd {} ", ::zstd::zstd_safe::version_string())));
    }
}
