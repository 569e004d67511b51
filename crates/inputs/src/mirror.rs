//! Mirrors: every locked input as one thing that can be carried to where there is no network, served and asked.
//!
//! [`export`] writes what locks name as an archive, a folder or an OCI image layout; [`import`] takes such a thing into a
//! store; [`serve`] gives blobs to other machines; and what the store lacks is asked of mirrors first ([`ask`]), and of
//! the locators then. A mirror is believed nothing: each blob is named by its digest and hashed, and which blobs are
//! needed is said by the lock. The formats are in `docs/formats/mirror.md`.

pub(crate) mod ask;
mod contents;
mod export;
mod folder;
mod import;
mod index;
mod layout;
mod serve;
mod tls;

use std::path::{Path, PathBuf};

use model::Digest;

pub use export::{Form, export};
pub use import::{Imported, import};
pub use index::{Index, Listed};
pub use serve::{Shelf, serve};
pub use tls::Tls;

/// Why a mirror cannot be written, read or served.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// It is no mirror.
    #[error("`{place}` is no mirror that can be read: {reason}")]
    Format {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Something in an archive that does not belong there.
    #[error("`{place}` is not as a mirror's archive must be: `{member}` {reason}")]
    Member {
        /// Where.
        place: String,
        /// The member's name, as it stands there.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A blob is not that of its name.
    #[error(
        "a blob of the mirror `{place}` is not what its name says\n  expected {expected}\n  found    {found}"
    )]
    Blob {
        /// Where.
        place: String,
        /// What it should be.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// It ends before everything that its index lists has come.
    #[error(
        "the mirror `{place}` is not whole: {missing} of the {listed} blobs of its index are not there, {first} to begin \
         with; export it again, or copy it again"
    )]
    Incomplete {
        /// Where.
        place: String,
        /// How many are missing.
        missing: usize,
        /// How many there should be.
        listed: usize,
        /// The first of them.
        first: Digest,
    },
    /// There is no archive of so large a blob.
    #[error("{what} ({digest}) is too large for an archive: export a folder or an OCI layout")]
    TooLarge {
        /// What it is for.
        what: String,
        /// Which.
        digest: Digest,
    },
    /// It cannot be served with this certificate and key.
    #[error("`{path}` cannot be used for TLS: {reason}", path = .path.display())]
    Tls {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Where it should be written is something else.
    #[error("`{path}` is there already: name another place, or remove it", path = .path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {doing} `{path}`", path = .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// The archive could not be packed.
    #[error("the archive cannot be written")]
    Pack(#[from] artifact::PackError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

impl MirrorError {
    fn format(place: &Path, reason: impl Into<String>) -> Self {
        Self::Format { place: place.display().to_string(), reason: reason.into() }
    }

    fn io(doing: &'static str, path: &Path, cause: std::io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), cause }
    }
}

/// The place of a blob within a mirror of any form.
fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The blob without bytes: everybody has it, and no mirror carries it.
fn is_empty(digest: &Digest) -> bool {
    digest.size == 0
}
