//! From a recipe to its lock: everything resolved, brought, verified, unpacked and stored.

use std::collections::BTreeMap;

use model::lock::{FORMAT, Lock};
use model::recipe::{Recipe, Source};

use crate::http::Client;
use crate::{Context, InputError, confirm, mirror, source, toolchain};

/// Locks every input of `recipe`: its toolchain and its sources. Everything is in the store afterwards. What its steps
/// fetch is recorded after that ([`crate::Recorder`]).
///
/// Nothing moves that need not. What `previous` has locked, the recipe still asks for and can still be had stays: packages
/// of a toolchain too, though their archive may have newer ones by now ([`update`] takes those). What a recipe newly asks
/// for is as the archive has it now.
///
/// # Errors
/// If something is not there, not signed, not what its index says, or does not fit together.
pub fn lock(cx: &Context<'_>, recipe: &Recipe, previous: Option<&Lock>) -> Result<Lock, InputError> {
    resolve(cx, recipe, previous, false)
}

/// As [`lock`], and the toolchain's base moves on: to the packages that the archive has now, to the image that its tag names
/// now, to this machine as it is now. Sources and archives stay, because the recipe itself pins them.
///
/// # Errors
/// As [`lock`].
pub fn update(cx: &Context<'_>, recipe: &Recipe, previous: Option<&Lock>) -> Result<Lock, InputError> {
    resolve(cx, recipe, previous, true)
}

fn resolve(
    cx: &Context<'_>,
    recipe: &Recipe,
    previous: Option<&Lock>,
    move_on: bool,
) -> Result<Lock, InputError> {
    let client = Client::new(cx.host);
    if let Some(previous) = previous.filter(|p| !move_on && p.stale(recipe).is_empty()) {
        mirror::ask::bring(cx, previous)?;
    }
    let known = previous.map(|p| &p.toolchain);
    let toolchain = toolchain::lock(cx, &client, &recipe.toolchain, known, move_on)?;
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
