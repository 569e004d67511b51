//! Debian packages, locked by hash and unpacked without a daemon, root or maintainer scripts.
//!
//! The chain of trust: a keyring → the signature of `InRelease` ([`release`]) → the hash of each `Packages` index
//! ([`packages`]) → the hash of each package. The packages' closure is resolved once, at lock time ([`resolve`]); each is
//! decoded ([`unpack`]) and all are laid over one another into a tree ([`assemble`]), with what maintainer scripts would
//! have done read from them ([`alternatives`]) or kept as a table ([`fixups`]), and dpkg's database of them ([`database`]).

mod alternatives;
mod archive_of;
mod assemble;
mod copyright;
mod database;
mod fixups;
mod locked;
mod packages;
mod release;
mod resolve;
mod stanza;
mod unpack;
mod version;

pub(crate) use archive_of::Archive;
use archive_of::bases;
use assemble::{Deb, assemble, made};
pub(crate) use copyright::licence;
pub(crate) use locked::{fetch, lock, made_of};
use packages::Index;
pub(crate) use release::Release;
use resolve::resolve;
pub(crate) use unpack::{MERGED, dropped, merged};
pub use version::Version;

/// Why a toolchain could not be resolved, verified or assembled.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// The index bears no signature of a key in the keyring.
    #[error(
        "{url} is not signed by a trusted key\n  expected a signature by one of {expected}\n  found    {found}\n\
         set `keyring` in the recipe's [toolchain] to the keyring of this archive, if you trust it"
    )]
    Signature {
        /// The index.
        url: String,
        /// Fingerprints in the keyring.
        expected: String,
        /// Who signed, and why that does not count.
        found: String,
    },
    /// A file of the archive is not what its index says.
    #[error("{url} is not what the archive's index says\n  expected {expected}\n  found    {found}")]
    Hash {
        /// The file.
        url: String,
        /// In the index or lock.
        expected: String,
        /// What came.
        found: String,
    },
    /// The index names a file that the mirror does not have.
    #[error(
        "the index names {path}, but no mirror has it (asked: {asked}): the suite has moved on; \
         run `selfsame lock` to lock what it holds now, or set `snapshot`"
    )]
    Gone {
        /// Place in the archive.
        path: String,
        /// Base URLs.
        asked: String,
    },
    /// The index cannot be used.
    #[error("{url}: {reason}")]
    Index {
        /// Which file.
        url: String,
        /// Why.
        reason: String,
    },
    /// Nothing satisfies a dependency.
    #[error("`{wanted}` cannot be satisfied: {reason} (wanted by {chain})")]
    Unsatisfiable {
        /// The dependency.
        wanted: String,
        /// What stands against it.
        reason: String,
        /// Who wants it: from the recipe down.
        chain: String,
    },
    /// Two packages exclude each other.
    #[error(
        "`{package}` conflicts with `{other}` ({field}: {relation}): choose one of them in the recipe's `packages`"
    )]
    Conflict {
        /// Which package says so.
        package: String,
        /// About which.
        other: String,
        /// `Conflicts` or `Breaks`.
        field: &'static str,
        /// As it says it.
        relation: String,
    },
    /// A package file is damaged.
    #[error("package `{package}` cannot be unpacked")]
    Package {
        /// Which.
        package: String,
        /// Why.
        #[source]
        cause: Box<crate::ArchiveError>,
    },
    /// Two packages want different things at one path.
    #[error("package `{package}` cannot be laid over the others")]
    Layout {
        /// Which.
        package: String,
        /// Why.
        #[source]
        cause: model::tree::TreeError,
    },
}
