//! From a layout on disk to a registry: blobs first, several at a time, then manifests, then the index, then the tag.
//!
//! What is pushed are the bytes of the layout as they stand, so an image has one digest wherever it is. A tag that is of
//! another image stays what it is, unless the caller says that it may move. What is attached goes beside the image
//! ([`referrers`](super::referrers)), never into its index.

mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use model::oci::{Place, Reference};
use model::{Digest, Sha256};

use super::content::Content;
use super::layout::Layout;
use super::referrers::{Artifact, Attachment, Subject, attach, enlist, publish};
use super::registry::Registry;
use super::upload::{How, upload};
use super::{ImageError, mismatch_of};
use crate::http::Client;
use crate::several::several_of;
use crate::{Context, InputError};

pub use image::image_in;
use image::{Image, read};

/// Where it is kept which repository of a registry has a blob.
const SPACE: &str = "oci-blobs";
/// Of smaller blobs that is not worth a file.
const REMEMBERED: u64 = 64 << 10;
/// From no more repositories is something mounted.
const REPOSITORIES: usize = 8;

/// What is to be pushed, and where to.
#[derive(Debug)]
pub struct Push<'a> {
    /// A layout: a folder, or a tar archive of one.
    pub from: &'a Path,
    /// Which of its images, by name or digest; needed if there are several.
    pub image: Option<&'a str>,
    /// Registry, name, and the tag if it is to have one. A digest must be that of the image.
    pub to: &'a Reference,
    /// Whether the tag may be of another image now.
    pub move_tag: bool,
    /// What goes beside it.
    pub attach: &'a [Attachment],
    /// A repository of the same registry that may have some of the blobs.
    pub mount_from: Option<&'a str>,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Of the index, or of the manifest if there is none.
    pub digest: Digest,
    /// Registry and name.
    pub repository: String,
    /// The tag was of this image before, or of this other one, or of none.
    pub tag_was: Option<Sha256>,
    /// How many manifests and indexes the image has.
    pub documents: usize,
    /// What became of its blobs, and of those attached.
    pub blobs: Blobs,
    /// What is attached, in order.
    pub attached: Vec<Attached>,
}

/// What became of blobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blobs {
    /// Were there.
    pub present: usize,
    /// Came from another repository of the registry.
    pub mounted: usize,
    /// Were sent.
    pub sent: usize,
    /// Bytes of those that were sent.
    pub bytes: u64,
}

/// Something that is attached now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its manifest.
    pub manifest: Digest,
    /// Its artifact type.
    pub kind: String,
    /// The registry lists it by itself; otherwise it is listed under a tag.
    pub listed: bool,
}

/// Counts blobs, from several threads.
#[derive(Default)]
pub(super) struct Counted {
    present: AtomicUsize,
    mounted: AtomicUsize,
    sent: AtomicUsize,
    bytes: AtomicU64,
}

impl Counted {
    pub(super) fn add(&self, how: How, size: u64) {
        match how {
            How::Present => self.present.fetch_add(1, Ordering::Relaxed),
            How::Mounted => self.mounted.fetch_add(1, Ordering::Relaxed),
            How::Sent => {
                self.bytes.fetch_add(size, Ordering::Relaxed);
                self.sent.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    fn sum(&self) -> Blobs {
        let of = |n: &AtomicUsize| n.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        Blobs { present: of(&self.present), mounted: of(&self.mounted), sent: of(&self.sent), bytes }
    }
}

/// Pushes an image, and attaches to it.
///
/// # Errors
/// If the layout is damaged, the tag is of another image, or the registry refuses or breaks off for good. Blobs that were
/// sent until then stay, and are not sent again.
pub fn push(cx: &Context<'_>, push: &Push<'_>) -> Result<Pushed, InputError> {
    let Place::Registry { host, name } = &push.to.place else {
        let (registry, image) = ("none".to_owned(), push.to.to_string());
        let reason = "it is no place in a registry".to_owned();
        return Err(ImageError::Answer { registry, image, reason }.into());
    };
    let layout = Layout::open(push.from)?;
    let image = read(&layout, push)?;
    if let Some(expected) = push.to.digest.filter(|d| *d != image.root.sha256) {
        return Err(mismatch_of(
            format!("the image in `{}`", push.from.display()),
            format!("sha256:{expected}"),
            format!("sha256:{}", image.root.hex()),
            "push it without a digest, or build the image that has this one",
        ));
    }
    let client = Client::new(cx.host);
    let named = Registry::open_to_write(cx.host, &client, host.as_deref(), name, [])?.name().to_owned();
    let known = Known::of(cx, &named, name, &image, push.mount_from);
    let others = known.repositories.iter().map(String::as_str);
    let registry = Registry::open_to_write(cx.host, &client, host.as_deref(), name, others)?;
    let to = push.to;
    let tag_was = match &to.tag {
        Some(tag) => free(&registry, to, tag, &image.root, push.move_tag)?,
        None => None,
    };

    let counted = Counted::default();
    let send = |content: &Content, progress: &dyn Fn(u64)| -> Result<(), InputError> {
        let how = upload(&registry, to, content, known.of_blob(&content.digest), progress)?;
        counted.add(how, content.digest.size);
        remember(cx, &registry, &content.digest);
        Ok(())
    };
    let total = image.blobs.iter().fold(0_u64, |sum, b| sum.saturating_add(b.digest.size));
    several_of(cx, "push", &to.to_string(), total, "blobs", &image.blobs, send)
        .map_err(|stopped| *stopped.cause)?;
    for (digest, media_type, bytes) in &image.documents {
        let name = format!("sha256:{}", digest.hex());
        if registry.find(to, &name)? != Some(digest.sha256) {
            registry.put(to, &name, media_type, bytes)?;
        }
    }
    let digest = format!("sha256:{}", image.root.hex());
    verified(&registry, to, &digest, &image.root)?;

    let subject = Subject { media_type: &image.media_type, digest: image.root };
    let (mut attached, mut unlisted) = (Vec::new(), Vec::new());
    let mut add = |(manifest, entry): (Digest, Option<serde_json::Value>), kind: String| {
        attached.push(Attached { manifest, kind, listed: entry.is_none() });
        unlisted.extend(entry);
    };
    for (bytes, blobs) in &image.attached {
        for blob in blobs {
            counted.add(upload(&registry, to, blob, None, &|_| ())?, blob.digest.size);
        }
        let kind = serde_json::from_slice::<Artifact>(bytes).map(|a| a.kind()).unwrap_or_default();
        add(publish(&registry, to, bytes)?, kind);
    }
    for attachment in push.attach {
        add(attach(&registry, to, &subject, attachment, &counted)?, attachment.kind.clone());
    }
    if !unlisted.is_empty() {
        enlist(&registry, to, &image.root.sha256, &unlisted)?;
    }

    // The tag comes last: whoever asks for it finds everything.
    if let Some(tag) = &to.tag {
        if tag_was != Some(image.root.sha256) {
            // Others may have used the time.
            free(&registry, to, tag, &image.root, push.move_tag)?;
            let (_, media_type, bytes) =
                image.documents.last().expect("the image itself is its last document");
            registry.put(to, tag, media_type, bytes)?;
        }
        verified(&registry, to, tag, &image.root)?;
    }
    Ok(Pushed {
        digest: image.root,
        repository: format!("{}/{name}", registry.name()),
        tag_was,
        documents: image.documents.len(),
        blobs: counted.sum(),
        attached,
    })
}

/// What a tag is of now, if it may become one of `root`.
fn free(
    registry: &Registry<'_>,
    image: &Reference,
    tag: &str,
    root: &Digest,
    movable: bool,
) -> Result<Option<Sha256>, InputError> {
    let now = registry.find(image, tag)?;
    match now.filter(|now| *now != root.sha256 && !movable) {
        None => Ok(now),
        Some(other) => Err(ImageError::Tag {
            image: format!("{}/{}", registry.name(), registry.repository()),
            tag: tag.to_owned(),
            expected: format!("sha256:{}", root.hex()),
            found: format!("sha256:{other}"),
        }
        .into()),
    }
}

/// That what the registry has under this name is what it was given, by the bytes that it serves.
fn verified(registry: &Registry<'_>, image: &Reference, name: &str, root: &Digest) -> Result<(), InputError> {
    let found = Digest::of(&registry.manifest(image, name)?);
    if found == *root {
        return Ok(());
    }
    Err(mismatch_of(
        format!("what the registry serves as `{name}` of `{image}` after the push"),
        format!("sha256:{}", root.hex()),
        format!("sha256:{}", found.hex()),
        "somebody pushed at the same time, or the registry changes what it is given: look before you use it",
    ))
}

/// Repositories of the registry that may have blobs of the image.
struct Known {
    /// That were named, or have the image that it was built on.
    guessed: Option<String>,
    by_blob: BTreeMap<Digest, String>,
    repositories: BTreeSet<String>,
}

impl Known {
    fn of(cx: &Context<'_>, registry: &str, own: &str, image: &Image, named: Option<&str>) -> Self {
        let base = image.base.as_ref().and_then(|base| base.parse::<Reference>().ok());
        let base = base.and_then(|base| match base.place {
            Place::Registry { host: Some(host), name } if host == registry => Some(name),
            _ => None,
        });
        let guessed = named.map(str::to_owned).or(base).filter(|name| name != own);
        let mut known = Self { guessed, by_blob: BTreeMap::new(), repositories: BTreeSet::new() };
        known.repositories.extend(known.guessed.clone());
        for blob in image.blobs.iter().filter(|b| b.digest.size >= REMEMBERED) {
            let Some(bytes) = cx.store.memo_get(SPACE, &key(registry, &blob.digest)) else { continue };
            let Ok(name) = String::from_utf8(bytes) else { continue };
            let fits = known.repositories.len() < REPOSITORIES || known.repositories.contains(&name);
            if name != own && fits && format!("x.example/{name}").parse::<Reference>().is_ok() {
                known.repositories.insert(name.clone());
                known.by_blob.insert(blob.digest, name);
            }
        }
        known
    }

    fn of_blob(&self, digest: &Digest) -> Option<&str> {
        self.by_blob.get(digest).or(self.guessed.as_ref()).map(String::as_str)
    }
}

fn key(registry: &str, digest: &Digest) -> Digest {
    Digest::of(format!("{registry}\n{digest}").as_bytes())
}

/// Keeps that a repository has a blob, so that another one need not be sent it. What cannot be kept is sent again.
pub(super) fn remember(cx: &Context<'_>, registry: &Registry<'_>, digest: &Digest) {
    let key = key(registry.name(), digest);
    if digest.size >= REMEMBERED && cx.store.memo_get(SPACE, &key).is_none() {
        let _ = cx.store.memo_put(SPACE, &key, registry.repository().as_bytes());
    }
}
