//! What was hashed before, by stat data, so that unchanged files are not read again.
//!
//! A file counts as unchanged if size, both times, inode and mode are as they were. A file that was written to within the
//! clock's coarseness of being read may change once more without a trace: such an entry is never kept (git calls it
//! racy). The cache is a memo of the store: losing it costs time only.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use model::tree::Node;
use model::{Digest, RelPath, Sha256};
use store::{Store, StoreError};

use super::{Object, Scanned, Tracked};

const FILES: &str = "worktree-files-2";
const WHOLE: &str = "worktree-2";

/// How coarse the times of a file system with sub-second times can be, and of others (FAT has two seconds).
const FINE: i128 = 100_000_000;
const COARSE: i128 = 2_000_000_000;

/// What of a file changes whenever its content may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    size: u64,
    modified: i128,
    changed: i128,
    inode: u64,
    mode: u32,
}

const STAT_BYTES: usize = 8 + 16 + 16 + 8 + 4;

impl Stat {
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        let nanoseconds = |s: i64, ns: u64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            inode: stat.st_ino,
            mode: stat.st_mode,
        }
    }

    fn bytes(&self) -> [u8; STAT_BYTES] {
        let mut out = [0; STAT_BYTES];
        out[..8].copy_from_slice(&self.size.to_le_bytes());
        out[8..24].copy_from_slice(&self.modified.to_le_bytes());
        out[24..40].copy_from_slice(&self.changed.to_le_bytes());
        out[40..48].copy_from_slice(&self.inode.to_le_bytes());
        out[48..].copy_from_slice(&self.mode.to_le_bytes());
        out
    }

    /// Whether a change after `began` would have left a trace.
    fn settled(&self, began: i128) -> bool {
        let newest = self.modified.max(self.changed);
        let coarse = self.modified % 1_000_000_000 == 0 && self.changed % 1_000_000_000 == 0;
        newest + if coarse { COARSE } else { FINE } < began
    }
}

/// Nanoseconds since 1970.
pub(super) fn now() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| i128::try_from(d.as_nanos()).unwrap_or(0))
}

fn key(folder: &Path) -> Digest {
    Digest::of(folder.as_os_str().as_bytes())
}

/// One hash over all names, what the index says of them, and stat data.
pub(super) fn fingerprint(tracked: &[Tracked], stats: &[Option<Stat>], empty: &[RelPath]) -> Digest {
    let mut bytes = Vec::with_capacity(tracked.len() * 128);
    for (file, stat) in tracked.iter().zip(stats) {
        bytes.extend(file.path.as_str().as_bytes());
        bytes.extend([0, file.mode as u8, u8::from(file.hidden)]);
        bytes.extend(file.object.bytes());
        match stat {
            Some(stat) => bytes.extend(stat.bytes()),
            None => bytes.push(1),
        }
    }
    for path in empty {
        bytes.push(2);
        bytes.extend(path.as_str().as_bytes());
    }
    Digest::of(&bytes)
}

/// What the whole folder was when it was last read and had settled.
pub(super) struct Last {
    pub fingerprint: String,
    pub tree: Digest,
    pub found: Vec<(RelPath, char)>,
}

pub(super) fn last(store: &Store, folder: &Path) -> Option<Last> {
    let text = String::from_utf8(store.memo_get(WHOLE, &key(folder))?).ok()?;
    let mut parts = text.split('\0');
    let (fingerprint, tree) = parts.next()?.split_once(' ')?;
    let found = parts.map(|part| {
        let mut rest = part.chars();
        let letter = rest.next()?;
        Some((rest.as_str().parse().ok()?, letter))
    });
    let found = found.collect::<Option<_>>()?;
    Some(Last { fingerprint: fingerprint.to_owned(), tree: tree.parse().ok()?, found })
}

pub(super) fn save_last(
    store: &Store,
    folder: &Path,
    fingerprint: &Digest,
    scanned: &Scanned,
) -> Result<(), StoreError> {
    let mut text = format!("{} {}", fingerprint.hex(), scanned.tree);
    for (path, letter) in &scanned.found {
        text.push_str(&format!("\0{letter}{path}"));
    }
    store.memo_put(WHOLE, &key(folder), text.as_bytes())
}

/// What a file was found to be.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub node: Node,
    /// The id that git would give its bytes as they are.
    pub object: Object,
}

/// Files by path, with the stat data that they were read under.
#[derive(Debug, Default)]
pub(super) struct Cache(BTreeMap<String, ([u8; STAT_BYTES], Digest, Object)>);

impl Cache {
    pub(super) fn load(store: &Store, folder: &Path) -> Self {
        store.memo_get(FILES, &key(folder)).and_then(|bytes| Self::decode(&bytes)).unwrap_or_default()
    }

    /// A file that has not changed and whose content is still in the store.
    pub(super) fn known(&self, store: &Store, path: &RelPath, stat: &Stat) -> Option<Known> {
        let (seen, digest, object) = self.0.get(path.as_str())?;
        let same = *seen == stat.bytes() && store.contains(digest);
        let node = Node::File { digest: *digest, executable: stat.mode & 0o100 != 0 };
        same.then(|| Known { node, object: object.clone() })
    }

    /// Keeps what has settled; true if that is everything. Links are cheap to read and are not kept.
    pub(super) fn save<'a>(
        store: &Store,
        folder: &Path,
        began: i128,
        files: impl Iterator<Item = ((&'a RelPath, &'a Stat), &'a Known)>,
    ) -> Result<bool, StoreError> {
        let mut bytes = Vec::new();
        let mut all = true;
        for ((path, stat), known) in files {
            if !stat.settled(began) {
                all = false;
                continue;
            }
            let Node::File { digest, .. } = &known.node else { continue };
            let Ok(length) = u16::try_from(path.as_str().len()) else { continue };
            bytes.extend(length.to_le_bytes());
            bytes.extend(path.as_str().as_bytes());
            bytes.extend(stat.bytes());
            bytes.extend(digest.sha256.as_bytes());
            bytes.extend(digest.size.to_le_bytes());
            let object = known.object.bytes();
            bytes.push(u8::try_from(object.len()).unwrap_or(0));
            bytes.extend(object);
        }
        store.memo_put(FILES, &key(folder), &bytes)?;
        Ok(all)
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut map = BTreeMap::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<2>()?;
            let (path, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            let (stat, rest) = rest.split_first_chunk::<STAT_BYTES>()?;
            let (hash, rest) = rest.split_first_chunk::<32>()?;
            let (size, rest) = rest.split_first_chunk::<8>()?;
            let (length, rest) = rest.split_first()?;
            let (object, rest) = rest.split_at_checked(usize::from(*length))?;
            let digest = Digest { sha256: Sha256::from_bytes(*hash), size: u64::from_le_bytes(*size) };
            map.insert(
                std::str::from_utf8(path).ok()?.to_owned(),
                (*stat, digest, Object::from_bytes(object)),
            );
            bytes = rest;
        }
        Some(Self(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_still_change_unseen_is_not_trusted() {
        let stat = |modified: i128| Stat { size: 1, modified, changed: modified, inode: 1, mode: 0o100_644 };
        let second = 1_000_000_000;
        assert!(stat(5 * second + 1).settled(6 * second));
        assert!(!stat(6 * second - 1).settled(6 * second), "within the clock's coarseness");
        assert!(!stat(5 * second).settled(6 * second), "whole seconds: a coarse file system");
        assert!(stat(3 * second).settled(6 * second));
        assert!(!stat(7 * second + 1).settled(6 * second), "from the future");
    }
}
