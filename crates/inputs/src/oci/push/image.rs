//! An image of a layout: which one is meant, and everything that it consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::Digest;
use model::oci::{Descriptor, Document, INDEX, MANIFEST, Reference};

use super::Push;
use crate::InputError;
use crate::oci::content::Content;
use crate::oci::layout::{Layout, NAME};
use crate::oci::referrers::Artifact;
use crate::oci::unreadable;

/// An index may hold an index, but not for ever.
const DEEPEST: usize = 4;
/// No image has more manifests, nor more blobs.
const DOCUMENTS: usize = 2000;
const BLOBS: usize = 100_000;
/// Bytes of manifests that are kept in memory.
const KEPT: usize = 256 << 20;

/// One image of a layout.
pub(super) struct Image {
    pub(super) root: Digest,
    pub(super) media_type: String,
    /// Digest, type and bytes; whatever one names stands before it.
    pub(super) documents: Vec<(Digest, String, Vec<u8>)>,
    pub(super) blobs: Vec<Content>,
    /// What the layout has that is attached to it.
    pub(super) attached: Vec<(Vec<u8>, Vec<Content>)>,
    /// Repository of the image that it was built on, as it says.
    pub(super) base: Option<String>,
}

/// The digest of the one image of a layout, or of that of this name or digest.
///
/// # Errors
/// If there is none, or there are several.
pub fn image_in(path: &Path, image: Option<&str>) -> Result<Digest, InputError> {
    let layout = Layout::open(path)?;
    let (root, _) = chosen(&layout, image)?;
    layout.digest(&root)
}

/// What is attached to something in a layout: to what, by its word, and its manifest.
type Beside = Vec<(String, Vec<u8>)>;

/// Chooses an image of a layout; gives what is attached to any of them, too.
fn chosen(layout: &Layout, wanted: Option<&str>) -> Result<(Descriptor, Beside), InputError> {
    let (mut images, mut beside) = (Vec::new(), Vec::new());
    // Whether it is an image, of what was read: an index may list one thing under many names.
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    let mut kept = 0;
    for descriptor in layout.list()? {
        let is_image = match known.get(&descriptor.digest) {
            Some(is_image) => *is_image,
            None => {
                let (_, bytes) = layout.document(&descriptor)?;
                let artifact = serde_json::from_slice::<Artifact>(&bytes).ok();
                let subject = artifact.and_then(|artifact| artifact.subject);
                known.insert(descriptor.digest.clone(), subject.is_none());
                if let Some(subject) = &subject {
                    kept += bytes.len();
                    beside.push((subject.digest.clone(), bytes));
                }
                if known.len() > DOCUMENTS || kept > KEPT {
                    return Err(
                        layout.wrong("it lists more images, or more is attached to them, than in any")
                    );
                }
                subject.is_none()
            }
        };
        if is_image {
            images.push(descriptor);
        }
    }
    let name = |d: &Descriptor| d.annotations.get(NAME).cloned().unwrap_or_else(|| d.digest.clone());
    let fits = |d: &Descriptor| {
        let named = d.annotations.get(NAME);
        let tag = |n: &String, w: &str| n == w || n.strip_suffix(w).is_some_and(|rest| rest.ends_with(':'));
        wanted.is_none_or(|wanted| d.digest == wanted || named.is_some_and(|n| tag(n, wanted)))
    };
    // One that is listed under several names is one.
    let found: BTreeMap<&str, &Descriptor> =
        images.iter().filter(|d| fits(d)).map(|d| (d.digest.as_str(), d)).collect();
    let mut found = found.into_values();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok((one.clone(), beside)),
        _ => {
            let list: Vec<_> = images.iter().map(name).collect();
            let list = if list.is_empty() { "no image".to_owned() } else { list.join(", ") };
            let wanted = wanted.map_or("one image".to_owned(), |wanted| format!("the image `{wanted}`"));
            Err(layout.wrong(format!("expected {wanted}, found {list}: say which with --image")))
        }
    }
}

/// Finds the image in the layout, and everything that it consists of.
pub(super) fn read(layout: &Layout, push: &Push<'_>) -> Result<Image, InputError> {
    let (descriptor, beside) = chosen(layout, push.image)?;
    let root = layout.digest(&descriptor)?;
    let mut walk = Walk {
        layout,
        to: push.to,
        image: Image::of(root),
        documents: BTreeSet::new(),
        blobs: BTreeSet::new(),
        kept: 0,
    };
    walk.document(&descriptor, 0)?;
    let mut image = walk.image;
    for (_, bytes) in beside.into_iter().filter(|(subject, _)| *subject == descriptor.digest) {
        let artifact: Artifact =
            serde_json::from_slice(&bytes).map_err(|e| layout.wrong(format!("what is attached: {e}")))?;
        let parts = artifact.config.iter().chain(artifact.layers.iter().flatten());
        let blobs = parts.map(|d| blob(layout, d)).collect::<Result<Vec<_>, _>>()?;
        image.attached.push((bytes, blobs.into_iter().flatten().collect()));
    }
    Ok(image)
}

impl Image {
    fn of(root: Digest) -> Self {
        let (documents, blobs, attached) = (Vec::new(), Vec::new(), Vec::new());
        Self { root, media_type: String::new(), documents, blobs, attached, base: None }
    }
}

/// A blob of the layout; `None` if it lacks one that nobody distributes.
fn blob(layout: &Layout, descriptor: &Descriptor) -> Result<Option<Content>, InputError> {
    let digest = layout.digest(descriptor)?;
    let elsewhere = ["nondistributable", "foreign"].iter().any(|w| descriptor.media_type.contains(w));
    match layout.content(&digest)? {
        None if elsewhere => Ok(None),
        None => Err(layout.wrong(format!("it has no blob {}", descriptor.digest))),
        content => Ok(content),
    }
}

/// Goes through an image from its root.
struct Walk<'a> {
    layout: &'a Layout,
    to: &'a Reference,
    image: Image,
    /// What was read, apart from what is only sent: a layer that has a manifest's name makes no layer of it.
    documents: BTreeSet<Digest>,
    blobs: BTreeSet<Digest>,
    kept: usize,
}

impl Walk<'_> {
    fn document(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), InputError> {
        let (digest, bytes) = self.layout.document(descriptor)?;
        if !self.documents.insert(digest) {
            return Ok(());
        }
        self.kept += bytes.len();
        if depth > DEEPEST || self.image.documents.len() >= DOCUMENTS || self.kept > KEPT {
            return Err(self
                .layout
                .wrong("it has more manifests, or manifests in one another, than any image"));
        }
        let document = Document::read(&bytes, &descriptor.media_type).map_err(unreadable(self.to))?;
        let own: Artifact = serde_json::from_slice(&bytes)
            .map_err(|e| self.layout.wrong(format!("{}: {e}", descriptor.digest)))?;
        let of_its_kind = if matches!(document, Document::Index(_)) { INDEX } else { MANIFEST };
        let said = own.media_type.clone().filter(|t| !t.is_empty());
        let said = said.or_else(|| Some(descriptor.media_type.clone()).filter(|t| !t.is_empty()));
        let media_type = said.unwrap_or_else(|| of_its_kind[0].to_owned());
        match document {
            Document::Index(children) => {
                for child in &children {
                    self.document(child, depth + 1)?;
                }
            }
            Document::Manifest(manifest) => {
                for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
                    if !self.blobs.insert(self.layout.digest(part)?) {
                        continue;
                    }
                    self.image.blobs.extend(blob(self.layout, part)?);
                }
                if self.image.blobs.len() > BLOBS {
                    return Err(self.layout.wrong("it has more blobs than any image"));
                }
            }
        }
        let base = own.annotations.as_ref().and_then(|a| a.get("org.opencontainers.image.base.name"));
        if let Some(base) = base {
            self.image.base.get_or_insert_with(|| base.clone());
        }
        if depth == 0 {
            self.image.media_type.clone_from(&media_type);
        }
        self.image.documents.push((digest, media_type, bytes));
        Ok(())
    }
}
