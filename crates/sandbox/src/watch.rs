//! The caller's ear: hears of the system calls that the filter does not decide, and answers them.
//!
//! One thread per sandbox. The process that made the call stands still until it is answered, so an answer is quick:
//! a look into the process's memory, a line in the [`record`], at most a value written back. A call that is only
//! looked at is then made by the kernel; what was read of it before may have been changed by another thread of the
//! process, so nothing here keeps anybody from anything: the namespaces do that.

mod birth;
mod children;
mod clock;
mod files;
mod names;
mod network;
mod order;
mod places;
pub(crate) mod process;
pub(crate) mod random;
mod record;
mod times;
mod world;

use std::os::fd::{AsRawFd, OwnedFd};

use model::Conditions;
use model::conditions::{Clock, Random};
use model::trace::Trace;
use model::violation::{Kind, Violation};

use crate::kernel::{self, Errno};
use crate::{Cancel, Gateway, filter};

use clock::WallClock;
pub(crate) use files::Files;
use order::Listings;
pub(crate) use places::Places;
use process::Caller;
use random::Chance;
use record::Record;
pub(crate) use times::Owner;
use times::Times;

/// What a sandbox's system calls and look-ups of names go to.
pub(crate) struct Watcher<'a> {
    listener: Option<OwnedFd>,
    names: Option<OwnedFd>,
    /// Process 1 of the sandbox, in this process's numbers.
    init: i32,
    record: Record,
    /// The process that last turned to the name server.
    resolving: Option<i32>,
    files: Option<Files>,
    /// Where paths lead; none if nobody here needs to know.
    places: Option<Places>,
    conditions: Conditions,
    clock: WallClock,
    times: Option<Times>,
    chance: Option<Chance>,
    listings: Listings,
    /// Knows which names are there.
    gateway: Option<&'a dyn Gateway>,
    /// Why a condition cannot be kept.
    broken: Option<String>,
}

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// In the order of the first attempts.
    pub(crate) violations: Vec<Violation>,
    /// How many attempts there were beyond those.
    pub(crate) more_violations: u64,
    pub(crate) trace: Option<Trace>,
    /// Why a condition could not be kept: then all was stopped.
    pub(crate) broken: Option<String>,
}

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const GO: u32 = 1;

/// What is said to a process that made a call.
pub(crate) enum Reply {
    /// Make the call.
    Go,
    /// It has been made, and returns this.
    Value(i64),
    /// Fail with this errno.
    Refuse(i32),
}

impl<'a> Watcher<'a> {
    #[expect(clippy::too_many_arguments, reason = "each is one end of what a sandbox hands out")]
    pub(crate) fn new(
        listener: Option<OwnedFd>,
        names: Option<OwnedFd>,
        init: i32,
        files: Option<Files>,
        places: Option<Places>,
        owner: Owner,
        conditions: Conditions,
        gateway: Option<&'a dyn Gateway>,
    ) -> Self {
        if let Some(listener) = &listener {
            kernel::wake_in_turn(listener.as_raw_fd());
        }
        let clock = conditions.clock;
        Self {
            listener,
            names,
            init,
            record: Record::default(),
            resolving: None,
            files,
            clock: WallClock::new(clock),
            times: (clock != Clock::Host).then(|| Times::new(clock, owner)),
            places,
            chance: match conditions.random {
                Random::Host => None,
                Random::Seed(seed) => Some(Chance::new(seed)),
            },
            listings: Listings::new(conditions.directory_order),
            conditions,
            gateway,
            broken: None,
        }
    }

    /// Answers until `end` is raised.
    pub(crate) fn run(mut self, end: &Cancel) -> Seen {
        self.listen(end);
        let trace = self.files.map(|files| files.into_trace(&mut self.record));
        let (violations, more_violations) = self.record.into_parts();
        Seen { violations, more_violations, trace, broken: self.broken }
    }

    fn listen(&mut self, end: &Cancel) {
        let fd = |owned: &Option<OwnedFd>| owned.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        loop {
            let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut entries = [fd(&self.listener), fd(&self.names), end.watched()].map(entry);
            if kernel::poll(&mut entries, None).is_err() {
                return;
            }
            let [call, name, ended] = entries.map(|entry| entry.revents);
            // Calls first: they say who asks for the name.
            if call & libc::POLLIN != 0 {
                self.hear();
            } else if call != 0 {
                self.listener = None; // nobody is left who could make one
            }
            if name & libc::POLLIN != 0 {
                self.look_up();
            }
            if ended != 0 && call & libc::POLLIN == 0 && name & libc::POLLIN == 0 {
                return;
            }
        }
    }

    fn hear(&mut self) {
        let Some(listener) = self.listener.as_ref().map(AsRawFd::as_raw_fd) else { return };
        let call = match kernel::next_call(listener) {
            Ok(call) => call,
            Err(Errno(libc::EBADF)) => {
                self.listener = None;
                return;
            }
            Err(_) => return, // its process is gone
        };
        let caller = Caller { pid: call.pid.cast_signed(), id: call.id, listener };
        let reply = self.reply(&caller, i64::from(call.data.nr), &call.data.args);
        let mut answer = libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags: 0 };
        match reply {
            Reply::Go => answer.flags = GO,
            Reply::Value(value) => answer.val = value,
            Reply::Refuse(errno) => answer.error = -errno,
        }
        kernel::answer_call(listener, &answer);
    }

    fn reply(&mut self, caller: &Caller, number: i64, arguments: &[u64; 6]) -> Reply {
        match number {
            libc::SYS_connect | libc::SYS_sendto | libc::SYS_sendmsg | libc::SYS_sendmmsg => {
                self.network(caller, number, arguments);
                Reply::Go
            }
            libc::SYS_uname => world::uname(caller, &self.conditions, arguments),
            libc::SYS_sched_getaffinity => world::affinity(caller, &self.conditions, arguments),
            // It is seen as it is shown, so there is nothing to choose.
            libc::SYS_sched_setaffinity => Reply::Value(0),
            libc::SYS_sysinfo => world::sysinfo(caller, &self.conditions, arguments),
            libc::SYS_gettimeofday => self.clock.gettimeofday(caller, arguments),
            libc::SYS_clock_gettime => self.clock.clock_gettime(caller, arguments),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_time => self.clock.time(caller, arguments),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_getdents => Reply::Go, // of old programs; no C library makes it
            libc::SYS_getdents64 => self.listings.getdents(caller, arguments),
            libc::SYS_getrandom => match &mut self.chance {
                Some(chance) => chance.getrandom(caller, self.init, arguments),
                None => Reply::Go,
            },
            libc::SYS_rt_sigaction => children::restart(caller, arguments),
            birth if is_birth(birth) => self.birth(caller),
            number if filter::is_told(number) => {
                self.record.add(Kind::Call, &filter::name(number), || caller.ancestry(self.init));
                Reply::Refuse(filter::refusal(number))
            }
            _ => {
                let Some(places) = &mut self.places else { return Reply::Go };
                if let Some(files) = &mut self.files {
                    files.hear(caller, self.init, number, arguments, places, &mut self.record);
                }
                match &self.times {
                    Some(times) if is_stat(number) => times.stat(caller, places, number, arguments),
                    _ => Reply::Go,
                }
            }
        }
    }

    /// A program has begun and not done anything yet.
    fn birth(&mut self, caller: &Caller) -> Reply {
        if let Some(chance) = &mut self.chance {
            birth::give_random(caller, chance.at_birth(caller, self.init));
        }
        match birth::close_vdso(caller) {
            Ok(()) => Reply::Go,
            Err(reason) => {
                self.broken.get_or_insert(reason);
                Reply::Refuse(libc::EPERM)
            }
        }
    }
}

/// Calls of programs that begin.
const fn is_birth(number: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    return number == libc::SYS_arch_prctl;
    #[cfg(not(target_arch = "x86_64"))]
    return number == libc::SYS_set_tid_address;
}

/// Calls that tell the times of a file.
const fn is_stat(number: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if number == libc::SYS_stat || number == libc::SYS_lstat {
        return true;
    }
    number == libc::SYS_newfstatat || number == libc::SYS_statx || number == libc::SYS_fstat
}
