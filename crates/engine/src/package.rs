//! Packs what a recipe ships, its files normalised where the recipe asks for it.

mod debug;

use std::fs::File;
use std::io::{self, Read};
use std::time::Instant;

use artifact::{Contents, Encoder, Member, Options};
use model::event::{Event, Outcome, Unit};
use model::recipe::{Artifact, Debug, Format};
use model::tree::Node;
use model::{Conditions, Digest, RelPath};
use serde::Serialize;
use store::Store;

use crate::normal::{self, Normal};
use crate::plan::{self, Results};
use crate::{BuildError, Context, Job};

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

/// Packs every artifact of the job, from the results of its steps.
///
/// # Errors
/// If a reference points at nothing, its kind does not suit the format, or the store fails.
pub fn package(
    cx: &Context<'_>,
    job: &Job,
    conditions: &Conditions,
    results: &Results,
    fresh: bool,
) -> Result<Vec<Packed>, BuildError> {
    let mut list = Vec::new();
    for artifact in &job.recipe.artifacts {
        let begin = Instant::now();
        let node = plan::resolve(cx.store, job, &artifact.name, &artifact.from, results)?;
        let name = artifact.name.clone();
        let (node, apart) = match &artifact.debug {
            Some(_) => debug::split(cx, artifact, &node, fresh)?,
            None => (node, None),
        };
        let (packed, cached) = pack(cx, artifact, &node, conditions, fresh)?;
        let millis = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let outcome = if cached { Outcome::Cached } else { Outcome::Done };
        let detail = String::new();
        (cx.events)(Event::Finished { stage: "package", name, outcome, detail, millis });
        list.push(packed);
        if let (Some(debug), Some(tree)) = (&artifact.debug, apart) {
            list.push(pack(cx, &of_debug(artifact, debug), &Node::Directory(tree), conditions, fresh)?.0);
        }
    }
    Ok(list)
}

/// What is said of the second artifact of a split one: its debug files at their places, and nothing else.
fn of_debug(artifact: &Artifact, debug: &Debug) -> Artifact {
    Artifact {
        name: debug.name.clone(),
        format: debug.format,
        prefix: RelPath::root(),
        normalize: std::collections::BTreeSet::new(),
        ..artifact.clone()
    }
}

fn pack(
    cx: &Context<'_>,
    artifact: &Artifact,
    node: &Node,
    conditions: &Conditions,
    fresh: bool,
) -> Result<(Packed, bool), BuildError> {
    let mut encoder = artifact::encoder(artifact.format);
    if !artifact.normalize.is_empty() {
        // Part of the key below and of provenance.
        encoder.version = format!("{}; {}", encoder.version, normal::identity(&artifact.normalize));
    }
    if artifact.debug.is_some() {
        encoder.version = format!("{}; {}", encoder.version, debug::identity());
    }
    let packed = |digest, executable| Packed {
        name: artifact.name.clone(),
        format: artifact.format,
        digest,
        executable,
        encoder: encoder.clone(),
    };
    let wrong = |reason: String| BuildError::Package {
        artifact: artifact.name.clone(),
        format: artifact.format.as_str(),
        reason,
    };
    let normal = |name: &str, node: &Node| {
        let (rules, owner) = (&artifact.normalize, artifact.name.as_str());
        // A damaged member of an archive stays as it is; of a single file nothing else is left.
        let strict = artifact.format == Format::File;
        let normal = Normal { rules, epoch: conditions.source_date_epoch, owner, strict };
        normal.node(cx, name, node).map_err(|refused| refused.or(wrong))
    };
    match (artifact.format, node) {
        (_, Node::Symlink(target)) => {
            return Err(wrong(format!("`{}` is a symbolic link to `{target}`", artifact.from)));
        }
        (Format::File, Node::File { digest, executable }) => {
            // Held open once, so that damaged bytes are seen here and not by who uses the artifact.
            cx.store.open_blob(digest)?;
            let Node::File { digest, .. } = normal(&artifact.name, node)? else {
                unreachable!("a file stays one")
            };
            return Ok((packed(digest, *executable), false));
        }
        (Format::File, Node::Directory(_)) => {
            return Err(wrong(format!("`{}` is a directory; choose `dir` or an archive", artifact.from)));
        }
        (Format::Dir, Node::Directory(_)) => {
            let Node::Directory(digest) = normal(&artifact.name, node)? else {
                unreachable!("a folder stays one")
            };
            return Ok((packed(digest, false), false));
        }
        (Format::Dir, Node::File { .. }) => {
            return Err(wrong(format!("`{}` is a file; choose `file`", artifact.from)));
        }
        _ => {}
    }
    // A single file is a member with the name it has where it was made; a directory's members are in its digest.
    let member: RelPath = match node {
        Node::Directory(_) => RelPath::root(),
        _ => artifact.from.path().file_name().and_then(|n| n.parse().ok()).unwrap_or_default(),
    };
    let (prefix, epoch) = (&artifact.prefix, conditions.source_date_epoch);
    let key = serde_json::json!([artifact.format, encoder, prefix, member, format!("{node:?}"), epoch]);
    let key = Digest::of(key.to_string().as_bytes());
    if !fresh
        && let Some(text) = cx.store.memo_get(PACKED, &key)
        && let Some(digest) = std::str::from_utf8(&text).ok().and_then(|t| t.parse().ok())
        && cx.store.contains(&digest)
    {
        return Ok((packed(digest, false), true));
    }
    let name = artifact.name.clone();
    (cx.events)(Event::Started { stage: "package", name, total: None, unit: Unit::Bytes });
    let node = normal(member.as_str(), node)?;
    let members: Vec<Member> = match &node {
        Node::Directory(root) => {
            cx.store.walk(root)?.into_iter().map(|(path, node)| Member { path, node }).collect()
        }
        _ => vec![Member { path: member, node: node.clone() }],
    };
    let options = Options { mtime: conditions.source_date_epoch, prefix: artifact.prefix.clone() };
    let mut writer = cx.store.writer()?;
    let contents = Blobs { store: cx.store, failed: std::cell::RefCell::new(None) };
    let result = artifact::pack(artifact.format, &members, &options, &contents, &mut writer);
    if let Some(error) = contents.failed.into_inner() {
        return Err(error.into());
    }
    result.map_err(|e| wrong(e.to_string()))?;
    let digest = writer.finish()?;
    cx.store.memo_put(PACKED, &key, digest.to_string().as_bytes())?;
    Ok((packed(digest, false), false))
}

/// The store as a packer sees it; keeps the store's own error, which says more than an I/O error can.
struct Blobs<'a> {
    store: &'a Store,
    failed: std::cell::RefCell<Option<store::StoreError>>,
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
