//! What goes into an artifact: a place, a node, and the door through which its bytes come.

use std::io::{self, Read};

use model::tree::Node;
use model::{Digest, Hasher, RelPath};

use crate::PackError;

/// One thing to pack: a file, a symlink or a directory, and its place below the prefix.
///
/// A `Node::Directory` stands for the directory alone, not for what is in it; its digest is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its place. The root (`.`) may be a directory and is then the prefix itself.
    pub path: RelPath,
    /// What it is.
    pub node: Node,
}

/// Where the bytes of files come from, by digest.
///
/// Every closure `Fn(&Digest) -> io::Result<Box<dyn Read>>` is one. A packer may open a digest more than once,
/// always from the thread that called [`crate::pack`]. What comes is hashed: bytes that are not those of the
/// digest end the packing.
pub trait Contents {
    /// Opens the content named `digest`.
    ///
    /// # Errors
    /// If there is no such content, or it cannot be read.
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>>;
}

impl<F> Contents for F
where
    F: Fn(&Digest) -> io::Result<Box<dyn Read>>,
{
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        self(digest)
    }
}

/// How many bytes are asked of a content at once, except where a format wants its own blocks.
const CHUNK: usize = 256 * 1024;

/// Reads the content `digest` of the member at `path` and gives it to `sink` in pieces of exactly `block` bytes,
/// the last one excepted, however the reader cuts it. The last call comes before the digest is checked.
pub(crate) fn blocks(
    contents: &dyn Contents,
    path: &RelPath,
    digest: &Digest,
    block: usize,
    mut sink: impl FnMut(Vec<u8>) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let read_error = |source| PackError::Read { path: path.clone(), digest: *digest, source };
    let mut reader = contents.open(digest).map_err(read_error)?;
    let mut hasher = Hasher::default();
    let mut left = digest.size;
    while left > 0 {
        let want = usize::try_from(left).map_or(block, |left| left.min(block));
        let mut piece = Vec::with_capacity(want);
        let found = reader.by_ref().take(want as u64).read_to_end(&mut piece).map_err(read_error)?;
        hasher.update(&piece);
        if found < want {
            return Err(PackError::Content { path: path.clone(), expected: *digest, found: hasher.finish() });
        }
        left -= want as u64;
        sink(piece)?;
    }
    close(reader, hasher, path, digest)
}

/// Reads the content `digest` of the member at `path` into `out`, through `buffer`.
pub(crate) fn copy(
    contents: &dyn Contents,
    path: &RelPath,
    digest: &Digest,
    buffer: &mut Vec<u8>,
    out: &mut dyn io::Write,
) -> Result<(), PackError> {
    let read_error = |source| PackError::Read { path: path.clone(), digest: *digest, source };
    buffer.resize(CHUNK, 0);
    let mut reader = contents.open(digest).map_err(read_error)?;
    let mut hasher = Hasher::default();
    let mut left = digest.size;
    while left > 0 {
        let want = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let found = match reader.read(&mut buffer[..want]) {
            Ok(0) => {
                let found = hasher.finish();
                return Err(PackError::Content { path: path.clone(), expected: *digest, found });
            }
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        hasher.update(&buffer[..found]);
        out.write_all(&buffer[..found]).map_err(PackError::Write)?;
        left -= found as u64;
    }
    close(reader, hasher, path, digest)
}

/// Makes sure that nothing follows and that what came has the digest. Of a longer content only the first byte too
/// many is looked at, so that an endless one ends.
fn close(
    mut reader: Box<dyn Read + '_>,
    mut hasher: Hasher,
    path: &RelPath,
    digest: &Digest,
) -> Result<(), PackError> {
    let mut more = Vec::new();
    reader.by_ref().take(1).read_to_end(&mut more).map_err(|source| PackError::Read {
        path: path.clone(),
        digest: *digest,
        source,
    })?;
    hasher.update(&more);
    let found = hasher.finish();
    if found == *digest {
        Ok(())
    } else {
        Err(PackError::Content { path: path.clone(), expected: *digest, found })
    }
}
