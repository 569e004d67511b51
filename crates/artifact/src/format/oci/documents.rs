//! The small documents of a layout, except the configuration.

use std::collections::BTreeMap;

use model::Digest;
use model::oci::{CONFIG, INDEX, MANIFEST, Platform};
use model::statement::canonical_json;
use serde_json::{Value, json};

/// The file `oci-layout`.
pub const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A blob with what kind it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its media type.
    pub media_type: String,
    /// Of its bytes.
    pub digest: Digest,
}

/// A manifest or index in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub blob: Blob,
    /// What it is for, if it is one image.
    pub platform: Option<Platform>,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
}

impl Blob {
    /// A manifest of one image.
    #[must_use]
    pub fn manifest(digest: Digest) -> Self {
        Self { media_type: MANIFEST[0].to_owned(), digest }
    }

    /// An index.
    #[must_use]
    pub fn index(digest: Digest) -> Self {
        Self { media_type: INDEX[0].to_owned(), digest }
    }

    fn to_json(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": format!("sha256:{}", self.digest.hex()),
            "size": self.digest.size,
        })
    }
}

/// A manifest, of its configuration and its layers, the lowest first.
#[must_use]
pub fn manifest(config: Digest, layers: &[Blob], annotations: &BTreeMap<String, String>) -> Vec<u8> {
    let config = Blob { media_type: CONFIG.to_owned(), digest: config };
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST[0],
        "config": config.to_json(),
        "layers": layers.iter().map(Blob::to_json).collect::<Vec<_>>(),
    });
    annotate(&mut document, annotations);
    canonical_json(&document)
}

/// An index, in the order given; also the file `index.json`.
#[must_use]
pub fn index(list: &[Listed]) -> Vec<u8> {
    let entry = |listed: &Listed| {
        let mut entry = listed.blob.to_json();
        if let Some(platform) = &listed.platform {
            entry["platform"] = platform_json(platform);
        }
        annotate(&mut entry, &listed.annotations);
        entry
    };
    canonical_json(&json!({
        "schemaVersion": 2,
        "mediaType": INDEX[0],
        "manifests": list.iter().map(entry).collect::<Vec<_>>(),
    }))
}

/// The file `manifest.json` by which `docker load` finds an image in the layout, under the name `NAME:TAG`.
#[must_use]
pub fn saved(config: Digest, layers: &[Blob], name: &str) -> Vec<u8> {
    let place = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    canonical_json(&json!([{
        "Config": place(&config),
        "RepoTags": [name],
        "Layers": layers.iter().map(|layer| place(&layer.digest)).collect::<Vec<_>>(),
    }]))
}

/// A platform as documents say it.
fn platform_json(platform: &Platform) -> Value {
    let mut value = json!({ "architecture": platform.architecture, "os": platform.os });
    if !platform.variant.is_empty() {
        value["variant"] = json!(platform.variant);
    }
    value
}

fn annotate(document: &mut Value, annotations: &BTreeMap<String, String>) {
    if !annotations.is_empty() {
        document["annotations"] = json!(annotations);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    #[test]
    fn documents_have_their_bytes() {
        let layer = Blob { media_type: super::super::LAYER.to_owned(), digest: digest("layer") };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let none = BTreeMap::new();
        assert_eq!(
            text(manifest(digest("config"), std::slice::from_ref(&layer), &none)),
            "{\"config\":{\"digest\":\"sha256:b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910\",\
             \"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":6},\"layers\":[{\"digest\":\
             \"sha256:dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85\",\"mediaType\":\
             \"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":5}],\"mediaType\":\
             \"application/vnd.oci.image.manifest.v1+json\",\"schemaVersion\":2}"
        );
        let listed = Listed {
            blob: Blob::manifest(digest("m")),
            platform: Some("linux/arm/v7".parse().unwrap()),
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        assert_eq!(
            text(index(&[listed])),
            "{\"manifests\":[{\"annotations\":{\"a\":\"b\"},\"digest\":\
             \"sha256:62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a\",\"mediaType\":\
             \"application/vnd.oci.image.manifest.v1+json\",\"platform\":{\"architecture\":\"arm\",\"os\":\"linux\",\
             \"variant\":\"v7\"},\"size\":1}],\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\
             \"schemaVersion\":2}"
        );
        assert_eq!(
            text(saved(digest("config"), &[layer], "a:1")),
            "[{\"Config\":\"blobs/sha256/b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910\",\"Layers\":[\
             \"blobs/sha256/dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85\"],\"RepoTags\":[\"a:1\"]}]"
        );
    }
}
