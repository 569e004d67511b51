//! Which CPUs the command gets.

use crate::kernel::{self, Answer, CpuSet};

/// Takes `wanted` CPUs of all that the machine (or the container) has, also when the caller was started on
/// fewer; returns how many it got.
pub(super) fn choose(wanted: usize, first: usize) -> Answer<usize> {
    // Refused only where no CPU of the set may be used; the caller's own mask then stays.
    let _ = kernel::set_affinity(&[u64::MAX; 128]);
    let all = kernel::affinity()?;
    let total: usize = all.iter().map(|word| word.count_ones() as usize).sum();
    if total <= wanted {
        return Ok(total);
    }
    let mut chosen: CpuSet = [0; 128];
    let mut nth = 0;
    for (word, bits) in all.iter().enumerate() {
        for bit in (0..64).filter(|bit| bits >> bit & 1 == 1) {
            if (nth + total - first % total) % total < wanted {
                chosen[word] |= 1 << bit;
            }
            nth += 1;
        }
    }
    kernel::set_affinity(&chosen)?;
    Ok(wanted)
}
