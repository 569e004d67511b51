//! The messages from init to its caller: one datagram of eight numbers each, in the machine's own byte order.

use std::os::fd::RawFd;

use crate::error::{Failure, Stage};
use crate::kernel::{self, Answer};

/// What init has to say.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Message {
    /// A step failed; nothing was run.
    Failed(Failure),
    /// All is set up; the build directory's descriptor comes with it.
    Ready { cpus: u64, hidepid: bool, keyring: bool, nested_refused: bool },
    /// The root of the sandbox comes with it.
    Root,
    /// The socket at which names are asked for comes with it.
    Names,
    /// A door of the gateway comes with it: which one.
    Door { nth: u64 },
    /// The command is about to be executed; the listener for its system calls comes with it, if there is one.
    Filtered { landlock: u32 },
    /// The command ended.
    Ended { status: i32, survivors: bool, user: u64, system: u64, max_rss: u64 },
    /// The command's processes have reached a limit.
    Over(Over),
}

/// A limit that init watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Memory,
    Processes,
    CpuTime,
}

impl Message {
    pub(crate) fn send(self, socket: RawFd, passed: Option<RawFd>) -> Answer<()> {
        let numbers: [u64; 8] = match self {
            Self::Failed(Failure { stage, index, errno }) => {
                [1, stage.number(), index, u64::from(errno.unsigned_abs()), 0, 0, 0, 0]
            }
            Self::Ready { cpus, hidepid, keyring, nested_refused } => {
                [2, cpus, hidepid.into(), keyring.into(), nested_refused.into(), 0, 0, 0]
            }
            Self::Ended { status, survivors, user, system, max_rss } => {
                [3, u64::from(status.cast_unsigned()), survivors.into(), user, system, max_rss, 0, 0]
            }
            Self::Over(over) => [4, over as u64, 0, 0, 0, 0, 0, 0],
            Self::Root => [7, 0, 0, 0, 0, 0, 0, 0],
            Self::Names => [5, 0, 0, 0, 0, 0, 0, 0],
            Self::Door { nth } => [8, nth, 0, 0, 0, 0, 0, 0],
            Self::Filtered { landlock } => [6, landlock.into(), 0, 0, 0, 0, 0, 0],
        };
        let mut bytes = [0; 64];
        for (slot, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_ne_bytes());
        }
        kernel::send(socket, &bytes, passed)
    }

    /// Reads a message; `None` for anything that init does not send.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || numbers.len() != 8 {
            return None;
        }
        let n = |at: usize| u64::from_ne_bytes(numbers[at]);
        Some(match n(0) {
            1 => Self::Failed(Failure {
                stage: Stage::from_number(n(1)),
                index: n(2),
                errno: i32::try_from(n(3)).ok()?,
            }),
            2 => {
                Self::Ready { cpus: n(1), hidepid: n(2) == 1, keyring: n(3) == 1, nested_refused: n(4) == 1 }
            }
            3 => Self::Ended {
                status: u32::try_from(n(1)).ok()?.cast_signed(),
                survivors: n(2) == 1,
                user: n(3),
                system: n(4),
                max_rss: n(5),
            },
            4 => Self::Over(
                [Over::Memory, Over::Processes, Over::CpuTime].into_iter().find(|o| *o as u64 == n(1))?,
            ),
            7 => Self::Root,
            5 => Self::Names,
            8 => Self::Door { nth: n(1) },
            6 => Self::Filtered { landlock: u32::try_from(n(1)).ok()? },
            _ => return None,
        })
    }
}
