//! The scratch directory: upper and work directory of the build directory's overlay.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::supervise::await_release;

/// Deletes a scratch directory with all that a command left in it.
///
/// Unlike [`fs::remove_dir_all`] it deals with directories that the command, or the kernel's overlay, made
/// unreadable or read-only, and waits until init has let go of it. Symbolic links are deleted, not followed. A directory that is not there is no error.
///
/// # Errors
/// What the kernel said to the first thing that could not be deleted.
pub fn remove_scratch(scratch: &Path) -> io::Result<()> {
    await_release(scratch);
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(scratch)?;
            fs::remove_dir_all(scratch)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes every directory below `dir` listable and writable. Nothing runs in it any more: there is no race.
fn open_up(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
