//! Removing directories that someone else filled: any mode, any depth.

use std::collections::VecDeque;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags};
use rustix::io::{Errno, Result};

/// How deep the recursion goes before a directory is moved up to the top and taken later: a build may leave
/// directories nested more deeply than there are file descriptors.
const DEPTH: usize = 64;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes the directory `path` and everything in it, never following a symlink.
///
/// Directories without permissions get them first. The first thing that cannot be removed ends it.
pub(crate) fn tree(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { return Err(Errno::INVAL.into()) };
    let name = CString::new(name.as_encoded_bytes())?;
    let parent = rustix::fs::open(parent, OPEN, Mode::empty())?;
    let top = open(parent.as_fd(), &name)?;
    let mut moved = VecDeque::new();
    empty(top.as_fd(), top.as_fd(), 0, &mut moved)?;
    while let Some(name) = moved.pop_front() {
        let deep = open(top.as_fd(), &name)?;
        empty(deep.as_fd(), top.as_fd(), 1, &mut moved)?;
        rustix::fs::unlinkat(&top, &name, AtFlags::REMOVEDIR)?;
    }
    Ok(rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR)?)
}

/// Opens a directory for reading and changing.
fn open(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd> {
    let fd = match rustix::fs::openat(parent, name, OPEN, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // An O_PATH descriptor needs no permission, and cannot be a symlink: so the mode that is changed is
            // that of the directory itself.
            let path = rustix::fs::openat(parent, name, OPEN | OFlags::PATH, Mode::empty())?;
            rustix::fs::chmod(format!("/proc/self/fd/{}", path.as_raw_fd()), Mode::RWXU)?;
            rustix::fs::openat(parent, name, OPEN, Mode::empty())?
        }
        other => other?,
    };
    if !Mode::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode).contains(Mode::RWXU) {
        rustix::fs::fchmod(&fd, Mode::RWXU)?;
    }
    Ok(fd)
}

fn empty(fd: BorrowedFd<'_>, top: BorrowedFd<'_>, depth: usize, moved: &mut VecDeque<CString>) -> Result<()> {
    let mut buffer = vec![MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(fd, &mut buffer);
    let mut directories = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            directories.push(name.to_owned());
            continue;
        }
        match rustix::fs::unlinkat(fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // The filesystem did not tell the type.
            Err(Errno::ISDIR | Errno::PERM) => directories.push(name.to_owned()),
            Err(e) => return Err(e),
        }
    }
    for name in directories {
        let below = open(fd, &name)?;
        if depth >= DEPTH {
            moved.push_back(move_up(fd, &name, top)?);
            continue;
        }
        empty(below.as_fd(), top, depth + 1, moved)?;
        rustix::fs::unlinkat(fd, &name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Moves a directory to `top` under a name that is free there.
fn move_up(from: BorrowedFd<'_>, name: &CString, top: BorrowedFd<'_>) -> Result<CString> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let aside = CString::new(format!(".aside-{count}")).expect("digits hold no NUL byte");
        match rustix::fs::renameat_with(from, name, top, &aside, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(aside),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
    }
}
