//! What is looked at: the files that git tracks, and files that are named.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::GitError;
use crate::git::{ask, listed};

/// No text is read beyond this; what is longer is data.
const MAX: u64 = 16 << 20;

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// UTF-8.
    Text(String),
    /// A program or archive, and which kind.
    Compiled(&'static str),
    /// Something else.
    Other,
}

/// The files of `folder` that git tracks, in the order of their paths; with `only`, those files alone, tracked or not,
/// and what is tracked in folders among them.
///
/// # Errors
/// If there is no repository and no file is named, git refuses, or a named file cannot be read.
pub fn sheets(
    env: &BTreeMap<String, String>,
    folder: &Path,
    only: &[PathBuf],
) -> Result<Vec<Sheet>, GitError> {
    let mut list = Vec::new();
    if only.is_empty() {
        tracked(env, folder, "", &mut list)?;
    }
    for path in only {
        let place = folder.join(path);
        let name = path.to_string_lossy().trim_start_matches("./").trim_end_matches('/').to_owned();
        if place.is_dir() {
            let prefix = if name.is_empty() || name == "." { String::new() } else { format!("{name}/") };
            tracked(env, &place, &prefix, &mut list)?;
        } else {
            let content = read(&place).map_err(|cause| GitError::File { path: place.clone(), cause })?;
            list.push(Sheet { path: name, content });
        }
    }
    list.sort_by(|a, b| a.path.cmp(&b.path));
    list.dedup_by(|a, b| a.path == b.path);
    Ok(list)
}

fn tracked(
    env: &BTreeMap<String, String>,
    folder: &Path,
    prefix: &str,
    list: &mut Vec<Sheet>,
) -> Result<(), GitError> {
    let inside = ask(env, folder, &["rev-parse", "--is-inside-work-tree"]);
    match inside {
        Err(GitError::Failed { .. }) => return Err(GitError::NoRepository { path: folder.to_owned() }),
        Err(other) => return Err(other),
        Ok(_) => {}
    }
    let output = ask(env, folder, &["ls-files", "-s", "-v", "-z"])?;
    for entry in listed("the index", &output)? {
        let place = folder.join(entry.path);
        // Links lead elsewhere, submodules are repositories of their own, and what is deleted is not there.
        if !entry.mode.starts_with("100") || !place.symlink_metadata().is_ok_and(|m| m.is_file()) {
            continue;
        }
        let content = read(&place).map_err(|cause| GitError::File { path: place.clone(), cause })?;
        list.push(Sheet { path: format!("{prefix}{}", entry.path), content });
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Content> {
    // A pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Content::Other);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX + 1).read_to_end(&mut bytes)?;
    if let Some(kind) = compiled(&bytes) {
        return Ok(Content::Compiled(kind));
    }
    if bytes.len() as u64 > MAX {
        return Ok(Content::Other);
    }
    Ok(String::from_utf8(bytes).map_or(Content::Other, Content::Text))
}

/// What a program or archive of programs begins with.
fn compiled(bytes: &[u8]) -> Option<&'static str> {
    const SIGNS: &[(&[u8], &str)] = &[
        (b"\x7fELF", "an ELF program or library"),
        (b"\xca\xfe\xba\xbe", "a Java class or universal binary"),
        (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
        (b"\0asm", "a WebAssembly module"),
        (b"!<arch>\n", "a static library or package"),
    ];
    if let Some((_, kind)) = SIGNS.iter().find(|(sign, _)| bytes.starts_with(sign)) {
        return Some(kind);
    }
    if bytes.starts_with(b"MZ") && bytes.len() > 64 && bytes.windows(4).take(1024).any(|w| w == b"PE\0\0") {
        return Some("a Windows program or library");
    }
    // A jar begins as every zip does; its first member gives it away.
    (bytes.starts_with(b"PK\x03\x04") && bytes.windows(9).take(128).any(|w| w == b"META-INF/"))
        .then_some("a jar")
}
