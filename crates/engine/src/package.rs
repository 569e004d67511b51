//! Packs what a recipe ships, its files normalised where the recipe asks for it.

mod base;
mod debug;
mod dockerfile;
mod image;
mod index;
mod layout;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Instant;

use artifact::{Contents, Encoder, Member, Options, PackError};
use model::event::{Event, Outcome, Unit};
use model::lock::ImageContents;
use model::recipe::{Artifact, Contents as Wanted, Debug, Format, Reference};
use model::tree::Node;
use model::{Conditions, Digest, RelPath};
use serde::Serialize;
use store::Store;

use crate::normal::{self, Normal};
use crate::plan::{self, Results};
use crate::run::StepRun;
use crate::{BuildError, Context, Job};
pub(crate) use base::BaseImage;

/// Where digests of packed artifacts are kept, by everything that decides them.
const PACKED: &str = "packed-2";

/// A packed artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// File name.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// Digest of its bytes; of its tree for [`Format::Dir`].
    pub digest: Digest,
    /// Whether the file may be executed: [`Format::File`] only.
    pub executable: bool,
    /// Who wrote the bytes.
    pub encoder: Encoder,
    /// The image in it: [`Format::OciImage`] and [`Format::OciIndex`] only.
    pub image: Option<PackedImage>,
}

/// An image, which has a digest of its own beside that of the file that it is packed in: registries and engines know it by
/// this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackedImage {
    /// `NAME:TAG`.
    pub name: String,
    /// What it is for; nothing for an index.
    pub platform: Option<String>,
    /// Media type of what `digest` names: a manifest or an index.
    pub media_type: String,
    /// Of its manifest, or of its index.
    pub digest: Digest,
    /// The tree of its layout, which the store holds: blobs are files in it.
    pub layout: Digest,
}

impl Packed {
    /// The artifact as a thing that can be written to disk.
    #[must_use]
    pub fn node(&self) -> Node {
        match self.format {
            Format::Dir => Node::Directory(self.digest),
            _ => Node::File { digest: self.digest, executable: self.executable },
        }
    }
}

/// What images of Dockerfiles took, and what is in them.
#[derive(Debug, Default)]
pub struct Made {
    /// Commands that were run, or found done.
    pub runs: Vec<StepRun>,
    /// What the package databases of each image say, by artifact.
    pub contents: BTreeMap<String, ImageContents>,
}

/// Packs every artifact of the job, from the results of its steps; says what those of Dockerfiles took.
///
/// # Errors
/// If a reference points at nothing, its kind does not suit the format, or the store fails.
pub fn package(
    cx: &Context<'_>,
    job: &Job,
    conditions: &Conditions,
    results: &Results,
    fresh: bool,
) -> Result<(Vec<Packed>, Made), BuildError> {
    let made = RefCell::default();
    let mut done: BTreeMap<&str, Packed> = BTreeMap::new();
    // An index is made of images, wherever in the recipe they stand.
    let (indexes, others): (Vec<_>, Vec<_>) =
        job.recipe.artifacts.iter().partition(|a| matches!(a.contents, Wanted::Index(_)));
    for artifact in others.into_iter().chain(indexes) {
        let begin = Instant::now();
        let told = Cell::new(false);
        let parts = Parts { cx, job, artifact, conditions, results, fresh, told: &told, made: &made };
        let (packed, cached) = match &artifact.contents {
            Wanted::Packed { format, from, prefix } => {
                let node = plan::resolve(cx.store, job, &artifact.name, from, results)?;
                let (node, apart) = match &artifact.debug {
                    Some(_) => debug::split(cx, artifact, from, &node, fresh)?,
                    None => (node, None),
                };
                let packed = parts.pack(*format, from, prefix, &node)?;
                if let (Some(debug), Some(tree)) = (&artifact.debug, apart) {
                    done.insert(&debug.name, parts.of_debug(debug, from, &Node::Directory(tree))?);
                }
                packed
            }
            Wanted::Image(wanted) => parts.image(wanted)?,
            Wanted::Dockerfile(wanted) => parts.dockerfile(wanted)?,
            Wanted::Index(images) => parts.index(images, &done)?,
        };
        let millis = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let outcome = if cached { Outcome::Cached } else { Outcome::Done };
        let (name, detail) = (artifact.name.clone(), String::new());
        (cx.events)(Event::Finished { stage: "package", name, outcome, detail, millis });
        done.insert(&artifact.name, packed);
    }
    // What was split off an artifact comes after it.
    let names = job.recipe.artifacts.iter().flat_map(|artifact| {
        std::iter::once(artifact.name.as_str())
            .chain(artifact.debug.as_ref().map(|debug| debug.name.as_str()))
    });
    Ok((names.filter_map(|name| done.remove(name)).collect(), made.into_inner()))
}

/// What one artifact is packed from.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) cx: &'a Context<'a>,
    pub(crate) job: &'a Job,
    pub(crate) artifact: &'a Artifact,
    pub(crate) conditions: &'a Conditions,
    pub(crate) results: &'a Results,
    /// Whether nothing that was packed before is taken.
    pub(crate) fresh: bool,
    /// Whether it was told that packing begins: it may begin several times, and is told once.
    pub(crate) told: &'a Cell<bool>,
    /// What images of Dockerfiles took and what is in them.
    pub(crate) made: &'a RefCell<Made>,
}

impl Parts<'_> {
    pub(crate) fn wrong(&self, reason: impl Into<String>) -> BuildError {
        BuildError::Package {
            artifact: self.artifact.name.clone(),
            format: self.artifact.format().as_str(),
            reason: reason.into(),
        }
    }

    /// Who writes the bytes, with what normalises them: part of every key and of provenance.
    fn encoder(&self) -> Encoder {
        let mut encoder = artifact::encoder(self.artifact.format());
        if !self.artifact.normalize.is_empty() {
            encoder.version = format!("{}; {}", encoder.version, normal::identity(&self.artifact.normalize));
        }
        if self.artifact.debug.is_some() {
            encoder.version = format!("{}; {}", encoder.version, debug::identity());
        }
        encoder
    }

    /// What becomes of a node called `name`, by the rules of the artifact.
    fn normal(&self, name: &str, node: &Node) -> Result<Node, BuildError> {
        let (rules, owner) = (&self.artifact.normalize, self.artifact.name.as_str());
        // A damaged member of an archive stays as it is; of a single file nothing else is left.
        let strict = self.artifact.format() == Format::File;
        let normal = Normal { rules, epoch: self.conditions.source_date_epoch, owner, strict };
        normal.node(self.cx, name, node).map_err(|refused| refused.or(|reason| self.wrong(reason)))
    }

    fn started(&self) {
        if self.told.replace(true) {
            return;
        }
        let name = self.artifact.name.clone();
        (self.cx.events)(Event::Started { stage: "package", name, total: None, unit: Unit::Bytes });
    }

    /// What was packed under `key` in `space`, if it is still there.
    fn known(&self, space: &str, key: &Digest) -> Option<Digest> {
        let text = self.cx.store.memo_get(space, key).filter(|_| !self.fresh)?;
        let digest = std::str::from_utf8(&text).ok()?.parse().ok()?;
        self.cx.store.contains(&digest).then_some(digest)
    }

    /// Everything that is to be packed of what `from` points at. A single file is a member with the name it has where it was
    /// made; a directory's members are in its digest.
    fn members(&self, from: &Reference, node: &Node) -> Result<Vec<Member>, BuildError> {
        let member = if matches!(node, Node::Directory(_)) { RelPath::root() } else { own_name(from) };
        Ok(match self.normal(member.as_str(), node)? {
            Node::Directory(root) => {
                let walked = self.cx.store.walk(&root)?;
                walked.into_iter().map(|(path, node)| Member { path, node }).collect()
            }
            node => vec![Member { path: member, node }],
        })
    }

    /// Packs what was split off the artifact: its debug files at their places, and nothing else.
    fn of_debug(&self, debug: &Debug, from: &Reference, node: &Node) -> Result<Packed, BuildError> {
        let (format, prefix) = (debug.format, RelPath::root());
        let artifact = Artifact {
            name: debug.name.clone(),
            contents: Wanted::Packed { format, from: from.clone(), prefix: prefix.clone() },
            normalize: std::collections::BTreeSet::new(),
            ..self.artifact.clone()
        };
        // It is told together with what it is split off.
        let told = Cell::new(true);
        let parts = Parts { artifact: &artifact, told: &told, ..*self };
        Ok(parts.pack(format, from, &prefix, node)?.0)
    }

    /// Packs one thing in a format that is a stream of bytes.
    fn pack(
        &self,
        format: Format,
        from: &Reference,
        prefix: &RelPath,
        node: &Node,
    ) -> Result<(Packed, bool), BuildError> {
        let Self { cx, artifact, conditions, .. } = *self;
        let encoder = self.encoder();
        let packed = |digest, executable| Packed {
            name: artifact.name.clone(),
            format,
            digest,
            executable,
            encoder: encoder.clone(),
            image: None,
        };
        match (format, node) {
            (_, Node::Symlink(target)) => {
                return Err(self.wrong(format!("`{from}` is a symbolic link to `{target}`")));
            }
            (Format::File, Node::File { digest, executable }) => {
                // Held open once, so that damaged bytes are seen here and not by who uses the artifact.
                cx.store.open_blob(digest)?;
                let Node::File { digest, .. } = self.normal(&artifact.name, node)? else {
                    unreachable!("a file stays one")
                };
                return Ok((packed(digest, *executable), false));
            }
            (Format::File, Node::Directory(_)) => {
                return Err(self.wrong(format!("`{from}` is a directory; choose `dir` or an archive")));
            }
            (Format::Dir, Node::Directory(_)) => {
                let Node::Directory(digest) = self.normal(&artifact.name, node)? else {
                    unreachable!("a folder stays one")
                };
                return Ok((packed(digest, false), false));
            }
            (Format::Dir, Node::File { .. }) => {
                return Err(self.wrong(format!("`{from}` is a file; choose `file`")));
            }
            _ => {}
        }
        let member = if matches!(node, Node::Directory(_)) { RelPath::root() } else { own_name(from) };
        let epoch = conditions.source_date_epoch;
        let key = serde_json::json!([format, encoder, prefix, member, format!("{node:?}"), epoch]);
        let key = Digest::of(key.to_string().as_bytes());
        if let Some(digest) = self.known(PACKED, &key) {
            return Ok((packed(digest, false), true));
        }
        self.started();
        let members = self.members(from, node)?;
        let options = Options { mtime: epoch, prefix: prefix.clone() };
        let digest =
            self.written(|contents, out| artifact::pack(format, &members, &options, contents, out))?.0;
        cx.store.memo_put(PACKED, &key, digest.to_string().as_bytes())?;
        Ok((packed(digest, false), false))
    }

    /// Keeps what `write` writes from the store's contents.
    fn written<T>(
        &self,
        write: impl FnOnce(&dyn Contents, &mut dyn Write) -> Result<T, PackError>,
    ) -> Result<(Digest, T), BuildError> {
        let mut writer = self.cx.store.writer()?;
        let contents = Blobs { store: self.cx.store, failed: RefCell::new(None) };
        let result = write(&contents, &mut writer);
        if let Some(error) = contents.failed.into_inner() {
            return Err(error.into());
        }
        let said = result.map_err(|e| self.wrong(e.to_string()))?;
        Ok((writer.finish()?, said))
    }
}

/// The name that a file has where it was made.
fn own_name(from: &Reference) -> RelPath {
    from.path().file_name().and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// The store as a packer sees it; keeps the store's own error, which says more than an I/O error can.
struct Blobs<'a> {
    store: &'a Store,
    failed: RefCell<Option<store::StoreError>>,
}

impl Contents for Blobs<'_> {
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        match self.store.open_blob(digest) {
            Ok(file) => Ok(Box::new(file) as Box<dyn Read>),
            Err(error) => {
                let text = error.to_string();
                *self.failed.borrow_mut() = Some(error);
                Err(io::Error::other(text))
            }
        }
    }
}

/// Digest of a file on disk.
///
/// # Errors
/// If it cannot be read.
pub fn digest_of(path: &std::path::Path) -> io::Result<Digest> {
    let mut hasher = model::Hasher::default();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}
