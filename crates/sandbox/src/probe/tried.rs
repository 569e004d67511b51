//! System calls that can only be asked about by making them: in a child that ends at once.

#![allow(unsafe_code, reason = "forks a child that makes a few system calls and ends")]

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use crate::kernel::{self, Answer, Errno};
use crate::supervise::Child;

/// What came of them; the errno where one was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// A filter of system calls.
    pub(crate) filter: Result<(), i32>,
    /// One that somebody listens to.
    pub(crate) listener: Result<(), i32>,
    /// Writing a page of another process that it could not write itself.
    pub(crate) memory: Result<(), i32>,
    /// The version of Landlock.
    pub(crate) landlock: Result<u32, i32>,
}

/// A page that nobody may write.
static CONSTANT: [u8; 16] = *b"never written to";

/// A filter that allows everything.
const ALL: [libc::sock_filter; 1] = [libc::sock_filter {
    code: 0x06, // BPF_RET | BPF_K
    jt: 0,
    jf: 0,
    k: libc::SECCOMP_RET_ALLOW,
}];

/// How long the child may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries them.
pub(crate) fn tried() -> Tried {
    let landlock = kernel::landlock_version().map_err(|Errno(errno)| errno);
    let (listener, filter, memory) =
        in_child().unwrap_or_else(|Errno(errno)| (Err(errno), Err(errno), Err(errno)));
    Tried { filter, listener, memory, landlock }
}

type Outcome = Result<(), i32>;

fn in_child() -> Answer<(Outcome, Outcome, Outcome)> {
    let (outside, inside) = kernel::message_pair()?;
    // SAFETY: both are new, and nobody else has them.
    let (outside, inside) = unsafe { (OwnedFd::from_raw_fd(outside), OwnedFd::from_raw_fd(inside)) };
    let before = kernel::block_signals();
    // SAFETY: `child` uses `kernel` only, and neither allocates nor locks.
    let forked = match unsafe { kernel::fork_into(0, None) } {
        Ok(None) => child(inside.as_raw_fd()),
        other => other,
    };
    kernel::set_signal_mask(before);
    let (pid, pidfd) = forked?.ok_or(Errno(libc::ECHILD))?;
    drop(inside);
    // SAFETY: the descriptor is new, and nobody else has it. Dropped, the child is dead.
    let _child = Child::new(pid, unsafe { OwnedFd::from_raw_fd(pidfd) });
    let memory = write_to(pid);
    kernel::send(outside.as_raw_fd(), b"!", None)?;
    let mut wait = [libc::pollfd { fd: outside.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    kernel::poll(&mut wait, i32::try_from(PATIENCE.as_millis()).ok())?;
    let mut answers = [0; 8];
    if kernel::receive(outside.as_raw_fd(), &mut answers, libc::MSG_DONTWAIT)?.0 != answers.len() {
        return Err(Errno(libc::ECHILD));
    }
    let [listener, plain] = [&answers[..4], &answers[4..]].map(|bytes| {
        let errno = bytes.iter().rev().fold(0, |number, byte| number << 8 | i32::from(*byte));
        if errno == 0 { Ok(()) } else { Err(errno) }
    });
    Ok((listener, plain, memory))
}

/// Waits until its memory has been written, then restricts itself, and says what came of it.
fn child(socket: i32) -> ! {
    let mut go = [0; 1];
    let _ = kernel::receive(socket, &mut go, 0);
    let errno = |answer: Answer<()>| answer.map_or_else(|Errno(errno)| errno, |()| 0);
    let alone = kernel::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0);
    let plain = alone.and_then(|()| kernel::set_filter(&ALL, false)).map(drop);
    let listener = alone.and_then(|()| kernel::set_filter(&ALL, true)).map(drop);
    let mut answers = [0; 8];
    answers[..4].copy_from_slice(&errno(listener).to_le_bytes());
    answers[4..].copy_from_slice(&errno(plain).to_le_bytes());
    let _ = kernel::send(socket, &answers, None);
    kernel::exit_now(0)
}

/// As the supervisor of a pinned step does with a new program.
fn write_to(pid: i32) -> Outcome {
    let written = OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/mem"))
        .and_then(|file| file.write_all_at(&CONSTANT[..1], CONSTANT.as_ptr() as u64));
    written.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_tests_need_is_there() {
        let tried = tried();
        assert_eq!((tried.filter, tried.listener, tried.memory), (Ok(()), Ok(()), Ok(())), "{tried:?}");
    }
}
