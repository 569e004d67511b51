//! OCI images: layers, configuration, manifest, index and layout (<https://github.com/opencontainers/image-spec>).
//!
//! The rules are *`selfsame-oci-image/1`*, byte by byte in `docs/formats/images.md`, kept for ever. A layer is a tar as
//! [`super::tar`] writes it, with owners, in gzip members of 1 MiB as [`super::gzip`] writes them; a document is JSON with
//! sorted keys and no white space. So an image follows from its files and its recipe alone, and two images that have a layer
//! in common have the same blob.
//!
//! An image is not packed by [`crate::pack`]: it has many blobs, and whoever asks for it keeps them. [`layer`] writes one,
//! [`configuration`], [`manifest`], [`index`] and [`saved`] are the small ones. [`members`] reads layers of anybody's.

mod configuration;
mod documents;
mod entry;
mod layer;
mod members;

use std::io::Write;

use super::Packing;
use crate::PackError;

pub use configuration::{Base, Built, Described, built, configuration};
pub use documents::{Blob, LAYOUT, Listed, index, manifest, saved};
pub use entry::{LayerEntry, What, entries, entries_on};
pub use layer::{LayerOptions, layer, layer_on};
pub use members::{LayerMember, MemberError, members, plain, unwrapped};

/// What [`layer`] writes.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image is no stream of members.
pub(super) fn write(_: &Packing<'_>, _: &mut dyn Write) -> Result<(), PackError> {
    Err(PackError::Image)
}
