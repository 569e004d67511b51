//! Directories as Merkle trees: [`Directory`] is one level, [`Tree`] is a whole one being made.
//!
//! A tree keeps names, contents, symlinks and whether a file is executable. It keeps no times, owners or other
//! modes: these are conditions of the sandbox or rules of a packer, never content. Encoding and digest are
//! those of the Remote Execution API's `Directory` ([`crate::reapi`]): children sorted bytewise by name, files,
//! directories and symlinks apart.

use std::collections::BTreeMap;

use crate::path::PathError;
use crate::reapi::{self, MessageError};
use crate::{Digest, FileName, RelPath};

/// One entry of a [`Directory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Its content.
        digest: Digest,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A directory, by the digest of its encoding.
    Directory(Digest),
    /// A symbolic link and its target, as it stands; never followed.
    Symlink(String),
}

/// One level of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory(pub BTreeMap<FileName, Node>);

/// Why bytes are not a directory, or a path cannot enter a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The encoding is wrong.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A name is not one component.
    #[error("in a directory: {0}")]
    Name(#[from] PathError),
    /// Not in canonical form: out of order, or a name twice.
    #[error("directory is not canonical: `{0}` is out of order or twice")]
    Order(String),
    /// Something that is no directory stands where a directory is needed.
    #[error("`{0}` is not a directory, but something lies below it")]
    NotADirectory(RelPath),
    /// Two things claim one path.
    #[error("`{0}` is there already")]
    Twice(RelPath),
}

impl Directory {
    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut message = reapi::Directory::default();
        for (name, node) in &self.0 {
            let name = name.to_string();
            match node {
                Node::File { digest, executable } => message.files.push(reapi::FileNode {
                    name,
                    digest: Some((*digest).into()),
                    is_executable: *executable,
                }),
                Node::Directory(digest) => {
                    message.directories.push(reapi::DirectoryNode { name, digest: Some((*digest).into()) });
                }
                Node::Symlink(target) => {
                    message.symlinks.push(reapi::SymlinkNode { name, target: target.clone() });
                }
            }
        }
        reapi::encode(&message)
    }

    /// Reads an encoding, refusing every one that is not canonical.
    ///
    /// # Errors
    /// If the bytes are no `Directory`, a name is not one component, or the order is not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let message: reapi::Directory = reapi::decode("Directory", bytes)?;
        let mut nodes = BTreeMap::new();
        let mut insert = |name: &str, node| -> Result<(), TreeError> {
            match nodes.insert(name.parse::<FileName>()?, node) {
                None => Ok(()),
                Some(_) => Err(TreeError::Order(name.to_owned())),
            }
        };
        for f in &message.files {
            let digest = reapi::digest("FileNode", f.digest.as_ref())?;
            insert(&f.name, Node::File { digest, executable: f.is_executable })?;
        }
        for d in &message.directories {
            insert(&d.name, Node::Directory(reapi::digest("DirectoryNode", d.digest.as_ref())?))?;
        }
        for s in &message.symlinks {
            insert(&s.name, Node::Symlink(s.target.clone()))?;
        }
        let directory = Self(nodes);
        if directory.encode() != bytes {
            return Err(TreeError::Order("(the whole directory)".into()));
        }
        Ok(directory)
    }

    /// The digest of the canonical encoding.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode())
    }
}

/// A whole tree being made in memory: put entries in by path, then [`Tree::finish`].
#[derive(Debug, Clone, Default)]
pub struct Tree {
    root: BTreeMap<FileName, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Leaf(Node),
    Branch(BTreeMap<FileName, Entry>),
}

/// What [`Tree::finish`] gives: the root's digest and each distinct directory's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Digest of the root directory.
    pub root: Digest,
    /// Every distinct directory: its digest and its encoding. The root is among them.
    pub directories: BTreeMap<Digest, Vec<u8>>,
}

impl Tree {
    /// Puts `node` at `path`, making the directories above it.
    ///
    /// # Errors
    /// If something else is there already, or a component above is no directory.
    pub fn insert(&mut self, path: &RelPath, node: Node) -> Result<(), TreeError> {
        match self.slot(path)? {
            Slot::Free(map, name) => {
                map.insert(name, Entry::Leaf(node));
                Ok(())
            }
            Slot::Taken(_) | Slot::Root => Err(TreeError::Twice(path.clone())),
        }
    }

    /// Puts `node` at `path`, over a file or symlink that is there.
    ///
    /// # Errors
    /// If a directory with entries is there, or a component above is no directory.
    pub fn replace(&mut self, path: &RelPath, node: Node) -> Result<(), TreeError> {
        match self.slot(path)? {
            Slot::Free(map, name) => {
                map.insert(name, Entry::Leaf(node));
                Ok(())
            }
            Slot::Taken(Entry::Branch(children)) if !children.is_empty() => {
                Err(TreeError::Twice(path.clone()))
            }
            Slot::Taken(entry) => {
                *entry = Entry::Leaf(node);
                Ok(())
            }
            Slot::Root => Err(TreeError::Twice(path.clone())),
        }
    }

    /// Makes sure that `path` is a directory.
    ///
    /// # Errors
    /// If something else is there, or above it.
    pub fn make_directory(&mut self, path: &RelPath) -> Result<(), TreeError> {
        match self.slot(path)? {
            Slot::Root | Slot::Taken(Entry::Branch(_)) => Ok(()),
            Slot::Free(map, name) => {
                map.insert(name, Entry::Branch(BTreeMap::new()));
                Ok(())
            }
            Slot::Taken(Entry::Leaf(_)) => Err(TreeError::NotADirectory(path.clone())),
        }
    }

    /// Takes away what stands at `path`, a directory with all that is in it. Nothing there, nothing done.
    pub fn remove(&mut self, path: &RelPath) {
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return };
        if let (Some(map), Ok(name)) = (self.branch(&above), name.parse::<FileName>()) {
            map.remove(&name);
        }
    }

    /// Empties a directory. Where there is none, nothing is done.
    pub fn clear(&mut self, path: &RelPath) {
        if let Some(map) = self.branch(path) {
            map.clear();
        }
    }

    fn branch(&mut self, path: &RelPath) -> Option<&mut BTreeMap<FileName, Entry>> {
        let mut map = &mut self.root;
        for component in path.components() {
            match map.get_mut(&component.parse::<FileName>().ok()?)? {
                Entry::Branch(children) => map = children,
                Entry::Leaf(_) => return None,
            }
        }
        Some(map)
    }

    /// What stands at `path`; `None` for a directory being made, and where nothing is.
    #[must_use]
    pub fn leaf(&self, path: &RelPath) -> Option<&Node> {
        let mut map = &self.root;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            match map.get(&component.parse::<FileName>().ok()?)? {
                Entry::Leaf(node) => return components.peek().is_none().then_some(node),
                Entry::Branch(children) => map = children,
            }
        }
        None
    }

    fn slot(&mut self, path: &RelPath) -> Result<Slot<'_>, TreeError> {
        let mut names = Vec::new();
        for component in path.components() {
            names.push(component.parse::<FileName>()?);
        }
        let Some(last) = names.pop() else { return Ok(Slot::Root) };
        let mut map = &mut self.root;
        let mut here = RelPath::root();
        for name in names {
            here = here.join_name(&name);
            match map.entry(name).or_insert_with(|| Entry::Branch(BTreeMap::new())) {
                Entry::Branch(children) => map = children,
                Entry::Leaf(_) => return Err(TreeError::NotADirectory(here)),
            }
        }
        if map.contains_key(&last) {
            Ok(Slot::Taken(map.get_mut(&last).expect("the key was just seen")))
        } else {
            Ok(Slot::Free(map, last))
        }
    }

    /// Encodes every directory, bottom up.
    #[must_use]
    pub fn finish(&self) -> Finished {
        let mut directories = BTreeMap::new();
        let root = finish(&self.root, &mut directories);
        Finished { root, directories }
    }
}

enum Slot<'a> {
    Root,
    Free(&'a mut BTreeMap<FileName, Entry>, FileName),
    Taken(&'a mut Entry),
}

fn finish(map: &BTreeMap<FileName, Entry>, out: &mut BTreeMap<Digest, Vec<u8>>) -> Digest {
    let mut directory = Directory::default();
    for (name, entry) in map {
        let node = match entry {
            Entry::Leaf(node) => node.clone(),
            Entry::Branch(children) => Node::Directory(finish(children, out)),
        };
        directory.0.insert(name.clone(), node);
    }
    let bytes = directory.encode();
    let digest = Digest::of(&bytes);
    out.insert(digest, bytes);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> RelPath {
        text.parse().unwrap()
    }

    fn file(content: &[u8]) -> Node {
        Node::File { digest: Digest::of(content), executable: false }
    }

    #[test]
    fn order_of_insertion_does_not_reach_the_digest() {
        let entries = [("b/x", file(b"1")), ("a", Node::Symlink("b/x".into())), ("b/a/y", file(b"2"))];
        let mut forward = Tree::default();
        let mut backward = Tree::default();
        for (path, node) in &entries {
            forward.insert(&p(path), node.clone()).unwrap();
        }
        for (path, node) in entries.iter().rev() {
            backward.insert(&p(path), node.clone()).unwrap();
        }
        assert_eq!(forward.finish(), backward.finish());
    }

    #[test]
    fn empty_directory_is_the_empty_blob() {
        assert_eq!(Tree::default().finish().root, Digest::of(b""));
    }

    #[test]
    fn nothing_lies_below_a_file_or_twice_in_one_place() {
        let mut tree = Tree::default();
        tree.insert(&p("a"), file(b"")).unwrap();
        assert_eq!(tree.insert(&p("a/b"), file(b"")), Err(TreeError::NotADirectory(p("a"))));
        assert_eq!(tree.insert(&p("a"), file(b"")), Err(TreeError::Twice(p("a"))));
        tree.replace(&p("a"), file(b"new")).unwrap();
        assert_eq!(tree.leaf(&p("a")), Some(&file(b"new")));
    }

    #[test]
    fn what_is_removed_is_gone_with_all_below() {
        let mut tree = Tree::default();
        for path in ["a/b/c", "a/d", "e"] {
            tree.insert(&p(path), file(b"")).unwrap();
        }
        tree.remove(&p("a/b"));
        tree.remove(&p("e/f"));
        tree.remove(&p("nothing/here"));
        assert!(tree.leaf(&p("a/b/c")).is_none() && tree.leaf(&p("a/d")).is_some());
        tree.clear(&p("a"));
        tree.clear(&p("e"));
        assert!(tree.leaf(&p("a/d")).is_none() && tree.leaf(&p("e")).is_some());
    }

    #[test]
    fn only_the_canonical_encoding_is_read() {
        let mut tree = Tree::default();
        tree.insert(&p("a"), file(b"1")).unwrap();
        tree.insert(&p("b"), file(b"2")).unwrap();
        let finished = tree.finish();
        let bytes = &finished.directories[&finished.root];
        let directory = Directory::decode(bytes).unwrap();
        assert_eq!(directory.encode(), *bytes);
        let mut message: reapi::Directory = reapi::decode("Directory", bytes).unwrap();
        message.files.reverse();
        assert!(Directory::decode(&reapi::encode(&message)).is_err());
        message.files[0].name = "../x".into();
        assert!(Directory::decode(&reapi::encode(&message)).is_err());
    }
}
