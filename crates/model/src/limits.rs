//! How much a step may use, beside its time limit.

use std::time::Duration;

/// Limits of one step: all of its processes together, but for `file_size`. `None` is no limit of the recipe's; what a
/// machine keeps in any case is in `docs/formats/action.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Processes and threads at once, process 1 of the sandbox included: with as many it is ended.
    pub processes: Option<u32>,
    /// Processor time, of those that have ended too. Whole seconds.
    pub cpu_time: Option<Duration>,
    /// The size of one file, in bytes.
    pub file_size: Option<u64>,
    /// Everything that it has written and not deleted, on disk and in memory, in bytes.
    pub disk: Option<u64>,
}

impl Limits {
    /// Those that stand beside `memory` in an action, by the recipe's names, sorted: only what is set.
    #[must_use]
    pub fn beside_memory(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("cpu-time", self.cpu_time.map(|time| time.as_secs())),
            ("disk", self.disk),
            ("file-size", self.file_size),
            ("processes", self.processes.map(u64::from)),
        ];
        all.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect()
    }
}
