//! Normalises files where they lie: what a build tool wrote, without when, where and by whom.
//!
//! What a file becomes is [`artifact::normalise`]'s to say; here it is found, read and replaced. A file is replaced whole,
//! by a new one that is renamed over it, with its mode, owner and time: it is never half. What stays as it is, is not
//! touched. Several names of one file stay names of one file. Links are not followed.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use artifact::{Change, Kind, Left, Limits, NormalOptions};
use artifact::{HEAD, ReadError};

use crate::cores;

/// What came of one file of a known kind.
#[derive(Debug)]
pub struct Normal {
    /// Where it is, as it was found from what was given.
    pub path: PathBuf,
    /// What it is; `None` if it could not be read.
    pub kind: Option<Kind>,
    /// What was changed, or would be.
    pub changes: Vec<Change>,
    /// What was left alone.
    pub left: Vec<Left>,
    /// Why nothing was done.
    pub error: Option<NormalError>,
}

/// Why a file could not be normalised. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NormalError {
    /// Its content.
    #[error(transparent)]
    Content(#[from] ReadError),
    /// It could not be read or replaced.
    #[error("cannot {doing} it")]
    File {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// More than is held in memory.
    #[error("it has {found} bytes: more than {limit} are not read")]
    TooLarge {
        /// How many it has.
        found: u64,
        /// How many it may have.
        limit: u64,
    },
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files that were changed, left with a reason, or failed; by path.
    pub files: Vec<Normal>,
    /// How many files were looked at.
    pub looked: usize,
    /// Of them, how many are of a kind that is normalised.
    pub known: usize,
}

/// Normalises the files at and below `paths`; with `check` only says what would be changed.
///
/// # Errors
/// If a path is not there or a folder cannot be listed. What is wrong with one file is in its [`Normal::error`], and
/// does not keep others from being normalised.
pub fn normalize(
    paths: &[PathBuf],
    options: &NormalOptions,
    check: bool,
) -> Result<Outcome, (PathBuf, io::Error)> {
    let mut found = BTreeMap::new();
    for path in paths {
        if path.is_symlink() {
            let error =
                io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link: name where it leads");
            return Err((path.clone(), error));
        }
        walk(path, &mut found)?;
    }
    // Names of one file are worked on together, so that they stay names of one file.
    let mut groups: Vec<Vec<(PathBuf, Metadata)>> = Vec::new();
    let mut places: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let looked = found.len();
    for (path, metadata) in found {
        let id = (metadata.dev(), metadata.ino());
        let known = (metadata.nlink() > 1).then(|| places.get(&id).copied()).flatten();
        match known {
            Some(at) => groups[at].push((path, metadata)),
            None => {
                places.insert(id, groups.len());
                groups.push(vec![(path, metadata)]);
            }
        }
    }
    let mut files: Vec<Normal> =
        cores::each(&groups, |group| one(group, options, check)).into_iter().flatten().collect();
    let known = files.len();
    files.retain(|file| !file.changes.is_empty() || !file.left.is_empty() || file.error.is_some());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Outcome { files, looked, known })
}

/// Every regular file at or below `path`, once.
pub(crate) fn walk(path: &Path, found: &mut BTreeMap<PathBuf, Metadata>) -> Result<(), (PathBuf, io::Error)> {
    let wrong = |error| (path.to_owned(), error);
    let metadata = fs::symlink_metadata(path).map_err(wrong)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(wrong)? {
            walk(&entry.map_err(wrong)?.path(), found)?;
        }
    } else if metadata.is_file() {
        found.insert(path.to_owned(), metadata);
    }
    Ok(())
}

/// One file with all its names; `None` if it is of no kind that is normalised.
fn one(group: &[(PathBuf, Metadata)], options: &NormalOptions, check: bool) -> Option<Normal> {
    let (path, metadata) = group.first()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unread = |source| NormalError::File { doing: "read", source };
    let mut head = Vec::with_capacity(HEAD);
    let opened = File::open(path).and_then(|file| {
        (&file).take(HEAD as u64).read_to_end(&mut head)?;
        Ok(file)
    });
    let kind = Kind::of(&name, &head).filter(|kind| kind.is_normalised());
    let failed = |kind, error| {
        let (path, changes, left) = (path.clone(), Vec::new(), Vec::new());
        Some(Normal { path, kind, changes, left, error: Some(error) })
    };
    let mut file = match (opened, kind) {
        (Err(error), _) => return failed(None, unread(error)),
        (Ok(_), None) => return None,
        (Ok(file), Some(_)) => file,
    };
    let limit = options.limits.bytes;
    if metadata.len() > limit {
        return failed(kind, NormalError::TooLarge { found: metadata.len(), limit });
    }
    let mut bytes = head;
    if let Err(error) = file.read_to_end(&mut bytes) {
        return failed(kind, unread(error));
    }
    drop(file);
    let made = match artifact::normalise(&name, &bytes, options) {
        Ok(made) => made,
        Err(error) => return failed(kind, error.into()),
    };
    if let Some(new) = made.bytes.filter(|_| !check)
        && let Err(source) = replace(group, metadata, &new)
    {
        return failed(kind, NormalError::File { doing: "replace", source });
    }
    Some(Normal { path: path.clone(), kind, changes: made.changes, left: made.left, error: None })
}

/// Puts a new file in the place of all names of an old one, the first of them first.
fn replace(group: &[(PathBuf, Metadata)], metadata: &Metadata, bytes: &[u8]) -> io::Result<()> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let beside = |path: &Path| {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        path.with_file_name(format!(".selfsame-{}-{number}", std::process::id()))
    };
    let (first, others) = group.split_first().ok_or(io::ErrorKind::NotFound)?;
    let temporary = beside(&first.0);
    let made = (|| {
        let mut file = File::options().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        // The owner before the mode: changing owners takes set-user-id bits away.
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
            std::os::unix::fs::fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.set_permissions(metadata.permissions())?;
        file.set_times(
            FileTimes::new().set_modified(metadata.modified()?).set_accessed(metadata.accessed()?),
        )?;
        drop(file);
        fs::rename(&temporary, &first.0)
    })();
    if made.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    made?;
    for (path, _) in others {
        let temporary = beside(path);
        fs::hard_link(&first.0, &temporary)?;
        fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    }
    Ok(())
}
