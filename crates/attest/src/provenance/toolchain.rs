//! The toolchain among the resolved dependencies: one list, which is written and against which a lock is compared.

use model::Purl;
use model::lock::{LockedArchive, LockedBase, LockedToolchain};
use model::sbom::public_url;
use model::statement::ResourceDescriptor;

use crate::dsse::unbase64;

use super::write::{TREE, With as _, descriptor};

/// The tree first, then everything with a digest that it is made of.
pub(super) fn dependencies(toolchain: &LockedToolchain) -> Vec<ResourceDescriptor> {
    let mut tree = descriptor("toolchain", toolchain.tree, TREE).with("kind", "toolchain");
    if let LockedBase::Host(host) = &toolchain.base {
        // The builder's word alone: nobody else can bring these bytes.
        tree = tree.with("captured", "host").with("machine", &host.machine);
    }
    let mut list = vec![tree];
    match &toolchain.base {
        LockedBase::Debian(debian) => {
            for package in &debian.packages {
                let name = format!("toolchain/{}", package.name);
                let mut entry = descriptor(&name, package.digest, "").with("kind", "package");
                entry.uri = Purl::debian(&package.name, &package.version, &package.arch, &debian.suite)
                    .map_or_else(|_| package.path.clone(), |purl| purl.to_string());
                list.push(entry);
            }
        }
        LockedBase::Image(image) => {
            let parts = [
                ("toolchain/index", image.index),
                ("toolchain/manifest", image.manifest),
                ("toolchain/config", Some(image.config)),
            ];
            for (name, digest) in parts {
                let Some(digest) = digest else { continue };
                let mut entry = descriptor(name, digest, "").with("kind", "image");
                entry.uri = image.image.to_string();
                list.push(entry);
            }
            for (nth, layer) in image.layers.iter().enumerate() {
                list.push(descriptor(&format!("toolchain/layer/{nth}"), *layer, "").with("kind", "layer"));
            }
        }
        LockedBase::Host(_) | LockedBase::Empty => {}
    }
    if !toolchain.archives.is_empty() {
        list.push(descriptor("toolchain/base", toolchain.base_tree, TREE).with("kind", "toolchain"));
    }
    toolchain.archives.iter().for_each(|archive| list.extend(of_archive(archive)));
    list
}

fn of_archive(archive: &LockedArchive) -> Vec<ResourceDescriptor> {
    let uri = archive.shown().map_or_else(|| public_url(&archive.origin.to_string()), ToString::to_string);
    let name = format!("toolchain/archive/{}", archive.name);
    let mut tree = descriptor(&name, archive.tree, TREE).with("kind", "toolchain-archive");
    tree.uri.clone_from(&uri);
    let mut list = vec![tree];
    for file in &archive.files {
        let mut entry =
            descriptor(&format!("{name}/{}", file.path), file.digest, "").with("kind", "toolchain-file");
        entry.uri.clone_from(&uri);
        match file.registry_hash.as_ref().and_then(|h| h.split_once(':')) {
            // in-toto's name for the hash of a Go module, and its notation.
            Some(("h1", value)) => {
                let hex = unbase64(value).map(|b| b.iter().map(|b| format!("{b:02x}")).collect());
                entry.digest.insert("dirHash".into(), hex.unwrap_or_else(|_| value.to_owned()));
            }
            Some((algorithm, value)) => {
                entry.digest.entry(algorithm.to_ascii_lowercase()).or_insert_with(|| value.to_owned());
            }
            None => {}
        }
        list.push(entry);
    }
    list
}
