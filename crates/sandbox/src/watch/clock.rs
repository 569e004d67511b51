//! The wall clock, where it is not the host's: what the calls say, and the times of files made meanwhile.

use std::time::Instant;

use model::conditions::Clock;

use super::Reply;
use super::process::Caller;

/// A clock of the conditions.
pub(super) struct WallClock {
    clock: Clock,
    begun: Instant,
}

impl WallClock {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, begun: Instant::now() }
    }

    /// Seconds and nanoseconds now. (The host's clock is never asked for here.)
    pub(super) fn now(&self) -> (i64, u32) {
        match self.clock {
            Clock::Host => (0, 0),
            Clock::Fixed(at) => (at.0, 0),
            Clock::Running(from) => {
                let passed = self.begun.elapsed();
                (from.0 + i64::try_from(passed.as_secs()).unwrap_or(0), passed.subsec_nanos())
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn time(&self, caller: &Caller, arguments: &[u64; 6]) -> Reply {
        let (seconds, _) = self.now();
        if arguments[0] == 0 {
            return Reply::Value(seconds);
        }
        caller.give(arguments[0], &seconds.to_ne_bytes(), seconds)
    }

    pub(super) fn gettimeofday(&self, caller: &Caller, arguments: &[u64; 6]) -> Reply {
        let (seconds, nanos) = self.now();
        // No time zone: two 32-bit numbers.
        if arguments[1] != 0
            && let Reply::Refuse(errno) = caller.give(arguments[1], &[0; 8], 0)
        {
            return Reply::Refuse(errno);
        }
        match arguments[0] {
            0 => Reply::Value(0),
            at => caller.give(at, &pair(seconds, nanos / 1000), 0),
        }
    }

    pub(super) fn clock_gettime(&self, caller: &Caller, arguments: &[u64; 6]) -> Reply {
        let (seconds, nanos) = self.now();
        caller.give(arguments[1], &pair(seconds, nanos), 0)
    }
}

/// A `timespec` or `timeval`.
fn pair(seconds: i64, fraction: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
    bytes[8..].copy_from_slice(&i64::from(fraction).to_ne_bytes());
    bytes
}
