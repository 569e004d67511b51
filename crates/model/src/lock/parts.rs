//! A toolchain as a list of named parts, and what differs between two such lists.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{LockedBase, LockedToolchain};
use crate::Digest;

/// One thing that a toolchain is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `package` (its file is locked), `installed` (a database says it), `file`, `image`, `layer`, `archive`.
    pub kind: &'static str,
    /// Unique among the parts of its kind.
    pub name: String,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// Of the file it comes as, if that is locked.
    pub digest: Option<Digest>,
}

/// A part that is not the same in two toolchains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Of which kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// In the first; `None`: only the second has it.
    pub before: Option<Part>,
    /// In the second; `None`: only the first has it.
    pub after: Option<Part>,
}

impl LockedToolchain {
    /// Everything that it is made of, by kind and name.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut list = Vec::new();
        let mut part = |kind, name: String, version: Option<String>, digest| {
            list.push(Part { kind, name, version, digest });
        };
        match &self.base {
            LockedBase::Debian(debian) => {
                for p in &debian.packages {
                    part("package", p.name.clone(), Some(p.version.clone()), Some(p.digest));
                }
            }
            LockedBase::Image(image) => {
                let name = image.image.to_string();
                part("image", name, None, Some(image.manifest.unwrap_or(image.config)));
                for (nth, layer) in image.layers.iter().enumerate() {
                    part("layer", (nth + 1).to_string(), None, Some(*layer));
                }
            }
            LockedBase::Host(host) => {
                for file in &host.files {
                    part("file", file.clone(), None, None);
                }
            }
            LockedBase::Empty => {}
        }
        let mut names = BTreeMap::new();
        for p in self.installed() {
            *names.entry(&p.name).or_insert(0) += 1;
        }
        for p in self.installed() {
            // A package may be installed for several architectures.
            let name = if names[&p.name] > 1 { format!("{}:{}", p.name, p.arch) } else { p.name.clone() };
            part("installed", name, Some(p.version.clone()), None);
        }
        for archive in &self.archives {
            let digest = archive.files.first().map_or(archive.tree, |f| f.digest);
            part("archive", archive.name.clone(), archive.version.clone(), Some(digest));
        }
        list
    }

    /// What differs, in the order of kinds and names.
    #[must_use]
    pub fn changes(&self, after: &Self) -> Vec<Change> {
        let by_name = |toolchain: &Self| -> BTreeMap<(&'static str, String), Part> {
            toolchain.parts().into_iter().map(|p| ((p.kind, p.name.clone()), p)).collect()
        };
        let (mut first, mut second) = (by_name(self), by_name(after));
        let keys: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).cloned().collect();
        let change = |key: (&'static str, String)| {
            let (before, after) = (first.remove(&key), second.remove(&key));
            (before != after).then_some(Change { kind: key.0, name: key.1, before, after })
        };
        keys.into_iter().filter_map(change).collect()
    }
}
