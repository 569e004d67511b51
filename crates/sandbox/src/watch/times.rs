//! The times of files, where the wall clock is not the host's.
//!
//! File systems stamp with the host's clock. What was stamped before the step began is an input's, with the time it
//! was given; what was stamped since is shown as the step's own clock has it.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use model::conditions::Clock;

use super::Reply;
use super::places::{Places, absolute, is_of_the_kernel};
use super::process::Caller;
use crate::kernel;

/// Of a file without an owner inside.
const NOBODY: u32 = 65534;

/// Who owns what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    /// The builder's ids as this process sees them.
    pub(crate) outside: (u32, u32),
    /// As the builder sees them.
    pub(crate) inside: (u32, u32),
    /// How many ids from these on are mapped one after the other.
    pub(crate) count: u32,
}

/// Answers for the calls that tell the times of a file.
pub(super) struct Times {
    clock: Clock,
    owner: Owner,
    /// When the step began, by the host's clock.
    begun: i64,
}

impl Times {
    pub(super) fn new(clock: Clock, owner: Owner) -> Self {
        // File systems stamp with a coarse clock, which may be a few milliseconds behind.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let begun = i64::try_from(now.as_secs()).unwrap_or(0) - 1;
        Self { clock, owner, begun }
    }

    /// An answer, or the kernel's own where no time of the file is of the step.
    pub(super) fn stat(
        &self,
        caller: &Caller,
        places: &mut Places,
        number: i64,
        arguments: &[u64; 6],
    ) -> Reply {
        let nofollow = libc::AT_SYMLINK_NOFOLLOW;
        #[expect(clippy::cast_possible_truncation, reason = "flags have 32 bits")]
        let flags = |at: usize| (arguments[at] as u32).cast_signed();
        // Descriptor of a directory, path, flags, buffer; the path is none for `fstat`.
        let (dir, path, flags, buffer) = match number {
            libc::SYS_newfstatat => (Some(arguments[0]), Some(arguments[1]), flags(3), arguments[2]),
            libc::SYS_statx => (Some(arguments[0]), Some(arguments[1]), flags(2), arguments[4]),
            libc::SYS_fstat => (Some(arguments[0]), None, libc::AT_EMPTY_PATH, arguments[1]),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat => (None, Some(arguments[0]), nofollow, arguments[1]),
            _ => (None, Some(arguments[0]), 0, arguments[1]),
        };
        let Some(file) = file(caller, places, dir, path, flags) else { return Reply::Go };
        if number == libc::SYS_statx {
            let mask = u32::try_from(arguments[3] & 0xffff_ffff).unwrap_or(0);
            let Ok(mut found) = kernel::statx(file.as_raw_fd(), mask) else { return Reply::Go };
            if [found.stx_atime, found.stx_mtime, found.stx_ctime, found.stx_btime]
                .iter()
                .all(|time| time.tv_sec < self.begun)
            {
                return Reply::Go;
            }
            for time in
                [&mut found.stx_atime, &mut found.stx_mtime, &mut found.stx_ctime, &mut found.stx_btime]
            {
                (time.tv_sec, time.tv_nsec) = self.shown(time.tv_sec, time.tv_nsec);
            }
            (found.stx_uid, found.stx_gid) = self.owner(found.stx_uid, found.stx_gid);
            return caller.give(buffer, kernel::bytes_of_statx(&found), 0);
        }
        let Ok(mut found) = kernel::stat(file.as_raw_fd()) else { return Reply::Go };
        if [found.st_atime, found.st_mtime, found.st_ctime].iter().all(|seconds| *seconds < self.begun) {
            return Reply::Go;
        }
        let shown = |seconds: i64, nanos: i64| {
            let (seconds, nanos) = self.shown(seconds, u32::try_from(nanos).unwrap_or(0));
            (seconds, i64::from(nanos))
        };
        (found.st_atime, found.st_atime_nsec) = shown(found.st_atime, found.st_atime_nsec);
        (found.st_mtime, found.st_mtime_nsec) = shown(found.st_mtime, found.st_mtime_nsec);
        (found.st_ctime, found.st_ctime_nsec) = shown(found.st_ctime, found.st_ctime_nsec);
        (found.st_uid, found.st_gid) = self.owner(found.st_uid, found.st_gid);
        caller.give(buffer, kernel::bytes_of_stat(&found), 0)
    }

    fn shown(&self, seconds: i64, nanos: u32) -> (i64, u32) {
        if seconds < self.begun {
            return (seconds, nanos);
        }
        match self.clock {
            Clock::Host => (seconds, nanos),
            Clock::Fixed(at) => (at.0, 0),
            Clock::Running(from) => (from.0 + (seconds - self.begun), nanos),
        }
    }

    const fn owner(&self, uid: u32, gid: u32) -> (u32, u32) {
        let Owner { outside, inside, count } = self.owner;
        const fn one(id: u32, outside: u32, inside: u32, count: u32) -> u32 {
            if id >= outside && id - outside < count { inside + (id - outside) } else { NOBODY }
        }
        (one(uid, outside.0, inside.0, count), one(gid, outside.1, inside.1, count))
    }
}

/// What the call is about; none if the kernel had better answer itself: of what cannot change while the step runs.
fn file(
    caller: &Caller,
    places: &mut Places,
    dir: Option<u64>,
    path: Option<u64>,
    flags: i32,
) -> Option<OwnedFd> {
    let text = match path {
        Some(0) | None => std::ffi::OsString::new(), // since Linux 6.11, no path is an empty one
        Some(at) => caller.read_text(at, 4096)?,
    };
    if text.is_empty() {
        if flags & libc::AT_EMPTY_PATH == 0 {
            return None;
        }
        let name = CString::new(format!("/proc/{}/fd/{}", caller.pid, dir? & 0xffff_ffff)).ok()?;
        let opened = kernel::open_at(libc::AT_FDCWD, &name, libc::O_PATH, 0).map(kernel::own);
        // A program that nobody may read keeps its `/proc` closed.
        return opened.ok().or_else(|| caller.borrow_descriptor(dir?));
    }
    let path = absolute(caller, dir, Path::new(&text))?;
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    if is_of_the_kernel(&path) || places.settled(&path, follow).is_some() {
        return None;
    }
    places.open(&path, follow)
}
