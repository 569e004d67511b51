//! A layout in the store: blobs by digest, and one file of it that engines load.

use std::collections::BTreeSet;

use artifact::{Member, Options};
use model::recipe::{Format, Times};
use model::tree::{Node, Tree};
use model::{Digest, RelPath, Timestamp};

use super::{Packed, PackedImage, Parts};
use crate::BuildError;

/// Where digests of layouts as one file are kept.
const ARCHIVED: &str = "oci-archive-1";
/// The time of every member of that file: as in layers, whatever the sources.
const TIME: Timestamp = Times::Fixed.at(Timestamp(0));

/// What goes into a layout.
#[derive(Default)]
pub(super) struct Blobs {
    digests: BTreeSet<Digest>,
    files: Vec<(&'static str, Digest)>,
}

impl Blobs {
    /// Adds blobs, which the store holds.
    pub(super) fn add(&mut self, digests: impl IntoIterator<Item = Digest>) {
        self.digests.extend(digests);
    }

    /// Adds one of the layout's own files.
    pub(super) fn file(&mut self, name: &'static str, digest: Digest) {
        self.files.push((name, digest));
    }
}

impl Parts<'_> {
    /// Keeps the tree of a layout.
    pub(super) fn layout(&self, blobs: &Blobs) -> Result<Digest, BuildError> {
        let mut tree = Tree::default();
        let named = blobs.digests.iter().map(|digest| (format!("blobs/sha256/{}", digest.hex()), *digest));
        let own = blobs.files.iter().map(|(name, digest)| ((*name).to_owned(), *digest));
        for (path, digest) in named.chain(own) {
            let path: RelPath = path.parse().map_err(|e| self.wrong(format!("{path}: {e}")))?;
            let node = Node::File { digest, executable: false };
            tree.insert(&path, node).map_err(|e| self.wrong(e.to_string()))?;
        }
        let finished = tree.finish();
        self.cx.store.put_tree(&finished)?;
        Ok(finished.root)
    }

    /// The layout as one file: a tar, canonical as every other.
    pub(super) fn archived(&self, image: &PackedImage) -> Result<(Packed, bool), BuildError> {
        let packer = artifact::encoder(Format::Tar);
        let key = serde_json::json!([packer, TIME, image.layout.to_string()]);
        let key = Digest::of(key.to_string().as_bytes());
        let packed = |digest| Packed {
            name: self.artifact.name.clone(),
            format: self.artifact.format(),
            digest,
            executable: false,
            encoder: self.encoder(),
            image: Some(image.clone()),
        };
        if let Some(digest) = self.known(ARCHIVED, &key) {
            return Ok((packed(digest), true));
        }
        self.started();
        let walked = self.cx.store.walk(&image.layout)?;
        let members: Vec<Member> = walked.into_iter().map(|(path, node)| Member { path, node }).collect();
        let options = Options { mtime: TIME, prefix: RelPath::root() };
        let write = |contents: &dyn artifact::Contents, out: &mut dyn std::io::Write| {
            artifact::pack(Format::Tar, &members, &options, contents, out)
        };
        let (digest, ()) = self.written(write)?;
        self.cx.store.memo_put(ARCHIVED, &key, digest.to_string().as_bytes())?;
        Ok((packed(digest), false))
    }
}
