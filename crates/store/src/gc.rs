//! Removing what nothing names any more.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::tree::{Directory, Node};
use model::{Digest, Sha256};
use serde::Serialize;

use crate::layout::lock;
use crate::stats::{each_file, size_of_tree};
use crate::{Lease, Store, StoreError, remove, session};

/// No larger blob is tried as a directory: it would name some million entries.
const MAX_DIRECTORY: u64 = 1 << 30;

/// What is kept, with everything it names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots {
    /// Blobs and trees. A blob that reads as a directory keeps what it names.
    pub digests: BTreeSet<Digest>,
    /// Actions whose results are kept: entry, outputs and log.
    pub actions: BTreeSet<Digest>,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Freed {
    /// Blobs.
    pub blobs: u64,
    /// Bytes in blobs.
    pub bytes: u64,
    /// Trees on disk.
    pub trees: u64,
    /// Bytes in the files of trees on disk.
    pub tree_bytes: u64,
    /// Action results.
    pub actions: u64,
    /// Damaged things in quarantine.
    pub quarantined: u64,
    /// What dead processes left.
    pub leftovers: u64,
}

/// The store for one alone: no other process uses it, and none begins to, as long as this lives.
///
/// Roots that are asked for while it is held name everything that any build made: who makes something holds a
/// [`Lease`] until a root names it.
#[derive(Debug)]
pub struct Alone<'a> {
    store: &'a Store,
    _lease: Lease,
}

impl Store {
    /// Takes the store for garbage collection, before the roots are read.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if any process holds a [`Lease`].
    pub fn alone(&self) -> Result<Alone<'_>, StoreError> {
        Ok(Alone { store: self, _lease: self.exclusive()? })
    }
}

impl Alone<'_> {
    /// Removes all that `keep` does not name, and the quarantine; with `dry_run`, only counts it.
    ///
    /// Memos stay. A root that is not here is no error. Everything is marked before anything is removed, so an
    /// error while marking has removed nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a directory that must be kept is damaged, because what it names cannot be known
    /// (it has been moved away: bring it back, or collect again without it).
    pub fn gc(&self, keep: &Roots, dry_run: bool) -> Result<Freed, StoreError> {
        let store = self.store;
        let marked = store.mark(keep)?;
        let mut freed = Freed::default();
        let remove_file = |path: &Path| -> Result<(), StoreError> {
            if dry_run {
                return Ok(());
            }
            fs::remove_file(path).map_err(|e| StoreError::io("remove", path, e))
        };

        // Entries go before what they name, so that a collection that is killed leaves no entry incomplete.
        let actions: HashSet<Sha256> = keep.actions.iter().map(|d| d.sha256).collect();
        for (path, _) in unnamed(&store.dir().join("actions"), &actions)? {
            remove_file(&path)?;
            freed.actions += 1;
        }
        for tree in store.tree_dirs()? {
            if tree.named.is_some_and(|(sha256, _)| marked.contains(&sha256)) {
                continue;
            }
            freed.tree_bytes += size_of_tree(&tree.home)?;
            freed.trees += 1;
            if !dry_run {
                store.remove_tree_dir(&tree.home)?;
            }
        }
        lock(&store.inner.complete).clear();
        for (path, size) in unnamed(&store.dir().join("blobs"), &marked)? {
            remove_file(&path)?;
            freed.blobs += 1;
            freed.bytes += size;
        }
        for (path, _) in unnamed(&store.dir().join("quarantine"), &HashSet::new())? {
            remove_file(&path)?;
            freed.quarantined += 1;
        }
        let tmp = store.dir().join("tmp");
        freed.leftovers = if dry_run { session::count_dead(&tmp) } else { session::remove_dead(&tmp) };
        Ok(freed)
    }
}

impl Store {
    /// Takes a tree's name away before its files, so that it never stands half-removed.
    pub(crate) fn remove_tree_dir(&self, home: &Path) -> Result<(), StoreError> {
        let (_session, aside) = match self.session() {
            Ok(session) => {
                let aside = session.path().join(session.fresh_name());
                (Some(session), aside)
            }
            // No room for a directory: right in `tmp/`, without a lock, it is what a dead process left.
            Err(StoreError::Full { .. }) => {
                let name = home.file_name().unwrap_or_default().to_string_lossy();
                (None, self.dir().join("tmp").join(format!("{name}.{}", std::process::id())))
            }
            Err(error) => return Err(error),
        };
        fs::rename(home, &aside).map_err(|e| StoreError::io("remove", home, e))?;
        match remove::tree(&aside) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", aside, e)),
            _ => Ok(()),
        }
    }

    fn mark(&self, keep: &Roots) -> Result<HashSet<Sha256>, StoreError> {
        let mut marked = HashSet::new();
        let mut trees = Vec::new();
        for digest in &keep.digests {
            marked.insert(digest.sha256);
            if digest.size <= MAX_DIRECTORY && self.looks_like_directory(digest)? {
                trees.push(*digest);
            }
        }
        for action in &keep.actions {
            let Some(result) = self.action_entry(action)? else { continue };
            marked.insert(result.log.sha256);
            for node in result.outputs.values() {
                match node {
                    Node::File { digest, .. } => {
                        marked.insert(digest.sha256);
                    }
                    Node::Directory(digest) => {
                        marked.insert(digest.sha256);
                        trees.push(*digest);
                    }
                    Node::Symlink(_) => {}
                }
            }
        }
        let mut seen = HashSet::new();
        while let Some(digest) = trees.pop() {
            if !seen.insert(digest) {
                continue;
            }
            let directory = match self.directory(&digest) {
                Ok(directory) => directory,
                Err(StoreError::Missing { .. }) => continue,
                Err(error) => return Err(error),
            };
            for node in directory.0.into_values() {
                match node {
                    Node::File { digest, .. } => {
                        marked.insert(digest.sha256);
                    }
                    Node::Directory(digest) => {
                        marked.insert(digest.sha256);
                        trees.push(digest);
                    }
                    Node::Symlink(_) => {}
                }
            }
        }
        Ok(marked)
    }

    /// True if a root blob is an encoded directory.
    fn looks_like_directory(&self, digest: &Digest) -> Result<bool, StoreError> {
        use std::os::unix::fs::FileExt;
        let file = match self.open_unverified(digest) {
            Ok(file) => file,
            Err(StoreError::Missing { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        // The first byte of an encoding is the tag of one of three fields: a large file is not read in vain.
        let mut first = [0];
        let got = file.read_at(&mut first, 0);
        if got.map_err(|e| StoreError::io("read", self.blob_path(digest), e))? == 0
            || ![0x0a, 0x12, 0x1a].contains(&first[0])
        {
            return Ok(false);
        }
        Ok(Directory::decode(&self.read(digest)?).is_ok())
    }
}

/// Files below `place` whose names are not among `keep`, and their sizes.
fn unnamed(place: &Path, keep: &HashSet<Sha256>) -> Result<Vec<(std::path::PathBuf, u64)>, StoreError> {
    let mut found = Vec::new();
    each_file(place, &mut |path, meta| {
        let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<Sha256>().ok());
        if !name.is_some_and(|name| keep.contains(&name)) {
            found.push((path.to_owned(), meta.size()));
        }
    })?;
    Ok(found)
}
