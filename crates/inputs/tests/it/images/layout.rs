//! An OCI layout, made here byte by byte.

use std::collections::BTreeMap;
use std::path::Path;

use model::Digest;
use serde_json::{Value, json};

use crate::debian_archive::{Member, gzip, tar_plain};

#[derive(Default)]
pub(crate) struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    index: Vec<Value>,
}

/// A layer, as manifest and configuration name it.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    size: usize,
    pub(crate) diff_id: String,
}

/// A manifest or index.
pub(crate) struct Made {
    media_type: &'static str,
    pub(crate) digest: String,
    size: usize,
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Digest::of(bytes).hex())
}

impl Layout {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn put(&mut self, bytes: Vec<u8>) -> (String, usize) {
        let (digest, size) = (digest(&bytes), bytes.len());
        self.blobs.insert(digest.clone(), bytes);
        (digest, size)
    }

    /// A layer in `gzip`, `zstd` or `plain`.
    pub(crate) fn layer(&mut self, how: &str, members: &[Member<'_>]) -> Layer {
        let plain = tar_plain(members);
        let diff_id = digest(&plain);
        let (suffix, bytes) = match how {
            "gzip" => ("+gzip", gzip(&plain)),
            "zstd" => ("+zstd", zstd::encode_all(plain.as_slice(), 3).unwrap()),
            _ => ("", plain),
        };
        let (digest, size) = self.put(bytes);
        Layer { media_type: format!("application/vnd.oci.image.layer.v1.tar{suffix}"), digest, size, diff_id }
    }

    /// A layer of any bytes, which nobody unpacks.
    pub(crate) fn opaque(&mut self, bytes: Vec<u8>) -> Layer {
        let diff_id = digest(&bytes);
        let (digest, size) = self.put(bytes);
        Layer { media_type: "application/vnd.oci.image.layer.v1.tar".into(), digest, size, diff_id }
    }

    /// As [`Layout::opaque`], compressed.
    pub(crate) fn packed(&mut self, bytes: &[u8]) -> Layer {
        let (digest, size) = self.put(gzip(bytes));
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip".into();
        Layer { media_type, digest, size, diff_id: self::digest(bytes) }
    }

    pub(crate) fn image(&mut self, arch: &str, layers: &[Layer], env: &[&str]) -> Made {
        let diff_ids: Vec<_> = layers.iter().map(|l| &l.diff_id).collect();
        let config = json!({
            "architecture": arch, "os": "linux", "config": { "Env": env },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let (config, size) = self.put(config.to_string().into_bytes());
        let layers: Vec<_> = layers
            .iter()
            .map(|l| json!({ "mediaType": l.media_type, "digest": l.digest, "size": l.size }))
            .collect();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type, "layers": layers,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size,
            },
        });
        let (digest, size) = self.put(manifest.to_string().into_bytes());
        Made { media_type, digest, size }
    }

    pub(crate) fn index(&mut self, images: &[(&str, &Made)]) -> Made {
        let one = |(arch, made): &(&str, &Made)| {
            json!({
                "mediaType": made.media_type, "digest": made.digest, "size": made.size,
                "platform": { "architecture": arch, "os": "linux" },
            })
        };
        let media_type = "application/vnd.oci.image.index.v1+json";
        let manifests: Vec<_> = images.iter().map(one).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        let (digest, size) = self.put(index.to_string().into_bytes());
        Made { media_type, digest, size }
    }

    pub(crate) fn tag(&mut self, name: &str, made: &Made) {
        self.index.push(json!({
            "mediaType": made.media_type, "digest": made.digest, "size": made.size,
            "annotations": { "org.opencontainers.image.ref.name": name },
        }));
    }

    pub(crate) fn write(&self, folder: &Path) {
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        for (digest, bytes) in &self.blobs {
            std::fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
        }
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let index = json!({ "schemaVersion": 2, "manifests": self.index });
        std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    }
}
