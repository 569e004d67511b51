//! One index of images for several platforms, and nothing else in it: what is said about an image is attached beside it, so
//! that the index has the same digest whoever speaks.

use std::collections::BTreeMap;

use artifact::oci::{self, Blob, Listed};
use model::tree::Node;

use super::layout::Blobs;
use super::{Packed, PackedImage, Parts};
use crate::BuildError;

impl Parts<'_> {
    /// Packs the index of `images`, all of which are `done`.
    pub(super) fn index(
        &self,
        images: &[String],
        done: &BTreeMap<&str, Packed>,
    ) -> Result<(Packed, bool), BuildError> {
        let store = self.cx.store;
        let mut blobs = Blobs::default();
        let mut listed = Vec::new();
        for name in images {
            let image = done.get(name.as_str()).and_then(|packed| packed.image.as_ref());
            let image = image.ok_or_else(|| self.wrong(format!("`{name}` is no image")))?;
            for (path, node) in store.walk(&image.layout)? {
                if let Node::File { digest, .. } = node
                    && path.as_str().starts_with("blobs/")
                {
                    blobs.add([digest]);
                }
            }
            let platform = image.platform.as_deref().and_then(|text| text.parse().ok());
            let annotations = BTreeMap::new();
            listed.push(Listed { blob: Blob::manifest(image.digest), platform, annotations });
        }
        let index = store.put(&oci::index(&listed))?;
        blobs.add([index]);
        let wanted = self.job.recipe.artifacts.iter().find(|a| images.first() == Some(&a.name));
        let name =
            wanted.and_then(|a| a.names_image()).map_or(self.job.recipe.name.as_str(), |(name, _)| name);
        let root = Listed { blob: Blob::index(index), platform: None, annotations: self.reference(name) };
        blobs.file("index.json", store.put(&oci::index(&[root]))?);
        blobs.file("oci-layout", store.put(oci::LAYOUT)?);
        self.archived(&PackedImage {
            name: format!("{name}:{}", model::oci::tag(&self.job.recipe.version)),
            platform: None,
            media_type: Blob::index(index).media_type,
            digest: index,
            layout: self.layout(&blobs)?,
        })
    }
}
