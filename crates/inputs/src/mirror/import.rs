//! From a mirror into a store: every blob hashed, nothing taken that the index does not list.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use model::{Digest, Sha256};
use store::{Store, StoreError};

use super::folder::Folder;
use super::index::{Index, LIMIT, NAME};
use super::{MirrorError, blob_path};
use crate::source::git::proof;
use crate::{Context, InputError};

/// How a compressed archive begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What came.
#[derive(Debug)]
pub struct Imported {
    /// What the mirror holds.
    pub index: Index,
    /// How many blobs the store did not have before.
    pub new: usize,
}

/// Takes all of the mirror at `from`, an archive, a folder or an OCI layout, into the store.
///
/// Each blob is kept only if it is that of its name; what came before something that is wrong stays, and is right.
///
/// # Errors
/// If it is no mirror, not whole, or holds what its index does not say.
pub fn import(cx: &Context<'_>, from: &Path) -> Result<Imported, InputError> {
    let (index, new) = take(cx, from, &|_| true)?;
    Ok(Imported { index, new: new.len() })
}

/// As [`import`], of those blobs that are wanted. Gives the index, and which are new.
pub(super) fn take(
    cx: &Context<'_>,
    from: &Path,
    wanted: &dyn Fn(&Digest) -> bool,
) -> Result<(Index, BTreeSet<Digest>), InputError> {
    // Every lock may name it, and no mirror carries it.
    cx.store.put(b"")?;
    let (index, new) = if from.is_dir() {
        let folder = Folder::open(from)?;
        match folder.bundle {
            Some(bundle) => {
                let (listed, new) = read(cx.store, &bundle, wanted)?;
                if listed != folder.index {
                    return Err(MirrorError::format(from, "its archive has another index").into());
                }
                (listed, new)
            }
            None => {
                let new = files(cx.store, &folder, wanted)?;
                (folder.index, new)
            }
        }
    } else {
        read(cx.store, from, wanted)?
    };
    for (commit, digest) in &index.commits {
        if cx.store.contains(digest) {
            proof::remember(cx.store, commit, digest)?;
        }
    }
    Ok((index, new))
}

/// Keeps a blob if it is that of its name.
pub(super) fn keep(
    store: &Store,
    place: &Path,
    reader: &mut dyn Read,
    digest: &Digest,
) -> Result<(), InputError> {
    store.put_expecting(reader, digest).map_err(|error| match error {
        StoreError::Mismatch { expected, found } => {
            MirrorError::Blob { place: place.display().to_string(), expected, found }.into()
        }
        StoreError::Io { doing, source, .. } if doing.starts_with("read") => {
            MirrorError::io("read", place, source).into()
        }
        other => InputError::from(other),
    })
}

fn files(
    store: &Store,
    folder: &Folder,
    wanted: &dyn Fn(&Digest) -> bool,
) -> Result<BTreeSet<Digest>, InputError> {
    let mut new = BTreeSet::new();
    let mut lacking = Vec::new();
    for listed in folder.index.blobs.iter().filter(|b| wanted(&b.digest)) {
        let Some(mut file) = folder.blob(&listed.digest)? else {
            lacking.push(listed.digest);
            continue;
        };
        if !store.contains(&listed.digest) {
            new.insert(listed.digest);
        }
        keep(store, &folder.path, &mut file, &listed.digest)?;
    }
    complete(&folder.path, &folder.index, &lacking)?;
    Ok(new)
}

fn complete(place: &Path, index: &Index, lacking: &[Digest]) -> Result<(), MirrorError> {
    let Some(first) = lacking.first() else { return Ok(()) };
    Err(MirrorError::Incomplete {
        place: place.display().to_string(),
        missing: lacking.len(),
        listed: index.blobs.len(),
        first: *first,
    })
}

/// The index of an archive, which is its first member.
pub(super) fn index_of(path: &Path) -> Result<Index, MirrorError> {
    let mut archive = tar::Archive::new(open(path)?);
    let mut members = archive.entries().map_err(|e| MirrorError::io("read", path, e))?.raw(true);
    first(path, &mut members)
}

fn open(path: &Path) -> Result<Box<dyn Read>, MirrorError> {
    let failed = |e| MirrorError::io("read", path, e);
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(MirrorError::format(path, "it is neither a file nor a folder"));
    }
    let mut start = [0; 4];
    let count = File::open(path).and_then(|mut f| f.read(&mut start)).map_err(failed)?;
    let file = BufReader::with_capacity(1 << 17, File::open(path).map_err(failed)?);
    if count == 4 && start == ZSTD {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(failed)?));
    }
    Ok(Box::new(file))
}

fn first<R: Read>(path: &Path, members: &mut tar::Entries<'_, R>) -> Result<Index, MirrorError> {
    let none = || MirrorError::format(path, format!("an archive begins with `{NAME}`"));
    let mut member = members.next().ok_or_else(none)?.map_err(|_| none())?;
    if member.path_bytes() != NAME.as_bytes() || !member.header().entry_type().is_file() {
        return Err(none());
    }
    if member.size() > LIMIT {
        return Err(MirrorError::format(path, format!("its index has more than {LIMIT} bytes")));
    }
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(|e| MirrorError::io("read", path, e))?;
    Index::parse(path, &bytes)
}

fn read(
    store: &Store,
    path: &Path,
    wanted: &dyn Fn(&Digest) -> bool,
) -> Result<(Index, BTreeSet<Digest>), InputError> {
    let failed = |e| MirrorError::io("read", path, e);
    let mut archive = tar::Archive::new(open(path)?);
    // Raw: a long name or a record of pax is never read into memory. A mirror has none.
    let mut members = archive.entries().map_err(failed)?.raw(true);
    let index = first(path, &mut members)?;
    let (mut seen, mut new) = (BTreeSet::new(), BTreeSet::new());
    for member in members {
        let mut member = member.map_err(failed)?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        let wrong = |reason: &str| MirrorError::Member {
            place: path.display().to_string(),
            member: name.chars().take(200).collect(),
            reason: reason.to_owned(),
        };
        let kind = member.header().entry_type();
        if kind.is_dir() && matches!(name.as_str(), "blobs/" | "blobs/sha256/") && member.size() == 0 {
            continue;
        }
        if !kind.is_file() {
            return Err(wrong("is neither a blob nor the folder of blobs").into());
        }
        let sha256 = name.strip_prefix("blobs/sha256/").and_then(|hex| hex.parse::<Sha256>().ok());
        let digest = sha256.and_then(|s| index.find(&s)).filter(|d| blob_path(d) == name);
        let digest = digest.ok_or_else(|| wrong("is not in the index"))?;
        if member.size() != digest.size {
            return Err(wrong(&format!("has {} bytes, the index says {}", member.size(), digest.size)).into());
        }
        if !seen.insert(digest) {
            return Err(wrong("is there twice").into());
        }
        if wanted(&digest) {
            if !store.contains(&digest) {
                new.insert(digest);
            }
            keep(store, path, &mut member, &digest)?;
        }
    }
    let lacking: Vec<Digest> = index.blobs.iter().map(|b| b.digest).filter(|d| !seen.contains(d)).collect();
    complete(path, &index, &lacking)?;
    Ok((index, new))
}
