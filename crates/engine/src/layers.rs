//! Layers of images as directories on disk: unpacked, laid over one another, and made of what a command wrote.
//!
//! A [`Stack`] is the layers of a stage, the lowest first, each known by its blob and by the hash of the tar in it. Nothing is
//! unpacked before somebody has to look: a build of which everything is known touches no disk. [`View`] looks through
//! unpacked layers as a container does, [`unpack`] makes a directory of a layer, [`written`] makes members of a layer of what
//! a command left in the directory over them.
//!
//! On disk everything belongs to whom the image says plus the first id of images ([`sandbox::first_id`]); what is taken
//! away is a character device 0, 0, and a directory that hides what lies below has `user.overlay.opaque`: as an overlay has
//! them, since one is made of them. Layers may be anybody's: names are looked up in the image, one part after the other, and
//! nothing is written through a link.

mod attribute;
#[cfg(test)]
mod tests;
mod unpack;
mod view;
mod written;

use std::io;
use std::path::PathBuf;

use artifact::oci::MemberError;
use model::{Digest, Sha256};
use serde_json::json;
use store::{Store, StoreError};

pub(crate) use attribute::read as attributes;
pub(crate) use unpack::{About, Put, Writer};
pub(crate) use view::{Seen, View, join, resolve};
pub(crate) use written::{Entries, Source, written};

/// Version of the way in which layers lie on disk: part of what their directories are called by.
const ON_DISK: &str = "layers-1";

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Its blob, compressed or not, which the store holds.
    pub(crate) blob: Digest,
    /// The tar in it.
    pub(crate) diff_id: Sha256,
    /// Of the blob, as OCI calls it.
    pub(crate) media_type: String,
}

/// Layers over one another, the lowest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stack(Vec<Layer>);

/// Why layers cannot be unpacked, looked through or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// The store refused.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Images need ids that this process does not have.
    #[error(transparent)]
    Ids(#[from] sandbox::SandboxError),
    /// Something on disk cannot be read or written.
    #[error("`/{path}`: {source}")]
    Path {
        /// Path in the image.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A layer cannot be read.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// What is there is nothing that an image can have, or that can be done to it.
    #[error("`/{path}` {reason}")]
    Refused {
        /// Path in the image.
        path: String,
        /// Why.
        reason: String,
    },
}

impl LayerError {
    pub(crate) fn refused(path: &str, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn path(path: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Path { path: path.to_owned(), source }
    }
}

impl Stack {
    pub(crate) const fn new(layers: Vec<Layer>) -> Self {
        Self(layers)
    }

    pub(crate) fn push(&mut self, layer: Layer) {
        self.0.push(layer);
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.0
    }

    /// What names all of it: two stacks of the same name are the same files.
    pub(crate) fn name(&self) -> Digest {
        Digest::of(self.document().as_bytes())
    }

    /// The text that the name is the digest of.
    pub(crate) fn document(&self) -> String {
        let layers: Vec<String> = self.0.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
        json!({ "layers": layers }).to_string()
    }

    /// The directories of all layers, unpacked where they are not yet, the lowest first.
    pub(crate) fn unpacked(&self, store: &Store) -> Result<Vec<PathBuf>, LayerError> {
        let first = if self.0.is_empty() { 0 } else { sandbox::first_id()? };
        let mut dirs: Vec<PathBuf> = Vec::new();
        for (number, layer) in self.0.iter().enumerate() {
            // What a layer writes to depends on those below: links, and directories that it does not name.
            let below = Self(self.0[..=number].to_vec()).name();
            let key = Sha256::of(json!([ON_DISK, first, below]).to_string().as_bytes());
            let dir = store.unpacked(&key, |dir| {
                let blob = store.open_blob(&layer.blob)?;
                unpack::unpack(blob, layer, &View::new(&dirs), dir, first)
            })?;
            dirs.push(dir);
        }
        Ok(dirs)
    }
}
