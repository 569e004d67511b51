//! Mounts.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::os::fd::RawFd;
use std::ptr;

use super::{Answer, Errno, descriptor, done};

/// The file system's own mount flags of [`mount_attributes`].
pub(crate) const READ_ONLY: u64 = 0x1;
pub(crate) const NO_SUID: u64 = 0x2;
pub(crate) const NO_DEV: u64 = 0x4;
pub(crate) const NO_EXEC: u64 = 0x8;
const ID_MAPPED: u64 = 0x10_0000;
const OPEN_TREE_CLONE: c_uint = 1;
const MOVE_MOUNT_FROM_EMPTY: c_uint = 0x4;
const MOVE_MOUNT_TO_EMPTY: c_uint = 0x40;
const AT_RECURSIVE: c_int = 0x8000;

/// A detached copy of the mount at `path` (below `dir`, if relative; `dir` itself, if empty).
pub(crate) fn clone_mount(dir: RawFd, path: &CStr) -> Answer<RawFd> {
    let flags = OPEN_TREE_CLONE
        | libc::O_CLOEXEC as c_uint
        | (libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) as c_uint;
    // SAFETY: `path` is a C string.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) })
}

/// Attaches the detached mount `mount` at `path` below `dir`.
pub(crate) fn attach(mount: RawFd, dir: RawFd, path: &CStr) -> Answer<()> {
    let flags = MOVE_MOUNT_FROM_EMPTY | if path.is_empty() { MOVE_MOUNT_TO_EMPTY } else { 0 };
    // SAFETY: both paths are C strings.
    done(unsafe { libc::syscall(libc::SYS_move_mount, mount, c"".as_ptr(), dir, path.as_ptr(), flags) })
}

/// Attaches the detached mount `mount` at `path`, taking `root` for the root: no link leads out of it. A link at its end is
/// followed if `follow` says so; otherwise the mount covers the link.
pub(crate) fn attach_in(mount: RawFd, root: RawFd, path: &CStr, follow: bool) -> Answer<()> {
    let place = super::look_in(root, path, follow)?;
    let attached = attach(mount, place, c"");
    super::close(place);
    attached
}

/// Sets flags on the mount at `path` below `dir`, and with `recursive` on all mounts below it.
pub(crate) fn mount_attributes(dir: RawFd, path: &CStr, set: u64, recursive: bool) -> Answer<()> {
    mount_setattr(dir, path, [set, 0, 0, 0], if recursive { AT_RECURSIVE } else { 0 })
}

/// Lets the detached mount show its owners through the map of the user namespace `namespace`.
pub(crate) fn map_owners(mount: RawFd, namespace: RawFd) -> Answer<()> {
    let namespace = u64::try_from(namespace).map_err(|_| Errno(libc::EBADF))?;
    mount_setattr(mount, c"", [ID_MAPPED, 0, 0, namespace], 0)
}

fn mount_setattr(dir: RawFd, path: &CStr, attributes: [u64; 4], flags: c_int) -> Answer<()> {
    let flags = flags | libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `attributes` has the layout of `mount_attr` (four u64: set, clear, propagation, namespace).
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir,
            path.as_ptr(),
            flags,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })
}

/// Creates a file system of `kind` with `options`, detached.
pub(crate) fn new_mount(kind: &CStr, options: &[(&CStr, &CStr)], flags: u64) -> Answer<RawFd> {
    // SAFETY: all pointers are C strings or null, as each command wants.
    unsafe {
        let context = descriptor(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1 /* CLOEXEC */))?;
        let configured = options
            .iter()
            .try_for_each(|(key, value)| {
                let set = 1; // FSCONFIG_SET_STRING
                done(libc::syscall(libc::SYS_fsconfig, context, set, key.as_ptr(), value.as_ptr(), 0))
            })
            .and_then(|()| {
                let create = 6; // FSCONFIG_CMD_CREATE
                let null = ptr::null::<c_char>();
                done(libc::syscall(libc::SYS_fsconfig, context, create, null, null, 0))
            })
            .and_then(|()| {
                descriptor(libc::syscall(libc::SYS_fsmount, context, 1 /* CLOEXEC */, flags))
            });
        libc::close(context);
        configured
    }
}

/// Mounts a file system of `kind` at `target`, with the options `data`.
pub(crate) fn mount(kind: &CStr, target: &CStr, flags: u64, data: &CStr) -> Answer<()> {
    // SAFETY: all pointers are C strings.
    done(c_long::from(unsafe {
        libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast())
    }))
}

/// Makes the current directory (the root of a mount) the root, and lets go of all that was mounted before.
pub(crate) fn pivot_here() -> Answer<()> {
    // SAFETY: C strings. The old root ends up stacked on the new one, where "." then finds it.
    unsafe {
        done(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        done(c_long::from(libc::umount2(c".".as_ptr(), libc::MNT_DETACH)))
    }
}
