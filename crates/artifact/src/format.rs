//! One file per format, and the table of them. A new format is a file, a `mod` line and a row.
//!
//! Two tables: [`PACKERS`] has what is written from members, [`HANDLERS`] what is read and normalised as others wrote
//! it. A format may be in both.

mod ar;
mod bzip2;
mod class;
mod cpio;
mod deb;
mod directory;
mod elf;
mod file;
mod function_zip;
mod gzip;
mod jar;
mod javadoc;
mod json;
mod macho;
mod man;
mod mo;
pub mod oci;
mod pdf;
mod pe;
mod png;
mod pyc;
mod rpm;
mod sqlite;
pub(crate) mod stream;
pub(crate) mod tar;
mod wheel;
mod xz;
mod zip;
mod zstd;

use std::io::Write;
use std::num::NonZeroUsize;

use model::recipe::Format;

use crate::listing::Entry;
use crate::normal::{File, Made, Work};
use crate::reading::{Found, Source};
use crate::{Contents, Kind, Member, PackError};

pub(crate) use tar::pieces as tar_pieces;

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
    /// Whether names in a tar begin with `./`, and the root is its first entry, as Debian packages have it.
    pub(crate) rooted: bool,
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

const PACKERS: [Packer; 11] = [
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
    Packer {
        format: Format::FunctionZip,
        name: "selfsame-function-zip/1",
        version: zip::VERSION,
        archive: true,
        write: function_zip::write,
    },
    Packer {
        format: Format::Wheel,
        name: "selfsame-wheel/1",
        version: zip::VERSION,
        archive: true,
        write: wheel::write,
    },
    Packer {
        format: Format::Deb,
        name: "selfsame-deb/1",
        version: gzip::VERSION,
        archive: true,
        write: deb::write,
    },
    Packer {
        format: Format::OciImage,
        name: "selfsame-oci-image/1",
        version: gzip::VERSION,
        archive: false,
        write: oci::write,
    },
    Packer {
        format: Format::OciIndex,
        name: "selfsame-oci-index/1",
        version: "-",
        archive: false,
        write: oci::write,
    },
];

/// What is done with files of one kind.
pub(crate) struct Handler {
    kind: Kind,
    /// What is in it.
    pub(crate) read: for<'a> fn(&mut Source<'a, '_>) -> Found<'a>,
    /// The same without what only says when, where and by whom it was made; `None` if it has nothing of that, or
    /// nothing that could be changed without changing its meaning.
    pub(crate) normalise: Option<fn(&mut Work<'_>, &File<'_>) -> Made>,
}

const HANDLERS: [Handler; 24] = [
    Handler { kind: Kind::Tar, read: tar::read, normalise: Some(tar::normalise) },
    Handler { kind: Kind::Gzip, read: gzip::read, normalise: Some(gzip::normalise) },
    Handler { kind: Kind::Zstd, read: stream::read, normalise: Some(stream::normalise) },
    Handler { kind: Kind::Xz, read: stream::read, normalise: Some(stream::normalise) },
    Handler { kind: Kind::Bzip2, read: stream::read, normalise: Some(stream::normalise) },
    Handler { kind: Kind::Zip, read: zip::read, normalise: Some(zip::normalise) },
    Handler { kind: Kind::Jar, read: zip::read, normalise: Some(zip::normalise) },
    Handler { kind: Kind::Wheel, read: zip::read, normalise: Some(zip::normalise) },
    Handler { kind: Kind::Ar, read: ar::read, normalise: Some(ar::normalise) },
    Handler { kind: Kind::Deb, read: ar::read, normalise: Some(deb::normalise) },
    Handler { kind: Kind::Cpio, read: cpio::read, normalise: Some(cpio::normalise) },
    Handler { kind: Kind::Rpm, read: rpm::read, normalise: None },
    Handler { kind: Kind::Elf, read: elf::read, normalise: None },
    Handler { kind: Kind::Pe, read: pe::read, normalise: Some(pe::normalise) },
    Handler { kind: Kind::MachO, read: macho::read, normalise: None },
    Handler { kind: Kind::Pyc, read: pyc::read, normalise: Some(pyc::normalise) },
    Handler { kind: Kind::Class, read: class::read, normalise: None },
    Handler { kind: Kind::Png, read: png::read, normalise: Some(png::normalise) },
    Handler { kind: Kind::Pdf, read: pdf::read, normalise: Some(pdf::normalise) },
    Handler { kind: Kind::Json, read: json::read, normalise: None },
    Handler { kind: Kind::Sqlite, read: sqlite::read, normalise: None },
    Handler { kind: Kind::Mo, read: mo::read, normalise: Some(mo::normalise) },
    Handler { kind: Kind::Man, read: man::read, normalise: Some(man::normalise) },
    Handler { kind: Kind::Javadoc, read: javadoc::read, normalise: Some(javadoc::normalise) },
];

/// The row of `kind`.
pub(crate) fn handler(kind: Kind) -> &'static Handler {
    HANDLERS.iter().find(|handler| handler.kind == kind).expect("every kind has a row: a test says so")
}

/// Whether a member's name leads out of the place where it is unpacked: absolute, or with a `..`. A backslash is a
/// separator to some who unpack.
fn escapes(name: &[u8]) -> bool {
    name.starts_with(b"/") || name.split(|byte| b"/\\".contains(byte)).any(|part| part == b"..")
}

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
    fn every_kind_has_one_row() {
        for kind in Kind::ALL {
            assert_eq!(HANDLERS.iter().filter(|h| h.kind == kind).count(), 1, "{}", kind.as_str());
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
