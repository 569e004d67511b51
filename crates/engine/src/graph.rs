//! Runs things that need each other, as many at once as allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError};

/// One thing to do: its name and the names it needs.
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) needs: BTreeSet<String>,
}

struct State<T, E> {
    waiting: Vec<Task>,
    running: usize,
    done: BTreeMap<String, T>,
    failed: Option<E>,
}

/// Runs every task with `work` after those it needs, on `threads` threads. Names are unique, needs exist, and
/// there is no circle. The first error ends it: what runs then is waited for, nothing new begins.
pub(crate) fn run<T, E>(
    tasks: Vec<Task>,
    threads: usize,
    work: impl Fn(&str, &BTreeMap<String, T>) -> Result<T, E> + Sync,
) -> Result<BTreeMap<String, T>, E>
where
    T: Clone + Send,
    E: Send,
{
    let count = tasks.len();
    let state: Mutex<State<T, E>> =
        Mutex::new(State { waiting: tasks, running: 0, done: BTreeMap::new(), failed: None });
    let changed = Condvar::new();
    let worker = || {
        let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if guard.failed.is_some() || guard.waiting.is_empty() {
                return;
            }
            let ready = guard
                .waiting
                .iter()
                .position(|task| task.needs.iter().all(|need| guard.done.contains_key(need)));
            let Some(ready) = ready else {
                if guard.running == 0 {
                    return;
                }
                guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let task = guard.waiting.remove(ready);
            let inputs: BTreeMap<String, T> =
                task.needs.iter().map(|need| (need.clone(), guard.done[need].clone())).collect();
            guard.running += 1;
            drop(guard);
            let result = work(&task.name, &inputs);
            guard = state.lock().unwrap_or_else(PoisonError::into_inner);
            guard.running -= 1;
            match result {
                Ok(value) => {
                    guard.done.insert(task.name, value);
                }
                Err(error) => guard.failed = guard.failed.take().or(Some(error)),
            }
            changed.notify_all();
        }
    };
    if threads <= 1 || count <= 1 {
        worker();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads.min(count) {
                scope.spawn(worker);
            }
        });
    }
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failed {
        Some(error) => Err(error),
        None => Ok(state.done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, needs: &[&str]) -> Task {
        Task { name: name.into(), needs: needs.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn each_runs_once_after_what_it_needs() {
        for threads in [1, 2, 8] {
            let order = Mutex::new(Vec::new());
            let tasks = vec![task("d", &["b", "c"]), task("b", &["a"]), task("c", &["a"]), task("a", &[])];
            let done = run(tasks, threads, |name, inputs| {
                let mut order = order.lock().unwrap();
                for need in inputs.keys() {
                    assert!(order.contains(need), "{need} before {name}");
                }
                order.push(name.to_owned());
                Ok::<_, ()>(inputs.len())
            });
            assert_eq!(done.unwrap()["d"], 2);
            assert_eq!(order.into_inner().unwrap().len(), 4);
        }
    }

    #[test]
    fn independent_tasks_run_at_the_same_time() {
        let both = std::sync::Barrier::new(2);
        let done = run(vec![task("a", &[]), task("b", &[])], 2, |_, _| {
            both.wait(); // comes back only if the other one runs too
            Ok::<_, ()>(())
        });
        assert_eq!(done.unwrap().len(), 2);
    }

    #[test]
    fn the_first_error_ends_it() {
        let tasks = vec![task("a", &[]), task("b", &["a"])];
        let result = run(tasks, 2, |name, _| if name == "a" { Err("no") } else { Ok(()) });
        assert_eq!(result, Err("no"));
    }
}
