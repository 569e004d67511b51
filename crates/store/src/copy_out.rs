//! Writing a tree to disk: every blob is verified on its way.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::tree::Node;
use model::{Digest, FileName, Hasher, RelPath, Timestamp};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};

use crate::blob::{CHUNK, hash};
use crate::tree::{MAX_ENTRIES, check_depth};
use crate::workers::drain;
use crate::{Store, StoreError, TreeProblem};

/// What files and directories are like when they are done.
#[derive(Clone, Copy)]
pub(crate) enum Style {
    /// With this time and these modes, whatever the umask.
    Sealed(Seal),
    /// As any program of the user would make them.
    Ordinary,
}

/// What every file and directory of a tree on disk is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Seal {
    /// Modification time.
    pub(crate) mtime: Timestamp,
    /// Whether the owner may write: 0755 and 0644 instead of 0555 and 0444.
    pub(crate) writable: bool,
}

impl Seal {
    /// Mode of a directory.
    pub(crate) const fn directory(self) -> u32 {
        if self.writable { 0o755 } else { 0o555 }
    }

    /// Mode of a file.
    pub(crate) const fn file(self, executable: bool) -> u32 {
        match (self.writable, executable) {
            (true, true) => 0o755,
            (true, false) => 0o644,
            (false, true) => 0o555,
            (false, false) => 0o444,
        }
    }
}

/// One copying of a tree.
pub(crate) struct CopyOut<'a> {
    pub(crate) store: &'a Store,
    pub(crate) style: Style,
    /// Where it goes, for messages.
    pub(crate) place: &'a Path,
}

struct Task {
    digest: Digest,
    fd: Opening,
    path: RelPath,
    depth: usize,
}

enum Opening {
    Open(OwnedFd),
    In(Arc<OwnedFd>, FileName),
}

impl CopyOut<'_> {
    /// Fills the empty directory `fd` with the tree `root`, in sorted order within each directory.
    pub(crate) fn tree(&self, root: &Digest, fd: OwnedFd) -> Result<(), StoreError> {
        let entries = AtomicUsize::new(0);
        let first = Task { digest: *root, fd: Opening::Open(fd), path: RelPath::root(), depth: 0 };
        drain(first, |task, more| self.level(root, task, more, &entries))
    }

    fn level(
        &self,
        root: &Digest,
        task: Task,
        more: &mut Vec<Task>,
        entries: &AtomicUsize,
    ) -> Result<(), StoreError> {
        let Task { digest, fd, path, depth } = task;
        check_depth(root, depth)?;
        let nodes = self.store.directory(&digest)?.0;
        if entries.fetch_add(nodes.len(), Ordering::Relaxed) + nodes.len() > MAX_ENTRIES {
            return Err(StoreError::Tree { digest: *root, source: TreeProblem::Entries(MAX_ENTRIES) });
        }
        let fd = Arc::new(match fd {
            Opening::Open(fd) => fd,
            Opening::In(parent, name) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, name.as_str(), flags, Mode::empty())
                    .map_err(|e| self.failed("open", &path, e))?
            }
        });
        for (name, node) in nodes {
            let at = path.join_name(&name);
            match node {
                Node::File { digest, executable } => {
                    self.file(fd.as_fd(), &name, &digest, executable, &at)?;
                }
                Node::Symlink(target) => self.symlink(fd.as_fd(), &name, &target, &at)?,
                Node::Directory(digest) => {
                    let mode = match self.style {
                        Style::Sealed(_) => 0o700,
                        Style::Ordinary => 0o777,
                    };
                    rustix::fs::mkdirat(&fd, name.as_str(), Mode::from_raw_mode(mode))
                        .map_err(|e| self.failed("make", &at, e))?;
                    let fd = Opening::In(Arc::clone(&fd), name);
                    more.push(Task { digest, fd, path: at, depth: depth + 1 });
                }
            }
        }
        // All names of this directory are there, so nothing changes its time any more.
        self.seal(fd.as_fd(), Seal::directory, &path)
    }

    /// Writes one file. `name` must be free.
    pub(crate) fn file(
        &self,
        parent: BorrowedFd<'_>,
        name: &FileName,
        digest: &Digest,
        executable: bool,
        path: &RelPath,
    ) -> Result<(), StoreError> {
        let mode = match (self.style, executable) {
            (Style::Sealed(_), _) => 0o600,
            (Style::Ordinary, false) => 0o666,
            (Style::Ordinary, true) => 0o777,
        };
        let create = || {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::openat(parent, name.as_str(), flags, Mode::from_raw_mode(mode))
                .map(File::from)
                .map_err(|e| self.failed("make", path, e))
        };
        let mut file;
        if digest.size <= CHUNK as u64 {
            let bytes = self.store.read(digest)?;
            file = create()?;
            file.write_all(&bytes).map_err(|e| self.failed("write", path, e))?;
        } else {
            let mut blob = self.store.open_unverified(digest)?;
            file = create()?;
            let found = if rustix::fs::ioctl_ficlone(&file, &blob).is_ok() {
                hash(&mut file).map_err(|e| self.failed("read", path, e))?
            } else {
                self.stream(&mut blob, &mut file, digest, path)?
            };
            if found != *digest {
                return Err(self.store.damaged(digest, found, &blob));
            }
        }
        self.seal(file.as_fd(), |seal| seal.file(executable), path)
    }

    /// Copies and hashes in one pass, which is why this is not `copy_file_range`.
    fn stream(
        &self,
        blob: &mut File,
        file: &mut File,
        digest: &Digest,
        path: &RelPath,
    ) -> Result<Digest, StoreError> {
        blob.rewind().map_err(|e| StoreError::io("read", self.store.blob_path(digest), e))?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            match blob.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(got) => {
                    hasher.update(&buffer[..got]);
                    file.write_all(&buffer[..got]).map_err(|e| self.failed("write", path, e))?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(StoreError::io("read", self.store.blob_path(digest), e)),
            }
        }
    }

    fn symlink(
        &self,
        parent: BorrowedFd<'_>,
        name: &FileName,
        target: &str,
        path: &RelPath,
    ) -> Result<(), StoreError> {
        rustix::fs::symlinkat(target, parent, name.as_str())
            .map_err(|e| self.failed("make the symbolic link", path, e))?;
        if let Style::Sealed(seal) = self.style {
            rustix::fs::utimensat(parent, name.as_str(), &times(seal.mtime), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| self.failed("set the time of", path, e))?;
        }
        Ok(())
    }

    fn seal(
        &self,
        fd: BorrowedFd<'_>,
        mode: impl FnOnce(Seal) -> u32,
        path: &RelPath,
    ) -> Result<(), StoreError> {
        let Style::Sealed(seal) = self.style else { return Ok(()) };
        rustix::fs::futimens(fd, &times(seal.mtime)).map_err(|e| self.failed("set the time of", path, e))?;
        rustix::fs::fchmod(fd, Mode::from_raw_mode(mode(seal)))
            .map_err(|e| self.failed("change the mode of", path, e))
    }

    fn failed(&self, doing: &'static str, path: &RelPath, error: impl Into<io::Error>) -> StoreError {
        StoreError::io(doing, self.place.join(path.as_str()), error)
    }
}

fn times(time: Timestamp) -> Timestamps {
    let time = Timespec { tv_sec: time.0, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
