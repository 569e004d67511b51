//! From a recipe to its lock: everything resolved, brought, verified, unpacked and stored.

use std::collections::BTreeMap;

use model::lock::{FORMAT, Lock, LockedPackage, LockedToolchain};

use model::recipe::{Recipe, Source, Toolchain};

use crate::http::Client;
use crate::toolchain::debian::{ASSEMBLER, Archive, Deb, Index, assemble, resolve};
use crate::{Context, InputError, confirm, fetch, source};

/// Locks every input of `recipe`: the closure of its toolchain as the archive has it now, and its sources. Everything is
/// in the store afterwards. What its steps fetch is recorded after that ([`crate::Recorder`]).
///
/// The same archive and recipe give the same lock. What `previous` has locked and cannot have changed (a commit, a hash,
/// a published version) is taken from it without asking again, if the store still holds it and has
/// seen it made.
///
/// # Errors
/// If something is not there, not signed, not what its index says, or does not fit together.
pub fn lock(cx: &Context<'_>, recipe: &Recipe, previous: Option<&Lock>) -> Result<Lock, InputError> {
    let client = Client::new(cx.host);
    let toolchain = toolchain(cx, &client, &recipe.toolchain)?;
    let mut sources = BTreeMap::new();
    for (name, source) in &recipe.sources {
        let Source::Fetched(origin) = source else { continue };
        let known = previous.and_then(|p| p.sources.get(name)).filter(|s| s.origin == *origin);
        let locked = match known {
            Some(known) if confirm::source(cx.store, known) && cx.store.missing(&known.tree)?.is_empty() => {
                known.clone()
            }
            _ => source::lock(cx, &client, name, origin, &recipe.toolchain)
                .map_err(|e| InputError::Source { name: name.clone(), cause: Box::new(e) })?,
        };
        sources.insert(name.clone(), locked);
    }
    Ok(Lock { format: FORMAT, toolchain, sources, steps: BTreeMap::new() })
}

fn toolchain(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &Toolchain,
) -> Result<LockedToolchain, InputError> {
    let Toolchain { suite, arch, components, packages, snapshot, .. } = recipe;
    let archive = Archive::of(cx, recipe)?;
    let release = archive.release(cx, client, suite, snapshot.is_some())?;
    let mut index = Index::new(arch);
    for component in components {
        let name = format!("{component}/binary-{arch}/Packages");
        let (url, text) = archive.index(cx, client, suite, &release, &name)?;
        index.add(url, text);
    }
    let closure = resolve(&index, packages)?;
    let items: Vec<fetch::Item> = closure
        .iter()
        .map(|(p, _)| fetch::Item { name: p.name.clone(), path: p.path.clone(), digest: p.digest })
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
    Ok(LockedToolchain {
        kind: "debian".into(),
        suite: suite.clone(),
        components: components.clone(),
        arch: arch.clone(),
        snapshot: snapshot.clone(),
        requested: recipe.packages.clone(),
        signed_by: release.signed_by.clone(),
        assembler: ASSEMBLER,
        tree: assembled.tree,
        packages,
    })
}
