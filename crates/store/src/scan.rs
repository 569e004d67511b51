//! Reading a directory on disk as a tree, without following a symlink and without leaving it.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use model::tree::{Directory, Node};
use model::{Digest, FileName, RelPath};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::layout::lock;
use crate::tree::MAX_DEPTH;
use crate::workers::drain;
use crate::{ImportProblem, StoreError};

/// What is done with what is found.
pub(crate) trait Taker: Sync {
    /// A regular file, open at its start.
    fn file(&self, file: File, stat: &Stat, path: &RelPath) -> Result<Digest, StoreError>;
    /// A directory whose entries have all been taken, encoded.
    fn directory(&self, encoding: &[u8]) -> Result<Digest, StoreError>;
    /// A symlink or directory, before it is read.
    fn other(&self, parent: BorrowedFd<'_>, name: &CStr, path: &RelPath) -> Result<(), StoreError>;
    /// A directory, before anything in it is looked at.
    fn enter(&self, _directory: BorrowedFd<'_>) {}
    /// Something that may not be read: true if trying again makes sense.
    fn unlock(&self, _parent: BorrowedFd<'_>, _name: &CStr) -> bool {
        false
    }
}

/// A directory to be read.
struct Level {
    parent: usize,
    name: Option<FileName>,
    nodes: Vec<(FileName, Node)>,
}

struct Task {
    id: usize,
    fd: Opening,
    path: RelPath,
    depth: usize,
}

enum Opening {
    Open(OwnedFd),
    In(Arc<OwnedFd>, FileName),
}

/// Reads the directory `fd`, which stands at `path`, and everything below it.
pub(crate) fn directory(fd: OwnedFd, path: &RelPath, taker: &impl Taker) -> Result<Digest, StoreError> {
    let levels = Mutex::new(vec![Level { parent: 0, name: None, nodes: Vec::new() }]);
    let first = Task { id: 0, fd: Opening::Open(fd), path: path.clone(), depth: 0 };
    drain(first, |task, more| level(task, more, &levels, taker))?;

    // A directory comes after the one that holds it, so from the end each is complete when it is met.
    let mut levels = levels.into_inner().unwrap_or_else(PoisonError::into_inner);
    loop {
        let level = levels.pop().expect("the first level is returned from below, and never popped before");
        let digest = taker.directory(&Directory(level.nodes.into_iter().collect()).encode())?;
        match level.name {
            Some(name) => levels[level.parent].nodes.push((name, Node::Directory(digest))),
            None => return Ok(digest),
        }
    }
}

fn level(
    task: Task,
    more: &mut Vec<Task>,
    levels: &Mutex<Vec<Level>>,
    taker: &impl Taker,
) -> Result<(), StoreError> {
    let Task { id, fd, path, depth } = task;
    if depth > MAX_DEPTH {
        return Err(refused(&path, ImportProblem::Depth(MAX_DEPTH)));
    }
    let fd = Arc::new(match fd {
        Opening::Open(fd) => fd,
        Opening::In(parent, name) => {
            let name = CString::new(name.as_str()).expect("a file name holds no NUL byte");
            open(parent.as_fd(), &name, &path, OFlags::DIRECTORY, taker)?
        }
    });
    taker.enter(fd.as_fd());
    let mut nodes = Vec::new();
    let mut directories = Vec::new();
    let mut buffer = vec![MaybeUninit::uninit(); 16384];
    let mut entries = RawDir::new(&*fd, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|e| failed("read", &path, e))?;
        let raw = entry.file_name();
        if raw == c"." || raw == c".." {
            continue;
        }
        let name = file_name(raw, &path)?;
        let at = path.join_name(&name);
        match node(fd.as_fd(), raw, entry.file_type(), &at, taker)? {
            Some(node) => nodes.push((name, node)),
            None => directories.push((name, at)),
        }
    }
    let mut levels = lock(levels);
    levels[id].nodes = nodes;
    for (name, path) in directories {
        let id_below = levels.len();
        levels.push(Level { parent: id, name: Some(name.clone()), nodes: Vec::new() });
        more.push(Task { id: id_below, fd: Opening::In(Arc::clone(&fd), name), path, depth: depth + 1 });
    }
    Ok(())
}

/// What stands at `raw` in `parent`; `None` for a directory, which is read later.
pub(crate) fn node(
    parent: BorrowedFd<'_>,
    raw: &CStr,
    kind: FileType,
    path: &RelPath,
    taker: &impl Taker,
) -> Result<Option<Node>, StoreError> {
    match kind {
        FileType::RegularFile => {
            let file = open(parent, raw, path, OFlags::NONBLOCK, taker)?;
            let stat = rustix::fs::fstat(&file).map_err(|e| failed("read", path, e))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(refused(path, ImportProblem::Changed));
            }
            let executable = Mode::from_raw_mode(stat.st_mode).contains(Mode::XUSR);
            Ok(Some(Node::File { digest: taker.file(File::from(file), &stat, path)?, executable }))
        }
        FileType::Directory => taker.other(parent, raw, path).map(|()| None),
        FileType::Symlink => {
            taker.other(parent, raw, path)?;
            let target = rustix::fs::readlinkat(parent, raw, Vec::new())
                .map_err(|e| failed("read the symbolic link", path, e))?;
            let target = target.into_string().map_err(|_| refused(path, ImportProblem::TargetNotUtf8))?;
            Ok(Some(Node::Symlink(target)))
        }
        FileType::Unknown => {
            let stat = rustix::fs::statat(parent, raw, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| failed("read", path, e))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Unknown => Err(refused(path, ImportProblem::Kind("thing of unknown kind"))),
                known => node(parent, raw, known, path, taker),
            }
        }
        FileType::Fifo => Err(refused(path, ImportProblem::Kind("named pipe"))),
        FileType::Socket => Err(refused(path, ImportProblem::Kind("socket"))),
        FileType::CharacterDevice => Err(refused(path, ImportProblem::Kind("character device"))),
        FileType::BlockDevice => Err(refused(path, ImportProblem::Kind("block device"))),
    }
}

/// Opens an entry for reading, never through a symlink.
pub(crate) fn open(
    parent: BorrowedFd<'_>,
    name: &CStr,
    path: &RelPath,
    flags: OFlags,
    taker: &impl Taker,
) -> Result<OwnedFd, StoreError> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(parent, name, flags, Mode::empty());
    let opened = match open() {
        Err(Errno::ACCESS) if taker.unlock(parent, name) => open(),
        other => other,
    };
    opened.map_err(|e| match e {
        // It was something else when its directory was read.
        Errno::LOOP | Errno::NOTDIR | Errno::NOENT => refused(path, ImportProblem::Changed),
        e => failed("read", path, e),
    })
}

fn file_name(raw: &CStr, parent: &RelPath) -> Result<FileName, StoreError> {
    raw.to_str().ok().and_then(|name| name.parse().ok()).ok_or_else(|| {
        let name = raw.to_string_lossy();
        let path = if parent.is_root() { name.into_owned() } else { format!("{parent}/{name}") };
        StoreError::Import { path, problem: ImportProblem::NameNotUtf8 }
    })
}

pub(crate) fn refused(path: &RelPath, problem: ImportProblem) -> StoreError {
    StoreError::Import { path: path.to_string(), problem }
}

pub(crate) fn failed(doing: &'static str, path: &RelPath, error: Errno) -> StoreError {
    StoreError::io(doing, path.as_str(), error)
}
