//! Which inputs make which tree, as far as this store has seen it happen.
//!
//! A lock names files, or a commit, and the tree that they make. That a store holds such a tree does not say that it is
//! made of those files: a lock whose `tree` alone was edited would have other code built under the first's name. So a
//! tree is used without unpacking only if a memo, written after really unpacking here, says that exactly these inputs
//! made exactly this tree.

use model::lock::{Lock, LockedSource};
use model::recipe::Locator;
use model::{Digest, Sha256};
use store::{Store, StoreError};

use crate::toolchain;

/// Where it is kept which tree the inputs of a source made.
const SPACE: &str = "source-tree";

/// Version of the rules by which archives and commits become trees. A change that can change a tree raises it.
const UNPACKING: u32 = 1;

/// Whether this store has seen every tree of `lock` being made from what the lock says that it is made of.
///
/// If not, [`crate::fetch`] makes sure of it, or says what is wrong. A few look-ups of memos, and no tree is read: that
/// the trees are still whole is another question.
#[must_use]
pub fn confirmed(store: &Store, lock: &Lock) -> bool {
    toolchain::confirmed(store, &lock.toolchain) && lock.sources.values().all(|s| source(store, s))
}

/// As [`confirmed`], for one source.
pub(crate) fn source(store: &Store, locked: &LockedSource) -> bool {
    let known = store.memo_get(SPACE, &key(locked));
    known.is_some_and(|bytes| bytes == locked.tree.to_string().as_bytes())
}

/// Remembers that a source was unpacked here and made its tree.
pub(crate) fn remember(store: &Store, unpacked: &LockedSource) -> Result<(), StoreError> {
    store.memo_put(SPACE, &key(unpacked), unpacked.tree.to_string().as_bytes())
}

/// Everything that the tree is a function of. As JSON, so that no text of a lock can look like two.
///
/// A commit is what it is wherever it comes from; of a URL only the file's name matters, which is among the files.
fn key(source: &LockedSource) -> Digest {
    let origin = match &source.origin {
        Locator::Git { commit, .. } => serde_json::json!(["git", commit]),
        Locator::Url { sha256, strip, .. } => serde_json::json!(["url", Sha256::hex(sha256), strip]),
        Locator::Package { purl, packed: false } => serde_json::json!(["package", purl.to_string()]),
        Locator::Package { purl, packed: true } => serde_json::json!(["packed", purl.to_string()]),
        // The manifest among the files names all others.
        Locator::Image { platform, .. } => serde_json::json!(["image", platform.to_string()]),
    };
    let files: Vec<_> = source.files.iter().map(|f| (&f.path, f.digest.to_string())).collect();
    Digest::of(serde_json::json!([UNPACKING, origin, files]).to_string().as_bytes())
}
