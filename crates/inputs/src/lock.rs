//! From a recipe to its lock: everything resolved, brought, verified, unpacked and stored.

use std::collections::BTreeMap;

use model::lock::{FORMAT, Lock, LockedSource, LockedToolchain};
use model::recipe::{Locator, Recipe, Source};

use crate::http::{Client, HttpError};
use crate::oci::ImageError;
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
    resolve(cx, recipe, previous, &|_| false)
}

/// The name by which the toolchain's base is asked to move.
pub const TOOLCHAIN: &str = "toolchain";

/// As [`lock`], and what `moves` says moves on: the toolchain's base ([`TOOLCHAIN`]) to the packages that the archive has now, to
/// the image that its tag names now, to this machine as it is now; a source that is an image, by its name, to what its tag names
/// now. Other sources and archives stay, because the recipe itself pins them.
///
/// # Errors
/// As [`lock`].
pub fn update(
    cx: &Context<'_>,
    recipe: &Recipe,
    previous: Option<&Lock>,
    moves: &dyn Fn(&str) -> bool,
) -> Result<Lock, InputError> {
    resolve(cx, recipe, previous, moves)
}

fn resolve(
    cx: &Context<'_>,
    recipe: &Recipe,
    previous: Option<&Lock>,
    moves: &dyn Fn(&str) -> bool,
) -> Result<Lock, InputError> {
    let client = Client::new(cx.host);
    let move_on = moves(TOOLCHAIN);
    if let Some(previous) = previous.filter(|p| !move_on && p.stale(recipe).is_empty()) {
        mirror::ask::bring(cx, previous)?;
    }
    let known = previous.map(|p| &p.toolchain);
    let toolchain = toolchain::lock(cx, &client, &recipe.toolchain, known, move_on)?;
    let mut sources = BTreeMap::new();
    for (name, source) in &recipe.sources {
        let Source::Fetched(origin) = source else { continue };
        let stays = !(origin.moves() && moves(name));
        let known = previous.and_then(|p| p.sources.get(name)).filter(|s| stays && s.origin == *origin);
        let locked = match known {
            Some(known) if confirm::source(cx.store, known) && cx.store.missing(&known.tree)?.is_empty() => {
                known.clone()
            }
            // A tag may have moved since: what is locked stays, if it can still be had.
            Some(known) if origin.moves() && had(cx, &client, recipe, &toolchain, name, known)? => {
                known.clone()
            }
            _ => source::lock(cx, &client, name, origin, &recipe.toolchain)
                .map_err(|e| InputError::Source { name: name.clone(), cause: Box::new(e) })?,
        };
        sources.insert(name.clone(), locked);
    }
    Ok(Lock { format: FORMAT, toolchain, sources, steps: BTreeMap::new() })
}

/// Locks an image that is no source of the recipe, but named in a Dockerfile of it. What `known` says of it stays, if it can
/// still be had.
///
/// # Errors
/// As [`lock`].
pub fn lock_image(
    cx: &Context<'_>,
    recipe: &Recipe,
    lock: &Lock,
    name: &str,
    origin: &Locator,
    known: Option<&LockedSource>,
) -> Result<LockedSource, InputError> {
    let client = Client::new(cx.host);
    let known = known.filter(|known| known.origin == *origin);
    if let Some(known) = known
        && (confirm::source(cx.store, known) && cx.store.missing(&known.tree)?.is_empty()
            || had(cx, &client, recipe, &lock.toolchain, name, known)?)
    {
        return Ok(known.clone());
    }
    source::lock(cx, &client, name, origin, &recipe.toolchain)
        .map_err(|e| InputError::Source { name: name.to_owned(), cause: Box::new(e) })
}

/// Whether a locked source can be brought as it is locked; it is in the store then. One that is gone is told. That it cannot
/// be asked for now is no reason to take another one.
///
/// # Errors
/// If it cannot be told whether it is there.
fn had(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &Recipe,
    toolchain: &LockedToolchain,
    name: &str,
    locked: &LockedSource,
) -> Result<bool, InputError> {
    match source::fetch(cx, client, name, locked, Some(recipe), toolchain) {
        Ok(tree) => Ok(tree == locked.tree && confirm::remember(cx.store, locked).is_ok()),
        Err(error) if is_gone(&error) => {
            let text = format!("source `{name}`: what is locked is no longer there: {error}");
            cx.warn(text, Some("what its tag names now is locked instead".to_owned()));
            Ok(false)
        }
        Err(error) => Err(InputError::Source { name: name.to_owned(), cause: Box::new(error) }),
    }
}

fn is_gone(error: &InputError) -> bool {
    match error {
        InputError::Image(ImageError::Missing { .. } | ImageError::Layout { .. })
        | InputError::Http(HttpError::NotFound { .. }) => true,
        InputError::Source { cause, .. } | InputError::Partly { cause, .. } => is_gone(cause),
        _ => false,
    }
}
