//! Taking what a step left, or what a person has, into the store.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use model::tree::Node;
use model::{Digest, RelPath};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::blob::{CHUNK, hash};
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
        walk(dir, path, &Keeper { store: self, opens: false })
    }

    /// As [`Store::import`], of what is of no further use to anybody: a file or directory whose modes keep its owner out
    /// gets others first, so that a user who is root and one who is not take the same. A file is executable if its owner
    /// could execute it before.
    ///
    /// # Errors
    /// As [`Store::import`].
    pub fn take(&self, dir: BorrowedFd<'_>, path: &RelPath) -> Result<Option<Node>, StoreError> {
        walk(dir, path, &Keeper { store: self, opens: true })
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

/// Shows `visit` everything that [`Store::take`] would take, with its path below `dir`, and keeps nothing. From
/// several threads, in no order.
///
/// # Errors
/// As [`Store::import`]; and the first error of `visit`.
pub fn look(
    dir: BorrowedFd<'_>,
    path: &RelPath,
    visit: &(dyn Fn(&RelPath, Met<'_>) -> std::io::Result<()> + Sync),
) -> Result<(), StoreError> {
    walk(dir, path, &Looker(visit)).map(drop)
}

fn walk(dir: BorrowedFd<'_>, path: &RelPath, taker: &impl Taker) -> Result<Option<Node>, StoreError> {
    let directory_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    taker.enter(dir);
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
            Ok(fd) => {
                taker.enter(fd.as_fd());
                parent = Some(fd);
            }
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
            let fd = scan::open(parent, &name, path, OFlags::DIRECTORY, taker)?;
            scan::directory(fd, path, taker).map(|digest| Some(Node::Directory(digest)))
        }
    }
}

/// What [`Store::import`] would give, without a store: everything is hashed, and nothing kept.
///
/// # Errors
/// As [`Store::import`].
pub fn measure(dir: BorrowedFd<'_>, path: &RelPath) -> Result<Option<Node>, StoreError> {
    walk(dir, path, &Measure)
}

/// Hashes everything.
struct Measure;

impl Taker for Measure {
    fn file(&self, mut file: File, _: &Stat, path: &RelPath) -> Result<Digest, StoreError> {
        hash(&mut file).map_err(|e| StoreError::io("read", path.as_str(), e))
    }

    fn directory(&self, encoding: &[u8]) -> Result<Digest, StoreError> {
        Ok(Digest::of(encoding))
    }

    fn other(&self, _: BorrowedFd<'_>, _: &CStr, _: &RelPath) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Puts everything into the store.
struct Keeper<'a> {
    store: &'a Store,
    /// Whether what is closed to its owner is opened.
    opens: bool,
}

impl Taker for Keeper<'_> {
    fn file(&self, mut file: File, stat: &Stat, path: &RelPath) -> Result<Digest, StoreError> {
        let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        let wrong = |e| StoreError::io("read", path.as_str(), e);
        let mut writer = self.store.writer()?;
        if size > CHUNK {
            if writer.share(&file)? {
                return writer.finish();
            }
        } else {
            let mut bytes = Vec::with_capacity(size + 1);
            (&mut file).take(CHUNK as u64).read_to_end(&mut bytes).map_err(wrong)?;
            if bytes.len() < CHUNK {
                return self.store.put(&bytes);
            }
            // Just as large as a chunk, or growing meanwhile.
            writer.write_all(&bytes).map_err(|e| StoreError::io("write", self.store.dir(), e))?;
        }
        writer.copy_from(&mut file, u64::MAX, &wrong)?;
        writer.finish()
    }

    fn enter(&self, directory: BorrowedFd<'_>) {
        if self.opens {
            open_up(directory, Mode::RWXU);
        }
    }

    fn unlock(&self, parent: BorrowedFd<'_>, name: &CStr) -> bool {
        self.opens && unlock(parent, name)
    }

    fn directory(&self, encoding: &[u8]) -> Result<Digest, StoreError> {
        self.store.put(encoding)
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

    fn enter(&self, directory: BorrowedFd<'_>) {
        open_up(directory, Mode::RWXU);
    }

    fn unlock(&self, parent: BorrowedFd<'_>, name: &CStr) -> bool {
        unlock(parent, name)
    }
}

/// Opens what is at `name` to its owner. False if it cannot be.
fn unlock(parent: BorrowedFd<'_>, name: &CStr) -> bool {
    // An O_PATH descriptor needs no permission, and what it holds is no symlink: so the mode that is changed is that
    // of the thing itself.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).is_ok_and(|fd| {
        let directory =
            rustix::fs::fstat(&fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory);
        open_up(fd.as_fd(), if directory { Mode::RWXU } else { Mode::RUSR })
    })
}

/// Gives the owner of an open file or directory, be it open as a path only, what is missing of `wanted`. False if that
/// fails, or it is a symlink: reading then says what is wrong.
fn open_up(fd: BorrowedFd<'_>, wanted: Mode) -> bool {
    let Ok(stat) = rustix::fs::fstat(fd) else { return false };
    let mode = Mode::from_raw_mode(stat.st_mode);
    let path = || format!("/proc/self/fd/{}", fd.as_raw_fd());
    FileType::from_raw_mode(stat.st_mode) != FileType::Symlink
        && (mode.contains(wanted) || rustix::fs::chmod(path(), mode | wanted).is_ok())
}
