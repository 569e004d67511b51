//! Two trees side by side: only directories that differ are read.

use model::tree::{Directory, Node};
use model::{Digest, RelPath};

use crate::tree::{MAX_ENTRIES, check_depth};
use crate::{Store, StoreError, TreeProblem};

/// A path at which two trees do not have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: RelPath,
    /// In the first; `None`: nothing.
    pub before: Option<Node>,
    /// In the second; `None`: nothing.
    pub after: Option<Node>,
}

impl Store {
    /// Every file, symlink and empty directory that is not the same in both trees, sorted by path. A directory that
    /// only one of them has is told by what is in it.
    ///
    /// # Errors
    /// As [`Store::walk`].
    pub fn differences(&self, before: &Digest, after: &Digest) -> Result<Vec<Difference>, StoreError> {
        let mut list = Vec::new();
        if before != after {
            self.compare(Some(before), Some(after), &RelPath::root(), 0, &mut list)?;
        }
        Ok(list)
    }

    fn compare(
        &self,
        before: Option<&Digest>,
        after: Option<&Digest>,
        at: &RelPath,
        depth: usize,
        list: &mut Vec<Difference>,
    ) -> Result<(), StoreError> {
        let either = after.or(before).expect("one of the two is there");
        check_depth(either, depth)?;
        let read = |digest: Option<&Digest>| match digest {
            Some(digest) => self.directory(digest),
            None => Ok(Directory::default()),
        };
        let (mut first, mut second) = (read(before)?.0, read(after)?.0);
        let names: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).cloned().collect();
        if names.is_empty() && (before.is_none() || after.is_none()) {
            let node = |digest: Option<&Digest>| digest.map(|d| Node::Directory(*d));
            list.push(Difference { path: at.clone(), before: node(before), after: node(after) });
        }
        for name in names {
            if list.len() >= MAX_ENTRIES {
                return Err(StoreError::Tree { digest: *either, source: TreeProblem::Entries(MAX_ENTRIES) });
            }
            let (before, after) = (first.remove(&name), second.remove(&name));
            if before == after {
                continue;
            }
            let path = at.join_name(&name);
            let folder = |node: &Option<Node>| match node {
                Some(Node::Directory(digest)) => Some(*digest),
                _ => None,
            };
            let (left, right) = (folder(&before), folder(&after));
            let leaf = |node: Option<Node>| node.filter(|n| !matches!(n, Node::Directory(_)));
            let (before, after) = (leaf(before), leaf(after));
            if before.is_some() || after.is_some() {
                list.push(Difference { path: path.clone(), before, after });
            }
            if left.is_some() || right.is_some() {
                self.compare(left.as_ref(), right.as_ref(), &path, depth + 1, list)?;
            }
        }
        Ok(())
    }
}
