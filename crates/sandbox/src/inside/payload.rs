//! The command: process 3, from the fork to the exec.

#![allow(unsafe_code, reason = "shares init's memory until the exec, which saves copying it")]

use std::ffi::{c_int, c_void};

use crate::error::{Failure, Stage};
use crate::job::Job;
use crate::kernel::{self, Answer, Errno};

/// Resource limits: number, soft, hard. A hard limit of the caller that is lower stays.
///
/// Soft limits that the caller may have changed go back to what a login gives, so that every machine agrees.
const LIMITS: &[(u32, u64, u64)] = &[
    (libc::RLIMIT_AS, u64::MAX, u64::MAX),
    (libc::RLIMIT_CORE, 0, 0),
    (libc::RLIMIT_CPU, u64::MAX, u64::MAX),
    (libc::RLIMIT_DATA, u64::MAX, u64::MAX),
    (libc::RLIMIT_FSIZE, u64::MAX, u64::MAX),
    (libc::RLIMIT_LOCKS, u64::MAX, u64::MAX),
    (libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
    (libc::RLIMIT_MSGQUEUE, 819_200, 819_200),
    (libc::RLIMIT_NICE, 0, 0),
    (libc::RLIMIT_NOFILE, 1024, 524_288),
    (libc::RLIMIT_NPROC, 8192, 8192),
    (libc::RLIMIT_RSS, u64::MAX, u64::MAX),
    (libc::RLIMIT_RTPRIO, 0, 0),
    (libc::RLIMIT_RTTIME, u64::MAX, u64::MAX),
    (libc::RLIMIT_SIGPENDING, 8192, 8192),
    (libc::RLIMIT_STACK, 8 << 20, u64::MAX),
];

struct Shared<'a> {
    job: &'a Job,
    failure: Option<Failure>,
}

/// Starts the command; an exec that fails is an error here.
pub(super) fn start(job: &Job) -> Result<i32, Failure> {
    let mut shared = Shared { job, failure: None };
    // SAFETY: init has one thread; `child` executes or exits; the stack is unused and was made for this.
    let pid = unsafe { kernel::spawn_sharing(child, (&raw mut shared).cast(), job.stack.end()) };
    match shared.failure {
        Some(failure) => Err(failure),
        None => pid.map_err(|errno| Failure { stage: Stage::Spawn, index: 0, errno: errno.0 }),
    }
}

extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `start` passes its `Shared`, and stands still until this process executes or exits.
    let shared = unsafe { &mut *argument.cast::<Shared<'_>>() };
    let job = shared.job;
    let failure = match prepare(job) {
        Err(errno) => Failure { stage: Stage::Spawn, index: 1, errno: errno.0 },
        Ok(()) => Failure { stage: Stage::Exec, index: 0, errno: execute(job).0 },
    };
    shared.failure = Some(failure);
    kernel::exit_now(127)
}

fn prepare(job: &Job) -> Answer<()> {
    if job.descriptors.log >= 0 {
        kernel::setsid()?;
        let null = kernel::open_at(libc::AT_FDCWD, c"/dev/null", libc::O_RDONLY, 0)?;
        kernel::duplicate(null, 0)?;
        kernel::duplicate(job.descriptors.log, 1)?;
        kernel::duplicate(job.descriptors.log, 2)?;
    } else {
        kernel::take_foreground(0);
    }
    kernel::close_from(3, &[]);
    for (resource, soft, hard) in LIMITS {
        kernel::limit(*resource, *soft, *hard);
    }
    kernel::personality(libc::ADDR_NO_RANDOMIZE as u64)?;
    kernel::umask(job.umask);
    kernel::default_signals();
    kernel::set_signal_mask(0);
    Ok(())
}

/// Tries each path; as a shell does, a file that may not be executed counts more than one that is not there.
fn execute(job: &Job) -> Errno {
    let mut worst = Errno(libc::ENOENT);
    for program in &job.command.programs {
        // SAFETY: both arrays are null-terminated and live as long as the job.
        let errno = unsafe { kernel::exec(program, job.command.argv(), job.command.envp()) };
        match errno {
            Errno(libc::ENOENT | libc::ENOTDIR) => {}
            Errno(libc::EACCES) => worst = errno,
            other => return other,
        }
    }
    worst
}
