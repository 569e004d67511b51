//! Why inputs could not be had: one stage's error each.

use model::Digest;

use crate::several::Stopped;

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
    /// A mirror cannot be written, read or served.
    #[error(transparent)]
    Mirror(#[from] crate::MirrorError),
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
    /// A request that is recorded cannot be answered, or a recorded answer not be brought again.
    #[error("{asked} cannot be answered")]
    Recording {
        /// Method and locator.
        asked: String,
        /// Whether it is for a registry, and not some host of the web.
        registry: bool,
        /// Why.
        #[source]
        cause: Box<crate::UpstreamError>,
    },
    /// A lockfile says another hash than was recorded.
    #[error(transparent)]
    Disagreement(#[from] crate::ecosystem::Disagreement),
    /// No file is at an address.
    #[error("there is no file at `{url}`: {reason}")]
    NoFile {
        /// The address.
        url: String,
        /// What is there.
        reason: String,
    },
    /// A recorded answer came with other bytes.
    #[error(
        "{asked}: its registry answers something else than when it was recorded\n  expected {expected}\n  found    {found}\n\
         another mirror or `selfsame mirror import` may have it as it was; `selfsame update` records it as it is"
    )]
    Answer {
        /// Method and locator.
        asked: String,
        /// In the lock.
        expected: Digest,
        /// Now.
        found: Digest,
    },
    /// Some of many things came, and then one did not.
    #[error("{here} of {of} {what} are in the store, and one of the others cannot be had")]
    Partly {
        /// What they are.
        what: String,
        /// How many are in the store now.
        here: usize,
        /// How many are needed.
        of: usize,
        /// Of the one that did not come.
        #[source]
        cause: Box<InputError>,
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

impl InputError {
    /// Work that was stopped, with `before` of all things in the store when it began.
    pub(crate) fn partly(what: String, before: usize, of: usize, stopped: Stopped) -> Self {
        let Stopped { done, cause } = stopped;
        Self::Partly { what, here: before + done, of, cause }
    }

    /// A recorded request that has no answer.
    pub(crate) fn recording(asked: &model::transcript::Asked, cause: crate::UpstreamError) -> Self {
        let registry = matches!(asked.place, model::transcript::Place::Registry(..));
        Self::Recording { asked: asked.to_string(), registry, cause: Box::new(cause) }
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
