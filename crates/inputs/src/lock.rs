//! From a recipe to its lock: everything resolved, brought, verified, unpacked and stored.

use std::collections::BTreeMap;

use model::lock::{FORMAT, Lock};
use model::recipe::{Recipe, Source};

use crate::http::Client;
use crate::{Context, InputError, confirm, source, toolchain};

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
    let toolchain = toolchain::lock(cx, &client, &recipe.toolchain, previous.map(|p| &p.toolchain))?;
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
