//! From a registry to a layout on disk: manifests first, then all blobs, several at a time, each straight into its place.
//!
//! Every byte is hashed as it comes and checked against the digest that named it; what a tag is of is the registry's word, and
//! is told. Blobs that the store has are not asked for.

use std::collections::BTreeSet;
use std::io::Read as _;

use model::Digest;
use model::oci::{Descriptor, Document, Place, Platform, Reference, choose};
use serde_json::{Value, json};

use super::archive::document;
use super::layout::NAME;
use super::layout::write::{Target, Written};
use super::push::remember;
use super::referrers::{Referrer, list};
use super::registry::Registry;
use super::{ImageError, Origin, unreadable};
use crate::http::{Client, Region};
use crate::several::several;
use crate::{Context, InputError};

/// An index may hold an index, but not for ever.
const DEEPEST: usize = 4;
/// No image has more manifests, nor more blobs.
const DOCUMENTS: usize = 2000;
const BLOBS: usize = 100_000;
/// Bytes of manifests that are kept in memory.
const KEPT: u64 = 256 << 20;
/// Nor is any larger.
const LARGEST: u64 = 1 << 40;

/// What is to be pulled, and where to.
#[derive(Debug)]
pub struct Pull<'a> {
    /// Registry, name, and a tag or digest.
    pub from: &'a Reference,
    /// Where to.
    pub to: &'a Target,
    /// Of an index, this image alone.
    pub platform: Option<&'a Platform>,
    /// What is attached to it too.
    pub referrers: bool,
}

/// What was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Of the index or manifest that was asked for; of the image, if one platform was.
    pub digest: Digest,
    /// How many manifests and indexes it has.
    pub documents: usize,
    /// How many blobs, with those of what is attached.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is attached, by digest.
    pub referrers: Vec<Referrer>,
}

/// Pulls an image.
///
/// # Errors
/// If there is none, what comes is not what its digest says, or it cannot be written. An archive is written whole or not at
/// all; blobs in a folder stay, and are not brought again.
pub fn pull(cx: &Context<'_>, pull: &Pull<'_>) -> Result<Pulled, InputError> {
    let client = Client::new(cx.host);
    let origin = Origin::open(cx, &client, pull.from)?;
    let (Origin::Registry(registry), Place::Registry { .. }) = (&origin, &pull.from.place) else {
        let image = pull.from.to_string();
        let reason = "it is no place in a registry".to_owned();
        return Err(ImageError::Answer { registry: "none".into(), image, reason }.into());
    };
    let found = origin.resolve(pull.from)?;
    let mut walk = Walk {
        origin: &origin,
        image: pull.from,
        documents: Vec::new(),
        blobs: Vec::new(),
        read: BTreeSet::new(),
        brought: BTreeSet::new(),
        kept: 0,
        bytes: 0,
    };
    let wrong = unreadable(pull.from);
    let root = match (pull.platform, document(pull.from, &found.bytes)?) {
        (Some(platform), Document::Index(children)) => {
            let chosen = choose(&children, platform).map_err(&wrong)?;
            let digest = chosen.digest().map_err(&wrong)?;
            walk.document(digest, origin.manifest(pull.from, &digest)?, 0)?;
            digest
        }
        _ => {
            walk.document(found.digest, found.bytes, 0)?;
            found.digest
        }
    };
    let mut referrers =
        if pull.referrers { list(cx, registry, pull.from, &root.sha256)? } else { Vec::new() };
    let documents = walk.documents.len();
    let mut listed = vec![entry(&root, &walk, pull.from.tag.as_deref())];
    for referrer in &mut referrers {
        let media_type = media_type(&referrer.bytes);
        listed.push(json!({
            "mediaType": media_type, "artifactType": referrer.kind,
            "digest": format!("sha256:{}", referrer.manifest.hex()), "size": referrer.manifest.size,
        }));
        walk.documents.push((referrer.manifest, std::mem::take(&mut referrer.bytes)));
        for blob in &referrer.blobs {
            walk.blob(*blob)?;
        }
    }
    let Walk { documents: held, blobs, bytes, .. } = walk;
    let written = Written::begin(pull.to, &held, &blobs, listed)?;
    let bring = |digest: &Digest, progress: &dyn Fn(u64)| -> Result<(), InputError> {
        written
            .blob(pull.from, digest, progress, |region| brought(cx, registry, pull.from, digest, region))?;
        progress(digest.size);
        remember(cx, registry, digest);
        Ok(())
    };
    several(cx, &pull.from.to_string(), bytes, "blobs", &blobs, bring).map_err(|stopped| *stopped.cause)?;
    written.finish()?;
    Ok(Pulled { digest: root, documents, blobs: blobs.len(), bytes, referrers })
}

/// One blob: of the store if it has it, else of the registry.
fn brought(
    cx: &Context<'_>,
    registry: &Registry<'_>,
    image: &Reference,
    digest: &Digest,
    region: &mut Region<'_>,
) -> Result<(), InputError> {
    if !cx.store.contains(digest) {
        return registry.fill(image, digest, region);
    }
    let mut file = cx.store.open_blob(digest)?;
    let mut buffer = vec![0; 256 << 10];
    region.clear();
    loop {
        let failed = |cause| crate::HttpError::File { path: cx.store.dir().to_owned(), cause };
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(()),
            count => region.add(&buffer[..count])?,
        }
    }
}

/// What a document calls itself.
fn media_type(bytes: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(bytes).ok();
    let said = said.and_then(|v| v["mediaType"].as_str().map(str::to_owned)).filter(|t| !t.is_empty());
    said.unwrap_or_else(|| model::oci::MANIFEST[0].to_owned())
}

/// The entry of a layout's index for what was asked for.
fn entry(root: &Digest, walk: &Walk<'_>, tag: Option<&str>) -> Value {
    let bytes = walk.documents.iter().find(|(digest, _)| digest == root).map(|(_, bytes)| bytes.as_slice());
    let mut entry = json!({
        "mediaType": media_type(bytes.unwrap_or_default()),
        "digest": format!("sha256:{}", root.hex()), "size": root.size,
    });
    if let Some(tag) = tag {
        entry["annotations"] = json!({ NAME: tag });
    }
    entry
}

/// Goes through an image from its root.
struct Walk<'a> {
    origin: &'a Origin<'a>,
    image: &'a Reference,
    documents: Vec<(Digest, Vec<u8>)>,
    blobs: Vec<Digest>,
    /// What was read, apart from what is only brought: a layer that has a manifest's name makes no layer of it.
    read: BTreeSet<Digest>,
    brought: BTreeSet<Digest>,
    kept: u64,
    bytes: u64,
}

impl Walk<'_> {
    fn wrong(&self, reason: &str) -> InputError {
        ImageError::Missing { image: self.image.to_string(), reason: reason.to_owned() }.into()
    }

    fn document(&mut self, digest: Digest, bytes: Vec<u8>, depth: usize) -> Result<(), InputError> {
        if !self.read.insert(digest) {
            return Ok(());
        }
        self.kept += bytes.len() as u64;
        if depth > DEEPEST || self.documents.len() >= DOCUMENTS || self.kept > KEPT {
            return Err(self.wrong("it has more manifests, or manifests in one another, than any image"));
        }
        let wrong = unreadable(self.image);
        let of = |d: &Descriptor| d.digest().map_err(&wrong);
        match document(self.image, &bytes)? {
            Document::Index(children) => {
                for child in &children {
                    let child = of(child)?;
                    if !self.read.contains(&child) {
                        let bytes = self.origin.manifest(self.image, &child)?;
                        self.document(child, bytes, depth + 1)?;
                    }
                }
            }
            Document::Manifest(manifest) => {
                for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
                    self.blob(of(part)?)?;
                }
            }
        }
        self.documents.push((digest, bytes));
        Ok(())
    }

    fn blob(&mut self, digest: Digest) -> Result<(), InputError> {
        if self.brought.insert(digest) {
            self.blobs.push(digest);
            self.bytes = self.bytes.saturating_add(digest.size);
        }
        if self.blobs.len() > BLOBS || self.bytes > LARGEST {
            return Err(self.wrong("it has more blobs, or larger ones, than any image"));
        }
        Ok(())
    }
}
