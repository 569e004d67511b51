//! An OCI image layout on disk, read where it lies: a folder, or an uncompressed tar archive of one.
//!
//! Nothing is copied: a blob is a part of a file ([`Content`]), so an image of any size is sent from where it is, in bounded
//! memory. Layouts of toolchains, whose blobs the store must have anyway, are read by [`archive`](super::archive).

pub(super) mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Digest;
use model::oci::{Descriptor, sha256};
use serde::Deserialize;

use super::content::Content;
use super::{DOCUMENT_LIMIT, EMPTY, ImageError};
use crate::InputError;
use crate::archive::{MEMBERS, member_path};

const LAYOUT: &str = "an OCI image layout that can be pushed";
/// The annotation by which a layout names what is in it.
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";

/// An open layout.
pub(super) struct Layout {
    path: PathBuf,
    place: Place,
}

enum Place {
    Folder,
    /// Where in the file its members are: offset and size.
    Archive(Arc<File>, BTreeMap<String, (u64, u64)>),
}

impl Layout {
    pub(super) fn open(path: &Path) -> Result<Self, InputError> {
        let mut layout = Self { path: path.to_owned(), place: Place::Folder };
        if !path.is_dir() {
            layout.place = members(path).map_err(|reason| layout.wrong(reason))?;
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            image_layout_version: String,
        }
        let version: Version = serde_json::from_slice(&layout.text("oci-layout")?)
            .map_err(|e| layout.wrong(format!("oci-layout: {e}")))?;
        if !version.image_layout_version.starts_with("1.") {
            return Err(layout.wrong(format!("its version is `{}`, not 1", version.image_layout_version)));
        }
        Ok(layout)
    }

    pub(super) fn wrong(&self, reason: impl Into<String>) -> InputError {
        let path = self.path.display().to_string();
        ImageError::Layout { path, expected: LAYOUT, reason: reason.into() }.into()
    }

    /// What its `index.json` lists.
    pub(super) fn list(&self) -> Result<Vec<Descriptor>, InputError> {
        #[derive(Deserialize)]
        struct Index {
            manifests: Option<Vec<Descriptor>>,
        }
        let index: Index = serde_json::from_slice(&self.text("index.json")?)
            .map_err(|e| self.wrong(format!("index.json: {e}")))?;
        Ok(index.manifests.unwrap_or_default())
    }

    /// A manifest or index, checked.
    pub(super) fn document(&self, descriptor: &Descriptor) -> Result<(Digest, Vec<u8>), InputError> {
        let digest = self.digest(descriptor)?;
        let bytes = self.text(&format!("blobs/sha256/{}", digest.hex()))?;
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(super::mismatch_of(
                format!("a document of `{}`", self.path.display()),
                digest.to_string(),
                found.to_string(),
                "the image on disk is damaged: build or fetch it again",
            ));
        }
        Ok((digest, bytes))
    }

    /// The digest of a descriptor.
    pub(super) fn digest(&self, descriptor: &Descriptor) -> Result<Digest, InputError> {
        let sha256 = sha256(&descriptor.digest).map_err(|e| self.wrong(e.to_string()))?;
        Ok(Digest { sha256, size: descriptor.size })
    }

    /// A blob, unless the layout lacks it. It is not read yet.
    pub(super) fn content(&self, digest: &Digest) -> Result<Option<Content>, InputError> {
        let name = format!("blobs/sha256/{}", digest.hex());
        let (file, start, size) = match &self.place {
            Place::Folder => {
                let Ok(file) = File::open(self.path.join(&name)) else {
                    // What is so common that layouts may leave it out.
                    return Ok((*digest == Digest::of(EMPTY)).then(|| Content::of(EMPTY.to_vec())));
                };
                let stat = file.metadata().map_err(|e| self.wrong(format!("{name}: {e}")))?;
                if !stat.is_file() {
                    return Err(self.wrong(format!("{name} is not a file")));
                }
                (Arc::new(file), 0, stat.len())
            }
            Place::Archive(file, members) => match members.get(&name) {
                Some((start, size)) => (Arc::clone(file), *start, *size),
                None => return Ok((*digest == Digest::of(EMPTY)).then(|| Content::of(EMPTY.to_vec()))),
            },
        };
        if size != digest.size {
            return Err(super::mismatch_of(
                format!("the size of `{name}` in `{}`", self.path.display()),
                digest.size.to_string(),
                size.to_string(),
                "the image on disk is damaged: build or fetch it again",
            ));
        }
        Ok(Some(Content::part(*digest, file, start, &self.path)))
    }

    /// A small file.
    fn text(&self, name: &str) -> Result<Vec<u8>, InputError> {
        let failed = |e: std::io::Error| self.wrong(format!("{name}: {e}"));
        let mut bytes = Vec::new();
        match &self.place {
            Place::Folder => {
                let file = File::open(self.path.join(name)).map_err(failed)?;
                if !file.metadata().map_err(failed)?.is_file() {
                    return Err(self.wrong(format!("{name} is not a file")));
                }
                file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
            }
            Place::Archive(file, members) => {
                use std::os::unix::fs::FileExt as _;
                let (start, size) =
                    *members.get(name).ok_or_else(|| self.wrong(format!("it has no {name}")))?;
                let size = size.min(DOCUMENT_LIMIT + 1);
                bytes.resize(usize::try_from(size).unwrap_or_default(), 0);
                file.read_exact_at(&mut bytes, start).map_err(failed)?;
            }
        }
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(self.wrong(format!("{name} is larger than {DOCUMENT_LIMIT} bytes")));
        }
        Ok(bytes)
    }
}

/// Finds the members of an archive; their contents are passed over.
fn members(path: &Path) -> Result<Place, String> {
    let say = |e: std::io::Error| e.to_string();
    let file = File::open(path).map_err(say)?;
    if !file.metadata().map_err(say)?.is_file() {
        return Err("it is neither a folder nor a file".into());
    }
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut members = BTreeMap::new();
    for (number, entry) in (0_u64..).zip(archive.entries_with_seek().map_err(say)?) {
        let entry = entry.map_err(|e| format!("as a tar archive: {e}"))?;
        if number > MEMBERS {
            return Err(format!("it has more than {MEMBERS} members"));
        }
        let kind = entry.header().entry_type();
        let name = member_path(&entry.path_bytes()).map_err(|e| e.to_string())?;
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(format!("its member `{name}` is no file"));
        }
        if members.insert(name.to_string(), (entry.raw_file_position(), entry.size())).is_some() {
            return Err(format!("its member `{name}` is there twice"));
        }
    }
    let file = archive.into_inner().into_inner();
    Ok(Place::Archive(Arc::new(file), members))
}
