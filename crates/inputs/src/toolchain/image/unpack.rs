//! Layers to one tree: each is a tar archive of what it adds, changes and takes away
//! (<https://github.com/opencontainers/image-spec/blob/main/layer.md>).
//!
//! Paths are those of a root: links above a member are followed within the tree, and above the root is the root. So no
//! member can reach out of it, and a link that points far up is harmless. `.wh.NAME` takes NAME of lower layers away,
//! `.wh..wh..opq` all that lower layers have in a folder, wherever in the layer they stand. Devices, pipes and the bits
//! that let a program be run as somebody else have no place in a tree: they are left out, and told of.

use std::io::{BufReader, Read};

use model::oci::{Reference, sha256};
use model::tree::{Node, Tree, TreeError};
use model::{Digest, Hasher, RelPath};

use crate::archive::builder::keep;
use crate::archive::{ArchiveError, LIMIT, MEMBERS, decoder, member_path, tar};
use crate::oci::{ImageError, unreadable};
use crate::toolchain::{links, skeleton};
use crate::{Context, InputError};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What a layer does, at a path as it is written.
enum Entry {
    Directory,
    Leaf(Node),
    HardLink(RelPath),
}

/// What is left out of a whole image.
#[derive(Default)]
struct LeftOut {
    special: Vec<String>,
    elevated: Vec<String>,
}

/// What all layers together may take.
struct Budget {
    bytes: u64,
    members: u64,
}

/// Unpacks layers, the lowest first. `diff_ids` are what they must be when decompressed.
pub(super) fn unpack(
    cx: &Context<'_>,
    image: &Reference,
    layers: &[Digest],
    diff_ids: &[String],
) -> Result<Digest, InputError> {
    let mut tree = Tree::default();
    let mut left_out = LeftOut::default();
    let mut budget = Budget { bytes: LIMIT, members: MEMBERS };
    for (nth, (layer, diff_id)) in layers.iter().zip(diff_ids).enumerate() {
        let failed = |cause: ArchiveError| -> InputError {
            let (image, number, cause) = (image.to_string(), nth + 1, Box::new(cause));
            ImageError::Layer { image, number, digest: *layer, cause }.into()
        };
        let expected = sha256(diff_id).map_err(unreadable(image))?;
        let file = cx.store.open_blob(layer)?;
        let found = apply(cx, &mut tree, file, &mut budget, &mut left_out).map_err(failed)?;
        if found.sha256 != expected {
            return Err(InputError::Mismatch {
                what: format!("layer {} of image `{image}`, decompressed", nth + 1),
                expected: format!("sha256:{expected}"),
                found: format!("sha256:{}", found.sha256),
                advice: "the image's configuration and its layers do not go together: do not use it",
            });
        }
    }
    left_out.tell(cx, image);
    skeleton::make(&mut tree);
    let finished = tree.finish();
    cx.store.put_tree(&finished)?;
    Ok(finished.root)
}

impl LeftOut {
    fn tell(&self, cx: &Context<'_>, image: &Reference) {
        for (list, what) in [
            (&self.special, "devices and pipes, which are left out"),
            (&self.elevated, "setuid or setgid programs, which are without that bit here"),
        ] {
            if !list.is_empty() {
                let some: Vec<&str> = list.iter().take(5).map(String::as_str).collect();
                let more = if list.len() > some.len() { ", …" } else { "" };
                cx.note(format!("image `{image}` has {} {what}: {}{more}", list.len(), some.join(", ")));
            }
        }
    }
}

/// Lays one layer over the tree, and says what it is when decompressed.
fn apply(
    cx: &Context<'_>,
    tree: &mut Tree,
    file: std::fs::File,
    budget: &mut Budget,
    left_out: &mut LeftOut,
) -> Result<Digest, ArchiveError> {
    let damaged = |cause| ArchiveError::Damaged { doing: "decompressing it", cause };
    let plain = decoder(BufReader::with_capacity(1 << 16, file)).map_err(damaged)?;
    // Headers and padding count too, so that a layer of headers alone ends as well.
    let mut plain = Hashed { inner: plain.take(LIMIT + (LIMIT >> 2)), hasher: Hasher::default() };
    let mut gone = Vec::new();
    let mut entries = Vec::new();
    tar::read_plain(&mut plain, |member, content| {
        budget.members = budget.members.checked_sub(1).ok_or(TOO_MANY)?;
        let path = member_path(&member.name)?;
        let Some(name) = path.file_name() else { return Ok(()) };
        let above = path.parent().unwrap_or_default();
        if name == OPAQUE {
            gone.push((above, None));
            return Ok(());
        }
        if let Some(name) = name.strip_prefix(WHITEOUT) {
            let name = name.parse().map_err(|_| ArchiveError::Kind {
                member: path.to_string(),
                kind: "the whiteout of no name",
            })?;
            gone.push((above, Some(name)));
            return Ok(());
        }
        let readable = || {
            std::str::from_utf8(&member.link).ok().filter(|t| !t.is_empty() && !t.contains('\0')).ok_or_else(
                || ArchiveError::Kind { member: path.to_string(), kind: "a link to no readable name" },
            )
        };
        let entry = match member.kind {
            tar::Kind::Directory => Entry::Directory,
            tar::Kind::File => {
                if member.mode & 0o6000 != 0 {
                    left_out.elevated.push(path.to_string());
                }
                let digest = keep(cx.store, content, budget.bytes)?;
                budget.bytes -= digest.size;
                Entry::Leaf(Node::File { digest, executable: member.mode & 0o100 != 0 })
            }
            tar::Kind::Symlink => Entry::Leaf(Node::Symlink(readable()?.to_owned())),
            tar::Kind::HardLink => Entry::HardLink(member_path(readable()?.as_bytes())?),
            tar::Kind::Other(_) => {
                left_out.special.push(path.to_string());
                return Ok(());
            }
        };
        entries.push((path, entry));
        Ok(())
    })?;
    std::io::copy(&mut plain, &mut std::io::sink()).map_err(damaged)?;
    // Whiteouts speak of lower layers, so they come before whatever this one adds.
    for (above, name) in gone {
        let folder = settle(tree, &above);
        match name {
            Some(name) => tree.remove(&folder.join_name(&name)),
            None => tree.clear(&folder),
        }
    }
    for (path, entry) in entries {
        put(tree, &path, entry).map_err(|problem| match problem {
            Problem::Tree(cause) => ArchiveError::Place { member: path.to_string(), cause },
            Problem::NoTarget(target) => ArchiveError::Escapes {
                member: path.to_string(),
                reason: format!("it is a link to `{target}`, which is not in the image"),
            },
        })?;
    }
    Ok(plain.hasher.finish())
}

const TOO_MANY: ArchiveError = ArchiveError::TooLarge { limit: MEMBERS, unit: "members" };

enum Problem {
    Tree(TreeError),
    NoTarget(RelPath),
}

/// A folder with all links on the way followed, the last one too.
fn settle(tree: &Tree, folder: &RelPath) -> RelPath {
    let inside = folder.join(&".wh".parse().expect("it is a path"));
    links::through(tree, &inside, Clone::clone).parent().unwrap_or_default()
}

fn put(tree: &mut Tree, path: &RelPath, entry: Entry) -> Result<(), Problem> {
    let place = links::through(tree, path, Clone::clone);
    let node = match entry {
        Entry::Directory => {
            // A folder takes the place of what is none, links included, as with every runtime.
            if tree.leaf(&place).is_some() {
                tree.remove(&place);
            }
            return tree.make_directory(&place).map_err(Problem::Tree);
        }
        Entry::Leaf(node) => node,
        Entry::HardLink(target) => {
            let real = links::through(tree, &target, Clone::clone);
            tree.leaf(&real).cloned().ok_or(Problem::NoTarget(target))?
        }
    };
    tree.remove(&place);
    tree.insert(&place, node).map_err(Problem::Tree)
}

/// Hashes what is read.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
