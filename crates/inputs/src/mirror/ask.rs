//! What the store lacks of a lock is asked of mirrors, in their order, before its locators are gone to.
//!
//! Asked for are digests and nothing else, several at a time. A blob that is not that of its name is told and asked of the
//! next mirror; a mirror that cannot be reached is told once and passed over. What no mirror has is left to the locators,
//! so nothing here fails but the store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::event::{Outcome, Unit};
use model::lock::Lock;
use model::{Digest, Event};
use store::{Store, StoreError};

use super::contents::{Contents, Rooted};
use super::folder::Folder;
use super::index::Index;
use super::{MirrorError, blob_path, import};
use crate::error::chain;
use crate::http::{Client, HttpError};
use crate::source::git::proof;
use crate::{Context, InputError, confirm, toolchain};

/// How often a mirror that does not answer is asked again: others may have it too.
const RETRIES: usize = 2;

/// Where a mirror is.
enum Place {
    /// Below a base address.
    Web(String),
    Folder(Folder),
    Archive(PathBuf, Index),
}

/// A mirror, and what is known of it.
struct Mirror<'a> {
    /// As it was named.
    name: &'a str,
    place: Place,
    client: &'a Client<'a>,
    /// It does not answer.
    silent: AtomicBool,
}

/// Brings from the host's mirrors what `lock` names and the store lacks, as far as they have it.
pub(crate) fn bring(cx: &Context<'_>, lock: &Lock) -> Result<(), InputError> {
    if cx.host.mirrors.is_empty() {
        return Ok(());
    }
    let contents = lacking(cx.store, lock)?;
    let lacks = |d: &&Digest| !cx.store.contains(d);
    if contents.trees.is_empty() && !contents.blobs.keys().any(|d| lacks(&d)) {
        return Ok(());
    }
    let retry: Vec<Duration> = cx.host.retry.iter().take(RETRIES).copied().collect();
    let client = Client::with_retry(cx.host, retry);
    for name in &cx.host.mirrors {
        let wanted: BTreeSet<Digest> = contents.blobs.keys().filter(lacks).copied().collect();
        let trees = unproven(cx.store, &contents.trees)?;
        if wanted.is_empty() && trees.is_empty() {
            break;
        }
        let place = match Place::open(name) {
            Ok(place) => place,
            Err(error) => {
                told(cx, name, &error);
                continue;
            }
        };
        let mirror = Mirror { name, place, client: &client, silent: AtomicBool::new(false) };
        mirror.take(cx, &wanted)?;
        for rooted in &trees {
            mirror.tree(cx, rooted)?;
        }
    }
    Ok(())
}

/// What the store lacks of a lock, and is needed to make what it lacks.
fn lacking(store: &Store, lock: &Lock) -> Result<Contents, StoreError> {
    let whole = |tree: &Digest| store.missing(tree).map(|m| m.is_empty());
    let mut contents = Contents::default();
    if !toolchain::confirmed(store, &lock.toolchain) || !whole(&lock.toolchain.tree)? {
        contents.toolchain(&lock.toolchain);
    }
    for (name, source) in &lock.sources {
        if !confirm::source(store, source) || !whole(&source.tree)? {
            contents.source(lock, name);
        }
    }
    for name in lock.steps.keys() {
        contents.step(lock, name, |body| !store.contains(body));
    }
    contents.trees = unproven(store, &contents.trees)?;
    Ok(contents)
}

/// The trees that the store does not hold, or not with what proves them.
fn unproven(store: &Store, trees: &[Rooted]) -> Result<Vec<Rooted>, StoreError> {
    let mut list = Vec::new();
    for rooted in trees {
        let proven = rooted.commit.as_deref().is_none_or(|commit| proof::known(store, commit).is_some());
        if !proven || !store.missing(&rooted.tree)?.is_empty() {
            list.push(rooted.clone());
        }
    }
    Ok(list)
}

fn told(cx: &Context<'_>, name: &str, error: &dyn std::error::Error) {
    cx.warn(format!("mirror {name}: {}", chain(error)), Some("the next one is asked".into()));
}

impl Place {
    fn open(name: &str) -> Result<Self, MirrorError> {
        if name.starts_with("http://") || name.starts_with("https://") {
            return Ok(Self::Web(name.trim_end_matches('/').to_owned()));
        }
        let path = Path::new(name);
        if path.is_dir() {
            let folder = Folder::open(path)?;
            return Ok(match folder.bundle {
                Some(bundle) => Self::Archive(bundle, folder.index),
                None => Self::Folder(folder),
            });
        }
        Ok(Self::Archive(path.to_owned(), import::index_of(path)?))
    }
}

impl Mirror<'_> {
    /// Brings what it has of these into the store; gives how many came.
    fn take(&self, cx: &Context<'_>, wanted: &BTreeSet<Digest>) -> Result<usize, InputError> {
        if wanted.is_empty() {
            return Ok(0);
        }
        let (stage, name) = ("fetch", format!("mirror {}", self.name));
        let total = wanted.iter().map(|d| d.size).sum();
        (cx.events)(Event::Started { stage, name: name.clone(), total: Some(total), unit: Unit::Bytes });
        let start = Instant::now();
        let result = match &self.place {
            Place::Archive(path, _) => match import::take(cx, path, &|d| wanted.contains(d)) {
                Err(error @ InputError::Mirror(_)) => {
                    // What came before what is wrong is right, and stays.
                    told(cx, self.name, &error);
                    Ok(wanted.iter().filter(|d| cx.store.contains(d)).count())
                }
                other => other.map(|(_, new)| new.len()),
            },
            Place::Web(_) | Place::Folder(_) => self.several(cx, wanted, &|done| {
                (cx.events)(Event::Advanced { stage, name: name.clone(), done });
            }),
        };
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let came = result.as_ref().map_or(0, |came| *came);
        let detail = format!("{came} of {} blobs", wanted.len());
        (cx.events)(Event::Finished { stage, name, outcome, detail, millis });
        result
    }

    fn several(
        &self,
        cx: &Context<'_>,
        wanted: &BTreeSet<Digest>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<usize, InputError> {
        let wanted: Vec<&Digest> = wanted.iter().collect();
        let (next, came, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        let failed: Mutex<Option<InputError>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..cx.host.connections.clamp(1, wanted.len()) {
                scope.spawn(|| {
                    loop {
                        let nth = next.fetch_add(1, Ordering::Relaxed);
                        let Some(digest) = wanted.get(nth).filter(|_| !self.silent.load(Ordering::Relaxed))
                        else {
                            break;
                        };
                        match self.one(cx, digest) {
                            Ok(true) => {
                                came.fetch_add(1, Ordering::Relaxed);
                                progress(bytes.fetch_add(digest.size, Ordering::Relaxed) + digest.size);
                            }
                            Ok(false) => {}
                            Err(error) => {
                                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                                next.store(wanted.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(came.into_inner()),
        }
    }

    /// Brings one blob; false if the mirror does not have it as it must be.
    fn one(&self, cx: &Context<'_>, digest: &Digest) -> Result<bool, InputError> {
        let place = Path::new(self.name);
        let result = match &self.place {
            Place::Web(base) => {
                let url = format!("{base}/{}", blob_path(digest));
                match self.client.download(&url, digest.size.max(1), cx.store, &|_| {}) {
                    Ok(found) if found == *digest => return Ok(true),
                    Ok(found) => {
                        let (place, expected) = (self.name.to_owned(), *digest);
                        Err(MirrorError::Blob { place, expected, found }.into())
                    }
                    Err(HttpError::NotFound { .. }) => return Ok(false),
                    Err(HttpError::Store(error)) => return Err(error.into()),
                    Err(error @ HttpError::TooLarge { .. }) => Err(error.into()),
                    Err(error) => {
                        // It is down, or refuses whoever asks: told once, and left alone.
                        if !self.silent.swap(true, Ordering::Relaxed) {
                            told(cx, self.name, &error);
                        }
                        return Ok(false);
                    }
                }
            }
            Place::Folder(folder) => match folder.blob(digest) {
                Ok(None) => return Ok(false),
                Ok(Some(mut file)) => import::keep(cx.store, place, &mut file, digest).map(|()| true),
                Err(error) => Err(error.into()),
            },
            Place::Archive(..) => return Ok(false),
        };
        match result {
            Err(error @ (InputError::Mirror(_) | InputError::Http(_))) => {
                told(cx, self.name, &error);
                Ok(false)
            }
            other => other,
        }
    }

    /// Brings a tree that no file makes, level by level, and what proves it.
    fn tree(&self, cx: &Context<'_>, rooted: &Rooted) -> Result<(), InputError> {
        if let Place::Archive(path, _) = &self.place {
            // To go through it once for each level would be slow; what is not needed is only space.
            match import::take(cx, path, &|d| !cx.store.contains(d)) {
                Err(error @ InputError::Mirror(_)) => told(cx, self.name, &error),
                other => drop(other?),
            }
            return Ok(());
        }
        if let Some(commit) = &rooted.commit
            && proof::known(cx.store, commit).is_none()
            && let Some(digest) = self.proof(commit)
        {
            self.take(cx, &BTreeSet::from([digest]))?;
            if cx.store.contains(&digest) {
                proof::remember(cx.store, commit, &digest)?;
            }
        }
        loop {
            let missing: BTreeSet<Digest> = cx.store.missing(&rooted.tree)?.into_iter().collect();
            if missing.is_empty() || self.take(cx, &missing)? == 0 {
                return Ok(());
            }
        }
    }

    /// Which blob is said to prove a commit.
    fn proof(&self, commit: &str) -> Option<Digest> {
        let digest = match &self.place {
            Place::Web(base) => {
                let text = self.client.get(&format!("{base}/commits/{commit}"), None, 200).ok()?;
                String::from_utf8(text).ok()?.trim().parse().ok()?
            }
            Place::Folder(Folder { index, .. }) | Place::Archive(_, index) => *index.commits.get(commit)?,
        };
        Some(digest).filter(|d| d.size <= proof::LIMIT)
    }
}
