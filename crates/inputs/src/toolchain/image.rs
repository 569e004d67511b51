//! A toolchain that is an OCI image: resolved for one platform, locked by digest, its layers unpacked without root.

mod installed;
mod unpack;

use model::lock::{Installed, LockedBase, LockedImage, LockedToolchain};
use model::oci::{Configuration, Place, Platform, Reference};
use model::{Conditions, Digest, Timestamp};
use store::Store;

pub(super) use model::lock::installed::{distro, dpkg, fields};

use super::ASSEMBLER;
use crate::http::Client;
use crate::oci::parts::Parts;
use crate::oci::{ImageError, Origin, unreadable};
use crate::{Context, InputError};

/// Where it is kept which layers made which tree.
const SPACE: &str = "toolchain-image";

/// Resolves the image for `arch`, brings and unpacks it. An image that the recipe names by digest is not asked for again.
pub(super) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    image: &Reference,
    arch: &str,
    previous: Option<&LockedToolchain>,
) -> Result<(Digest, LockedBase), InputError> {
    if let Some(previous) = previous.filter(|p| p.arch == arch)
        && let LockedBase::Image(known) = &previous.base
        && known.image == *image
        && image.digest.is_some()
        && let Some(tree) = made(cx.store, previous.assembler, known)
        && tree == previous.base_tree
        && cx.store.missing(&tree)?.is_empty()
    {
        return Ok((tree, previous.base.clone()));
    }
    let platform = Platform::of(arch).ok_or_else(|| ImageError::Missing {
        image: image.to_string(),
        reason: format!("no image is for an architecture `{arch}`"),
    })?;
    let origin = Origin::open(cx, client, image)?;
    let parts = match &origin {
        Origin::Files(files) if matches!(image.place, Place::DockerArchive(_)) => {
            let (config, layers) = files.saved()?;
            Parts { index: None, manifest: None, config, layers }
        }
        _ => Parts::resolve(&origin, image, &platform)?.0,
    };
    parts.bring(cx, &origin, image)?;
    let (tree, configuration) = make(cx, image, &parts)?;
    if !platform.fits(&configuration.platform) {
        return Err(ImageError::Platform {
            image: image.to_string(),
            expected: platform.to_string(),
            found: configuration.platform.to_string(),
        }
        .into());
    }
    let (distro, installed) = installed::read(cx.store, &tree)?;
    let mut env = configuration.environment();
    let given = Conditions::canonical(Timestamp(0)).environment();
    env.retain(|name, _| name == "PATH" || !given.contains_key(name));
    let locked = LockedImage {
        image: image.clone(),
        index: parts.index,
        manifest: parts.manifest,
        config: parts.config,
        layers: parts.layers,
        env,
        distro,
        installed,
    };
    remember(cx, &locked, &tree)?;
    Ok((tree, LockedBase::Image(locked)))
}

/// Brings what is missing of a locked image, and makes its tree.
pub(super) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedImage,
) -> Result<Digest, InputError> {
    let parts = Parts {
        index: locked.index,
        manifest: locked.manifest,
        config: locked.config,
        layers: locked.layers.clone(),
    };
    // Nobody is asked for what is here.
    if std::iter::once(&parts.config).chain(&parts.layers).any(|d| !cx.store.contains(d)) {
        parts.bring(cx, &Origin::open(cx, client, &locked.image)?, &locked.image)?;
    }
    let (tree, _) = make(cx, &locked.image, &parts)?;
    remember(cx, locked, &tree)?;
    Ok(tree)
}

/// The tree that these layers were seen to make in this store.
pub(super) fn made(store: &Store, assembler: u32, locked: &LockedImage) -> Option<Digest> {
    String::from_utf8(store.memo_get(SPACE, &key(assembler, locked))?).ok()?.parse().ok()
}

fn remember(cx: &Context<'_>, locked: &LockedImage, tree: &Digest) -> Result<(), InputError> {
    Ok(cx.store.memo_put(SPACE, &key(ASSEMBLER, locked), tree.to_string().as_bytes())?)
}

/// Everything that the tree is a function of: the configuration names the decompressed layers.
fn key(assembler: u32, locked: &LockedImage) -> Digest {
    let layers: Vec<_> = locked.layers.iter().map(ToString::to_string).collect();
    let text = serde_json::json!([assembler, locked.config.to_string(), layers]).to_string();
    Digest::of(text.as_bytes())
}

/// An image's tree, distribution and packages, as its own databases say.
pub(crate) fn unpacked(
    cx: &Context<'_>,
    image: &Reference,
    parts: &Parts,
) -> Result<(Digest, Option<String>, Vec<Installed>), InputError> {
    // What this tree leaves out is still in the layers, which go on as they are.
    let quiet = Context { events: &|_| {}, ..*cx };
    let (tree, _) = make(&quiet, image, parts)?;
    let (distro, installed) = installed::read(cx.store, &tree)?;
    Ok((tree, distro, installed))
}

/// Unpacks the layers.
fn make(cx: &Context<'_>, image: &Reference, parts: &Parts) -> Result<(Digest, Configuration), InputError> {
    let configuration =
        Configuration::read(&cx.store.read(&parts.config)?, parts.layers.len()).map_err(unreadable(image))?;
    let tree = unpack::unpack(cx, image, &parts.layers, &configuration.rootfs.diff_ids)?;
    Ok((tree, configuration))
}
