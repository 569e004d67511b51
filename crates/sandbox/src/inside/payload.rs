//! The command: process 3, from the fork to the exec.

#![allow(unsafe_code, reason = "shares init's memory until the exec, which saves copying it")]

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::sync::atomic::Ordering;

use super::landlock;
use crate::error::{At, Failure, Stage};
use crate::job::Job;
use crate::kernel::{self, Errno};
use crate::spec::PROCESSES;

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
    (libc::RLIMIT_NPROC, PROCESSES as u64, PROCESSES as u64),
    (libc::RLIMIT_RSS, u64::MAX, u64::MAX),
    (libc::RLIMIT_RTPRIO, 0, 0),
    (libc::RLIMIT_RTTIME, u64::MAX, u64::MAX),
    (libc::RLIMIT_SIGPENDING, 8192, 8192),
    (libc::RLIMIT_STACK, 8 << 20, u64::MAX),
];

/// Starts the command; gives its pid, and the descriptor that hears of its system calls.
///
/// Returns when the command's process is ready to execute. That may still fail: see [`crate::job::Report::failure`].
pub(super) fn start(job: &Job) -> Result<(i32, Option<RawFd>), Failure> {
    let ready = kernel::waiting_counter().at(Stage::Spawn)?;
    let mut shared = Shared { job, ready };
    // SAFETY: init has one thread; `child` executes or exits; the stack is unused and was made for this. Init
    // leaves `shared` and the stack alone until the child has raised `ready`, and of `job` the child then reads
    // only what nobody writes.
    let pid = unsafe { kernel::spawn_beside(child, (&raw mut shared).cast(), job.stack.end()) };
    let pid = pid.at(Stage::Spawn)?;
    let mut count = [0; 8];
    kernel::read(ready, &mut count).at_entry(Stage::Spawn, 2)?;
    let listener = job.report.listener.load(Ordering::Acquire);
    Ok((pid, (listener >= 0).then_some(listener)))
}

struct Shared<'a> {
    job: &'a Job,
    ready: RawFd,
}

extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `start` passes its `Shared`, and stands still until this process has raised `ready`.
    let &mut Shared { job, ready } = unsafe { &mut *argument.cast::<Shared<'_>>() };
    let prepared = prepare(job).and_then(|null| restrict(job, null)).and_then(|()| become_user(job));
    if let Err(failure) = prepared {
        job.report.fail(failure);
    }
    raise(ready);
    if prepared.is_ok() {
        kernel::close_from(3, &[]);
        job.report.fail(Failure { stage: Stage::Exec, index: 0, errno: execute(job).0 });
    }
    kernel::exit_now(127)
}

fn raise(ready: RawFd) {
    // A counter at zero takes it.
    let _ = kernel::write_all(ready, &1_u64.to_ne_bytes());
}

/// What needs no restriction, or would fail under one. Gives a descriptor of `/dev/null`.
fn prepare(job: &Job) -> Result<RawFd, Failure> {
    let null = kernel::open_at(libc::AT_FDCWD, c"/dev/null", libc::O_RDONLY, 0).at(Stage::Spawn)?;
    let limits = &job.limits;
    for (resource, soft, hard) in LIMITS {
        match limits.processes.map(u64::from).filter(|_| *resource == libc::RLIMIT_NPROC) {
            Some(processes) => kernel::limit(*resource, processes, processes),
            None => kernel::limit(*resource, *soft, *hard),
        }
    }
    if let Some(time) = limits.cpu_time {
        // Of one process. All of them together are watched, and found out first.
        kernel::limit(libc::RLIMIT_CPU, time.as_secs() + 1, time.as_secs() + 2);
    }
    if let Some(size) = limits.file_size {
        kernel::limit(libc::RLIMIT_FSIZE, size, size);
    }
    let randomness =
        if job.random_addresses || job.lacks.addresses { 0 } else { libc::ADDR_NO_RANDOMIZE as u64 };
    kernel::personality(randomness).at(Stage::Addresses)?;
    if job.descriptors.log >= 0 {
        kernel::setsid().at_entry(Stage::Spawn, 1)?;
    } else {
        kernel::take_foreground(0);
    }
    kernel::umask(job.umask);
    kernel::default_signals();
    kernel::set_signal_mask(0);
    Ok(null)
}

/// From here on, only what the filter allows.
fn restrict(job: &Job, null: RawFd) -> Result<(), Failure> {
    let landlock = landlock::restrict(job).at(Stage::Landlock)?;
    job.report.landlock.store(landlock, Ordering::Release);
    let listener = match kernel::set_filter(job.filter.instructions(), true) {
        // A container engine listens already (EBUSY), or the kernel cannot (EINVAL, before Linux 5.0).
        Err(Errno(libc::EBUSY | libc::EINVAL)) if job.may_go_unwatched => {
            kernel::set_filter(job.unwatched.instructions(), false).at(Stage::Filter)?
        }
        other => other.at(Stage::Filter)?,
    };
    job.report.listener.store(listener.unwrap_or(-1), Ordering::Release);
    // Init has the listener too; what follows is this process's own.
    kernel::unshare_descriptors().at(Stage::Filter)?;
    if job.descriptors.log >= 0 {
        kernel::duplicate(null, 0).at(Stage::Spawn)?;
        kernel::duplicate(job.descriptors.log, 1).at(Stage::Spawn)?;
        kernel::duplicate(job.descriptors.log, 2).at(Stage::Spawn)?;
    }
    Ok(())
}

/// In an image, the command is one of its users. The filter is there by then: setting it takes what is given up here.
fn become_user(job: &Job) -> Result<(), Failure> {
    let Some(image) = job.image() else { return Ok(()) };
    kernel::keep_capabilities(kernel::ROOT_OF_AN_IMAGE).at(Stage::User)?;
    kernel::become_member(image.user.uid, image.user.gid, &image.user.groups).at_entry(Stage::User, 1)
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
