//! Why inputs could not be had: one stage's error each.

use model::Digest;

/// Why [`crate::lock`], [`crate::fetch`] or [`crate::worktree`] failed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The host's client configuration does not say what is needed.
    #[error(transparent)]
    Host(#[from] crate::HostError),
    /// A download failed.
    #[error(transparent)]
    Http(#[from] crate::HttpError),
    /// The toolchain could not be resolved, verified or assembled.
    #[error(transparent)]
    Debian(#[from] crate::DebianError),
    /// Archives do not go together with the rest of the toolchain.
    #[error(transparent)]
    Toolchain(#[from] crate::ToolchainError),
    /// An image could not be had, or not be unpacked.
    #[error(transparent)]
    Image(#[from] crate::ImageError),
    /// Programs of this machine could not be captured.
    #[error(transparent)]
    Capture(#[from] crate::HostCaptureError),
    /// A registry's answer is not what it should be.
    #[error(transparent)]
    Registry(#[from] crate::RegistryError),
    /// An archive is damaged or hostile.
    #[error(transparent)]
    Archive(#[from] crate::ArchiveError),
    /// `git` refused.
    #[error(transparent)]
    Git(#[from] crate::GitError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// A file came with another content than the recipe or the lock says.
    #[error("{what} is not what was expected\n  expected {expected}\n  found    {found}\n{advice}")]
    Mismatch {
        /// Where it came from.
        what: String,
        /// What the recipe, lock or registry says.
        expected: String,
        /// What came.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// The locked inputs give another tree than the one locked.
    #[error(
        "{what} gives another tree than the lock says\n  expected {expected}\n  found    {found}\n\
         run `selfsame lock` if this version of selfsame unpacks differently"
    )]
    Tree {
        /// The toolchain, or a source by name.
        what: String,
        /// In the lock.
        expected: Digest,
        /// Made now.
        found: Digest,
    },
    /// In a named source or package.
    #[error("source `{name}`")]
    Source {
        /// Name in the recipe.
        name: String,
        /// What went wrong.
        #[source]
        cause: Box<InputError>,
    },
}
