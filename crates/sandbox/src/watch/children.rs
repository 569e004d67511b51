//! The end of a child must not cut a call short that only we hold up.
//!
//! A process whose call waits to be heard can be interrupted until it is. Where it handles the signal without `SA_RESTART`
//! the call then fails with `EINTR`, which no program expects of `stat` or `getdents`: a shell takes a program for missing.
//! The signal that comes by itself is `SIGCHLD`, and the shell that handles it so is dash. So a handler of it is given
//! `SA_RESTART` when it is set. What waits for children or time (`sigsuspend`, `pause`, `poll`, `nanosleep`) is interrupted as
//! before; what reads is not (signal(7)).

use super::Reply;
use super::process::Caller;

/// `SIG_DFL` and `SIG_IGN` are 0 and 1; greater is a function.
const IGNORE: u64 = 1;
const RESTART: u64 = libc::SA_RESTART as u64;
/// Where they are.
const FLAGS: u64 = 8;

/// Before a `rt_sigaction` is made that sets what is done at the end of a child.
pub(super) fn restart(caller: &Caller, arguments: &[u64; 6]) -> Reply {
    // The kernel's structure, not the C library's: handler, flags, and more, of eight bytes each.
    let address = arguments[1];
    let word = |at: u64| {
        let bytes = caller.read(address.wrapping_add(at), 8)?;
        bytes.try_into().ok().map(u64::from_ne_bytes)
    };
    if address != 0
        && let (Some(handler), Some(flags)) = (word(0), word(FLAGS))
        && handler > IGNORE
        && flags & RESTART == 0
    {
        // Memory that cannot be written stays as it is, and the handler too.
        caller.write(address.wrapping_add(FLAGS), &(flags | RESTART).to_ne_bytes());
    }
    Reply::Go
}
