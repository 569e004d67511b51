//! A mirror as an OCI image layout, which any tool for registries can copy: one artifact whose configuration is the index
//! and whose layers are the blobs, or one layer that is the archive where there would be too many.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use model::{Digest, Hasher};
use serde_json::{Value, json};
use store::Store;

use super::export::{archive, fill, write};
use super::index::Index;
use super::{MirrorError, blob_path};
use crate::InputError;

/// What the artifact is.
pub(super) const ARTIFACT: &str = "application/vnd.selfsame.mirror.v1";
/// Type of the configuration.
pub(super) const INDEX: &str = "application/vnd.selfsame.mirror.index.v1+json";
/// Type of a layer that is a blob.
pub(super) const BLOB: &str = "application/vnd.selfsame.mirror.blob.v1";
/// Type of a layer that is the archive.
pub(super) const BUNDLE: &str = "application/vnd.selfsame.mirror.v1.tar+zstd";
/// Type of the manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// With more blobs than this, a registry may find the manifest too large.
pub(super) const MOST_LAYERS: usize = 1000;

/// Writes the blobs, and gives the layers that hold them.
fn layers(store: &Store, index: &Index, folder: &Path) -> Result<Vec<Value>, InputError> {
    let layer = |kind: &str, digest: &Digest| json!({ "mediaType": kind, "digest": format!("sha256:{}", digest.hex()), "size": digest.size });
    if index.blobs.len() <= MOST_LAYERS {
        fill(store, index, folder)?;
        return Ok(index.blobs.iter().map(|b| layer(BLOB, &b.digest)).collect());
    }
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|e| MirrorError::io("make", &blobs, e))?;
    let bundle = blobs.join("bundle");
    let file = File::create_new(&bundle).map_err(|e| MirrorError::io("make", &bundle, e))?;
    archive(store, index, true, BufWriter::new(file))?;
    let mut hasher = Hasher::default();
    let mut again = File::open(&bundle).map_err(|e| MirrorError::io("read", &bundle, e))?;
    std::io::copy(&mut again, &mut hasher).map_err(|e| MirrorError::io("read", &bundle, e))?;
    let digest = hasher.finish();
    let path = folder.join(blob_path(&digest));
    fs::rename(&bundle, &path).map_err(|e| MirrorError::io("rename", &path, e))?;
    Ok(vec![layer(BUNDLE, &digest)])
}

/// Writes the layout into a new folder.
pub(super) fn write_layout(store: &Store, index: &Index, folder: &Path) -> Result<(), InputError> {
    let layers = layers(store, index, folder)?;
    let keep = |bytes: &[u8]| -> Result<Digest, InputError> {
        let digest = Digest::of(bytes);
        write(&folder.join(blob_path(&digest)), bytes)?;
        Ok(digest)
    };
    let config = keep(index.to_text().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": {
            "mediaType": INDEX, "digest": format!("sha256:{}", config.hex()), "size": config.size,
        },
        "layers": layers,
    });
    let manifest = keep(manifest.to_string().as_bytes())?;
    let list = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": MANIFEST, "artifactType": ARTIFACT,
            "digest": format!("sha256:{}", manifest.hex()), "size": manifest.size,
        }],
    });
    write(&folder.join("index.json"), list.to_string().as_bytes())?;
    write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
}
