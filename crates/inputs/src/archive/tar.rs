//! tar: ustar, GNU and pax, compressed or not.

use std::io::{BufRead, Read};

use store::Store;
use tar::EntryType;

use super::builder::{Builder, Unpacked};
use super::{ArchiveError, decoder};

/// Whether 512 bytes are a tar header: its checksum is right.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(field) = block.get(148..156).filter(|_| block.len() == 512) else { return false };
    let text = String::from_utf8_lossy(field);
    let Ok(written) = u32::from_str_radix(text.trim_matches(|c: char| c == ' ' || c == '\0'), 8) else {
        return false;
    };
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    let field: u32 = field.iter().map(|b| u32::from(*b)).sum();
    written == sum - field + 8 * 32
}

/// Unpacks a source archive.
pub(super) fn unpack(
    store: &Store,
    reader: impl BufRead + Send,
    strip: u32,
) -> Result<Unpacked, ArchiveError> {
    let mut builder = Builder::new(store, strip);
    read(reader, |member, content| {
        let Member { name, link, mode, time, kind } = member;
        let time = Some(time);
        match kind {
            Kind::File => builder.file(name, mode & 0o100 != 0, time, content),
            Kind::Directory => builder.directory(&name, time),
            Kind::Symlink => builder.symlink(&name, &link, time),
            Kind::HardLink => builder.hard_link(&name, &link, time),
            Kind::Other(kind) => {
                let member = String::from_utf8_lossy(&name).into_owned();
                Err(ArchiveError::Kind { member, kind })
            }
        }
    })?;
    builder.finish()
}

/// One member's header.
pub(crate) struct Member {
    pub name: Vec<u8>,
    /// Target of a link.
    pub link: Vec<u8>,
    pub mode: u32,
    pub time: i64,
    pub kind: Kind,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Other(&'static str),
}

/// Calls `each` for every member in order, with its content.
pub(crate) fn read(
    reader: impl BufRead + Send,
    mut each: impl FnMut(Member, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let damaged = |cause| ArchiveError::Damaged { doing: "reading its members", cause };
    // Headers and padding count too, so that an archive of headers alone ends as well.
    read_plain(&mut decoder(reader).map_err(damaged)?.take(super::LIMIT + (super::LIMIT >> 2)), &mut each)
}

/// As [`read`], of an archive that is not compressed, or not any more. Of what lies behind its end, some may be left.
pub(crate) fn read_plain(
    reader: &mut dyn Read,
    mut each: impl FnMut(Member, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let damaged = |cause| ArchiveError::Damaged { doing: "reading its members", cause };
    let mut archive = tar::Archive::new(std::io::BufReader::with_capacity(1 << 16, reader));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let header = entry.header();
        let mode = header.mode().map_err(damaged)?;
        let time = header.mtime().ok().and_then(|t| i64::try_from(t).ok()).unwrap_or(0);
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::HardLink,
            EntryType::Char | EntryType::Block => Kind::Other("a device"),
            EntryType::Fifo => Kind::Other("a pipe"),
            // Settings for the whole archive: git writes its commit id so.
            EntryType::XGlobalHeader => continue,
            _ => Kind::Other("of an unknown kind"),
        };
        let name = entry.path_bytes().into_owned();
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        // Old archives mark a directory only by the slash.
        let kind = if kind == Kind::File && name.ends_with(b"/") { Kind::Directory } else { kind };
        each(Member { name, link, mode, time, kind }, &mut entry)?;
    }
    Ok(())
}
