//! Files and descriptors.

#![allow(unsafe_code, reason = "system calls; the arguments are checked types, so callers need no unsafe")]

use std::ffi::{CStr, OsString, c_int, c_long, c_uint};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::ptr;

use super::{Answer, Errno, answer, descriptor, done, own};

/// Opens `path` below `dir`.
pub(crate) fn open_at(dir: RawFd, path: &CStr, flags: c_int, mode: u32) -> Answer<RawFd> {
    // SAFETY: `path` is a C string. The raw call keeps no state of the C library for a thread.
    descriptor(unsafe { libc::syscall(libc::SYS_openat, dir, path.as_ptr(), flags | libc::O_CLOEXEC, mode) })
}

/// A descriptor of what is at `path`, taking `root` for the root; only good for asking where it is.
pub(crate) fn look_in(root: RawFd, path: &CStr, follow: bool) -> Answer<RawFd> {
    const IN_ROOT: u64 = 0x10; // RESOLVE_IN_ROOT
    let flags = libc::O_PATH | libc::O_CLOEXEC | if follow { 0 } else { libc::O_NOFOLLOW };
    // `open_how`: flags, mode, how to resolve.
    let how: [u64; 3] = [u64::from(flags.cast_unsigned()), 0, IN_ROOT];
    // SAFETY: a C string, and `how` is readable for its size.
    descriptor(unsafe {
        libc::syscall(libc::SYS_openat2, root, path.as_ptr(), how.as_ptr(), size_of_val(&how))
    })
}

/// Writes all of `bytes`; a short write is an error (the files written here take or refuse it whole).
pub(crate) fn write_all(file: RawFd, bytes: &[u8]) -> Answer<()> {
    // SAFETY: pointer and length of a slice.
    let written = answer(unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) as c_long })?;
    if usize::try_from(written) == Ok(bytes.len()) { Ok(()) } else { Err(Errno(libc::EIO)) }
}

/// Writes `bytes` to the existing file at `path`.
pub(crate) fn write_file(path: &CStr, bytes: &[u8]) -> Answer<()> {
    let file = open_at(libc::AT_FDCWD, path, libc::O_WRONLY, 0)?;
    let result = write_all(file, bytes);
    close(file);
    result
}

/// Sets the size of a file.
pub(crate) fn set_size(file: RawFd, size: i64) -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::ftruncate64(file, size) }))
}

/// Reads once.
pub(crate) fn read(file: RawFd, buffer: &mut [u8]) -> Answer<usize> {
    // SAFETY: pointer and length of a slice.
    let count = answer(unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) as c_long })?;
    usize::try_from(count).map_err(|_| Errno(libc::EIO))
}

/// Reads directory entries in the kernel's `linux_dirent64` encoding.
pub(crate) fn read_entries(dir: RawFd, buffer: &mut [u8]) -> Answer<usize> {
    // SAFETY: pointer and length of a slice.
    let count =
        answer(unsafe { libc::syscall(libc::SYS_getdents64, dir, buffer.as_mut_ptr(), buffer.len()) })?;
    usize::try_from(count).map_err(|_| Errno(libc::EIO))
}

/// Goes back to the start of a directory or file.
pub(crate) fn rewind(file: RawFd) {
    // SAFETY: no pointers.
    unsafe { libc::lseek(file, 0, libc::SEEK_SET) };
}

/// Where the next read of `file` begins.
pub(crate) fn tell(file: RawFd) -> Answer<i64> {
    // SAFETY: no pointers.
    answer(unsafe { libc::lseek64(file, 0, libc::SEEK_CUR) })
}

/// Lets the next read of `file` begin there; gives where it will.
pub(crate) fn seek(file: RawFd, offset: i64) -> Answer<i64> {
    // SAFETY: no pointers.
    answer(unsafe { libc::lseek64(file, offset, libc::SEEK_SET) })
}

/// The directory `dir` opened anew, from its beginning; not one of `/proc`, which shows each reader its own.
pub(crate) fn reopen_dir(dir: RawFd) -> Answer<OwnedFd> {
    const PROC: i64 = 0x9fa0;
    // SAFETY: all-zero is a valid `statfs`, and it is writable.
    let kind = unsafe {
        let mut stat: libc::statfs64 = std::mem::zeroed();
        done(c_long::from(libc::fstatfs64(dir, &raw mut stat)))?;
        stat.f_type
    };
    if kind == PROC {
        return Err(Errno(libc::ENOTSUP));
    }
    open_at(dir, c".", libc::O_RDONLY | libc::O_DIRECTORY, 0).map(own)
}

/// What is known of the open file `file`.
pub(crate) fn stat(file: RawFd) -> Answer<libc::stat> {
    // SAFETY: all-zero is a valid `stat`, and it is writable; the path is a C string.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        done(c_long::from(libc::fstatat(file, c"".as_ptr(), &raw mut stat, libc::AT_EMPTY_PATH)))?;
        Ok(stat)
    }
}

/// What the symbolic link that is open as `link` says.
pub(crate) fn read_link(link: RawFd) -> Option<PathBuf> {
    let mut text = vec![0; 4096]; // the longest path of the kernel
    // SAFETY: the path is a C string, and the buffer is writable for its length.
    let length = unsafe { libc::readlinkat(link, c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    text.truncate(usize::try_from(length).ok()?);
    Some(OsString::from_vec(text).into())
}

/// What is known of `name` in the directory `dir`; of a symbolic link itself.
pub(crate) fn stat_at(dir: RawFd, name: &CStr) -> Answer<libc::stat> {
    // SAFETY: all-zero is a valid `stat`, and it is writable; the name is a C string.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        done(c_long::from(libc::fstatat(dir, name.as_ptr(), &raw mut stat, flags)))?;
        Ok(stat)
    }
}

/// What is known of the open file `file`, as far as `mask` asks.
pub(crate) fn statx(file: RawFd, mask: u32) -> Answer<libc::statx> {
    // SAFETY: all-zero is a valid `statx`, and it is writable; the path is a C string.
    unsafe {
        let mut stat: libc::statx = std::mem::zeroed();
        let found =
            libc::syscall(libc::SYS_statx, file, c"".as_ptr(), libc::AT_EMPTY_PATH, mask, &raw mut stat);
        done(found)?;
        Ok(stat)
    }
}

/// As the kernel writes it.
pub(crate) fn bytes_of_stat(stat: &libc::stat) -> &[u8] {
    // SAFETY: the structure is plain numbers, filled by the kernel, without padding that was not zeroed.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(stat).cast(), size_of::<libc::stat>()) }
}

/// As the kernel writes it.
pub(crate) fn bytes_of_statx(stat: &libc::statx) -> &[u8] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(stat).cast(), size_of::<libc::statx>()) }
}

/// Closes a descriptor.
pub(crate) fn close(file: RawFd) {
    // SAFETY: descriptors here are plain numbers; the caller gives up this one.
    unsafe { libc::syscall(libc::SYS_close, file) };
}

/// Closes every descriptor from `first` on, except those of `keep` (ascending).
pub(crate) fn close_from(first: RawFd, keep: &[RawFd]) {
    let close = |from: RawFd, to: c_uint| {
        // SAFETY: no pointers; the caller gives up these descriptors.
        unsafe { libc::syscall(libc::SYS_close_range, from.cast_unsigned(), to, 0) };
    };
    let mut from = first;
    for &kept in keep.iter().filter(|kept| **kept >= first) {
        if kept > from {
            close(from, (kept - 1).cast_unsigned());
        }
        from = kept + 1;
    }
    close(from, c_uint::MAX);
}

/// Gives this process a table of descriptors of its own.
pub(crate) fn unshare_descriptors() -> Answer<()> {
    // SAFETY: no pointers.
    done(c_long::from(unsafe { libc::unshare(libc::CLONE_FILES) }))
}

/// Makes `to` the same open file as `from`.
pub(crate) fn duplicate(from: RawFd, to: RawFd) -> Answer<()> {
    // SAFETY: no pointers; the caller gives up what was `to`.
    done(c_long::from(unsafe { libc::dup2(from, to) }))
}

/// Creates a directory below the current one.
pub(crate) fn make_dir(path: &CStr, mode: u32) -> Answer<()> {
    // SAFETY: a C string.
    unsafe { done(c_long::from(libc::mkdir(path.as_ptr(), mode))) }
}

/// Creates an empty file below the current directory.
pub(crate) fn make_file(path: &CStr, mode: u32) -> Answer<()> {
    // SAFETY: a C string.
    unsafe { done(c_long::from(libc::mknod(path.as_ptr(), libc::S_IFREG | mode, 0))) }
}

/// Creates a symbolic link below the current directory.
pub(crate) fn make_link(target: &CStr, path: &CStr) -> Answer<()> {
    // SAFETY: C strings.
    unsafe { done(c_long::from(libc::symlink(target.as_ptr(), path.as_ptr()))) }
}

/// Sets access and modification time of `path` itself to `seconds`.
pub(crate) fn set_time(path: &CStr, seconds: i64) -> Answer<()> {
    set_time_at(libc::AT_FDCWD, path, seconds)
}

/// As [`set_time`], below `dir`.
pub(crate) fn set_time_at(dir: RawFd, path: &CStr, seconds: i64) -> Answer<()> {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = [time, time];
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: a C string and two valid times.
    unsafe { done(c_long::from(libc::utimensat(dir, path.as_ptr(), times.as_ptr(), flags))) }
}

/// Whether `path` is there.
pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: a C string.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::F_OK, 0) == 0 }
}

/// Changes the current directory to the open directory `dir`.
pub(crate) fn enter_dir(dir: RawFd) -> Answer<()> {
    // SAFETY: no pointers.
    unsafe { done(c_long::from(libc::fchdir(dir))) }
}

/// Bytes in use by the file system at `path`.
pub(crate) fn bytes_used(path: &CStr) -> u64 {
    // SAFETY: all-zero is a valid `statfs`, and it is writable.
    unsafe {
        let mut stat: libc::statfs64 = std::mem::zeroed();
        if libc::statfs64(path.as_ptr(), &raw mut stat) != 0 {
            return 0;
        }
        (stat.f_blocks - stat.f_bfree) * u64::try_from(stat.f_bsize).unwrap_or(0)
    }
}

/// Bytes in use by the file system of the open file `file`.
pub(crate) fn bytes_used_by(file: RawFd) -> u64 {
    // SAFETY: all-zero is a valid `statfs`, and it is writable.
    unsafe {
        let mut stat: libc::statfs64 = std::mem::zeroed();
        if libc::fstatfs64(file, &raw mut stat) != 0 {
            return 0;
        }
        (stat.f_blocks - stat.f_bfree) * u64::try_from(stat.f_bsize).unwrap_or(0)
    }
}

/// The file system at `path`: its magic number, the bytes that are free for this user, and all.
pub(crate) fn file_system(path: &CStr) -> Answer<(i64, u64, u64)> {
    // SAFETY: all-zero is a valid `statfs`, and it is writable; the path is a C string.
    let stat = unsafe {
        let mut stat: libc::statfs64 = std::mem::zeroed();
        done(c_long::from(libc::statfs64(path.as_ptr(), &raw mut stat)))?;
        stat
    };
    let size = u64::try_from(stat.f_bsize).unwrap_or(0);
    Ok((stat.f_type, stat.f_bavail.saturating_mul(size), stat.f_blocks.saturating_mul(size)))
}

/// Whether this user may write to `path`.
pub(crate) fn writable(path: &CStr) -> bool {
    // SAFETY: a C string.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK, libc::AT_EACCESS) == 0 }
}
