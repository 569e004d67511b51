//! Taking what a step left, or what a person has, into the store.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use model::tree::Node;
use model::{Digest, RelPath};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::blob::CHUNK;
use crate::scan::{self, Taker, failed, refused};
use crate::{ImportProblem, Store, StoreError};

impl Store {
    /// Takes what stands at `path` below the open directory `dir`: a file, a symlink, or a directory with all
    /// that is in it. `None` if nothing is there.
    ///
    /// Symlinks are kept as they stand and never followed, neither above `path` nor below it, so nothing outside
    /// `dir` can be reached. A file is executable if its owner may execute it. Each file is read once: what is
    /// hashed is what is kept.
    ///
    /// # Errors
    /// [`StoreError::Import`] for a device, pipe or socket, a name or target that is not UTF-8, and a symlink
    /// above `path`; otherwise as [`Store::put`]. Blobs that were put before the error stay.
    pub fn import(&self, dir: BorrowedFd<'_>, path: &RelPath) -> Result<Option<Node>, StoreError> {
        take(dir, path, &Keeper(self))
    }
}

/// What [`look`] meets.
#[derive(Debug)]
pub enum Met<'a> {
    /// A file, open at its beginning.
    File(File),
    /// A symbolic link with this target.
    Link(&'a [u8]),
    /// A directory, before what is in it.
    Directory,
}

/// Shows `visit` everything that [`Store::import`] would take, with its path below `dir`, and keeps nothing. From
/// several threads, in no order.
///
/// # Errors
/// As [`Store::import`]; and the first error of `visit`.
pub fn look(
    dir: BorrowedFd<'_>,
    path: &RelPath,
    visit: &(dyn Fn(&RelPath, Met<'_>) -> std::io::Result<()> + Sync),
) -> Result<(), StoreError> {
    take(dir, path, &Looker(visit)).map(drop)
}

fn take(dir: BorrowedFd<'_>, path: &RelPath, taker: &impl Taker) -> Result<Option<Node>, StoreError> {
    let directory_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(last) = path.file_name() else {
        let fd = rustix::fs::openat(dir, c".", directory_flags, Mode::empty())
            .map_err(|e| failed("read", path, e))?;
        return scan::directory(fd, path, taker).map(|digest| Some(Node::Directory(digest)));
    };
    // One component at a time: openat2 could do it in one call, but container runtimes forbid it.
    let mut parent = None;
    let mut at = RelPath::root();
    for component in path.parent().unwrap_or_default().components() {
        at = at.join(&component.parse().expect("a component is a path"));
        let from = parent.as_ref().map_or(dir, AsFd::as_fd);
        match rustix::fs::openat(from, component, directory_flags | OFlags::PATH, Mode::empty()) {
            Ok(fd) => parent = Some(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let stat = rustix::fs::statat(from, component, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| failed("read", &at, e))?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                    return Err(refused(path, ImportProblem::SymlinkAbove(at.to_string())));
                }
                return Ok(None);
            }
            Err(e) => return Err(failed("read", &at, e)),
        }
    }
    let parent = parent.as_ref().map_or(dir, AsFd::as_fd);
    let name = CString::new(last).expect("a path holds no NUL byte");
    let kind = match rustix::fs::statat(parent, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(failed("read", path, e)),
    };
    match scan::node(parent, &name, kind, path, taker)? {
        Some(node) => Ok(Some(node)),
        None => {
            let fd = scan::open(parent, &name, path, OFlags::DIRECTORY)?;
            scan::directory(fd, path, taker).map(|digest| Some(Node::Directory(digest)))
        }
    }
}

/// Puts everything into the store.
struct Keeper<'a>(&'a Store);

impl Taker for Keeper<'_> {
    fn file(&self, mut file: File, stat: &Stat, path: &RelPath) -> Result<Digest, StoreError> {
        let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        let wrong = |e| StoreError::io("read", path.as_str(), e);
        let mut writer = self.0.writer()?;
        if size > CHUNK {
            if writer.share(&file)? {
                return writer.finish();
            }
        } else {
            let mut bytes = Vec::with_capacity(size + 1);
            (&mut file).take(CHUNK as u64).read_to_end(&mut bytes).map_err(wrong)?;
            if bytes.len() < CHUNK {
                return self.0.put(&bytes);
            }
            // Just as large as a chunk, or growing meanwhile.
            writer.write_all(&bytes).map_err(|e| StoreError::io("write", self.0.dir(), e))?;
        }
        writer.copy_from(&mut file, u64::MAX, &wrong)?;
        writer.finish()
    }

    fn directory(&self, encoding: &[u8]) -> Result<Digest, StoreError> {
        self.0.put(encoding)
    }

    fn other(&self, _: BorrowedFd<'_>, _: &CStr, _: &RelPath) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Keeps nothing.
struct Looker<'a>(&'a (dyn Fn(&RelPath, Met<'_>) -> std::io::Result<()> + Sync));

impl Looker<'_> {
    fn show(&self, path: &RelPath, met: Met<'_>) -> Result<(), StoreError> {
        (self.0)(path, met).map_err(|e| StoreError::io("look through", path.as_str(), e))
    }
}

impl Taker for Looker<'_> {
    fn file(&self, file: File, _: &Stat, path: &RelPath) -> Result<Digest, StoreError> {
        self.show(path, Met::File(file)).map(|()| Digest::of(b""))
    }

    fn directory(&self, _: &[u8]) -> Result<Digest, StoreError> {
        Ok(Digest::of(b""))
    }

    fn other(&self, parent: BorrowedFd<'_>, name: &CStr, path: &RelPath) -> Result<(), StoreError> {
        match rustix::fs::readlinkat(parent, name, Vec::new()) {
            Ok(target) => self.show(path, Met::Link(target.as_bytes())),
            Err(Errno::INVAL) => self.show(path, Met::Directory),
            Err(e) => Err(failed("read", path, e)),
        }
    }
}
