//! What a step may use.

use super::checker::Checker;
use super::raw::RawStep;
use crate::Limits;

/// Fewer processes than a shell, a build tool, a compiler and their helpers need are no limit but a mistake.
const LEAST_PROCESSES: u32 = 8;
/// The kernel numbers no more than these.
const MOST_PROCESSES: u32 = 1 << 22;

/// Lowers the limits of a step.
pub(super) fn lower(c: &mut Checker, raw: &RawStep) -> Limits {
    let processes = raw.processes.as_ref().and_then(|at| {
        let number = u32::try_from(*at.get_ref()).ok();
        let fits = number.filter(|n| (LEAST_PROCESSES..=MOST_PROCESSES).contains(n));
        if fits.is_none() {
            let label = format!("expected {LEAST_PROCESSES} to {MOST_PROCESSES}");
            c.wrong(at, "not a number of processes", label, None);
        }
        fits
    });
    Limits {
        memory: raw.memory.as_ref().and_then(|at| c.bytes(at)),
        processes,
        cpu_time: raw.cpu_time.as_ref().and_then(|at| c.duration(at)),
        file_size: raw.file_size.as_ref().and_then(|at| c.amount(at, "bytes")),
        disk: raw.disk.as_ref().and_then(|at| c.amount(at, "room")),
    }
}
