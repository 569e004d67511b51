//! An image that a Dockerfile says: its layers made, its configuration written, its layout as every other image's.

use std::collections::BTreeMap;

use artifact::oci::{self, Blob, Built};
use model::Digest;
use model::recipe::DockerfileImage;

use super::{Packed, Parts};
use crate::BuildError;
use crate::dockerfile::{self, Program, Read};

impl Parts<'_> {
    /// Builds what a Dockerfile says, and packs it as one file that engines load.
    pub(super) fn dockerfile(&self, wanted: &DockerfileImage) -> Result<(Packed, bool), BuildError> {
        let program = match Program::read(self, wanted)? {
            Read::Whole(program) => program,
            Read::Lacks(images) => {
                let names: Vec<String> = images.iter().map(|image| format!("`{image}`")).collect();
                return Err(BuildError::Unlocked { what: names.join(", ") });
            }
        };
        let stage = dockerfile::build(*self, &program)?;
        if let Some(contents) = dockerfile::contents(self.cx, &stage)? {
            self.made.borrow_mut().contents.insert(self.artifact.name.clone(), contents);
        }
        let base = stage.base.as_ref().and_then(|base| program.images.get(base));
        let layers: Vec<Blob> = stage
            .stack
            .layers()
            .iter()
            .map(|layer| Blob { media_type: layer.media_type.clone(), digest: layer.blob })
            .collect();
        let mut config = program.plan.config.clone();
        let inherited = base.map(|base| base.configuration.labels()).unwrap_or_default();
        for (label, value) in self.labels() {
            // What a base says of itself is not said of what is built on it; what the Dockerfile says is.
            if wanted.labels.contains_key(&label) || config.labels.get(&label) != inherited.get(&label) {
                continue;
            }
            config.labels.insert(label, value);
        }
        let platform = &program.plan.platform;
        let created = self.conditions.source_date_epoch;
        let built = Built { platform, created, config: &config, layers: &stage.made };
        let configuration = oci::built(&built, base.map(|base| &base.configuration));
        let config: Digest = self.cx.store.put(&configuration)?;
        let annotations = base.and_then(|base| base.manifest).map(|manifest| {
            (format!("{}.base.digest", super::image::OCI), format!("sha256:{}", manifest.hex()))
        });
        let annotations: BTreeMap<String, String> = annotations.into_iter().collect();
        self.laid_out(&wanted.name, platform, (config, &layers), &annotations)
    }
}
