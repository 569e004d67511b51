//! Inside the new namespaces: process 1, from the fork to its end.
//!
//! The code of this module and below runs in a copy of a process that may have had other threads: it allocates
//! nothing, takes no lock and does not panic. It reads the [`Job`] and speaks to the caller in [`Message`]s.

mod cpus;
mod image;
mod landlock;
mod network;
mod payload;
mod root;
mod secrets;
mod text;
mod watch;

use std::sync::atomic::Ordering;

use crate::error::{At, Failure, Stage};
use crate::job::Job;
use crate::kernel::{self, Errno};
use crate::message::Message;

/// Process 1: sets up, runs, reaps, reports, ends.
pub(crate) fn init(job: &Job) -> ! {
    let socket = job.descriptors.socket;
    match setup(job) {
        // A caller that is gone cannot be told; its death ends this process anyway.
        Err(failure) => drop(Message::Failed(failure).send(socket, None)),
        Ok(payload) => watch::until_end(job, payload),
    }
    kernel::exit_now(0)
}

fn setup(job: &Job) -> Result<i32, Failure> {
    let socket = job.descriptors.socket;
    kernel::umask(0);
    keep_only_own_descriptors(job);
    become_builder(job)?;
    tie_to_caller(job)?;
    if job.cgroup {
        // Not at the fork: that would make the caller's cgroup the root.
        kernel::unshare_cgroups().at(Stage::Clone)?;
    }
    let network = network::Network::begin(&job.network_stack)?;
    count_from(job.process_ids_after)?;
    let keyring = match kernel::new_session_keyring() {
        Ok(()) => true,
        // A kernel or container without keyrings: there is nothing to inherit, nothing to reach.
        Err(Errno(libc::ENOSYS | libc::EPERM | libc::EACCES)) => false,
        Err(errno) => return Err(errno).at(Stage::Privileges),
    };
    if job.descriptors.log >= 0 {
        kernel::setsid().at(Stage::ParentDeath)?;
    }
    let named = match kernel::set_hostname(&job.hostname).and_then(|()| kernel::set_domainname(&job.domain)) {
        Ok(()) => true,
        // A container engine's filter. Whoever asks is told the names all the same.
        Err(Errno(libc::EPERM | libc::EACCES | libc::ENOSYS)) => false,
        Err(errno) => return Err(errno).at(Stage::Hostname),
    };
    let cpus = cpus::choose(job.cpus, job.first_cpu).at(Stage::Cpus)?;
    let nested_refused = kernel::write_file(c"/proc/sys/user/max_user_namespaces", b"0").is_ok();
    let root::Built { work, hidepid } = root::build(job, network, named)?;
    if job.look {
        let root = kernel::open_at(libc::AT_FDCWD, c"/", libc::O_PATH | libc::O_DIRECTORY, 0);
        let root = root.at(Stage::Supervise)?;
        Message::Root.send(socket, Some(root)).at(Stage::Supervise)?;
        kernel::close(root);
    }
    if !job.lacks.network {
        let names = kernel::name_socket().at(Stage::Names)?;
        Message::Names.send(socket, Some(names)).at(Stage::Supervise)?;
        kernel::close(names);
    }
    if job.gateway {
        for (nth, port) in crate::gateway::PORTS.into_iter().enumerate() {
            let door = kernel::door(port).at_entry(Stage::Doors, nth)?;
            Message::Door { nth: nth as u64 }.send(socket, Some(door)).at(Stage::Supervise)?;
            kernel::close(door);
        }
    }
    if job.image().is_none() {
        kernel::drop_capabilities().at(Stage::Privileges)?;
        kernel::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).at(Stage::Privileges)?;
    }
    let ready = Message::Ready { cpus: cpus as u64, hidepid, keyring, nested_refused };
    ready.send(socket, Some(work)).at(Stage::Supervise)?;
    let (payload, listener) = payload::start(job)?;
    if job.image().is_some() {
        // The filter could not be set without them. What an image's root may do is enough to end all of its processes.
        kernel::keep_capabilities(kernel::ROOT_OF_AN_IMAGE).at(Stage::Privileges)?;
    }
    let landlock = job.report.landlock.load(Ordering::Acquire);
    Message::Filtered { landlock }.send(socket, listener).at(Stage::Supervise)?;
    kernel::close_from(0, &[socket]);
    Ok(payload)
}

/// Lets the next process have a number greater than `last`.
fn count_from(last: u32) -> Result<(), Failure> {
    const NATURAL: u32 = 2; // this one and the network's helper
    if last == NATURAL {
        return Ok(());
    }
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = last;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    kernel::write_file(c"/proc/sys/kernel/ns_last_pid", &digits[at..]).at(Stage::Supervise)
}

/// Only one namespace test: creates what a run needs, and runs nothing.
pub(crate) fn probe(job: &Job) -> ! {
    let result = become_builder(job)
        .and_then(|()| tie_to_caller(job))
        .and_then(|()| if job.lacks.network { Ok(()) } else { network::create() })
        .and_then(|()| root::probe(job));
    let message = match result {
        Ok(hidepid) => Message::Ready { cpus: 0, hidepid, keyring: false, nested_refused: false },
        Err(failure) => Message::Failed(failure),
    };
    let _ = message.send(job.descriptors.socket, None);
    kernel::exit_now(0)
}

/// The copies of other threads' descriptors (other runs' pipes among them) go first.
fn keep_only_own_descriptors(job: &Job) {
    kernel::close_from(3, &job.keep);
}

fn become_builder(job: &Job) -> Result<(), Failure> {
    let ids = &job.ids;
    if ids.mapped_by_caller {
        let mut go = [0; 1];
        let received = kernel::receive(job.descriptors.socket, &mut go, 0).at(Stage::MapIds)?;
        if received.0 == 0 {
            kernel::exit_now(1); // the caller gave up
        }
        kernel::become_user(ids.uid, ids.gid).at(Stage::Identity)?;
    } else {
        kernel::write_file(c"/proc/self/setgroups", b"deny").at(Stage::MapIds)?;
        kernel::write_file(c"/proc/self/uid_map", &ids.uid_map).at_entry(Stage::MapIds, 1)?;
        kernel::write_file(c"/proc/self/gid_map", &ids.gid_map).at_entry(Stage::MapIds, 2)?;
    }
    // This process is a copy of the caller's memory: the builder must not be able to look into it.
    kernel::prctl(libc::PR_SET_DUMPABLE, 0, 0).at(Stage::Identity)
}

fn tie_to_caller(job: &Job) -> Result<(), Failure> {
    kernel::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0).at(Stage::ParentDeath)?;
    // It may have died before.
    let mut caller = [libc::pollfd { fd: job.descriptors.caller, events: libc::POLLIN, revents: 0 }];
    if kernel::poll(&mut caller, Some(0)).at(Stage::ParentDeath)? > 0 {
        kernel::exit_now(1);
    }
    Ok(())
}
