//! The secrets of a command: files in memory, the builder's alone.
//!
//! The file system is a ramfs: unlike a tmpfs, the kernel never writes it to swap.

use std::os::fd::RawFd;

use crate::error::{At, Failure, Stage};
use crate::job::Job;
use crate::kernel::{self, Answer};

const PLACE: &std::ffi::CStr = c"run/secrets";

/// Mounts them at `/run/secrets` of the new root, which is the current directory. Nothing is there if there are none.
pub(super) fn mount(job: &Job, root: RawFd) -> Result<(), Failure> {
    if job.secrets.is_empty() {
        return Ok(());
    }
    kernel::make_dir(PLACE, 0o755).at(Stage::Secrets)?;
    let flags = kernel::NO_SUID | kernel::NO_DEV | kernel::NO_EXEC;
    let place = kernel::new_mount(c"ramfs", &[(c"mode", c"0500")], flags).at(Stage::Secrets)?;
    kernel::attach(place, root, PLACE).at(Stage::Secrets)?;
    for (index, (name, content)) in job.secrets.iter().enumerate() {
        write(place, name, content, job.time).at_entry(Stage::Secrets, index)?;
    }
    kernel::set_time_at(place, c".", job.time).at(Stage::Secrets)?;
    kernel::set_time(c"run", job.time).at(Stage::Secrets)?;
    let attributes = flags | kernel::READ_ONLY;
    kernel::mount_attributes(place, c"", attributes, false).at(Stage::Secrets)?;
    kernel::close(place);
    Ok(())
}

fn write(place: RawFd, name: &std::ffi::CStr, content: &[u8], time: i64) -> Answer<()> {
    let file = kernel::open_at(place, name, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 0o400)?;
    let written = kernel::write_all(file, content);
    kernel::close(file);
    written.and_then(|()| kernel::set_time_at(place, name, time))
}
