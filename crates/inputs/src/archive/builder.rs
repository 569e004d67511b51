//! What every kind of archive becomes: a tree in the store.

use std::io::Read;

use model::tree::{Node, Tree};
use model::{Digest, RelPath, Timestamp};
use store::{Store, StoreError};

use super::{ArchiveError, LIMIT, MEMBERS, member_path, stripped};

/// An unpacked archive, stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub tree: Digest,
    /// Time of the newest member; 0 if none has one.
    pub newest: Timestamp,
}

/// Takes members by their raw names and puts them in place.
pub(crate) struct Builder<'a> {
    store: &'a Store,
    pub tree: Tree,
    strip: u32,
    newest: i64,
    bytes: u64,
    members: u64,
    kept: u64,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(store: &'a Store, strip: u32) -> Self {
        Self { store, tree: Tree::default(), strip, newest: 0, bytes: 0, members: 0, kept: 0 }
    }

    /// Where a member goes; `None` if it is dropped.
    fn place(&mut self, name: &[u8], time: Option<i64>) -> Result<Option<RelPath>, ArchiveError> {
        self.members += 1;
        if self.members > MEMBERS {
            return Err(ArchiveError::TooLarge { limit: MEMBERS, unit: "members" });
        }
        let path = stripped(&member_path(name)?, self.strip);
        if path.is_some() {
            self.kept += 1;
            self.newest = self.newest.max(time.unwrap_or(0));
        }
        Ok(path)
    }

    pub(crate) fn file(
        &mut self,
        name: impl AsRef<[u8]>,
        executable: bool,
        time: Option<i64>,
        content: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        let Some(path) = self.place(name.as_ref(), time)? else { return Ok(()) };
        let digest = keep(self.store, content, LIMIT - self.bytes)?;
        self.bytes += digest.size;
        self.put(&path, Node::File { digest, executable })
    }

    pub(crate) fn directory(&mut self, name: &[u8], time: Option<i64>) -> Result<(), ArchiveError> {
        let Some(path) = self.place(name, time)? else { return Ok(()) };
        self.tree
            .make_directory(&path)
            .map_err(|cause| ArchiveError::Place { member: path.to_string(), cause })
    }

    pub(crate) fn symlink(
        &mut self,
        name: &[u8],
        target: &[u8],
        time: Option<i64>,
    ) -> Result<(), ArchiveError> {
        let Some(path) = self.place(name, time)? else { return Ok(()) };
        let target =
            std::str::from_utf8(target).ok().filter(|t| !t.is_empty() && !t.contains('\0')).ok_or_else(
                || ArchiveError::Kind { member: path.to_string(), kind: "a link to no readable name" },
            )?;
        // An absolute target names a place in the sandbox; a relative one that leaves the tree names nothing.
        let mut depth = path.components().count().saturating_sub(1);
        for component in target.split('/').filter(|_| !target.starts_with('/')) {
            match component {
                "" | "." => {}
                ".." if depth == 0 => {
                    let reason = format!("it points to `{target}`");
                    return Err(ArchiveError::Escapes { member: path.to_string(), reason });
                }
                ".." => depth -= 1,
                _ => depth += 1,
            }
        }
        self.put(&path, Node::Symlink(target.to_owned()))
    }

    /// A hard link: a copy of what is already in the tree.
    pub(crate) fn hard_link(
        &mut self,
        name: &[u8],
        target: &[u8],
        time: Option<i64>,
    ) -> Result<(), ArchiveError> {
        let Some(path) = self.place(name, time)? else { return Ok(()) };
        let found = stripped(&member_path(target)?, self.strip).and_then(|t| self.tree.leaf(&t).cloned());
        let node = found.ok_or_else(|| ArchiveError::Escapes {
            member: path.to_string(),
            reason: format!("it is a link to `{}`, which is not in it", String::from_utf8_lossy(target)),
        })?;
        self.put(&path, node)
    }

    fn put(&mut self, path: &RelPath, node: Node) -> Result<(), ArchiveError> {
        // A later member of the same name wins, as with every tar.
        self.tree.replace(path, node).map_err(|cause| ArchiveError::Place { member: path.to_string(), cause })
    }

    pub(crate) fn finish(self) -> Result<Unpacked, ArchiveError> {
        if self.kept == 0 {
            return Err(ArchiveError::Empty { strip: self.strip });
        }
        let finished = self.tree.finish();
        self.store.put_tree(&finished)?;
        Ok(Unpacked { tree: finished.root, newest: Timestamp(self.newest) })
    }
}

/// Streams `content` into the store, at most `limit` bytes.
pub(crate) fn keep(store: &Store, content: &mut dyn Read, limit: u64) -> Result<Digest, ArchiveError> {
    let mut failed = None;
    let mut reader = Remembering { inner: content.take(limit.saturating_add(1)), failed: &mut failed };
    let stored = store.put_reader(&mut reader);
    // The store would blame itself for what the archive did.
    if let Some(cause) = failed {
        return Err(ArchiveError::Damaged { doing: "reading a member's content", cause });
    }
    let digest = stored.map_err(|e: StoreError| ArchiveError::Store(e))?;
    if digest.size > limit {
        return Err(ArchiveError::TooLarge { limit: LIMIT, unit: "bytes" });
    }
    Ok(digest)
}

struct Remembering<'a, R> {
    inner: R,
    failed: &'a mut Option<std::io::Error>,
}

impl<R: Read> Read for Remembering<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer).map_err(|e| {
            if e.kind() == std::io::ErrorKind::Interrupted {
                return e;
            }
            let same = std::io::Error::new(e.kind(), e.to_string());
            *self.failed = Some(e);
            same
        })
    }
}
