//! The inputs copied, for a host that refuses the overlay which would show them and take the changes.

use std::fs;
use std::io;
use std::os::unix::fs::{lchown, symlink};
use std::path::{Path, PathBuf};

use crate::job::path_text;
use crate::{SandboxError, kernel};

/// Copies what is in `from` into the directory `to`: every time is `time`, every owner `owner`, if it must be another.
pub(crate) fn copy(from: &Path, to: &Path, owner: Option<u32>, time: i64) -> Result<(), SandboxError> {
    let mut directories = vec![PathBuf::new()];
    let mut next = 0;
    while let Some(directory) = directories.get(next).cloned() {
        next += 1;
        let here = from.join(&directory);
        let failed =
            |source| SandboxError::Path { attempt: "copy the inputs from", path: here.clone(), source };
        for entry in fs::read_dir(&here).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = directory.join(entry.file_name());
            if one(&entry, &to.join(&path)).map_err(failed)? {
                directories.push(path.clone());
            }
            settle(&to.join(&path), owner, time).map_err(failed)?;
        }
    }
    // Again and backwards: what was made in a directory has changed its time.
    for directory in directories.iter().rev() {
        let place = to.join(directory);
        let failed = |source| SandboxError::Path { attempt: "prepare", path: place.clone(), source };
        settle(&place, None, time).map_err(failed)?;
    }
    Ok(())
}

/// Copies one thing; says whether it is a directory, of which nothing is copied yet.
fn one(entry: &fs::DirEntry, to: &Path) -> io::Result<bool> {
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        symlink(fs::read_link(entry.path())?, to)?;
    } else if kind.is_dir() {
        fs::create_dir(to)?;
        fs::set_permissions(to, entry.metadata()?.permissions())?;
    } else {
        fs::copy(entry.path(), to)?;
    }
    Ok(kind.is_dir())
}

fn settle(path: &Path, owner: Option<u32>, time: i64) -> io::Result<()> {
    if owner.is_some() {
        lchown(path, owner, owner)?;
    }
    let text = path_text(path).map_err(io::Error::other)?;
    kernel::set_time(&text, time).map_err(Into::into)
}
