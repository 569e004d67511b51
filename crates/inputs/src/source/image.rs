//! A source that is an image: the layout of it alone, with the blobs as they are served.
//!
//! The tree is `oci-layout`, `index.json` and `blobs/sha256/HEX`, so that a step can read it and an artifact can be laid
//! over it. It follows from the blobs; the two small files are written here. Where an image has no manifest, in an archive of
//! `docker save`, one is made of its configuration and its layers.

use std::io::Read as _;

use model::lock::{ImageContents, LockedFile, LockedSource, MANIFEST};
use model::oci::{
    CONFIG, Configuration, Document, INDEX, LAYER, MANIFEST as MANIFESTS, Place, Platform, Reference,
};
use model::recipe::Locator;
use model::statement::canonical_json;
use model::tree::{Node, Tree};
use model::{Digest, RelPath, Timestamp};
use serde_json::json;

use crate::http::Client;
use crate::oci::archive::document;
use crate::oci::parts::Parts;
use crate::oci::{ImageError, Origin, unreadable};
use crate::{Context, InputError, toolchain};

const CONFIGURATION: &str = "config";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Resolves the image for `platform` and brings it.
pub(crate) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    image: &Reference,
    platform: &Platform,
) -> Result<LockedSource, InputError> {
    let origin = Origin::open(cx, client, image)?;
    let (parts, manifest) = match &origin {
        Origin::Files(files) if matches!(image.place, Place::DockerArchive(_)) => {
            let (config, layers) = files.saved()?;
            let parts = Parts { index: None, manifest: None, config, layers };
            parts.bring(cx, &origin, image)?;
            let manifest = made(cx, &parts)?;
            (parts, manifest)
        }
        _ => {
            let (parts, manifest) = Parts::resolve(&origin, image, platform)?;
            parts.bring(cx, &origin, image)?;
            (parts, manifest)
        }
    };
    let manifest = cx.store.put(&manifest)?;
    let tree = tree(cx, image, platform, &manifest, &parts)?;
    let mut files = vec![file(MANIFEST.to_owned(), manifest), file(CONFIGURATION.to_owned(), parts.config)];
    files.extend(
        parts.layers.iter().enumerate().map(|(nth, digest)| file(format!("layer/{}", nth + 1), *digest)),
    );
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(LockedSource {
        origin: Locator::Image { image: image.clone(), platform: platform.clone() },
        licence: None,
        // A base that moves on must not make what is built of the same sources younger.
        epoch: Timestamp(0),
        tree,
        files,
        contents: Some(look(cx, image, &parts)?),
    })
}

/// Brings what is missing of a locked image, and makes its tree.
pub(crate) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    image: &Reference,
    platform: &Platform,
    locked: &LockedSource,
) -> Result<Digest, InputError> {
    let damaged = |what: &str| InputError::Mismatch {
        what: format!("the lock's files of image `{image}`"),
        expected: "a manifest, its configuration and its layers".to_owned(),
        found: what.to_owned(),
        advice: "the lock contradicts itself: run `selfsame lock` to write it anew",
    };
    let manifest = locked.file(MANIFEST).ok_or_else(|| damaged("no manifest"))?.digest;
    // Nobody is asked for what is here.
    let lacking: Vec<&Digest> =
        locked.files.iter().map(|f| &f.digest).filter(|d| !cx.store.contains(d)).collect();
    if !lacking.is_empty() {
        let origin = Origin::open(cx, client, image)?;
        if lacking.contains(&&manifest) && !matches!(image.place, Place::DockerArchive(_)) {
            cx.store.put(&origin.manifest(image, &manifest)?)?;
        }
        for digest in lacking.into_iter().filter(|d| **d != manifest) {
            origin.bring(cx, image, digest)?;
        }
    }
    if matches!(image.place, Place::DockerArchive(_)) && !cx.store.contains(&manifest) {
        let config = locked.file(CONFIGURATION).ok_or_else(|| damaged("no configuration"))?.digest;
        let layer = |nth: usize| locked.file(&format!("layer/{nth}")).map(|f| f.digest);
        let layers = (1..).map_while(layer).collect();
        let made = made(cx, &Parts { index: None, manifest: None, config, layers })?;
        cx.store.put(&made)?;
    }
    let parts = match document(image, &cx.store.read(&manifest)?)? {
        Document::Manifest(read) => Parts::of(image, None, manifest, &read)?,
        Document::Index(_) => return Err(damaged("an index")),
    };
    let named: std::collections::BTreeSet<&Digest> =
        parts.layers.iter().chain([&parts.config, &manifest]).collect();
    if named != locked.files.iter().map(|f| &f.digest).collect() {
        return Err(damaged("files that its manifest does not name, or not all that it names"));
    }
    tree(cx, image, platform, &manifest, &parts)
}

/// Unpacks the image, by which its layers are seen to be those of its configuration, and reads its databases.
fn look(cx: &Context<'_>, image: &Reference, parts: &Parts) -> Result<ImageContents, InputError> {
    let (_, distro, packages) = toolchain::image::unpacked(cx, image, parts)?;
    Ok(ImageContents { distro, packages })
}

fn file(path: String, digest: Digest) -> LockedFile {
    LockedFile { path, digest, registry_hash: None }
}

/// The manifest of an image that has none.
fn made(cx: &Context<'_>, parts: &Parts) -> Result<Vec<u8>, InputError> {
    let entry = |media_type: &str, digest: &Digest| json!({ "mediaType": media_type, "digest": format!("sha256:{}", digest.hex()), "size": digest.size });
    let mut layers = Vec::new();
    for digest in &parts.layers {
        // `docker save` writes plain ones; others write what the registry had.
        let mut head = Vec::new();
        let blob = cx.store.open_blob(digest)?;
        blob.take(4)
            .read_to_end(&mut head)
            .map_err(|e| store::StoreError::io("read", digest.to_string(), e))?;
        let kind = match head.as_slice() {
            [0x1f, 0x8b, ..] => LAYER[1],
            [0x28, 0xb5, 0x2f, 0xfd] => LAYER[2],
            _ => LAYER[0],
        };
        layers.push(entry(kind, digest));
    }
    Ok(canonical_json(&json!({
        "schemaVersion": 2, "mediaType": MANIFESTS[0], "layers": layers, "config": entry(CONFIG, &parts.config),
    })))
}

/// The tree of the layout.
fn tree(
    cx: &Context<'_>,
    image: &Reference,
    platform: &Platform,
    manifest: &Digest,
    parts: &Parts,
) -> Result<Digest, InputError> {
    let wrong = unreadable(image);
    let configuration =
        Configuration::read(&cx.store.read(&parts.config)?, parts.layers.len()).map_err(&wrong)?;
    let own = configuration.platform;
    if !platform.fits(&own) {
        let (image, expected, found) = (image.to_string(), platform.to_string(), own.to_string());
        return Err(ImageError::SourcePlatform { image, expected, found }.into());
    }
    let bytes = cx.store.read(manifest)?;
    let media_type = serde_json::from_slice::<serde_json::Value>(&bytes)
        .ok()
        .and_then(|value| Some(value.get("mediaType")?.as_str()?.to_owned()))
        .filter(|own| MANIFESTS.contains(&own.as_str()))
        .unwrap_or_else(|| MANIFESTS[0].to_owned());
    let mut said = json!({ "architecture": own.architecture, "os": own.os });
    if !own.variant.is_empty() {
        said["variant"] = json!(own.variant);
    }
    let index = canonical_json(&json!({
        "schemaVersion": 2, "mediaType": INDEX[0],
        "manifests": [{
            "mediaType": media_type, "digest": format!("sha256:{}", manifest.hex()), "size": manifest.size,
            "platform": said,
        }],
    }));
    let mut files = vec![
        ("index.json".to_owned(), cx.store.put(&index)?),
        ("oci-layout".to_owned(), cx.store.put(LAYOUT)?),
    ];
    let blobs: std::collections::BTreeSet<&Digest> =
        parts.layers.iter().chain([&parts.config, manifest]).collect();
    files.extend(blobs.into_iter().map(|digest| (format!("blobs/sha256/{}", digest.hex()), *digest)));
    let mut tree = Tree::default();
    for (path, digest) in files {
        let path: RelPath = path.parse().expect("a plain path");
        let node = Node::File { digest, executable: false };
        tree.insert(&path, node).expect("each blob is there once, and nothing lies below a file");
    }
    let finished = tree.finish();
    cx.store.put_tree(&finished)?;
    Ok(finished.root)
}
