//! From a lock to a store that holds all of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use model::event::{Outcome, Unit};
use model::lock::Lock;
use model::recipe::Locator;
use model::recipe::Recipe;
use model::transcript::{Answered, Asked, Transcript};
use model::{Digest, Event, RelPath};
use store::Store;

use crate::http::Client;
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
    if lacking.is_empty() {
        return Ok(());
    }
    let upstream = Upstream::new(cx, client);
    let kept = Kept::of(requests);
    let total = lacking.iter().map(|(_, answered)| answered.body.size).sum();
    let (stage, name) = ("fetch", format!("requests of {step}"));
    (cx.events)(Event::Started { stage, name: name.clone(), total: Some(total), unit: Unit::Bytes });
    let start = Instant::now();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let errors: Mutex<BTreeMap<usize, InputError>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..cx.host.connections.clamp(1, lacking.len()) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some((asked, answered)) = lacking.get(nth) else { break };
                    match answer(cx, &upstream, asked, answered, &kept) {
                        Ok(()) => {
                            let done =
                                done.fetch_add(answered.body.size, Ordering::Relaxed) + answered.body.size;
                            (cx.events)(Event::Advanced { stage, name: name.clone(), done });
                        }
                        Err(error) => {
                            errors
                                .lock()
                                .expect("no thread panics while it holds the errors")
                                .insert(nth, error);
                            next.store(lacking.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let failed =
        errors.into_inner().expect("no thread panics while it holds the errors").into_values().next();
    let outcome = if failed.is_none() { Outcome::Done } else { Outcome::Failed };
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let detail = format!("{} answers", lacking.len());
    (cx.events)(Event::Finished { stage, name, outcome, detail, millis });
    failed.map_or(Ok(()), Err)
}

/// Brings one recorded answer again.
fn answer(
    cx: &Context<'_>,
    upstream: &Upstream<'_>,
    asked: &Asked,
    answered: &Answered,
    kept: &Kept,
) -> Result<(), InputError> {
    let recording = |cause| InputError::recording(asked, cause);
    let mut sent = Sent::default();
    sent.headers.extend(asked.accept.clone().map(|accept| ("accept", accept)));
    sent.headers.extend(asked.git_protocol.clone().map(|version| ("git-protocol", version)));
    if let Some(body) = &asked.body {
        sent.body = cx.store.read(body)?;
    }
    let found = upstream.bring(asked, &sent, kept).map_err(recording)?.answered.body;
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
    if wanted.is_empty() {
        return Ok(());
    }
    let (stage, name) = ("fetch", "toolchain");
    let total = wanted.iter().map(|i| i.digest.size).sum();
    (cx.events)(Event::Started { stage, name: name.into(), total: Some(total), unit: Unit::Bytes });
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let errors: Mutex<BTreeMap<usize, InputError>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..cx.host.connections.clamp(1, wanted.len()) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = wanted.get(nth) else { break };
                    let counted = AtomicU64::new(0);
                    let progress = |now: u64| {
                        let before = counted.swap(now, Ordering::Relaxed);
                        // A transfer that begins anew counts from nothing.
                        let done = if now >= before {
                            done.fetch_add(now - before, Ordering::Relaxed) + (now - before)
                        } else {
                            done.fetch_sub(before - now, Ordering::Relaxed).saturating_sub(before - now)
                        };
                        (cx.events)(Event::Advanced { stage, name: name.into(), done });
                    };
                    let brought = item
                        .path
                        .parse::<RelPath>()
                        .map_err(|e| {
                            let reason = e.to_string();
                            crate::DebianError::Index { url: item.path.clone(), reason }.into()
                        })
                        .and_then(|path| archive.bring(cx, client, &[&path], &item.digest, &progress));
                    if let Err(error) = brought {
                        errors.lock().expect("no thread panics while it holds the errors").insert(nth, error);
                        next.store(wanted.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let errors = errors.into_inner().expect("no thread panics while it holds the errors");
    let failed = errors.into_values().next();
    let outcome = if failed.is_none() { Outcome::Done } else { Outcome::Failed };
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let detail = format!("{} packages", wanted.len());
    (cx.events)(Event::Finished { stage, name: name.into(), outcome, detail, millis });
    failed.map_or(Ok(()), Err)
}
