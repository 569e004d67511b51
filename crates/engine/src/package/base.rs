//! The base of an image: a tree that is the layout of one image, from a source or from a step.

use artifact::oci::{Base, Blob};
use model::Digest;
use model::oci::{LAYER, Platform};
use model::recipe::Reference;
use model::tree::Node;

use super::Parts;
use crate::image::Layout;
use crate::{BuildError, plan};

/// A base as an image takes it.
pub(super) struct BaseImage {
    /// Of its manifest.
    pub(super) manifest: Option<Digest>,
    /// Its layers, blob by blob, under OCI's media types.
    pub(super) layers: Vec<Blob>,
    /// What is inherited.
    pub(super) configuration: Base,
}

impl Parts<'_> {
    /// Reads the base that `reference` points at. Nothing in it is believed: a step may have made it.
    pub(super) fn base(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BuildError> {
        let store = self.cx.store;
        let node = plan::resolve(store, self.job, &self.artifact.name, reference, self.results)?;
        let Node::Directory(root) = node else {
            return Err(
                self.wrong(format!("its base `{reference}` is a file: expected the layout of one image"))
            );
        };
        let wrong = |cause: &dyn std::fmt::Display| self.wrong(format!("its base `{reference}`: {cause}"));
        let layout = Layout::tree(store, root, reference.to_string());
        let images = layout.images().map_err(|error| match error {
            crate::image::ImageError::Store(error) => BuildError::Store(error),
            other => wrong(&other),
        })?;
        let [image] = images.as_slice() else {
            return Err(wrong(&format!("it holds {} images: expected one", images.len())));
        };
        let configuration =
            Base::read(&image.configuration, image.layers.len()).map_err(|error| wrong(&error))?;
        if !platform.fits(configuration.platform()) {
            return Err(wrong(&format!("it is for {}: expected {platform}", configuration.platform())));
        }
        let mut layers = Vec::new();
        for layer in &image.layers {
            let kind = LAYER.iter().position(|kind| *kind == layer.media_type);
            let Some(kind) = kind else {
                return Err(wrong(&format!("a layer of type `{}` cannot be carried on", layer.media_type)));
            };
            let digest = layer.digest().map_err(|error| wrong(&error))?;
            // The blob must be the one that its name says.
            layout.blob(&digest).map_err(|error| wrong(&error))?;
            // The second half of the table is Docker's, in the order of the first.
            layers.push(Blob { media_type: LAYER[kind % 3].to_owned(), digest });
        }
        Ok(BaseImage { manifest: image.manifest, layers, configuration })
    }
}
