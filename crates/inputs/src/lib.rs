//! Lock time: the only crate that talks to other people's servers.
//!
//! What it does: [`lock`] resolves a recipe's toolchain and sources, brings every byte of them into the store and
//! writes down what came; [`fetch`] brings locked inputs again, checked against the lock; [`export`], [`import`] and
//! [`serve`] pass them on to machines without a network; [`worktree`] reads the
//! git work tree as it stands; [`audit`] says what floats or leaks in a repository, and [`audit::pin`] what that would
//! be if it did not; [`push`] and [`pull`] carry finished images to registries and back. What it forbids itself: building. No byte that it brings is ever run: packages are
//! unpacked, their maintainer scripts are read and not executed, and of the host only `git` and, to learn where a
//! registry lives and who one is there, the ecosystems' own clients are started.
//!
//! No registry's address stands in this crate: they come from the host's own client configuration ([`Host`]) or
//! from the recipe.

mod agreement;
mod confirm;
mod error;
mod fetch;
mod lock;
mod mirror;
mod record;
mod several;
mod upstream;

mod host;
mod http;

pub mod ecosystem;

mod archive;
pub mod audit;
mod calendar;
mod declared;
mod git;
mod oci;
mod source;
mod toolchain;

pub use agreement::{Agreed, agreed};
pub use archive::ArchiveError;
pub use confirm::confirmed;
pub use error::InputError;
pub use fetch::{fetch, need};
pub use git::GitError;
pub use host::{AptSource, Host, HostError, Proxies, package_of};
pub use http::HttpError;
pub use lock::{TOOLCHAIN, lock, lock_image, update};
pub use mirror::{Form, Imported, Index, Listed, MirrorError, Shelf, Tls, export, import, serve};
pub use oci::{
    Attached, Attachment, Blobs, CredentialError, ImageError, Pull, Pulled, Push, Pushed, Referrer, Target,
};
pub use oci::{image_in, pull, push};
pub use record::{Network, Recorder};
pub use source::git::commit;
pub use source::registry::RegistryError;
pub use source::worktree::{WorkTree, bring_worktree, remote, worktree};
pub use toolchain::debian::{DebianError, Version};
pub use toolchain::{ASSEMBLER, HostCaptureError, ToolchainError};
pub use upstream::UpstreamError;

/// What every function of this crate works with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where everything goes.
    pub store: &'a store::Store,
    /// The folder of the recipe; relative paths of the recipe start here.
    pub recipe_dir: &'a std::path::Path,
    /// Hears what happens.
    pub events: model::event::Listener<'a>,
    /// What the host's own client configuration says.
    pub host: &'a Host,
}

impl Context<'_> {
    fn note(&self, text: impl Into<String>) {
        (self.events)(model::Event::Note { text: text.into() });
    }

    fn warn(&self, text: impl Into<String>, advice: Option<String>) {
        (self.events)(model::Event::Warning { text: text.into(), advice });
    }
}
