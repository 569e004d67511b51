//! Images on disk: an OCI layout, as a folder or in a tar archive, and what `docker save` writes.
//!
//! What lies in a tar archive is put into the store as it is read, since a member cannot be opened by its name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use model::oci::{Descriptor, Document, Reference};
use model::{Digest, RelPath};
use serde::Deserialize;
use store::Store;

use super::{DOCUMENT_LIMIT, ImageError, unreadable};
use crate::archive::builder::keep;
use crate::archive::{ArchiveError, LIMIT, member_path, tar};
use crate::{Context, InputError};

const LAYOUT: &str = "an OCI image layout";
const DOCKER: &str = "an archive of `docker save`";

/// The parts of images on disk.
pub(crate) struct Files {
    path: RelPath,
    expected: &'static str,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    /// Members of a tar archive, in the store.
    Members(BTreeMap<RelPath, Digest>, Store),
}

/// What `docker save` says of the one image in its archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    /// Member that is the configuration.
    pub config: RelPath,
    /// Members that are the layers, the lowest first.
    pub layers: Vec<RelPath>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

impl Files {
    /// An OCI layout: a folder, or a tar archive of one.
    pub(super) fn layout(cx: &Context<'_>, path: &RelPath) -> Result<Self, InputError> {
        let full = cx.recipe_dir.join(path.as_str());
        if full.is_dir() {
            return Ok(Self { path: path.clone(), expected: LAYOUT, place: Place::Folder(full) });
        }
        Self::members(cx, path, LAYOUT)
    }

    pub(super) fn docker(cx: &Context<'_>, path: &RelPath) -> Result<Self, InputError> {
        Self::members(cx, path, DOCKER)
    }

    fn members(cx: &Context<'_>, path: &RelPath, expected: &'static str) -> Result<Self, InputError> {
        let full = cx.recipe_dir.join(path.as_str());
        let wrong = |reason: String| ImageError::Layout { path: path.to_string(), expected, reason };
        let file = File::open(&full).map_err(|e| wrong(e.to_string()))?;
        let mut members = BTreeMap::new();
        let mut links = Vec::new();
        let mut bytes = 0;
        let read = tar::read(BufReader::with_capacity(1 << 16, file), |member, content| {
            let name = member_path(&member.name)?;
            match member.kind {
                tar::Kind::File => {
                    let digest = keep(cx.store, content, LIMIT - bytes)?;
                    bytes += digest.size;
                    members.insert(name, digest);
                }
                // `docker save` wrote a layer that stands in two images once, and links to it.
                tar::Kind::Symlink | tar::Kind::HardLink => {
                    let to = String::from_utf8_lossy(&member.link).into_owned();
                    let above = name.parent().unwrap_or_default();
                    let above = if member.kind == tar::Kind::HardLink { RelPath::root() } else { above };
                    links.push((name, crate::toolchain::links::follow(&above, &to)));
                }
                tar::Kind::Directory => {}
                tar::Kind::Other(kind) => {
                    return Err(ArchiveError::Kind { member: name.to_string(), kind });
                }
            }
            Ok(())
        });
        match read {
            Ok(()) => {}
            Err(ArchiveError::Store(e)) => return Err(e.into()),
            Err(e) => return Err(wrong(crate::archive::sentence(&e)).into()),
        }
        for (name, target) in links {
            if let Some(digest) = target.and_then(|t| members.get(&t).copied()) {
                members.insert(name, digest);
            }
        }
        let place = Place::Members(members, cx.store.clone());
        Ok(Self { path: path.clone(), expected, place })
    }

    fn wrong(&self, reason: impl Into<String>) -> InputError {
        let (path, expected) = (self.path.to_string(), self.expected);
        ImageError::Layout { path, expected, reason: reason.into() }.into()
    }

    /// A small file of the layout.
    fn text(&self, name: &str) -> Result<Vec<u8>, InputError> {
        let name: RelPath = name.parse().map_err(|e| self.wrong(format!("{e}")))?;
        match &self.place {
            Place::Folder(folder) => {
                let read = || {
                    let mut bytes = Vec::new();
                    let file = File::open(folder.join(name.as_str()))?;
                    file.take(DOCUMENT_LIMIT).read_to_end(&mut bytes)?;
                    Ok::<_, std::io::Error>(bytes)
                };
                read().map_err(|e| self.wrong(format!("{name}: {e}")))
            }
            Place::Members(members, store) => match members.get(&name) {
                Some(digest) if digest.size <= DOCUMENT_LIMIT => Ok(store.read(digest)?),
                Some(_) => Err(self.wrong(format!("{name} is too large"))),
                None => Err(self.wrong(format!("it has no {name}"))),
            },
        }
    }

    /// The manifest or index that a reference names.
    pub(super) fn resolve(&self, image: &Reference) -> Result<Vec<u8>, InputError> {
        let text = self.text("index.json")?;
        let index: Index =
            serde_json::from_slice(&text).map_err(|e| self.wrong(format!("index.json: {e}")))?;
        let name = |d: &Descriptor| d.annotations.get("org.opencontainers.image.ref.name").cloned();
        let wanted = image.digest.map(|d| format!("sha256:{d}"));
        let fits = |d: &&Descriptor| match (&wanted, &image.tag) {
            (Some(digest), _) => d.digest == *digest,
            (None, Some(tag)) => name(d).is_some_and(|n| n == *tag || n.ends_with(&format!(":{tag}"))),
            (None, None) => true,
        };
        let mut found = index.manifests.iter().filter(fits);
        match (found.next(), found.next()) {
            (Some(one), None) => {
                let digest = one.digest().map_err(unreadable(image))?;
                self.read(image, &digest)
            }
            (None, _) if wanted.is_some() => {
                // Of an image inside an index, which the layout does not list itself.
                let digest = image.digest.expect("it was just asked for");
                self.text(&format!("blobs/sha256/{digest}"))
            }
            (first, _) => {
                let list: Vec<_> =
                    index.manifests.iter().map(|d| name(d).unwrap_or_else(|| d.digest.clone())).collect();
                let list = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
                let what = if first.is_some() { "several fit; it holds" } else { "it holds" };
                Err(ImageError::Missing { image: image.to_string(), reason: format!("{what} {list}") }.into())
            }
        }
    }

    /// A document by digest.
    pub(super) fn read(&self, image: &Reference, digest: &Digest) -> Result<Vec<u8>, InputError> {
        if digest.size > DOCUMENT_LIMIT {
            return Err(self.wrong(format!("a document of `{image}` is too large")));
        }
        self.text(&format!("blobs/sha256/{}", digest.hex()))
    }

    /// Puts a blob into the store and says what came.
    pub(super) fn blob(
        &self,
        cx: &Context<'_>,
        image: &Reference,
        digest: &Digest,
    ) -> Result<Digest, InputError> {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join("blobs/sha256").join(digest.hex());
                let file = File::open(&path).map_err(|e| self.wrong(format!("blob {digest}: {e}")))?;
                Ok(keep(cx.store, &mut BufReader::new(file), LIMIT)?)
            }
            Place::Members(members, _) => {
                // All members are in the store since the archive was read, whatever they are called.
                members.values().find(|d| *d == digest).copied().ok_or_else(|| {
                    let reason = format!("the archive has no blob {digest}");
                    ImageError::Missing { image: image.to_string(), reason }.into()
                })
            }
        }
    }

    /// What `docker save` says: configuration and layers, by digest.
    pub(crate) fn saved(&self) -> Result<(Digest, Vec<Digest>), InputError> {
        let text = self.text("manifest.json")?;
        let list: Vec<Saved> =
            serde_json::from_slice(&text).map_err(|e| self.wrong(format!("manifest.json: {e}")))?;
        let [saved] = list.as_slice() else {
            return Err(self.wrong(format!("it holds {} images: expected one", list.len())));
        };
        let find = |name: &RelPath| match &self.place {
            Place::Members(members, _) => {
                members.get(name).copied().ok_or_else(|| self.wrong(format!("it has no {name}")))
            }
            Place::Folder(_) => Err(self.wrong("it is a folder")),
        };
        let layers = saved.layers.iter().map(find).collect::<Result<_, _>>()?;
        Ok((find(&saved.config)?, layers))
    }
}

/// Reads a document that was resolved.
pub(crate) fn document(image: &Reference, bytes: &[u8]) -> Result<Document, InputError> {
    Document::read(bytes, "").map_err(unreadable(image))
}
