//! Images as they lie: looked at and compared, in a folder, in an archive, in the store.
//!
//! A [`Layout`] is where the blobs of images are, and the only door to them: a blob that is not that of its digest is an
//! error, and so is a document that says more than it may. [`inspect`] tells what one image is, [`compare`] in what two
//! differ, at three levels: the files that a container sees, the tar archives of the layers, the manifest. What is read may be
//! hostile; nothing is written.

mod compare;
mod files;
mod inspect;
mod layout;
#[cfg(test)]
mod tests;

pub use compare::{Change, Compared, FileChange, LayerPair, Level, compare};
pub use files::FileState;
pub use inspect::{Inspected, LayerFacts, inspect};
pub use layout::{Found, Layout};

use std::io;

use artifact::oci::MemberError;
use model::Digest;
use model::oci::OciError;

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// What it lies in cannot be read.
    #[error("cannot read `{place}`")]
    Read {
        /// Folder, archive or member of one.
        place: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is no image.
    #[error("`{place}` is not an image: {reason}")]
    Layout {
        /// Folder or archive.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A document of it cannot be used.
    #[error("in `{place}`")]
    Document {
        /// Folder or archive.
        place: String,
        /// What is wrong.
        #[source]
        source: OciError,
    },
    /// A blob is not what its digest says.
    #[error("a blob of `{place}` is damaged\n  expected {expected}\n  found    {found}")]
    Blob {
        /// Folder or archive.
        place: String,
        /// What its name or the configuration says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// A layer is, decompressed, not what the configuration says.
    #[error(
        "a layer of `{place}`, decompressed, is not what the configuration says\n  expected {expected}\n  found    {found}"
    )]
    DiffId {
        /// Folder or archive.
        place: String,
        /// What the configuration says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A layer cannot be read.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] store::StoreError),
}
