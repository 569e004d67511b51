//! Trees: directories as blobs, read one level at a time.

use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use model::tree::{Directory, Finished, Node};
use model::{Digest, FileName, RelPath};

use crate::layout::lock;
use crate::workers::drain;
use crate::{Store, StoreError, TreeProblem};

/// How deeply directories may be nested. Real trees stay below 40; a hostile one must not exhaust the stack.
pub(crate) const MAX_DEPTH: usize = 256;

/// How many entries a tree may have in all. A few blobs can describe a tree of 2^n entries, by naming the same
/// directory twice at each level.
pub(crate) const MAX_ENTRIES: usize = 8_000_000;

impl Store {
    /// Keeps every directory of a tree. Its files are the caller's to put.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_tree(&self, tree: &Finished) -> Result<(), StoreError> {
        tree.directories.values().try_for_each(|bytes| self.put(bytes).map(drop))
    }

    /// One level of a tree, verified and decoded.
    ///
    /// # Errors
    /// As [`Store::read`]; [`StoreError::Tree`] if the blob is no canonical directory.
    pub fn directory(&self, digest: &Digest) -> Result<Directory, StoreError> {
        Directory::decode(&self.read(digest)?)
            .map_err(|e| StoreError::Tree { digest: *digest, source: e.into() })
    }

    /// Every entry of a tree, directories included, the root not, sorted as [`RelPath`] sorts.
    ///
    /// # Errors
    /// As [`Store::directory`], and [`StoreError::Tree`] if the tree is too deep or too large.
    pub fn walk(&self, root: &Digest) -> Result<Vec<(RelPath, Node)>, StoreError> {
        let mut entries = Vec::new();
        self.walk_into(root, root, &RelPath::root(), 0, &mut entries)?;
        Ok(entries)
    }

    fn walk_into(
        &self,
        root: &Digest,
        directory: &Digest,
        at: &RelPath,
        depth: usize,
        entries: &mut Vec<(RelPath, Node)>,
    ) -> Result<(), StoreError> {
        check_depth(root, depth)?;
        for (name, node) in self.directory(directory)?.0 {
            if entries.len() >= MAX_ENTRIES {
                return Err(StoreError::Tree { digest: *root, source: TreeProblem::Entries(MAX_ENTRIES) });
            }
            let path = at.join_name(&name);
            let below = if let Node::Directory(digest) = node { Some(digest) } else { None };
            entries.push((path.clone(), node));
            if let Some(below) = below {
                self.walk_into(root, &below, &path, depth + 1, entries)?;
            }
        }
        Ok(())
    }

    /// What stands at `path` in a tree; symlinks are never followed, so below one there is nothing.
    ///
    /// # Errors
    /// As [`Store::directory`].
    pub fn lookup(&self, root: &Digest, path: &RelPath) -> Result<Option<Node>, StoreError> {
        let mut node = Node::Directory(*root);
        for component in path.components() {
            let Node::Directory(digest) = node else { return Ok(None) };
            let name: FileName = component.parse().expect("a path consists of file names");
            match self.directory(&digest)?.0.remove(&name) {
                Some(found) => node = found,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// The blobs of a tree that are not here, at any depth, sorted; the root among them if it is not here.
    ///
    /// A damaged directory counts as missing, and so does one below it that cannot be known. Files are looked
    /// up by name and size.
    ///
    /// # Errors
    /// [`StoreError::Tree`] if a blob that is named as a directory is none; [`StoreError::Io`].
    pub fn missing(&self, root: &Digest) -> Result<Vec<Digest>, StoreError> {
        let mut missing = BTreeSet::new();
        let mut seen = HashSet::from([*root]);
        let mut directories = vec![*root];
        while let Some(digest) = directories.pop() {
            let directory = match self.directory(&digest) {
                Ok(directory) => directory,
                Err(error) if error.is_absent() => {
                    missing.insert(digest);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for node in directory.0.into_values() {
                match node {
                    Node::Directory(below) => {
                        if seen.insert(below) {
                            directories.push(below);
                        }
                    }
                    Node::File { digest, .. } => {
                        if !self.contains(&digest) {
                            missing.insert(digest);
                        }
                    }
                    Node::Symlink(_) => {}
                }
            }
        }
        Ok(missing.into_iter().collect())
    }

    /// True if every blob of the tree is here. What this process has found complete is not looked at again
    /// until it loses a blob.
    pub(crate) fn is_complete(&self, root: &Digest) -> Result<bool, StoreError> {
        if lock(&self.inner.complete).contains(root) {
            return Ok(true);
        }
        let seen = Mutex::new(HashSet::from([*root]));
        let complete = AtomicBool::new(true);
        drain(*root, |digest, more| {
            // Once something is missing, what is left of the queue is passed over.
            if complete.load(Ordering::Relaxed) && !self.level_is_complete(&digest, &seen, more)? {
                complete.store(false, Ordering::Relaxed);
            }
            Ok(())
        })?;
        let complete = complete.into_inner();
        if complete {
            lock(&self.inner.complete).insert(*root);
        }
        Ok(complete)
    }

    fn level_is_complete(
        &self,
        digest: &Digest,
        seen: &Mutex<HashSet<Digest>>,
        more: &mut Vec<Digest>,
    ) -> Result<bool, StoreError> {
        let directory = match self.directory(digest) {
            Ok(directory) => directory,
            Err(error) if error.is_absent() => return Ok(false),
            Err(error) => return Err(error),
        };
        for node in directory.0.into_values() {
            match node {
                Node::Directory(below) => {
                    if lock(seen).insert(below) {
                        more.push(below);
                    }
                }
                Node::File { digest, .. } => {
                    if !self.contains(&digest) {
                        return Ok(false);
                    }
                }
                Node::Symlink(_) => {}
            }
        }
        Ok(true)
    }
}

pub(crate) fn check_depth(root: &Digest, depth: usize) -> Result<(), StoreError> {
    if depth > MAX_DEPTH {
        return Err(StoreError::Tree { digest: *root, source: TreeProblem::Depth(MAX_DEPTH) });
    }
    Ok(())
}
