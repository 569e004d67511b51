//! A mirror that is a folder: with its index beside the blobs, or as an OCI image layout.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use model::Digest;
use serde::Deserialize;

use super::index::{Index, LIMIT, NAME};
use super::{MirrorError, blob_path, layout};

/// No manifest is larger.
const MANIFEST_LIMIT: u64 = 64 << 20;

/// A folder that was opened.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) index: Index,
    /// The archive that holds the blobs, if they do not lie there one by one.
    pub(crate) bundle: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifests {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Folder {
    /// Reads the index.
    pub(crate) fn open(path: &Path) -> Result<Self, MirrorError> {
        let owned = path.to_owned();
        if path.join(NAME).exists() {
            let index = Index::parse(path, &read(&path.join(NAME), LIMIT)?)?;
            return Ok(Self { path: owned, index, bundle: None });
        }
        if !path.join("oci-layout").exists() {
            return Err(MirrorError::format(path, format!("it has neither `{NAME}` nor `oci-layout`")));
        }
        let wrong = |reason: String| MirrorError::format(path, reason);
        let json = |e: serde_json::Error| wrong(e.to_string());
        let list: Manifests =
            serde_json::from_slice(&read(&path.join("index.json"), MANIFEST_LIMIT)?).map_err(json)?;
        for listed in list.manifests.iter().filter(|m| m.media_type == layout::MANIFEST) {
            let manifest: Manifest =
                serde_json::from_slice(&document(path, listed, MANIFEST_LIMIT)?).map_err(json)?;
            let ours = manifest.config.media_type == layout::INDEX;
            if !ours && manifest.artifact_type.as_deref() != Some(layout::ARTIFACT) {
                continue;
            }
            let index = Index::parse(path, &document(path, &manifest.config, LIMIT)?)?;
            let bundle = manifest.layers.iter().find(|l| l.media_type == layout::BUNDLE);
            let bundle = bundle.map(|l| digest(path, l)).transpose()?.map(|d| path.join(blob_path(&d)));
            return Ok(Self { path: owned, index, bundle });
        }
        Err(wrong("no manifest of it is a mirror".into()))
    }

    /// A blob's file, of the right size; `None` if it is not there. Who reads it hashes it.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<File>, MirrorError> {
        let path = self.path.join(blob_path(digest));
        // A pipe would be waited for, a device read for ever.
        match path.metadata() {
            Ok(found) if found.is_file() && found.len() == digest.size => {}
            Ok(_) => return Ok(None),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(MirrorError::io("read", &path, e)),
        }
        File::open(&path).map(Some).map_err(|e| MirrorError::io("read", &path, e))
    }
}

fn digest(place: &Path, descriptor: &Descriptor) -> Result<Digest, MirrorError> {
    let text = format!("{}/{}", descriptor.digest, descriptor.size);
    text.parse::<Digest>().map_err(|e| MirrorError::format(place, e.to_string()))
}

/// The bytes of a document in the layout, which must be those of its digest.
fn document(place: &Path, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, MirrorError> {
    let expected = digest(place, descriptor)?;
    let bytes = read(&place.join(blob_path(&expected)), limit)?;
    let found = Digest::of(&bytes);
    if found == expected {
        return Ok(bytes);
    }
    Err(MirrorError::Blob { place: place.display().to_string(), expected, found })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, MirrorError> {
    let all = || {
        if !path.metadata()?.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(std::io::Error::other(format!("it has more than {limit} bytes")));
        }
        Ok(bytes)
    };
    all().map_err(|e| MirrorError::io("read", path, e))
}
