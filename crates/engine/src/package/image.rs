//! An image: each layer packed by itself and kept, so that one that is the same is not packed again; then the small
//! documents, then the layout.

use std::collections::BTreeMap;

use artifact::oci::{self, Blob, Described, LayerOptions, Listed};
use artifact::{Encoder, Member};
use model::oci::{Place, Platform, tag};
use model::recipe::{Image, Layer, Locator};
use model::tree::Node;
use model::{Digest, RelPath, Sha256, Timestamp};

use super::base::BaseImage;
use super::layout::Blobs;
use super::{Packed, PackedImage, Parts, own_name};
use crate::job::Origin;
use crate::{BuildError, plan};

/// Where layers are kept, by everything that decides them: digest of the blob, and of the tar in it.
const LAYERS: &str = "layer-1";

/// Prefix of the keys of OCI's labels and annotations.
pub(super) const OCI: &str = "org.opencontainers.image";

impl Parts<'_> {
    /// Packs an image as one file that engines load.
    pub(super) fn image(&self, image: &Image) -> Result<(Packed, bool), BuildError> {
        let store = self.cx.store;
        let base = image.base.as_ref().map(|base| self.base(base, &image.platform)).transpose()?;
        let mut layers: Vec<Blob> = base.as_ref().map(|b| b.layers.clone()).unwrap_or_default();
        let mut own: Vec<(Sha256, String)> = Vec::new();
        let encoder = self.encoder();
        for layer in &image.layers {
            if let Some(base) = &base {
                let node = plan::resolve(store, self.job, &self.artifact.name, &layer.from, self.results)?;
                self.keeps_links(base, layer, &node)?;
            }
            let (digest, diff_id) = self.layer(image, layer, &encoder)?;
            layers.push(Blob { media_type: oci::LAYER.to_owned(), digest });
            own.push((diff_id.sha256, format!("selfsame: {} at /{}", layer.from, shown(&layer.to))));
        }
        let described = Described {
            platform: &image.platform,
            created: self.conditions.source_date_epoch,
            run: &image.run,
            labels: &self.labels(),
            layers: &own,
        };
        let configuration = base.as_ref().map(|b| &b.configuration);
        let config = store.put(&oci::configuration(&described, configuration))?;
        let annotations = self.annotations(image, base.as_ref());
        self.laid_out(&image.name, &image.platform, (config, &layers), &annotations)
    }

    /// An image of a configuration and layers that the store holds, as one file that engines load.
    pub(super) fn laid_out(
        &self,
        called: &str,
        platform: &Platform,
        (config, layers): (Digest, &[Blob]),
        annotations: &BTreeMap<String, String>,
    ) -> Result<(Packed, bool), BuildError> {
        let store = self.cx.store;
        let manifest = store.put(&oci::manifest(config, layers, annotations))?;
        let name = format!("{called}:{}", tag(&self.job.recipe.version));
        let listed = Listed {
            blob: Blob::manifest(manifest),
            platform: Some(platform.clone()),
            annotations: self.reference(called),
        };
        let mut blobs = Blobs::default();
        blobs.add([config, manifest]);
        blobs.add(layers.iter().map(|layer| layer.digest));
        blobs.file("index.json", store.put(&oci::index(&[listed]))?);
        blobs.file("manifest.json", store.put(&oci::saved(config, layers, &name))?);
        blobs.file("oci-layout", store.put(oci::LAYOUT)?);
        let layout = self.layout(&blobs)?;
        self.archived(&PackedImage {
            name,
            platform: Some(platform.to_string()),
            media_type: Blob::manifest(manifest).media_type,
            digest: manifest,
            layout,
        })
    }

    /// One layer: its blob, and the tar in it.
    fn layer(&self, image: &Image, layer: &Layer, encoder: &Encoder) -> Result<(Digest, Digest), BuildError> {
        let Self { cx, job, artifact, conditions, results, .. } = *self;
        let node = plan::resolve(cx.store, job, &artifact.name, &layer.from, results)?;
        if let Node::Symlink(target) = &node {
            return Err(self.wrong(format!("`{}` is a symbolic link to `{target}`", layer.from)));
        }
        let is_folder = matches!(node, Node::Directory(_));
        let member = if is_folder { RelPath::root() } else { own_name(&layer.from) };
        let epoch = conditions.source_date_epoch;
        let mtime = image.times.at(epoch);
        // What is normalised may have the time of the sources in it.
        let within = (!artifact.normalize.is_empty()).then_some(epoch);
        let owner = layer.owner.to_string();
        let key = serde_json::json!([encoder, mtime, within, layer.to, owner, member, format!("{node:?}")]);
        let key = Digest::of(key.to_string().as_bytes());
        if let Some(found) = self.kept(&key) {
            return Ok(found);
        }
        self.started();
        let mut members = self.members(&layer.from, &node)?;
        if is_folder {
            members.push(Member { path: RelPath::root(), node });
        }
        let options = LayerOptions { mtime, to: layer.to.clone(), owner: layer.owner };
        let made = self.written(|contents, out| oci::layer(&members, &options, contents, out))?;
        let text = serde_json::json!([made.0, made.1]).to_string();
        cx.store.memo_put(LAYERS, &key, text.as_bytes())?;
        Ok(made)
    }

    /// A layer that was packed before and is still there.
    fn kept(&self, key: &Digest) -> Option<(Digest, Digest)> {
        let text = self.cx.store.memo_get(LAYERS, key).filter(|_| !self.fresh)?;
        let (blob, tar): (Digest, Digest) = serde_json::from_slice(&text).ok()?;
        self.cx.store.contains(&blob).then_some((blob, tar))
    }

    /// Labels by default: what was built, when, and of which commit.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let recipe = &self.job.recipe;
        let epoch: Timestamp = self.conditions.source_date_epoch;
        let mut labels = BTreeMap::from([
            (format!("{OCI}.created"), epoch.to_string()),
            (format!("{OCI}.version"), recipe.version.clone()),
        ]);
        labels.extend(recipe.licence.clone().map(|licence| (format!("{OCI}.licenses"), licence)));
        labels.extend(self.commit().map(|commit| (format!("{OCI}.revision"), commit)));
        labels
    }

    /// The commit of the sources: if exactly one of them is of git, and as committed.
    fn commit(&self) -> Option<String> {
        let mut commits = self.job.sources.values().filter_map(|source| match &source.origin {
            Origin::Worktree(tree) => Some(tree.commit.clone().filter(|_| tree.dirty.is_empty())),
            Origin::Locked(locked) => match &locked.origin {
                Locator::Git { commit, .. } => Some(Some(commit.clone())),
                Locator::Url { .. } | Locator::Package { .. } | Locator::Image { .. } => None,
            },
        });
        let first = commits.next().flatten();
        first.filter(|_| commits.next().is_none())
    }

    /// What a manifest says of its base, by which others see that the base has moved.
    fn annotations(&self, image: &Image, base: Option<&BaseImage>) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::new();
        let Some(base) = base else { return annotations };
        if let Some(manifest) = base.manifest {
            annotations.insert(format!("{OCI}.base.digest"), format!("sha256:{}", manifest.hex()));
        }
        let Some(model::recipe::Reference::Source { name, .. }) = &image.base else { return annotations };
        if let Some(Origin::Locked(locked)) = self.job.sources.get(name).map(|s| &s.origin)
            && let Locator::Image { image, .. } = &locked.origin
            && let Place::Registry { .. } = image.place
        {
            annotations.insert(format!("{OCI}.base.name"), image.to_string());
        }
        annotations
    }

    /// How a layout names what it lists: with the tag, since some take all of it for a name.
    pub(super) fn reference(&self, name: &str) -> BTreeMap<String, String> {
        let tag = tag(&self.job.recipe.version);
        let mut annotations = BTreeMap::from([(format!("{OCI}.ref.name"), format!("{name}:{tag}"))]);
        // containerd takes this word for word: a name without a host would be one that nobody looks for.
        let host = name.split_once('/').map(|(first, _)| first);
        if host.is_some_and(|first| first.contains(['.', ':']) || first == "localhost") {
            annotations.insert("io.containerd.image.name".to_owned(), format!("{name}:{tag}"));
        }
        annotations
    }
}

/// A place without the point that stands for the root.
fn shown(to: &RelPath) -> &str {
    if to.is_root() { "" } else { to.as_str() }
}
