//! The project's files: what git tracks, and what it would take up.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the project's root").to_owned()
}

/// Paths relative to the root, sorted: tracked files and new ones that are not ignored.
pub(crate) fn files() -> Result<Vec<String>, String> {
    let out = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    if !out.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&out.stderr).trim()));
    }
    let text = String::from_utf8(out.stdout).map_err(|error| format!("a file name is not UTF-8: {error}"))?;
    let mut files: Vec<_> = text.split_terminator('\0').map(str::to_owned).collect();
    // A file that was deleted and not yet committed is still listed.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

/// The text of a file of the project; `None` if it is binary.
pub(crate) fn text(file: &str) -> Result<Option<String>, String> {
    let bytes = std::fs::read(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

/// The Rust sources of the project with their text.
pub(crate) fn sources() -> Result<Vec<(String, String)>, String> {
    let mut sources = Vec::new();
    for file in files()?.into_iter().filter(|file| file.ends_with(".rs")) {
        if let Some(text) = text(&file)? {
            sources.push((file, text));
        }
    }
    Ok(sources)
}
