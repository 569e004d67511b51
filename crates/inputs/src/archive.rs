//! Archives, read in a stream into the store: tar in every usual compression, zip, and Debian's `ar`.
//!
//! An archive is hostile until proven otherwise. A member's path cannot leave the tree, nothing can be put below a
//! symlink (symlinks are never followed), hard links become copies of what they name in the same archive, devices and
//! pipes are refused, and an archive that unpacks to absurd sizes is stopped while it does.

pub(crate) mod ar;
pub(crate) mod builder;
pub(crate) mod tar;
mod zip;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};

use model::RelPath;
use store::{Store, StoreError};

pub(crate) use builder::Unpacked;

/// Unpacked, no archive may be larger.
pub(crate) const LIMIT: u64 = 16 << 30;
/// Nor have more members.
pub(crate) const MEMBERS: u64 = 4_000_000;
/// What the xz decoder may take: a header can ask for any amount.
const XZ_MEMORY: u64 = 1 << 30;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read to its end.
    #[error("the archive is damaged: {doing}")]
    Damaged {
        /// What could not be done.
        doing: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A member would lie, or points, outside the tree.
    #[error("member `{member}` leaves the archive: {reason}")]
    Escapes {
        /// Its name.
        member: String,
        /// How.
        reason: String,
    },
    /// A member is of a kind that has no place in a tree.
    #[error("member `{member}` is {kind}: expected files, directories and links")]
    Kind {
        /// Its name.
        member: String,
        /// What it is.
        kind: &'static str,
    },
    /// A member cannot be placed.
    #[error("member `{member}` cannot be placed")]
    Place {
        /// Its name.
        member: String,
        /// Why.
        #[source]
        cause: model::tree::TreeError,
    },
    /// It is larger than any sane archive.
    #[error("the archive unpacks to more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Nothing is left of it.
    #[error("no member is left after dropping {strip} leading components: set `strip` to a smaller number")]
    Empty {
        /// How many components were dropped.
        strip: u32,
    },
    /// The archive is of another form than expected.
    #[error("expected {expected}, found {found}")]
    Form {
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the first bytes of a file say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Gzip,
    Xz,
    Bzip2,
    Zstd,
    Lzma,
    Zip,
    Plain,
}

impl Form {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x5d, 0, 0, ..] => Self::Lzma,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::Plain,
        }
    }
}

/// Undoes the compression that the first bytes name; others pass as they are.
pub(crate) fn decoder<'a>(mut reader: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    use liblzma::stream::{CONCATENATED, Stream};
    let form = Form::of(reader.fill_buf()?);
    Ok(match form {
        Form::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Form::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
        Form::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
        Form::Xz | Form::Lzma => {
            let flags = if form == Form::Xz { CONCATENATED } else { 0 };
            let stream = Stream::new_auto_decoder(XZ_MEMORY, flags).map_err(io::Error::other)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        Form::Zip | Form::Plain => Box::new(reader),
    })
}

/// All of `bytes`, decompressed; at most `limit` bytes.
pub(crate) fn decompress(bytes: &[u8], limit: u64) -> Result<Vec<u8>, ArchiveError> {
    let damaged = |cause| ArchiveError::Damaged { doing: "decompressing it", cause };
    let mut out = Vec::new();
    decoder(bytes).map_err(damaged)?.take(limit + 1).read_to_end(&mut out).map_err(damaged)?;
    if out.len() as u64 > limit {
        return Err(ArchiveError::TooLarge { limit, unit: "bytes" });
    }
    Ok(out)
}

/// Unpacks a file of any form into the store. A file that is no archive becomes a tree of one file, called `name`.
pub(crate) fn unpack(
    store: &Store,
    mut file: File,
    name: &str,
    strip: u32,
) -> Result<Unpacked, ArchiveError> {
    let damaged = |cause| ArchiveError::Damaged { doing: "reading it", cause };
    let mut start = [0; 8];
    let count = read_up_to(&mut file, &mut start).map_err(damaged)?;
    file.rewind().map_err(damaged)?;
    if Form::of(&start[..count]) == Form::Zip {
        return zip::unpack(store, file, strip);
    }
    let mut again = file.try_clone().map_err(damaged)?;
    let mut head = [0; 512];
    let head = decoder(BufReader::new(file))
        .and_then(|mut r| read_up_to(&mut r, &mut head).map(|n| head[..n].to_vec()));
    again.rewind().map_err(damaged)?;
    match head {
        Ok(head) if tar::is_header(&head) => {
            tar::unpack(store, BufReader::with_capacity(1 << 16, again), strip)
        }
        Ok(_) | Err(_) if name.ends_with(".crate") || name.contains(".tar.") || name.ends_with(".tgz") => {
            let found = head.map_or_else(|e| e.to_string(), |_| "something else".to_owned());
            Err(ArchiveError::Form { expected: "a tar archive", found })
        }
        Ok(_) | Err(_) => {
            let mut builder = builder::Builder::new(store, 0);
            builder.file(name, false, None, &mut again)?;
            builder.finish()
        }
    }
}

fn read_up_to(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// A member's name as a path: `./`, `/` at the end and empty components are dropped; the rest must stay inside.
pub(crate) fn member_path(name: &[u8]) -> Result<RelPath, ArchiveError> {
    let lossy = || String::from_utf8_lossy(name).into_owned();
    let escapes = |reason: &str| ArchiveError::Escapes { member: lossy(), reason: reason.to_owned() };
    let text = std::str::from_utf8(name)
        .map_err(|_| ArchiveError::Kind { member: lossy(), kind: "not named in UTF-8" })?;
    if text.starts_with('/') {
        return Err(escapes("its name is absolute"));
    }
    let parts: Vec<&str> = text.split('/').filter(|c| !c.is_empty() && *c != ".").collect();
    if parts.is_empty() {
        return Ok(RelPath::root());
    }
    parts.join("/").parse().map_err(|e: model::path::PathError| escapes(&e.to_string()))
}

/// Drops leading components; `None` if nothing is left.
pub(crate) fn stripped(path: &RelPath, strip: u32) -> Option<RelPath> {
    let rest: Vec<&str> = path.components().skip(strip as usize).collect();
    if rest.is_empty() { None } else { rest.join("/").parse().ok() }
}

/// An error and its causes in one sentence, where only one line can be shown.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
