//! The files that a container of an image sees: its layers laid over one another, with all that is said of each file.

use std::collections::BTreeMap;
use std::io;

use artifact::oci::LayerMember;
use model::{Hasher, Sha256};
use serde::Serialize;

use super::{Found, ImageError, Layout};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// One file, as a container sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// `file`, `directory`, `symlink`, `device` or `pipe`.
    pub kind: &'static str,
    /// Permission bits in octal.
    pub mode: String,
    /// `UID:GID`.
    pub owner: String,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Bytes.
    pub size: u64,
    /// Of its content: of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Where it leads: of symlinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Extended attributes and what else is said of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<String>,
}

/// All files of an image, by path.
pub(super) type Files = BTreeMap<String, FileState>;

/// What one layer does at a path.
enum Entry {
    State(FileState),
    HardLink(String),
}

/// Lays the layers of an image over one another.
pub(super) fn files(layout: &Layout<'_>, image: &Found) -> Result<Files, ImageError> {
    let mut files = Files::new();
    for (layer, diff_id) in image.layers.iter().zip(&image.diff_ids) {
        let mut entries: Vec<(String, Entry)> = Vec::new();
        let mut gone: Vec<(String, bool)> = Vec::new();
        layout.members(layer, diff_id, |member, content| {
            let (above, name) = member.name.rsplit_once('/').unwrap_or(("", &member.name));
            if name == OPAQUE {
                gone.push((above.to_owned(), true));
            } else if let Some(name) = name.strip_prefix(WHITEOUT) {
                if name.is_empty() {
                    let reason = format!("`{}` of a layer takes away nothing that has a name", member.name);
                    return Err(layout.wrong(reason));
                }
                gone.push((join(above, name), false));
            } else if member.kind == '1' {
                let target: Vec<&str> =
                    member.target.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
                entries.push((member.name.clone(), Entry::HardLink(target.join("/"))));
            } else {
                let mut hasher = Hasher::default();
                if member.kind == '0' {
                    io::copy(content, &mut hasher)
                        .map_err(|source| ImageError::Member(artifact::oci::MemberError::Damaged(source)))?;
                }
                let sha256 = (member.kind == '0').then(|| hasher.finish().sha256);
                entries.push((member.name.clone(), Entry::State(state(member, sha256))));
            }
            Ok(())
        })?;
        // Whiteouts speak of lower layers, wherever in the layer they stand.
        for (path, opaque) in gone {
            clear(&mut files, &path);
            if !opaque {
                files.remove(&path);
            }
        }
        for (path, entry) in entries {
            let state = match entry {
                Entry::State(state) => state,
                Entry::HardLink(target) => match files.get(&target) {
                    Some(state) => state.clone(),
                    // A link to what is not there is one of its own kind, so that it is not passed over.
                    None => FileState { target: Some(target), ..nothing() },
                },
            };
            if state.kind != "directory" {
                clear(&mut files, &path);
            }
            files.insert(path, state);
        }
    }
    Ok(files)
}

fn nothing() -> FileState {
    FileState {
        kind: "hard link",
        mode: String::new(),
        owner: String::new(),
        mtime: 0,
        size: 0,
        sha256: None,
        target: None,
        more: Vec::new(),
    }
}

fn state(member: LayerMember, sha256: Option<Sha256>) -> FileState {
    let kind = match member.kind {
        '2' => "symlink",
        '3' | '4' => "device",
        '5' => "directory",
        '6' => "pipe",
        _ => "file",
    };
    FileState {
        kind,
        mode: format!("{:04o}", member.mode),
        owner: format!("{}:{}", member.uid, member.gid),
        mtime: member.mtime,
        size: if kind == "file" { member.size } else { 0 },
        sha256,
        target: (kind == "symlink").then_some(member.target),
        more: member.more,
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// Takes away all that lies below a path.
fn clear(files: &mut Files, path: &str) {
    if path.is_empty() || path == "." {
        files.clear();
        return;
    }
    let below: Vec<String> = files
        .range(format!("{path}/")..)
        .map(|(name, _)| name)
        .take_while(|name| name.starts_with(path) && name.as_bytes().get(path.len()) == Some(&b'/'))
        .cloned()
        .collect();
    for name in below {
        files.remove(&name);
    }
}
