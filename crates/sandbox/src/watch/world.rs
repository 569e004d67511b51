//! What a process is told of the machine: the kernel's name, processors, memory.

use model::Conditions;

use super::Reply;
use super::process::Caller;

/// `struct utsname` of the kernel: six fields of 65 bytes.
const FIELD: usize = 65;

/// Answers for `uname`.
pub(super) fn uname(caller: &Caller, conditions: &Conditions, arguments: &[u64; 6]) -> Reply {
    let machine = std::env::consts::ARCH;
    let fields = [
        "Linux",
        &conditions.hostname,
        &conditions.kernel_release,
        &conditions.kernel_version,
        machine,
        &conditions.domain,
    ];
    let mut bytes = vec![0; FIELD * fields.len()];
    for (slot, text) in bytes.chunks_exact_mut(FIELD).zip(fields) {
        let length = text.len().min(FIELD - 1);
        slot[..length].copy_from_slice(&text.as_bytes()[..length]);
    }
    caller.give(arguments[0], &bytes, 0)
}

/// Answers for `sched_getaffinity`: as many processors as the conditions say, from the first one on.
pub(super) fn affinity(caller: &Caller, conditions: &Conditions, arguments: &[u64; 6]) -> Reply {
    let cpus = usize::try_from(conditions.cpus).unwrap_or(usize::MAX).min(8192);
    let words = cpus.div_ceil(64);
    let room = usize::try_from(arguments[1] & 0xffff_ffff).unwrap_or(0);
    if room < words * 8 || !room.is_multiple_of(8) {
        return Reply::Refuse(libc::EINVAL);
    }
    let mut bytes = Vec::with_capacity(words * 8);
    for word in 0..words {
        let here = (cpus - word * 64).min(64);
        let bits = if here == 64 { u64::MAX } else { (1 << here) - 1 };
        bytes.extend_from_slice(&bits.to_ne_bytes());
    }
    let length = i64::try_from(bytes.len()).unwrap_or(0);
    caller.give(arguments[2], &bytes, length)
}

/// Answers for `sysinfo`: all memory free, no load, started a moment ago.
pub(super) fn sysinfo(caller: &Caller, conditions: &Conditions, arguments: &[u64; 6]) -> Reply {
    // `struct sysinfo` of 64-bit machines: uptime, three loads, total and free memory, shared, buffers, total and
    // free swap, processes, padding, total and free high memory, unit, to 112 bytes.
    let memory = conditions.memory_seen;
    let mut bytes = [0_u8; 112];
    let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    put(0, 1);
    put(32, memory);
    put(40, memory);
    bytes[80..82].copy_from_slice(&1_u16.to_ne_bytes());
    bytes[104..108].copy_from_slice(&1_u32.to_ne_bytes());
    caller.give(arguments[0], &bytes, 0)
}
