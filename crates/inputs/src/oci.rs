//! Images from where they are, and to where they go: registries that speak the Distribution API, and folders and files on
//! disk.
//!
//! Whatever comes is checked against its digest before it is read, and what a registry answers is hostile until then. What an
//! image is made into is not known here. [`push()`] and [`pull()`] carry an image between a layout on disk and a registry;
//! what is attached to it (signed provenance, SBOMs) goes beside it as [`referrers`], so that its own digest says nothing of
//! them. `registry` is the one client, `upload` sends one blob, `login` and `credentials` say who asks.

pub(crate) mod archive;
mod content;
mod credentials;
mod layout;
mod login;
pub(crate) mod parts;
mod pull;
mod push;
mod referrers;
mod registry;
mod upload;

use model::oci::{OciError, Place, Reference};
use model::{Digest, Sha256};

use crate::http::Client;
use crate::{Context, InputError};

pub use credentials::CredentialError;
pub use layout::write::Target;
pub use pull::{Pull, Pulled, pull};
pub use push::{Attached, Blobs, Push, Pushed, image_in, push};
pub use referrers::{Attachment, Referrer};
pub(crate) use registry::Registry;

/// No index, manifest or configuration is larger.
const DOCUMENT_LIMIT: u64 = 32 << 20;
/// The configuration of what has none (`application/vnd.oci.empty.v1+json`).
const EMPTY: &[u8] = b"{}";

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be understood.
    #[error("image `{image}`")]
    Document {
        /// Which.
        image: String,
        /// Why.
        #[source]
        cause: OciError,
    },
    /// Nothing of this name or digest is there.
    #[error("there is no image `{image}`: {reason}")]
    Missing {
        /// Which.
        image: String,
        /// What was asked, and what is there.
        reason: String,
    },
    /// The registry lets nobody in without a name, or not this one.
    #[error(
        "the registry `{registry}` does not let us {doing} `{image}`: {reason}; log in with your usual client \
         (`docker login {registry}`), whose configuration is read"
    )]
    Denied {
        /// Host and port.
        registry: String,
        /// `read` or `write`.
        doing: &'static str,
        /// Which image.
        image: String,
        /// What it said, and who we said we are.
        reason: String,
    },
    /// The registry refuses for another reason.
    #[error("the registry `{registry}` does not {doing} of `{image}`: it answers {status}{reason}")]
    Refused {
        /// Host and port.
        registry: String,
        /// Which image.
        image: String,
        /// What it was asked for.
        doing: &'static str,
        /// HTTP status.
        status: u16,
        /// What it says of that, with `: ` before, or nothing.
        reason: String,
    },
    /// The registry answers what no registry should.
    #[error("the registry `{registry}` answers nonsense about `{image}`: {reason}")]
    Answer {
        /// Host and port.
        registry: String,
        /// Which image.
        image: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tag is of another image.
    #[error(
        "the tag `{tag}` of `{image}` is of another image\n  expected {expected}\n  found    {found}\n\
         push under a tag that is free, or say --move-tag if this one may move"
    )]
    Tag {
        /// Registry and name.
        image: String,
        /// Which.
        tag: String,
        /// What is pushed.
        expected: String,
        /// What it is of.
        found: String,
    },
    /// The host's credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// A folder or file is no image.
    #[error("`{path}` is not {expected}: {reason}")]
    Layout {
        /// Beside the recipe.
        path: String,
        /// What the recipe says that it is.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It is for another platform.
    #[error(
        "image `{image}` is for another platform\n  expected {expected}\n  found    {found}\nset `arch` in [toolchain]"
    )]
    Platform {
        /// Which.
        image: String,
        /// What the recipe says.
        expected: String,
        /// What the image says.
        found: String,
    },
    /// A source is for another platform.
    #[error(
        "image `{image}` is for another platform\n  expected {expected}\n  found    {found}\nset `platform` of the source"
    )]
    SourcePlatform {
        /// Which.
        image: String,
        /// What the recipe says.
        expected: String,
        /// What the image says.
        found: String,
    },
    /// A layer cannot be unpacked.
    #[error("layer {number} of image `{image}` ({digest}) cannot be unpacked")]
    Layer {
        /// Which image.
        image: String,
        /// From 1, the lowest.
        number: usize,
        /// Of the layer as served.
        digest: Digest,
        /// Why.
        #[source]
        cause: Box<crate::ArchiveError>,
    },
}

/// Where one image's parts come from.
pub(crate) enum Origin<'a> {
    Registry(Registry<'a>),
    Files(archive::Files),
}

/// What a reference leads to.
pub(crate) struct Found {
    pub bytes: Vec<u8>,
    /// Of those bytes.
    pub digest: Digest,
}

impl<'a> Origin<'a> {
    /// Goes to where `image` is.
    pub(crate) fn open(
        cx: &Context<'a>,
        client: &'a Client<'a>,
        image: &Reference,
    ) -> Result<Self, InputError> {
        Ok(match &image.place {
            Place::Registry { host, name } => {
                Self::Registry(Registry::open(cx.host, client, host.as_deref(), name)?)
            }
            Place::Layout(path) => Self::Files(archive::Files::layout(cx, path)?),
            Place::DockerArchive(path) => Self::Files(archive::Files::docker(cx, path)?),
        })
    }

    /// The index or manifest that the reference names: by digest if it has one, else by tag.
    pub(crate) fn resolve(&self, image: &Reference) -> Result<Found, InputError> {
        let found = match self {
            Self::Registry(registry) => registry.manifest(image, &name_of(image))?,
            Self::Files(files) => files.resolve(image)?,
        };
        checked(image, found, image.digest.as_ref())
    }

    /// An index or manifest by digest.
    pub(crate) fn manifest(&self, image: &Reference, digest: &Digest) -> Result<Vec<u8>, InputError> {
        let found = match self {
            Self::Registry(registry) => registry.manifest(image, &format!("sha256:{}", digest.hex()))?,
            Self::Files(files) => files.read(image, digest)?,
        };
        let found = checked(image, found, Some(&digest.sha256))?;
        if found.digest != *digest {
            let what = format!("the size of a manifest of image `{image}`");
            return Err(mismatch(what, digest.to_string(), found.digest.to_string()));
        }
        Ok(found.bytes)
    }

    /// Makes sure that the store holds a blob.
    pub(crate) fn bring(
        &self,
        cx: &Context<'_>,
        image: &Reference,
        digest: &Digest,
    ) -> Result<(), InputError> {
        if cx.store.contains(digest) {
            return Ok(());
        }
        let found = match self {
            Self::Registry(registry) => registry.blob(cx, image, digest)?,
            Self::Files(files) => files.blob(cx, image, digest)?,
        };
        if found != *digest {
            return Err(mismatch(
                format!("a blob of image `{image}`"),
                digest.to_string(),
                found.to_string(),
            ));
        }
        Ok(())
    }
}

/// What a registry is asked for: the digest if there is one, else the tag.
fn name_of(image: &Reference) -> String {
    match (&image.digest, &image.tag) {
        (Some(digest), _) => format!("sha256:{digest}"),
        (None, Some(tag)) => tag.clone(),
        (None, None) => "latest".to_owned(),
    }
}

fn checked(image: &Reference, bytes: Vec<u8>, expected: Option<&Sha256>) -> Result<Found, InputError> {
    let digest = Digest::of(&bytes);
    match expected {
        Some(expected) if *expected != digest.sha256 => Err(mismatch(
            format!("the manifest of image `{image}`"),
            format!("sha256:{expected}"),
            format!("sha256:{}", digest.sha256),
        )),
        _ => Ok(Found { bytes, digest }),
    }
}

fn mismatch(what: String, expected: String, found: String) -> InputError {
    let advice = "the registry serves another image than was asked for: do not use it before you know why";
    mismatch_of(what, expected, found, advice)
}

fn mismatch_of(what: String, expected: String, found: String, advice: &'static str) -> InputError {
    InputError::Mismatch { what, expected, found, advice }
}

/// Wraps what is wrong with a document.
pub(crate) fn unreadable(image: &Reference) -> impl Fn(OciError) -> InputError {
    let image = image.to_string();
    move |cause| ImageError::Document { image: image.clone(), cause }.into()
}
