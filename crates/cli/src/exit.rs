//! Exit codes: what a script can learn without reading. Listed in `docs/guide/exit-codes.md`.

use std::sync::atomic::{AtomicU8, Ordering};

/// The signal that asked for the end; Ctrl-C's until one comes.
static SIGNAL: AtomicU8 = AtomicU8::new(2);

/// Remembers which signal asked for the end.
pub(crate) fn stopped_by(signal: i32) {
    SIGNAL.store(u8::try_from(signal).unwrap_or(2), Ordering::Relaxed);
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Yes, or done.
    Ok,
    /// Failed for a reason that has no code of its own.
    Failed,
    /// The command line cannot be understood.
    Usage,
    /// Recipe, lock or policy cannot be used.
    Invalid,
    /// A password or token is missing or wrong.
    NotAuthenticated,
    /// The lock is missing or does not fit the recipe.
    LockStale,
    /// A step failed.
    StepFailed,
    /// The host refuses the sandbox.
    NoSandbox,
    /// A step attempted what its recipe does not declare.
    Violation,
    /// There is no attestation.
    NoAttestation,
    /// There is one, but none that is acceptable.
    NoneAcceptable,
    /// The attestation is about other bytes.
    DigestMismatch,
    /// A gate is closed: what was made must not go on.
    GateDenied,
    /// A rebuild gave other bits.
    Differs,
    /// It could not be built again.
    NotBuilt,
    /// Stopped by a signal.
    Signal(u8),
    /// As another program's exit code: `selfsame shell`.
    Program(u8),
}

impl Exit {
    /// Stopped, by the signal that came.
    pub(crate) fn stopped() -> Self {
        Self::Signal(SIGNAL.load(Ordering::Relaxed))
    }

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::NotAuthenticated => 4,
            Self::LockStale => 5,
            Self::StepFailed => 10,
            Self::NoSandbox => 11,
            Self::Violation => 12,
            Self::NoAttestation => 20,
            Self::NoneAcceptable => 21,
            Self::DigestMismatch => 22,
            Self::GateDenied => 23,
            Self::Differs => 30,
            Self::NotBuilt => 31,
            Self::Signal(signal) => 128 + signal,
            Self::Program(code) => code,
        }
    }

    /// The word in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Invalid => "invalid",
            Self::NotAuthenticated => "not_authenticated",
            Self::LockStale => "lock_stale",
            Self::StepFailed => "step_failed",
            Self::NoSandbox => "no_sandbox",
            Self::Violation => "violation",
            Self::NoAttestation => "no_attestation",
            Self::NoneAcceptable => "none_acceptable",
            Self::DigestMismatch => "digest_mismatch",
            Self::GateDenied => "gate_denied",
            Self::Differs => "differs",
            Self::NotBuilt => "not_built",
            Self::Signal(_) => "signal",
            Self::Program(_) => "program",
        }
    }
}
