//! The one door: what to pack, how, and why it could not be done.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use model::recipe::Format;
use model::{Digest, RelPath, Timestamp};
use serde::{Deserialize, Serialize};

use crate::format::{self, Packing};
use crate::listing::listing;
use crate::{Contents, Member, pipeline};

/// What the caller chooses of an archive; `File` looks at none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The time of every member, from 1970 to 2242; zip keeps 1980 to 2107 and takes the nearest end beyond.
    pub mtime: Timestamp,
    /// The directory that everything lies in, such as `name-1.0`; `.` for none.
    pub prefix: RelPath,
}

/// The identity of all that decides an artifact's bytes besides members and options; goes into provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoder {
    /// The packer format, such as `selfsame-tar.gz/1`.
    pub name: String,
    /// The compressor and its parameters, such as `libdeflate 1.26.1 level 6, members of 1 MiB`; `-` for none.
    pub version: String,
}

/// Why there is no artifact. What was written until then is no artifact either: throw it away.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A directory has no bytes of its own.
    #[error("a `dir` artifact is not a stream of bytes: its digest is that of its tree")]
    NotAStream,
    /// An image is many blobs.
    #[error("an image is not a stream of members: it is made of layers and documents")]
    Image,
    /// The format `file` is for exactly one file.
    #[error("a `file` artifact is exactly one file: expected 1 member, a file; found {found}")]
    NotOneFile {
        /// What there is instead.
        found: String,
    },
    /// A package that has not what its format asks for.
    #[error("this cannot be a `{format}` artifact: expected {expected}, found {found}")]
    Layout {
        /// The format's word.
        format: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Two members have one path.
    #[error("`{0}` is there twice")]
    Twice(RelPath),
    /// A member lies below something that is no directory.
    #[error("`{path}` is not a directory, but `{below}` lies below it")]
    NotADirectory {
        /// The file or symlink.
        path: RelPath,
        /// What lies below it.
        below: RelPath,
    },
    /// A name or link target that archives cannot hold.
    #[error("`{path}` cannot be packed: {what}")]
    Unwritable {
        /// The member.
        path: RelPath,
        /// What is wrong with it.
        what: String,
    },
    /// The same of a member of a layer.
    #[error("`{path}` cannot be in a layer: {what}")]
    Name {
        /// The member.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The content of a member of a layer could not be read.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// The member.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A time that archives cannot hold.
    #[error(
        "the time {found} s cannot be packed: expected 0 to {last} s since 1970-01-01T00:00:00Z; set \
         SOURCE_DATE_EPOCH or the recipe's `source_date_epoch`", found = .0.0, last = format::LAST_MTIME
    )]
    Mtime(Timestamp),
    /// A member's content could not be read.
    #[error("cannot read `{path}` ({digest})")]
    Read {
        /// The member.
        path: RelPath,
        /// Its content.
        digest: Digest,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A member's content is not what its digest says; of a longer content one byte more is looked at.
    #[error("the content of `{path}` is not what was declared\n  expected {expected}\n  found    {found}")]
    Content {
        /// The member.
        path: RelPath,
        /// The member's digest.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The artifact could not be written.
    #[error("cannot write the artifact")]
    Write(#[source] io::Error),
}

/// A part of an archive, in the order of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Headers and padding.
    Bytes(Vec<u8>),
    /// The content of a file, of exactly its digest's size. It is not looked at: whoever puts it there checks it.
    Content(Digest),
}

/// The encoder of `format`.
#[must_use]
pub fn encoder(format: Format) -> Encoder {
    let packer = format::packer(format);
    Encoder { name: packer.name.into(), version: packer.version.into() }
}

/// Packs `members` as `format` into `out`, compressing on all cores.
///
/// The bytes depend on `format`, the members (in any order), `options` and the contents alone. Memory is bounded,
/// however large the contents. Writes are large, so `out` needs no buffer.
///
/// # Errors
/// See [`PackError`]; what was written until then is to be thrown away.
pub fn pack(
    format: Format,
    members: &[Member],
    options: &Options,
    contents: &dyn Contents,
    out: &mut dyn Write,
) -> Result<(), PackError> {
    pack_on(pipeline::cores(), format, members, options, contents, out)
}

/// The `tar` artifact of `members`, in pieces: the same bytes as [`pack`] writes, for who has not all contents yet and puts
/// each where it belongs when it comes.
///
/// # Errors
/// As [`pack`], but for those of contents and of writing.
pub fn tar_pieces(members: &[Member], options: &Options) -> Result<Vec<Piece>, PackError> {
    if !(0..=format::LAST_MTIME).contains(&options.mtime.0) {
        return Err(PackError::Mtime(options.mtime));
    }
    Ok(format::tar_pieces(&listing(members, &options.prefix)?, options.mtime.0.unsigned_abs()))
}

/// [`pack`] on so many `workers`; the bytes are the same for any number. One worker compresses on the caller's
/// own thread.
///
/// # Errors
/// As [`pack`].
pub fn pack_on(
    workers: NonZeroUsize,
    format: Format,
    members: &[Member],
    options: &Options,
    contents: &dyn Contents,
    out: &mut dyn Write,
) -> Result<(), PackError> {
    let packer = format::packer(format);
    if packer.archive && !(0..=format::LAST_MTIME).contains(&options.mtime.0) {
        return Err(PackError::Mtime(options.mtime));
    }
    let entries = if packer.archive { listing(members, &options.prefix)? } else { Vec::new() };
    let mtime = options.mtime.0.unsigned_abs();
    (packer.write)(&Packing { entries: &entries, members, mtime, contents, workers, rooted: false }, out)?;
    out.flush().map_err(PackError::Write)
}
