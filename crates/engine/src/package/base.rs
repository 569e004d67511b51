//! The base of an image: a tree that is the layout of one image, from a source or from a step.

use std::collections::BTreeMap;

use artifact::oci::{Base, Blob};
use model::Digest;
use model::oci::{LAYER, Platform};
use model::recipe::{Layer, Reference};
use model::tree::Node;

use super::Parts;
use crate::image::{Found, ImageError, Layout};
use crate::{BuildError, plan};

/// A base as an image takes it.
pub(crate) struct BaseImage {
    /// Of its manifest.
    pub(crate) manifest: Option<Digest>,
    /// Its layers, blob by blob, under OCI's media types.
    pub(crate) layers: Vec<Blob>,
    /// Its configuration, as it is.
    pub(crate) bytes: Vec<u8>,
    /// Its symbolic links: path, where each leads.
    pub(crate) links: BTreeMap<String, String>,
    /// What is inherited.
    pub(crate) configuration: Base,
}

/// Where it is kept which links an image has, by its configuration.
const LINKS: &str = "image-links-1";

impl Parts<'_> {
    /// The symbolic links that an image has, all of its layers taken together.
    fn links(&self, layout: &Layout<'_>, image: &Found) -> Result<BTreeMap<String, String>, ImageError> {
        let known = self.cx.store.memo_get(LINKS, &image.config);
        if let Some(links) = known.and_then(|text| serde_json::from_slice(&text).ok()) {
            return Ok(links);
        }
        let mut links = BTreeMap::new();
        for (layer, diff_id) in image.layers.iter().zip(&image.diff_ids) {
            layout.members(layer, diff_id, |member, _| {
                let (above, name) = member.name.rsplit_once('/').unwrap_or(("", &member.name));
                if name == ".wh..wh..opq" {
                    links.retain(|path: &String, _| !path.starts_with(&format!("{above}/")));
                }
                let taken = name.strip_prefix(".wh.").map(|name| format!("{above}/{name}"));
                links.remove(taken.as_deref().unwrap_or(&member.name).trim_start_matches('/'));
                if member.kind == '2' {
                    links.insert(member.name, member.target);
                }
                Ok(())
            })?;
        }
        self.cx.store.memo_put(LINKS, &image.config, serde_json::json!(links).to_string().as_bytes())?;
        Ok(links)
    }

    /// That no directory of a layer lies where the base has a link: it would take the link's place, and everything that is
    /// found through it would be gone.
    pub(super) fn keeps_links(&self, base: &BaseImage, layer: &Layer, node: &Node) -> Result<(), BuildError> {
        let mut folders: Vec<String> = Vec::new();
        let to = if layer.to.is_root() { String::new() } else { layer.to.to_string() };
        folders.extend(to.match_indices('/').map(|(at, _)| to[..at].to_owned()));
        if let Node::Directory(root) = node {
            folders.push(to.clone());
            let walked = self.cx.store.walk(root)?;
            let below = walked.into_iter().filter(|(_, node)| matches!(node, Node::Directory(_)));
            folders.extend(below.map(|(path, _)| layer.to.join(&path).to_string()));
        } else if !to.is_empty() {
            folders.push(to);
        }
        match folders.iter().find_map(|folder| Some((folder, base.links.get(folder)?))) {
            None => Ok(()),
            Some((folder, target)) => Err(self.wrong(format!(
                "`{}` has a directory `/{folder}`, where the base has a link to `{target}`, which would be lost: put its files where \
                 the link leads",
                layer.from
            ))),
        }
    }

    /// Reads the base that `reference` points at. Nothing in it is believed: a step may have made it.
    pub(crate) fn base(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BuildError> {
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
            ImageError::Store(error) => BuildError::Store(error),
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
        let links = self.links(&layout, image).map_err(|error| wrong(&error))?;
        Ok(BaseImage {
            links,
            manifest: image.manifest,
            layers,
            bytes: image.configuration.clone(),
            configuration,
        })
    }
}
