//! How much there is.

use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::Sha256;
use serde::Serialize;

use crate::copy_out::Seal;
use crate::{Store, StoreError};

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
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
    /// Memos.
    pub memos: u64,
    /// Damaged things that were moved away.
    pub quarantined: u64,
}

/// A tree on disk.
pub(crate) struct TreeDir {
    /// `trees/BOOT/NAME`.
    pub(crate) home: PathBuf,
    /// Of its root, and what it is like; `None` for a name that no tree has.
    pub(crate) named: Option<(Sha256, Seal)>,
}

impl Store {
    /// How many bytes may still be written to the store's file system by who is not privileged. `None` if it does not tell.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(self.dir()).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Counts everything; looks at each file, but reads none.
    ///
    /// # Errors
    /// [`StoreError::Io`]. What vanishes while it is counted is no error.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        each_file(&self.dir().join("blobs"), &mut |_, meta| {
            stats.blobs += 1;
            stats.bytes += meta.size();
        })?;
        each_file(&self.dir().join("actions"), &mut |_, _| stats.actions += 1)?;
        each_file(&self.dir().join("memos"), &mut |_, _| stats.memos += 1)?;
        each_file(&self.dir().join("quarantine"), &mut |_, _| stats.quarantined += 1)?;
        for tree in self.tree_dirs()? {
            stats.trees += 1;
            stats.tree_bytes += size_of_tree(&tree.home)?;
        }
        Ok(stats)
    }

    /// Every tree on disk, of whatever boot.
    pub(crate) fn tree_dirs(&self) -> Result<Vec<TreeDir>, StoreError> {
        let mut trees = Vec::new();
        for boot in entries(&self.dir().join("trees"))? {
            for entry in entries(&boot.path())? {
                let name = entry.file_name();
                let named = name.to_str().and_then(Seal::parse);
                trees.push(TreeDir { home: entry.path(), named });
            }
        }
        trees.sort_by(|a, b| a.home.cmp(&b.home));
        Ok(trees)
    }
}

pub(crate) fn size_of_tree(path: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    each_file(path, &mut |_, meta| bytes += meta.size())?;
    Ok(bytes)
}

/// Calls `visit` for everything below `path` that is no directory.
pub(crate) fn each_file(path: &Path, visit: &mut dyn FnMut(&Path, &Metadata)) -> Result<(), StoreError> {
    for entry in entries(path)? {
        let path = entry.path();
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => each_file(&path, visit)?,
            Ok(meta) => visit(&path, &meta),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(StoreError::io("read", path, e)),
        }
    }
    Ok(())
}

fn entries(path: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let failed = |e| StoreError::io("read", path, e);
    match fs::read_dir(path) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(failed),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(e) => Err(failed(e)),
    }
}
