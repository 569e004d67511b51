//! What can go wrong in a store.

use std::io;
use std::path::{Path, PathBuf};

use model::tree::TreeError;
use model::{Digest, RelPath};
use rustix::io::Errno;

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused something.
    #[error("cannot {doing} `{path}`", path = .path.display())]
    Io {
        /// What was tried, as a verb: `read`, `make`, `rename`.
        doing: &'static str,
        /// The file or directory it was tried on.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The disk or quota is full. Nothing half-written is left behind.
    #[error("no space left for `{path}`: free some, or remove what no release needs with `selfsame store gc`", path = .path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The directory is not a store of this layout.
    #[error("`{dir}` is not a store of layout `{expected}`: found {found}; give another directory, or delete this one", dir = .dir.display())]
    Version {
        /// The directory.
        dir: PathBuf,
        /// The layout this code reads and writes.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The blob is not here.
    #[error("blob {digest} is not in the store")]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// The blob's bytes are not those of its name. It has been moved away, so putting it again heals.
    #[error("damaged blob in the store: expected {digest}, found {found}; moved to `{quarantined_at}`", quarantined_at = .quarantined_at.display())]
    Corrupt {
        /// What it should be.
        digest: Digest,
        /// What its bytes are.
        found: Digest,
        /// Where the damaged bytes are now.
        quarantined_at: PathBuf,
    },
    /// Bytes from outside are not those promised. Nothing was kept.
    #[error("digest mismatch: expected {expected}, found {found}")]
    Mismatch {
        /// What was promised.
        expected: Digest,
        /// What came. If far more came than promised, the digest of the part that was read.
        found: Digest,
    },
    /// A blob is used as a tree and cannot be.
    #[error("{digest} is not a tree that can be used")]
    Tree {
        /// The directory, or the root for a limit on the whole.
        digest: Digest,
        /// Why not.
        source: TreeProblem,
    },
    /// Something on disk cannot be taken into a tree.
    #[error("`{path}`: {problem}")]
    Import {
        /// Where, below the directory that was imported from; a name that is not UTF-8 is shown approximately.
        path: String,
        /// What stands there.
        problem: ImportProblem,
    },
    /// Two different things claim one path of a tree.
    #[error("two different things at `{path}`: {first} and {second}")]
    Conflict {
        /// The path.
        path: RelPath,
        /// What was placed first.
        first: String,
        /// What came second.
        second: String,
    },
    /// Another process is using the store.
    #[error("the store `{dir}` is in use by a running build: wait until it has ended, then try again", dir = .dir.display())]
    Busy {
        /// The store.
        dir: PathBuf,
    },
}

/// Why a blob cannot be used as a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeProblem {
    /// The bytes are no canonical `Directory`.
    #[error(transparent)]
    Encoding(#[from] TreeError),
    /// Nested too deeply.
    #[error("directories are nested more than {0} deep")]
    Depth(usize),
    /// Too many entries in all.
    #[error("there are more than {0} entries")]
    Entries(usize),
    /// A file or symlink where the root directory belongs.
    #[error("the root is not a directory")]
    RootNotDirectory,
}

/// Why something on disk cannot be taken into a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportProblem {
    /// Neither file, directory nor symlink.
    #[error("is a {0}: only files, directories and symbolic links can be kept")]
    Kind(&'static str),
    /// The name is not UTF-8.
    #[error("the name is not UTF-8: rename it")]
    NameNotUtf8,
    /// A symlink's target is not UTF-8.
    #[error("the symbolic link's target is not UTF-8")]
    TargetNotUtf8,
    /// A component above is a symlink, which is never followed.
    #[error("`{0}` above it is a symbolic link, which is not followed: name the place it points to")]
    SymlinkAbove(String),
    /// Nested too deeply.
    #[error("directories are nested more than {0} deep")]
    Depth(usize),
    /// Another process changed it meanwhile.
    #[error("changed while it was read: nothing may write to it meanwhile")]
    Changed,
}

impl StoreError {
    /// An error of the operating system; a full disk becomes [`StoreError::Full`].
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.as_ref().to_owned(), source.into());
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { path, source },
            _ => Self::Io { doing, path, source },
        }
    }

    /// True if the blob is not usable, whether missing or damaged (then it has been moved away).
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Corrupt { .. })
    }
}
