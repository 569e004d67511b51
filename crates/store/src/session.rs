//! A process's own directory in `tmp/`: unfinished files and scratch directories.
//!
//! The owner holds a `flock` on the directory itself; the kernel drops it when the process dies, however it dies.
//! Whoever can take the lock of a directory in `tmp/` knows that its owner is gone and removes it. Process ids
//! would be reused, and mean nothing across pid namespaces.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};

use crate::layout::{open_dir, set_mode};
use crate::{StoreError, remove};

/// The directory of one process; removed with all that is in it when dropped.
pub(crate) struct Session {
    path: PathBuf,
    fd: OwnedFd,
    count: AtomicU64,
}

/// A file without a final name; removed when dropped, unless it was given one.
pub(crate) struct Temp {
    session: Arc<Session>,
    name: String,
    pub(crate) file: File,
    kept: bool,
}

impl Session {
    pub(crate) fn new(tmp: &Path) -> Result<Self, StoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            // Two pid namespaces may share a pid, so a taken name is tried again with the next number.
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = tmp.join(format!("{}.{count}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(StoreError::io("make", path, e)),
            }
            // A process that opens the store just now may hold the lock for a moment, and remove the directory.
            let fd = match open_dir(&path) {
                Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    continue;
                }
                other => other?,
            };
            rustix::fs::flock(&fd, FlockOperation::LockShared)
                .map_err(|e| StoreError::io("lock", &path, e))?;
            if same_file(&fd, &path) {
                set_mode(&path, 0o755)?;
                return Ok(Self { path, fd, count: AtomicU64::new(0) });
            }
        }
    }

    /// A name that no one else in this session has.
    pub(crate) fn fresh_name(&self) -> String {
        self.count.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Where names of this session are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new file, readable and writable.
    pub(crate) fn temp(self: &Arc<Self>) -> Result<Temp, StoreError> {
        let name = self.fresh_name();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&self.fd, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(|e| StoreError::io("make", self.path.join(&name), e))?;
        Ok(Temp { session: Arc::clone(self), name, file: File::from(fd), kept: false })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process that opens the store.
        let _ = remove::tree(&self.path);
    }
}

impl Temp {
    pub(crate) fn path(&self) -> PathBuf {
        self.session.path.join(&self.name)
    }

    /// Makes the file read-only for all and renames it to `name` below `dir`, making the fan-out directory.
    pub(crate) fn keep(mut self, dir: impl AsFd, name: &str) -> Result<(), rustix::io::Errno> {
        // The mode given at creation is cut by the umask.
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o444))?;
        let rename = || rustix::fs::renameat(&self.session.fd, &self.name, dir.as_fd(), name);
        match rename() {
            Err(rustix::io::Errno::NOENT) => {
                let mut at = 0;
                while let Some(slash) = name[at..].find('/').map(|i| at + i) {
                    match rustix::fs::mkdirat(dir.as_fd(), &name[..slash], Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                        Err(e) => return Err(e),
                    }
                    at = slash + 1;
                }
                rename()?;
            }
            other => other?,
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.kept {
            let _ = rustix::fs::unlinkat(&self.session.fd, &self.name, AtFlags::empty());
        }
    }
}

/// Removes every directory of `tmp` whose owner is dead; gives how many.
///
/// Never an error: what cannot be removed stays, and is only space.
pub(crate) fn remove_dead(tmp: &Path) -> u64 {
    let mut removed = 0;
    for entry in fs::read_dir(tmp).into_iter().flatten().flatten() {
        let path = entry.path();
        // Only the lock's owner removes: it is held until nothing is left.
        if let Some(_lock) = lock_dead(&path) {
            removed += u64::from(remove::tree(&path).is_ok());
        }
    }
    removed
}

/// How many directories of dead processes are in `tmp`.
pub(crate) fn count_dead(tmp: &Path) -> u64 {
    let entries = fs::read_dir(tmp).into_iter().flatten().flatten();
    entries.filter(|entry| lock_dead(&entry.path()).is_some()).count() as u64
}

fn lock_dead(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).ok()?;
    same_file(&fd, path).then_some(fd)
}

fn same_file(fd: &OwnedFd, path: &Path) -> bool {
    match (rustix::fs::fstat(fd), rustix::fs::lstat(path)) {
        (Ok(a), Ok(b)) => a.st_ino == b.st_ino && a.st_dev == b.st_dev,
        _ => false,
    }
}
