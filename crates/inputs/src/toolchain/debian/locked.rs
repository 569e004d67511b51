//! Packages of a recipe to packages of a lock, and these to a tree.

use model::Digest;
use model::lock::{LockedBase, LockedDebian, LockedPackage};
use model::recipe::Debian;
use store::Store;

use super::{Archive, Deb, Index, assemble, bases, made, resolve};
use crate::fetch::{self, Item};
use crate::http::Client;
use crate::{Context, InputError};

/// Resolves the closure as the archive has it now, brings and assembles it.
pub(crate) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &Debian,
    arch: &str,
) -> Result<(Digest, LockedBase), InputError> {
    let Debian { suite, components, packages, snapshot, .. } = recipe;
    let archive = Archive::of(cx, recipe)?;
    let release = archive.release(cx, client, suite, snapshot.is_some())?;
    let mut index = Index::new(arch);
    for component in components {
        let name = format!("{component}/binary-{arch}/Packages");
        let (url, text) = archive.index(cx, client, suite, &release, &name)?;
        index.add(url, text);
    }
    let closure = resolve(&index, packages)?;
    let items: Vec<Item> = closure
        .iter()
        .map(|(p, _)| Item { name: p.name.clone(), path: p.path.clone(), digest: p.digest })
        .collect();
    fetch::packages(cx, client, &archive, &items)?;
    let debs: Vec<Deb> = items.iter().map(|i| Deb { name: i.name.clone(), digest: i.digest }).collect();
    let assembled = assemble(cx, &debs)?;
    let packages = closure
        .into_iter()
        .map(|(p, depends)| LockedPackage {
            licence: assembled.licences.get(&p.name).cloned(),
            name: p.name,
            version: p.version,
            arch: p.arch,
            source: p.source,
            source_version: p.source_version,
            depends,
            path: p.path,
            digest: p.digest,
        })
        .collect();
    let locked = LockedDebian {
        suite: suite.clone(),
        components: components.clone(),
        snapshot: snapshot.clone(),
        requested: recipe.packages.clone(),
        signed_by: release.signed_by.clone(),
        packages,
    };
    Ok((assembled.tree, LockedBase::Debian(locked)))
}

/// Brings the locked packages and gives the tree that they make.
pub(crate) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedDebian,
    mirror: Option<&Debian>,
) -> Result<Digest, InputError> {
    let item = |p: &LockedPackage| Item { name: p.name.clone(), path: p.path.clone(), digest: p.digest };
    let items: Vec<Item> = locked.packages.iter().map(item).collect();
    if items.iter().any(|i| !cx.store.contains(&i.digest)) {
        let bases = bases(cx, mirror, &locked.suite, &locked.components, locked.snapshot.as_deref())?;
        fetch::packages(cx, client, &Archive::at(bases), &items)?;
    }
    let debs: Vec<Deb> = items.into_iter().map(|i| Deb { name: i.name, digest: i.digest }).collect();
    Ok(assemble(cx, &debs)?.tree)
}

/// The tree that the packages were seen to make in this store.
pub(crate) fn made_of(store: &Store, assembler: u32, locked: &LockedDebian) -> Option<Digest> {
    let debs = locked.packages.iter().map(|p| Deb { name: p.name.clone(), digest: p.digest }).collect();
    made(store, assembler, debs)
}
