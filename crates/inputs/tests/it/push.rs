//! Images to registries and back: three real registries with their different defects, and a front before them that breaks,
//! redirects and lies.

mod attached;
mod front;
mod hostile;
mod resumed;
mod round;
mod servers;
mod tags;
mod who;

use std::path::{Path, PathBuf};

use inputs::{Attachment, Pull, Pulled, Push, Pushed, Target};

use crate::images::layout::Layout;
use crate::world::{World, chain};

/// Bytes that no compression makes small, the same for ever.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = 2 * seed + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32).to_le_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// A layout with one image of one layer of this noise, called `x`; gives its folder and the image's digest.
fn layout(world: &World, name: &str, seed: u64, size: usize) -> (PathBuf, String) {
    let mut layout = Layout::new();
    let layer = layout.opaque(noise(seed, size));
    let manifest = layout.image("amd64", &[layer], &[]);
    layout.tag("x", &manifest);
    let folder = world.recipe_dir().join(name);
    layout.write(&folder);
    (folder, manifest.digest)
}

/// What is pushed, and what is unusual about it.
struct Given<'a> {
    move_tag: bool,
    attach: &'a [Attachment],
    mount_from: Option<&'a str>,
    image: Option<&'a str>,
}

const PLAIN: Given<'static> = Given { move_tag: false, attach: &[], mount_from: None, image: None };

fn push_with(world: &World, from: &Path, to: &str, given: &Given<'_>) -> Result<Pushed, String> {
    let Given { move_tag, attach, mount_from, image } = *given;
    let push = Push { from, image, to: &to.parse().unwrap(), move_tag, attach, mount_from };
    world.with(|cx| inputs::push(cx, &push)).map_err(|e| chain(&e))
}

fn push(world: &World, from: &Path, to: &str) -> Result<Pushed, String> {
    push_with(world, from, to, &PLAIN)
}

fn pull_to(world: &World, from: &str, to: &Target, referrers: bool) -> Result<Pulled, String> {
    let pull = Pull { from: &from.parse().unwrap(), to, platform: None, referrers };
    world.with(|cx| inputs::pull(cx, &pull)).map_err(|e| chain(&e))
}

fn pull(world: &World, from: &str, name: &str) -> Result<(Pulled, PathBuf), String> {
    let path = world.folder.path().join(name);
    Ok((pull_to(world, from, &Target::Archive(path.clone()), true)?, path))
}

fn hex(digest: &model::Digest) -> String {
    format!("sha256:{}", digest.hex())
}

fn bundle(text: &str) -> Attachment {
    Attachment {
        kind: "application/vnd.dev.sigstore.bundle.v0.3+json".into(),
        name: "x.sigstore.json".into(),
        bytes: text.as_bytes().to_vec(),
        annotations: [("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned())].into(),
    }
}

fn sbom(text: &str) -> Attachment {
    Attachment {
        kind: "application/spdx+json".into(),
        name: "x.spdx.json".into(),
        bytes: text.as_bytes().to_vec(),
        annotations: std::collections::BTreeMap::new(),
    }
}
