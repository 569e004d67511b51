//! Splits debugging information off the programs of an artifact, before it is packed.
//!
//! What a program becomes is [`artifact::split`]'s to say. Here the tree of an artifact becomes two: one with stripped
//! programs, and one of debug files as debuggers look for them. Both follow from the first tree alone, and are kept by its digest.

use std::collections::BTreeMap;
use std::io::Read as _;

use artifact::{ReadError, SPLIT_VERSION};
use model::event::Event;
use model::recipe::{Artifact, Reference};
use model::tree::Node;
use model::{Digest, RelPath};
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::{BuildError, Context, tree};

/// Where split trees are kept, by the digest of what was split.
const SPLITS: &str = "split-1";

/// No program that is read is larger.
const LARGEST: u64 = 2 << 30;

/// Two trees of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Apart {
    /// What is shipped, as a node's text.
    stripped: Digest,
    /// The debug files; `None` if there is nothing to split off.
    debug: Option<Digest>,
    /// Programs that were left whole, and why.
    left: Vec<String>,
}

/// What splitting does, with its version: part of an encoder's identity.
pub(super) fn identity() -> String {
    format!("debugging information apart ({SPLIT_VERSION})")
}

/// The node of `artifact` without debugging information, and the tree of its debug files, if there are some.
pub(super) fn split(
    cx: &Context<'_>,
    artifact: &Artifact,
    from: &Reference,
    node: &Node,
    fresh: bool,
) -> Result<(Node, Option<Digest>), BuildError> {
    // A file is known by its name too: without a build id, its debug file is called after it.
    let name = from.path().file_name().unwrap_or(artifact.name.as_str()).to_owned();
    let key = Digest::of(format!("{SPLIT_VERSION} {name} {node:?}").as_bytes());
    let known = cx.store.memo_get(SPLITS, &key).filter(|_| !fresh);
    let known: Option<Apart> = known.and_then(|text| serde_json::from_slice(&text).ok());
    let known = known.filter(|apart| {
        std::iter::once(&apart.stripped).chain(&apart.debug).all(|digest| cx.store.contains(digest))
    });
    let apart = match known {
        Some(apart) => apart,
        None => {
            let apart = made(cx, &name, node)?;
            cx.store.memo_put(SPLITS, &key, serde_json::json!(apart).to_string().as_bytes())?;
            apart
        }
    };
    for left in &apart.left {
        let text = format!("{}: {left}", artifact.name);
        (cx.events)(Event::Note { text });
    }
    if apart.debug.is_none() {
        let text = format!("{}: no program in it has debugging information to be split off", artifact.name);
        (cx.events)(Event::Note { text });
    }
    let node = match node {
        Node::File { executable, .. } => Node::File { digest: apart.stripped, executable: *executable },
        Node::Directory(_) => Node::Directory(apart.stripped),
        Node::Symlink(_) => node.clone(),
    };
    Ok((node, apart.debug))
}

fn made(cx: &Context<'_>, name: &str, node: &Node) -> Result<Apart, BuildError> {
    let mut work = Work { cx, debug: BTreeMap::new(), left: Vec::new() };
    let stripped = match node {
        Node::File { digest, .. } => work.file(name, digest)?,
        Node::Directory(root) => {
            let each = &mut |path: &RelPath, digest: Digest, _| work.file(path.as_str(), &digest);
            tree::with_files(cx, root, each)?
        }
        Node::Symlink(_) => Digest::of(b""),
    };
    let files: Vec<(RelPath, Node)> = work
        .debug
        .into_iter()
        .map(|(path, digest)| (path, Node::File { digest, executable: false }))
        .collect();
    let debug = if files.is_empty() { None } else { Some(cx.store.compose(&files)?) };
    Ok(Apart { stripped, debug, left: work.left })
}

struct Work<'a, 'c> {
    cx: &'a Context<'c>,
    debug: BTreeMap<RelPath, Digest>,
    left: Vec<String>,
}

impl Work<'_, '_> {
    /// The digest of a file without debugging information; of one that is left whole, its own.
    fn file(&mut self, path: &str, digest: &Digest) -> Result<Digest, StoreError> {
        let store = self.cx.store;
        let failed = |source| StoreError::Io { doing: "read", path: path.into(), source };
        let mut file = store.open_blob(digest)?;
        let mut bytes = Vec::new();
        (&mut file).take(4).read_to_end(&mut bytes).map_err(failed)?;
        if bytes != b"\x7fELF" {
            return Ok(*digest);
        }
        if digest.size > LARGEST {
            self.leave(path, &format!("it has more than {LARGEST} bytes"));
            return Ok(*digest);
        }
        file.read_to_end(&mut bytes).map_err(failed)?;
        let split = match artifact::split(path, &bytes) {
            Ok(Some(split)) => split,
            Ok(None) => return Ok(*digest),
            Err(ReadError::Unsupported { what, .. }) => {
                self.leave(path, &what);
                return Ok(*digest);
            }
            Err(error) => {
                self.leave(path, &error.to_string());
                return Ok(*digest);
            }
        };
        let Ok(place) = split.place.parse::<RelPath>() else {
            self.leave(path, "its debug file has no place");
            return Ok(*digest);
        };
        let debug = Digest::of(&split.debug);
        // Copies of one program share their debug file. Two that only have the build id in common do not.
        if self.debug.get(&place).is_some_and(|other| *other != debug) {
            self.leave(path, &format!("another program's debugging information lies at `{place}`"));
            return Ok(*digest);
        }
        self.debug.insert(place, store.put(&split.debug)?);
        store.put(&split.stripped)
    }

    fn leave(&mut self, path: &str, reason: &str) {
        self.left.push(format!("`{path}` is left whole: {reason}"));
    }
}
