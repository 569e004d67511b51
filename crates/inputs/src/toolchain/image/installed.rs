//! What an image's own package databases say is in it: `dpkg` and `apk`. Read, never run; the word of whoever made the image.

use model::lock::Installed;
use model::lock::installed::{apk, distro, dpkg};
use model::tree::Node;
use model::{Digest, RelPath};
use store::{Store, StoreError};

use crate::toolchain::links;

/// No database is larger.
const DATABASE_LIMIT: u64 = 64 << 20;

/// The distribution, and its packages, sorted.
pub(super) fn read(store: &Store, tree: &Digest) -> Result<(Option<String>, Vec<Installed>), StoreError> {
    let mut list = Vec::new();
    if let Some(text) = text(store, tree, "var/lib/dpkg/status")? {
        list.extend(dpkg(&text));
    }
    // Images without dpkg itself keep one file for each package.
    if let Some(Node::Directory(folder)) = node(store, tree, "var/lib/dpkg/status.d")? {
        for (name, node) in store.directory(&folder)?.0 {
            if let Node::File { digest, .. } = node
                && digest.size <= DATABASE_LIMIT
                && !name.as_str().ends_with(".md5sums")
            {
                list.extend(dpkg(&String::from_utf8_lossy(&store.read(&digest)?)));
            }
        }
    }
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(text) = text(store, tree, place)? {
            list.extend(apk(&text));
            break;
        }
    }
    list.sort();
    list.dedup();
    let mut release = None;
    for place in ["etc/os-release", "usr/lib/os-release"] {
        release = release.or(text(store, tree, place)?);
    }
    Ok((release.as_deref().and_then(distro), list))
}

/// A file of a root; links on the way, and the last one, are followed within it.
fn text(store: &Store, tree: &Digest, path: &str) -> Result<Option<String>, StoreError> {
    match node(store, tree, path)? {
        Some(Node::File { digest, .. }) if digest.size <= DATABASE_LIMIT => {
            Ok(Some(String::from_utf8_lossy(&store.read(&digest)?).into_owned()))
        }
        _ => Ok(None),
    }
}

fn node(store: &Store, tree: &Digest, path: &str) -> Result<Option<Node>, StoreError> {
    let mut path: RelPath = path.parse().expect("the places are plain paths");
    for _ in 0..8 {
        let link = |place: &RelPath| match store.lookup(tree, place) {
            Ok(Some(Node::Symlink(target))) => Some(target),
            _ => None,
        };
        path = links::through_with(&path, Clone::clone, link);
        match store.lookup(tree, &path)? {
            Some(Node::Symlink(target)) => {
                let above = path.parent().unwrap_or_default();
                let Some(next) = links::follow(&above, &target) else { return Ok(None) };
                path = next;
            }
            found => return Ok(found),
        }
    }
    Ok(None)
}
