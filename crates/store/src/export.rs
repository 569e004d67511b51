//! Ordinary copies for people.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use model::tree::Node;
use model::{FileName, RelPath};
use rustix::fs::{CWD, RenameFlags};

use crate::copy_out::{CopyOut, Style};
use crate::layout::open_dir;
use crate::{Store, StoreError, remove};

impl Store {
    /// Copies a file, directory or symlink to `dest`, which appears complete or not at all.
    ///
    /// Modes are as the umask leaves them. A file or symlink at `dest` is replaced; a directory is not.
    ///
    /// # Errors
    /// As [`Store::materialise`]; [`StoreError::Io`] of kind `IsADirectory` if a directory is at `dest`.
    pub fn export(&self, node: &Node, dest: &Path) -> Result<(), StoreError> {
        let taken = match fs::symlink_metadata(dest) {
            Ok(stat) if stat.is_dir() => {
                let cause = io::Error::from(io::ErrorKind::IsADirectory);
                return Err(StoreError::io("write over", dest, cause));
            }
            Ok(_) => true,
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
