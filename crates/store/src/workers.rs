//! A queue of work that makes more work, emptied by as many threads as there are processors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::StoreError;
use crate::layout::lock;

/// Work done alone before other threads are asked: starting them costs more than a few small directories.
const ALONE: usize = 16;

/// More threads than this wait for the disk and for each other.
const MOST_THREADS: usize = 8;

struct Queue<T> {
    tasks: Vec<T>,
    active: usize,
    end: Option<End>,
}

/// Why work ended early.
enum End {
    Failed(StoreError),
    Panicked(Box<dyn Any + Send>),
}

/// Calls `work` on `first` and on every task that a call adds to its second argument, in no fixed order.
///
/// The newest task goes first, so that few are open at a time. An error ends it and is given back.
pub(crate) fn drain<T: Send>(
    first: T,
    work: impl Fn(T, &mut Vec<T>) -> Result<(), StoreError> + Sync,
) -> Result<(), StoreError> {
    let mut tasks = vec![first];
    for _ in 0..ALONE {
        let Some(task) = tasks.pop() else { return Ok(()) };
        work(task, &mut tasks)?;
    }
    if tasks.is_empty() {
        return Ok(());
    }
    let queue = Mutex::new(Queue { tasks, active: 0, end: None });
    let changed = Condvar::new();
    let run = || {
        let mut state = lock(&queue);
        loop {
            if state.end.is_some() {
                return;
            }
            let Some(task) = state.tasks.pop() else {
                if state.active == 0 {
                    return;
                }
                state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.active += 1;
            drop(state);
            let mut more = Vec::new();
            // A panic must not leave the other threads waiting for a task that never ends.
            let result = catch_unwind(AssertUnwindSafe(|| work(task, &mut more)));
            state = lock(&queue);
            state.active -= 1;
            changed.notify_all();
            match result {
                Ok(Ok(())) => state.tasks.append(&mut more),
                Ok(Err(error)) => drop(state.end.replace(End::Failed(error))),
                Err(panic) => state.end = Some(End::Panicked(panic)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    match queue.into_inner().unwrap_or_else(PoisonError::into_inner).end {
        Some(End::Failed(error)) => Err(error),
        Some(End::Panicked(panic)) => resume_unwind(panic),
        None => Ok(()),
    }
}
