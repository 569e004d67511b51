//! What a lock needs: files by digest, and the trees that no file makes.

use std::collections::{BTreeMap, BTreeSet};

use model::Digest;
use model::lock::{Lock, LockedBase, LockedToolchain};
use model::recipe::Locator;
use model::tree::Node;
use store::{Store, StoreError};

/// Blobs, and what each is for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Contents {
    /// Files that everything else is made of.
    pub(crate) blobs: BTreeMap<Digest, BTreeSet<String>>,
    /// Trees, which nobody can make of files: what was captured, and commits of git.
    pub(crate) trees: Vec<Rooted>,
}

/// A tree that is carried whole.
#[derive(Debug, Clone)]
pub(crate) struct Rooted {
    pub(crate) tree: Digest,
    pub(crate) what: String,
    /// The commit that it is of.
    pub(crate) commit: Option<String>,
}

impl Contents {
    /// Everything that a lock needs.
    pub(crate) fn of(lock: &Lock) -> Self {
        let mut all = Self::default();
        all.toolchain(&lock.toolchain);
        for name in lock.sources.keys() {
            all.source(lock, name);
        }
        for name in lock.steps.keys() {
            all.step(lock, name, |_| true);
        }
        all
    }

    fn add(&mut self, digest: Digest, what: String) {
        if !super::is_empty(&digest) {
            self.blobs.entry(digest).or_default().insert(what);
        }
    }

    /// The toolchain.
    pub(crate) fn toolchain(&mut self, toolchain: &LockedToolchain) {
        match &toolchain.base {
            LockedBase::Debian(debian) => {
                for p in &debian.packages {
                    self.add(p.digest, format!("package {} {} {}", p.name, p.version, p.arch));
                }
            }
            LockedBase::Image(image) => {
                self.add(image.config, format!("configuration of image {}", image.image));
                for (nth, layer) in image.layers.iter().enumerate() {
                    self.add(*layer, format!("layer {} of image {}", nth + 1, image.image));
                }
            }
            LockedBase::Host(_) => {
                let (tree, what) = (toolchain.base_tree, "what was captured of a machine".to_owned());
                self.trees.push(Rooted { tree, what, commit: None });
            }
            LockedBase::Empty => {}
        }
        for archive in &toolchain.archives {
            for file in &archive.files {
                self.add(file.digest, format!("{} of archive {}", file.path, archive.name));
            }
        }
    }

    /// A source by name.
    pub(crate) fn source(&mut self, lock: &Lock, name: &str) {
        let Some(source) = lock.sources.get(name) else { return };
        if let Locator::Git { commit, .. } = &source.origin {
            let what = format!("source {name} at {commit}");
            self.trees.push(Rooted { tree: source.tree, what, commit: Some(commit.clone()) });
        }
        for file in &source.files {
            self.add(file.digest, format!("{} of source {name}", file.path));
        }
    }

    /// Recorded answers of a step for which `wanted` holds, by the digest of their bodies, and what was sent along.
    pub(crate) fn step(&mut self, lock: &Lock, name: &str, wanted: impl Fn(&Digest) -> bool) {
        let Some(step) = lock.steps.get(name) else { return };
        for (asked, answered) in step.requests.0.iter().filter(|(_, answered)| wanted(&answered.body)) {
            self.add(answered.body, format!("answer to {asked} of step {name}"));
            if let Some(body) = asked.body {
                self.add(body, format!("sent along with {asked} of step {name}"));
            }
        }
    }

    /// The blobs of a tree, all of which the store holds: directories and files.
    pub(crate) fn tree(&mut self, store: &Store, root: &Digest, what: &str) -> Result<(), StoreError> {
        let mut directories = vec![*root];
        let mut seen = BTreeSet::from([*root]);
        while let Some(digest) = directories.pop() {
            self.add(digest, what.to_owned());
            for node in store.directory(&digest)?.0.into_values() {
                match node {
                    Node::Directory(below) if seen.insert(below) => directories.push(below),
                    Node::File { digest, .. } => self.add(digest, what.to_owned()),
                    Node::Directory(_) | Node::Symlink(_) => {}
                }
            }
        }
        Ok(())
    }
}
