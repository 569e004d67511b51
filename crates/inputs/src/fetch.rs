//! From a lock to a store that holds all of it.

use model::lock::Lock;
use model::recipe::Locator;
use model::recipe::Recipe;
use model::transcript::{Answered, Asked, Transcript};
use model::{Digest, RelPath};
use store::Store;

use crate::http::Client;
use crate::several::several;
use crate::source::git::proof;
use crate::toolchain::debian::Archive;
use crate::upstream::{Kept, Sent, Upstream};
use crate::{Context, InputError, confirm, mirror, source, toolchain};

/// Makes sure that the store holds the toolchain's tree and every source's tree, whole.
///
/// What is there, and was seen made of what the lock says ([`crate::confirmed`]), is not brought again. What is not comes
/// from its locator, checked against the lock while it does; then it is unpacked, and must give exactly the locked tree.
/// `recipe` tells the mirror, if it names one; otherwise the host's
/// configuration does.
///
/// # Errors
/// If something is gone, is not what the lock says, or gives another tree.
pub fn fetch(cx: &Context<'_>, lock: &Lock, recipe: Option<&Recipe>) -> Result<(), InputError> {
    let client = Client::new(cx.host);
    mirror::ask::bring(cx, lock)?;
    let whole = |tree: &Digest| cx.store.missing(tree).map(|m| m.is_empty());
    if !toolchain::confirmed(cx.store, &lock.toolchain) || !whole(&lock.toolchain.tree)? {
        toolchain::fetch(cx, &client, &lock.toolchain, recipe)?;
    }
    for (name, locked) in &lock.sources {
        if confirm::source(cx.store, locked) && whole(&locked.tree)? {
            continue;
        }
        let found = source::fetch(cx, &client, name, locked, recipe, &lock.toolchain)
            .map_err(|e| InputError::Source { name: name.clone(), cause: Box::new(e) })?;
        if found != locked.tree {
            return Err(InputError::Tree { what: format!("source `{name}`"), expected: locked.tree, found });
        }
        confirm::remember(cx.store, locked)?;
    }
    for (name, step) in &lock.steps {
        answers(cx, &client, name, &step.requests)?;
    }
    Ok(())
}

/// Brings the files that the store lacks, even if it holds the trees that they make: for who passes them on.
pub(crate) fn files(
    cx: &Context<'_>,
    client: &Client<'_>,
    lock: &Lock,
    recipe: Option<&Recipe>,
) -> Result<(), InputError> {
    toolchain::files(cx, client, &lock.toolchain, recipe)?;
    for (name, locked) in &lock.sources {
        if locked.files.iter().any(|f| !cx.store.contains(&f.digest)) {
            source::fetch(cx, client, name, locked, recipe, &lock.toolchain)
                .map_err(|e| InputError::Source { name: name.clone(), cause: Box::new(e) })?;
        }
    }
    Ok(())
}

/// Brings the recorded answers of a step that the store lacks, several at a time.
fn answers(
    cx: &Context<'_>,
    client: &Client<'_>,
    step: &str,
    requests: &Transcript,
) -> Result<(), InputError> {
    // The end of every refusal; it needs nobody.
    cx.store.put(b"")?;
    let lacking: Vec<(&Asked, &Answered)> =
        requests.0.iter().filter(|(_, answered)| !cx.store.contains(&answered.body)).collect();
    let upstream = Upstream::new(cx, client);
    let kept = Kept::of(requests);
    let bytes = lacking.iter().map(|(_, answered)| answered.body.size).sum();
    let bring = |(asked, answered): &(&Asked, &Answered), progress: &dyn Fn(u64)| {
        answer(cx, &upstream, asked, answered, &kept, progress)?;
        progress(answered.body.size);
        Ok(())
    };
    several(cx, &format!("requests of {step}"), bytes, "answers", &lacking, bring).map_err(|stopped| {
        let (what, of) = (format!("answers of step `{step}`"), requests.0.len());
        InputError::partly(what, of - lacking.len(), of, stopped)
    })
}

/// Brings one recorded answer again.
fn answer(
    cx: &Context<'_>,
    upstream: &Upstream<'_>,
    asked: &Asked,
    answered: &Answered,
    kept: &Kept,
    progress: &dyn Fn(u64),
) -> Result<(), InputError> {
    let recording = |cause| InputError::recording(asked, cause);
    let mut sent = Sent::default();
    sent.headers.extend(asked.accept.clone().map(|accept| ("accept", accept)));
    sent.headers.extend(asked.git_protocol.clone().map(|version| ("git-protocol", version)));
    if let Some(body) = &asked.body {
        sent.body = cx.store.read(body)?;
    }
    let found = upstream.bring(asked, &sent, kept, progress).map_err(recording)?.answered.body;
    if found != answered.body {
        return Err(InputError::Answer { asked: asked.to_string(), expected: answered.body, found });
    }
    Ok(())
}

/// What [`fetch`] would have to bring, one name each: packages and files that are not in the store and whose trees are
/// not either, or were not seen made of them. Empty: nothing.
#[must_use]
pub fn need(lock: &Lock, store: &Store) -> Vec<String> {
    let whole = |tree: &Digest| store.missing(tree).is_ok_and(|m| m.is_empty());
    let mut list = toolchain::need(store, &lock.toolchain);
    for (name, source) in &lock.sources {
        if confirm::source(store, source) && whole(&source.tree) {
            continue;
        }
        match &source.origin {
            Locator::Git { commit, .. } => {
                if !proof::proven(store, commit, &source.tree).unwrap_or(false) {
                    list.push(format!("source {name}: {}", source.origin));
                }
            }
            _ => {
                let files = source.files.iter().filter(|f| !store.contains(&f.digest));
                list.extend(files.map(|f| format!("source {name}: {}", f.path)));
            }
        }
    }
    for (name, step) in &lock.steps {
        let lacking = step.requests.0.iter().filter(|(_, answered)| !store.contains(&answered.body));
        list.extend(lacking.map(|(asked, _)| format!("step {name}: {asked}")));
    }
    list
}

/// A package to bring.
pub(crate) struct Item {
    pub name: String,
    /// Place in the archive.
    pub path: String,
    pub digest: Digest,
}

/// Brings the packages that the store does not hold, several at a time.
pub(crate) fn packages(
    cx: &Context<'_>,
    client: &Client<'_>,
    archive: &Archive,
    items: &[Item],
) -> Result<(), InputError> {
    let wanted: Vec<&Item> = items.iter().filter(|i| !cx.store.contains(&i.digest)).collect();
    let total = wanted.iter().map(|i| i.digest.size).sum();
    let bring = |item: &&Item, progress: &dyn Fn(u64)| {
        let path = item
            .path
            .parse::<RelPath>()
            .map_err(|e| crate::DebianError::Index { url: item.path.clone(), reason: e.to_string() })?;
        archive.bring(cx, client, &[&path], &item.digest, progress)
    };
    several(cx, "toolchain", total, "packages", &wanted, bring).map_err(|stopped| {
        let what = "packages of the toolchain".to_owned();
        InputError::partly(what, items.len() - wanted.len(), items.len(), stopped)
    })
}
