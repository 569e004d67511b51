//! A tree of the store with other files in it.

use model::tree::Node;
use model::{Digest, RelPath};
use store::StoreError;

use crate::Context;

/// What a file becomes: its path, digest and whether it may be executed go in.
pub(crate) type Each<'a, E> = dyn FnMut(&RelPath, Digest, bool) -> Result<Digest, E> + 'a;

/// The tree at `root` with each file as `each` makes it. Folders, also empty ones, and links stay.
///
/// # Errors
/// Those of `each`, and the store's: also where the tree is too deep or too large.
pub(crate) fn with_files<E: From<StoreError>>(
    cx: &Context<'_>,
    root: &Digest,
    each: &mut Each<'_, E>,
) -> Result<Digest, E> {
    // Refuses what goes too deep.
    cx.store.walk(root)?;
    level(cx, root, &RelPath::root(), each)
}

fn level<E: From<StoreError>>(
    cx: &Context<'_>,
    digest: &Digest,
    here: &RelPath,
    each: &mut Each<'_, E>,
) -> Result<Digest, E> {
    let mut directory = cx.store.directory(digest)?;
    let mut is_changed = false;
    for (name, node) in &mut directory.0 {
        let path = here.join_name(name);
        match node {
            Node::File { digest, executable } => {
                let new = each(&path, *digest, *executable)?;
                is_changed |= new != *digest;
                *digest = new;
            }
            Node::Directory(below) => {
                let new = level(cx, below, &path, each)?;
                is_changed |= new != *below;
                *below = new;
            }
            Node::Symlink(_) => {}
        }
    }
    if is_changed { Ok(cx.store.put(&directory.encode())?) } else { Ok(*digest) }
}
