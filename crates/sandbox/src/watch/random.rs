//! Random numbers that follow from a seed.
//!
//! A process's numbers follow from the seed, its command line, and how many with the same command line there were
//! before it: so they do not depend on what runs beside it, and two alike get different ones. They are numbers for
//! builds, not for secrets.

use std::collections::HashMap;

use model::Digest;

use super::Reply;
use super::process::{Caller, ancestry};

/// No more is given at once; a call may give less than was asked for.
const MOST: usize = 64 << 10;

/// A sequence of bytes (SplitMix64, by Steele, Lea and Flood).
#[derive(Debug, Clone)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) fn new(seed: u64, of: &str, nth: u64) -> Self {
        let digest = Digest::of(format!("{seed} {nth} {of}").as_bytes()).hex();
        Self(u64::from_str_radix(&digest[..16], 16).unwrap_or(seed))
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for slot in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            slot.copy_from_slice(&(z ^ z >> 31).to_le_bytes()[..slot.len()]);
        }
    }
}

/// The sequences of a sandbox.
pub(super) struct Chance {
    seed: u64,
    /// By thread.
    running: HashMap<i32, Sequence>,
    /// How many there were of a command line.
    counts: HashMap<String, u64>,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, running: HashMap::new(), counts: HashMap::new() }
    }

    /// Answers for `getrandom`.
    pub(super) fn getrandom(&mut self, caller: &Caller, init: i32, arguments: &[u64; 6]) -> Reply {
        let length = usize::try_from(arguments[1]).unwrap_or(usize::MAX).min(MOST);
        let mut bytes = vec![0; length];
        self.sequence(caller.pid, init).fill(&mut bytes);
        caller.give(arguments[0], &bytes, i64::try_from(length).unwrap_or(0))
    }

    /// The bytes that a new program is started with.
    pub(super) fn at_birth(&mut self, caller: &Caller, init: i32) -> [u8; 16] {
        self.running.remove(&caller.pid);
        let mut bytes = [0; 16];
        self.sequence(caller.pid, init).fill(&mut bytes);
        bytes
    }

    fn sequence(&mut self, pid: i32, init: i32) -> &mut Sequence {
        let Self { seed, running, counts } = self;
        running.entry(pid).or_insert_with(|| {
            let command = ancestry(pid, init).into_iter().next().map_or_else(String::new, |p| p.command);
            let count = counts.entry(command.clone()).or_default();
            *count += 1;
            Sequence::new(*seed, &command, *count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_follows_from_all_its_parts() {
        let bytes = |seed, of, nth| {
            let mut bytes = [0; 20];
            Sequence::new(seed, of, nth).fill(&mut bytes);
            bytes
        };
        assert_eq!(bytes(1, "a", 1), bytes(1, "a", 1));
        for other in [bytes(2, "a", 1), bytes(1, "b", 1), bytes(1, "a", 2)] {
            assert_ne!(bytes(1, "a", 1), other);
        }
        assert_ne!(bytes(1, "a", 1)[..8], bytes(1, "a", 1)[8..16]);
    }
}
