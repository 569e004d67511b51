//! A third wall around the command: the kernel's Landlock, where it has it.
//!
//! Mounts already make everything read-only that the command may not write; should one of them not, this says the
//! same once more: to write, make, move or remove is allowed below the build directory and the private directories,
//! to write to existing files also in `/dev` and `/proc`. Signals and abstract sockets end at the command's own
//! processes. Reading is not looked at, so it costs nothing.

use std::os::fd::RawFd;

use crate::job::Job;
use crate::kernel::{self, Answer};

/// The first version that knows of truncation and of moves between directories: with less, ordinary builds fail.
const LEAST: u32 = 3;
/// The first version with scopes.
const SCOPES: u32 = 6;

const WRITE_FILE: u64 = 1 << 1;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
const MAKE_SYM: u64 = 1 << 12;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const MAKE_DEVICE: u64 = 1 << 6 | 1 << 11;
/// What the command may do in its own directories.
const OWN: u64 = WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
    | TRUNCATE;
const ABSTRACT_SOCKETS: u64 = 1;
const SIGNALS: u64 = 1 << 1;

/// Restricts this process; gives the version of Landlock, 0 where there is none that will do.
pub(super) fn restrict(job: &Job) -> Answer<u32> {
    let version = kernel::landlock_version().unwrap_or(0);
    if version < LEAST {
        return Ok(0);
    }
    let scopes = if version >= SCOPES { ABSTRACT_SOCKETS | SIGNALS } else { 0 };
    let rules = kernel::landlock_rules(OWN | MAKE_DEVICE, scopes)?;
    let root = kernel::open_at(libc::AT_FDCWD, c"/", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    if job.image().is_some() {
        // All of it may be written to; what is above it is out of reach.
        allow(rules, root, c".", OWN)?;
    } else {
        for path in job.layout.private.iter().chain([&job.layout.build]) {
            allow(rules, root, path, OWN)?;
        }
    }
    for path in [c"dev", c"proc"] {
        allow(rules, root, path, WRITE_FILE | TRUNCATE)?;
    }
    kernel::landlock_restrict(rules)?;
    kernel::close(rules);
    kernel::close(root);
    Ok(version)
}

fn allow(rules: RawFd, root: RawFd, path: &std::ffi::CStr, access: u64) -> Answer<()> {
    let dir = kernel::open_at(root, path, libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let allowed = kernel::landlock_allow(rules, dir, access);
    kernel::close(dir);
    allowed
}
