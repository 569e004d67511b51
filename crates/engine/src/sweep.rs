//! Removes what steps leave behind, while the next ones run.
//!
//! To take an overlay down the kernel waits until no processor can still look at it, and its directories can be removed
//! only after that, one wait for the disk each. For a small step that takes longer than the step. So nobody waits for it
//! but threads of its own, and the build itself in the end.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use store::Scratch;

/// They wait for the disk, and hardly use a processor.
const THREADS: usize = 4;

/// Takes what is left of steps that have ended.
pub(crate) struct Sweeper(SyncSender<(OwnedFd, Scratch)>);

impl Sweeper {
    /// Has a step's build directory let go and its scratch directory removed. Waits if too many are not removed yet:
    /// they take space.
    pub(crate) fn take(&self, work: OwnedFd, scratch: Scratch) {
        // What nobody takes is removed here and now.
        let _ = self.0.send((work, scratch));
    }
}

/// Calls `work` with a sweeper for that many steps at once; returns when all that it was given is removed.
pub(crate) fn beside<T>(jobs: usize, work: impl FnOnce(&Sweeper) -> T) -> T {
    let (sender, receiver) = sync_channel::<(OwnedFd, Scratch)>(jobs);
    let receiver = Mutex::new(receiver);
    let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Ok((work, scratch)) = next() {
                    drop(work);
                    // What a step leaves there may be closed to its owner; then this opens it. Failing is the store's
                    // matter: it removes what is left when it is next opened.
                    let _ = sandbox::remove_scratch(scratch.path());
                }
            });
        }
        // Gone at the end of this block, however it ends: then the threads end, too.
        let sweeper = Sweeper(sender);
        work(&sweeper)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_removed_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let store = store::Store::open(dir.path()).unwrap();
        let paths: Vec<_> = beside(1, |sweeper| {
            let take = |number: u32| {
                let scratch = store.scratch().unwrap();
                let path = scratch.path().to_owned();
                std::fs::create_dir_all(path.join(format!("upper/{number}"))).unwrap();
                sweeper.take(std::fs::File::open(&path).unwrap().into(), scratch);
                path
            };
            (0..20).map(take).collect()
        });
        assert_eq!(paths.iter().filter(|path| path.exists()).count(), 0);
    }
}
