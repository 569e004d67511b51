//! Many downloads as one piece of work: several at a time, and told as one sum.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use model::Event;
use model::event::{Outcome, Unit};

use crate::{Context, InputError};

/// The stage of what is brought.
const FETCH: &str = "fetch";

/// The sum of what has come, in bytes.
pub(crate) struct Sum<'a> {
    cx: &'a Context<'a>,
    stage: &'static str,
    name: String,
    done: AtomicU64,
    begun: Instant,
    told: AtomicBool,
}

impl<'a> Sum<'a> {
    /// Begins to bring something, and tells it.
    pub(crate) fn new(cx: &'a Context<'a>, name: impl Into<String>, total: Option<u64>) -> Self {
        Self::of(cx, FETCH, name, total)
    }

    /// As [`Sum::new`], of another stage.
    fn of(cx: &'a Context<'a>, stage: &'static str, name: impl Into<String>, total: Option<u64>) -> Self {
        let name = name.into();
        (cx.events)(Event::Started { stage, name: name.clone(), total, unit: Unit::Bytes });
        Self { cx, stage, name, done: AtomicU64::new(0), begun: Instant::now(), told: AtomicBool::new(false) }
    }

    /// What hears how far one of the downloads has come.
    pub(crate) fn one(&self) -> impl Fn(u64) + '_ {
        let counted = AtomicU64::new(0);
        move |now| {
            let before = counted.swap(now, Ordering::Relaxed);
            // A transfer that begins anew counts from nothing.
            let done = if now >= before {
                self.done.fetch_add(now - before, Ordering::Relaxed) + (now - before)
            } else {
                self.done.fetch_sub(before - now, Ordering::Relaxed).saturating_sub(before - now)
            };
            (self.cx.events)(Event::Advanced { stage: self.stage, name: self.name.clone(), done });
        }
    }

    /// Ends, and tells it; once.
    pub(crate) fn finish(&self, outcome: Outcome, detail: String) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.cx.events)(Event::Finished {
            stage: self.stage,
            name: self.name.clone(),
            outcome,
            detail,
            millis,
        });
    }
}

impl Drop for Sum<'_> {
    fn drop(&mut self) {
        self.finish(Outcome::Stopped, String::new());
    }
}

/// Work that an error has ended.
pub(crate) struct Stopped {
    /// How many were done.
    pub(crate) done: usize,
    /// Of the errors that there were, that of the first in order.
    pub(crate) cause: Box<InputError>,
}

/// Calls `bring` for each of `wanted`, as many at a time as the host wants, with what hears how far it has come; until the
/// first error. `name` is that of the work, `total` its bytes, `what` the word for its pieces.
pub(crate) fn several<T: Sync>(
    cx: &Context<'_>,
    name: &str,
    total: u64,
    what: &str,
    wanted: &[T],
    bring: impl Fn(&T, &dyn Fn(u64)) -> Result<(), InputError> + Sync,
) -> Result<(), Stopped> {
    several_of(cx, FETCH, name, total, what, wanted, bring)
}

/// As [`several`], of another stage than `fetch`.
pub(crate) fn several_of<T: Sync>(
    cx: &Context<'_>,
    stage: &'static str,
    name: &str,
    total: u64,
    what: &str,
    wanted: &[T],
    bring: impl Fn(&T, &dyn Fn(u64)) -> Result<(), InputError> + Sync,
) -> Result<(), Stopped> {
    if wanted.is_empty() {
        return Ok(());
    }
    let sum = Sum::of(cx, stage, name, Some(total));
    let (next, came) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let errors: Mutex<BTreeMap<usize, InputError>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..cx.host.connections.clamp(1, wanted.len()) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = wanted.get(nth) else { break };
                    match bring(one, &sum.one()) {
                        Ok(()) => drop(came.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => {
                            errors.lock().unwrap_or_else(PoisonError::into_inner).insert(nth, error);
                            next.store(wanted.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let done = came.into_inner();
    let errors = errors.into_inner().unwrap_or_else(PoisonError::into_inner);
    match errors.into_values().next() {
        None => {
            sum.finish(Outcome::Done, format!("{done} {what}"));
            Ok(())
        }
        Some(cause) => {
            let cause = Box::new(cause);
            sum.finish(Outcome::Failed, format!("{done} of {} {what}", wanted.len()));
            Err(Stopped { done, cause })
        }
    }
}
