//! Normalises what steps made: their outputs before they are kept, and an artifact's files before they are packed.
//!
//! One way for all: a node of the store goes in, a node comes out, and what lies in a folder is worked on file by file. What
//! a file becomes is [`artifact::normalise`]'s to say.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read as _, Write as _};

use artifact::{HEAD, Kind, Limits, NORMAL_VERSION, NormalOptions};
use model::event::Event;
use model::recipe::Rule;
use model::tree::Node;
use model::{Digest, RelPath, Timestamp};
use store::StoreError;

use crate::{BuildError, Context, tree};

/// What is done to files, for whom.
pub(crate) struct Normal<'a> {
    pub(crate) rules: &'a BTreeSet<Rule>,
    /// Later times become this one.
    pub(crate) epoch: Timestamp,
    /// The step or artifact that the files are of, for who is told.
    pub(crate) owner: &'a str,
    /// Whether a damaged file ends all: where it is what was asked for, and not one of many, such as a test's fixture.
    pub(crate) strict: bool,
}

/// Why a file could not be normalised.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The store failed.
    Store(StoreError),
    /// It is damaged, or would cost too much. One sentence.
    File(String),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Refused {
    /// The error of a build, of which `file` makes one where a file is at fault.
    pub(crate) fn or(self, file: impl FnOnce(String) -> BuildError) -> BuildError {
        match self {
            Self::Store(error) => error.into(),
            Self::File(reason) => file(reason),
        }
    }
}

/// What normalising does, with its rules and version: part of an action and of an encoder's identity.
pub(crate) fn identity(rules: &BTreeSet<Rule>) -> String {
    let rules: Vec<&str> = rules.iter().map(|rule| rule.as_str()).collect();
    format!("normalised by {} ({NORMAL_VERSION})", rules.join(" "))
}

impl Normal<'_> {
    /// What becomes of a node called `name`, all of which is in the store then. Links stay.
    pub(crate) fn node(&self, cx: &Context<'_>, name: &str, node: &Node) -> Result<Node, Refused> {
        if self.rules.is_empty() {
            return Ok(node.clone());
        }
        match node {
            Node::File { digest, executable } => {
                Ok(Node::File { digest: self.file(cx, name, digest)?, executable: *executable })
            }
            Node::Directory(root) => {
                let each = &mut |path: &RelPath, digest, _| self.file(cx, path.as_str(), &digest);
                Ok(Node::Directory(tree::with_files(cx, root, each)?))
            }
            Node::Symlink(_) => Ok(node.clone()),
        }
    }

    /// The digest of the normalised content of one file.
    fn file(&self, cx: &Context<'_>, name: &str, digest: &Digest) -> Result<Digest, Refused> {
        let wrong = |reason: String| Refused::File(format!("`{name}` cannot be normalised: {reason}"));
        let mut reader = cx.store.open_blob(digest)?;
        let mut bytes = Vec::new();
        (&reader).take(HEAD as u64).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
        if !Kind::of(name, &bytes).is_some_and(Kind::is_normalised) {
            return Ok(*digest);
        }
        let limits = Limits::default();
        if digest.size > limits.bytes {
            let reason = format!("it has {} bytes: more than {} are not read", digest.size, limits.bytes);
            return Err(wrong(reason));
        }
        reader.read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
        let options = NormalOptions { epoch: self.epoch, rules: self.rules.clone(), limits };
        let made = match artifact::normalise(name, &bytes, &options) {
            Ok(made) => made,
            Err(error) if !self.strict && !error.is_beyond_limits() => {
                let text = format!("{}: `{name}` is left as it is: {error}", self.owner);
                (cx.events)(Event::Note { text });
                return Ok(*digest);
            }
            Err(error) => {
                let causes =
                    std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
                return Err(wrong(causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")));
            }
        };
        for left in &made.left {
            let place =
                if left.place.is_empty() { name.to_owned() } else { format!("{name}!/{}", left.place) };
            let text = format!("{}: `{place}` is left as it is: {}", self.owner, left.reason);
            (cx.events)(Event::Note { text });
        }
        let Some(new) = made.bytes else { return Ok(*digest) };
        let mut writer = cx.store.writer()?;
        writer.write_all(&new).map_err(|e| wrong(e.to_string()))?;
        Ok(writer.finish()?)
    }
}
