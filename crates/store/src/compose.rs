//! One tree out of parts.

use std::collections::BTreeMap;

use model::tree::{Directory, Node};
use model::{Digest, FileName, RelPath};

use crate::tree::check_depth;
use crate::{Store, StoreError};

/// A tree being put together; a directory is read from the store only where something else meets it.
enum Part {
    Whole(Node),
    Open(BTreeMap<FileName, Part>),
}

impl Store {
    /// One tree out of nodes placed at paths, kept in the store; gives its digest.
    ///
    /// Directories that meet are merged. The same thing twice at one path is no conflict. The order of `parts`
    /// does not matter.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if two different things meet, or something lies below a file or symlink;
    /// otherwise as [`Store::directory`] and [`Store::put`].
    pub fn compose(&self, parts: &[(RelPath, Node)]) -> Result<Digest, StoreError> {
        let mut root = Part::Open(BTreeMap::new());
        for (path, node) in parts {
            let mut slot = &mut root;
            let mut at = RelPath::root();
            for component in path.components() {
                let name: FileName = component.parse().expect("a path consists of file names");
                let children = self.opened(slot, &at, || format!("a directory for `{path}`"))?;
                at = at.join_name(&name);
                slot = children.entry(name).or_insert_with(|| Part::Open(BTreeMap::new()));
            }
            self.place(slot, node, &at, 0)?;
        }
        self.finish(&root)
    }

    fn place(&self, slot: &mut Part, node: &Node, at: &RelPath, depth: usize) -> Result<(), StoreError> {
        match (&mut *slot, node) {
            (Part::Whole(there), new) if there == new => Ok(()),
            // Nothing has been placed here: an open part without children is a way that was just made, or the
            // empty directory, which adds nothing.
            (Part::Open(children), Node::Directory(_)) if children.is_empty() => {
                *slot = Part::Whole(node.clone());
                Ok(())
            }
            (Part::Open(children), _) if children.is_empty() && !at.is_root() => {
                *slot = Part::Whole(node.clone());
                Ok(())
            }
            (_, Node::Directory(digest)) => {
                check_depth(digest, depth)?;
                let children = self.opened(slot, at, || describe(node))?;
                for (name, below) in self.directory(digest)?.0 {
                    let at = at.join_name(&name);
                    match children.get_mut(&name) {
                        Some(part) => self.place(part, &below, &at, depth + 1)?,
                        None => {
                            children.insert(name, Part::Whole(below));
                        }
                    }
                }
                Ok(())
            }
            (there, new) => Err(StoreError::Conflict {
                path: at.clone(),
                first: match there {
                    Part::Whole(node) => describe(node),
                    Part::Open(_) => "a directory".to_owned(),
                },
                second: describe(new),
            }),
        }
    }

    /// The children of a directory, read from the store if they have not been.
    fn opened<'a>(
        &self,
        part: &'a mut Part,
        at: &RelPath,
        second: impl Fn() -> String,
    ) -> Result<&'a mut BTreeMap<FileName, Part>, StoreError> {
        if let Part::Whole(node) = part {
            let Node::Directory(digest) = node else {
                return Err(StoreError::Conflict {
                    path: at.clone(),
                    first: describe(node),
                    second: second(),
                });
            };
            let children = self.directory(digest)?.0;
            *part = Part::Open(children.into_iter().map(|(name, node)| (name, Part::Whole(node))).collect());
        }
        match part {
            Part::Open(children) => Ok(children),
            Part::Whole(_) => unreachable!("opened above"),
        }
    }

    fn finish(&self, part: &Part) -> Result<Digest, StoreError> {
        let children = match part {
            Part::Whole(Node::Directory(digest)) => return Ok(*digest),
            Part::Whole(_) => unreachable!("only directories are finished"),
            Part::Open(children) => children,
        };
        let mut directory = Directory::default();
        for (name, child) in children {
            let node = match child {
                Part::Whole(node) => node.clone(),
                Part::Open(_) => Node::Directory(self.finish(child)?),
            };
            directory.0.insert(name.clone(), node);
        }
        self.put(&directory.encode())
    }
}

fn describe(node: &Node) -> String {
    match node {
        Node::File { digest, executable: false } => format!("the file {digest}"),
        Node::File { digest, executable: true } => format!("the executable file {digest}"),
        Node::Directory(digest) => format!("the directory {digest}"),
        Node::Symlink(target) => format!("a symbolic link to `{target}`"),
    }
}
