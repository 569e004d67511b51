//! Ordinary copies for people.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::tree::Node;
use model::{Digest, FileName, RelPath};
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags};

use crate::blob::hash;
use crate::copy_out::{CopyOut, Style};
use crate::layout::open_dir;
use crate::{Store, StoreError, remove};

impl Store {
    /// Copies a file, directory or symlink to `dest`, which appears complete or not at all.
    ///
    /// Modes are as the umask leaves them. A file or symlink at `dest` is replaced; a directory is not. A file of ours
    /// that has the right bytes already is left, and keeps its time.
    ///
    /// # Errors
    /// As [`Store::materialise`]; [`StoreError::Io`] of kind `IsADirectory` if a directory is at `dest`.
    pub fn export(&self, node: &Node, dest: &Path) -> Result<(), StoreError> {
        let taken = match fs::symlink_metadata(dest) {
            Ok(stat) if stat.is_dir() => {
                let cause = io::Error::from(io::ErrorKind::IsADirectory);
                return Err(StoreError::io("write over", dest, cause));
            }
            Ok(_) => {
                if let Node::File { digest, executable } = node
                    && is_there(digest, *executable, dest)
                {
                    // Damage in the store is seen now, as if the bytes were needed.
                    return self.open_blob(digest).map(drop);
                }
                true
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(StoreError::io("write", dest, e)),
        };
        let Some(name) = dest.file_name() else {
            return Err(StoreError::io("write", dest, io::Error::from(io::ErrorKind::InvalidFilename)));
        };
        let parent = dest.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Beside `dest`, so that one rename on one filesystem puts it in place.
        let around = Beside::new(parent)?;
        let place = around.0.join(name);
        self.copy_to(node, &around.0, &place)?;
        if taken && matches!(node, Node::Directory(_)) {
            // A directory cannot be renamed over a file, but the two can change places.
            rustix::fs::renameat_with(CWD, &place, CWD, dest, RenameFlags::EXCHANGE)
        } else {
            rustix::fs::renameat_with(CWD, &place, CWD, dest, RenameFlags::empty())
        }
        .map_err(|e| StoreError::io("write", dest, e))
    }

    fn copy_to(&self, node: &Node, around: &Path, place: &Path) -> Result<(), StoreError> {
        let name: FileName = "content".parse().expect("a plain name");
        let copy = CopyOut { store: self, style: Style::Ordinary, place };
        match node {
            Node::File { digest, executable } => {
                let fd: OwnedFd = open_dir(around)?;
                copy.file(std::os::fd::AsFd::as_fd(&fd), &name, digest, *executable, &RelPath::root())?;
                fs::rename(around.join(name.as_str()), place).map_err(|e| StoreError::io("write", place, e))
            }
            Node::Symlink(target) => {
                symlink(target, place).map_err(|e| StoreError::io("make the symbolic link", place, e))
            }
            Node::Directory(root) => {
                fs::create_dir(place).map_err(|e| StoreError::io("make", place, e))?;
                copy.tree(root, OwnedFd::from(File::from(open_dir(place)?)))
            }
        }
    }
}

/// True if `dest` is what would be written there: a file of this user's own, that has one name and nobody else may
/// write to, with these bytes.
fn is_there(digest: &Digest, executable: bool, dest: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Ok(fd) = rustix::fs::open(dest, flags, Mode::empty()) else { return false };
    let Ok(stat) = rustix::fs::fstat(&fd) else { return false };
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_nlink == 1
        && stat.st_mode & 0o7022 == 0
        && (stat.st_mode & 0o100 != 0) == executable
        && u64::try_from(stat.st_size) == Ok(digest.size)
        && hash(&mut File::from(fd)).is_ok_and(|found| found == *digest)
}

/// A private directory that goes when it is dropped.
struct Beside(PathBuf);

impl Beside {
    fn new(parent: &Path) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!(".selfsame-{}-{count}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(StoreError::io("make", path, e)),
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = remove::tree(&self.0);
    }
}
