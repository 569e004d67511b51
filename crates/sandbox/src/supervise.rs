//! The caller's side of a running sandbox: the log, the messages, the clock, the end.

#![allow(unsafe_code, reason = "takes ownership of a descriptor that was just received")]

use std::collections::VecDeque;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::Conditions;

use crate::cgroup::Cgroup;
use crate::error::{Failure, Stage};
use crate::image;
use crate::job::Job;
use crate::kernel::{self, Errno};
use crate::layout::{DEVICES, Entry};
use crate::message::{Message, Over};
use crate::room::Room;
use crate::watch::{Files, Places, Seen, Watcher};
use crate::{
    Achieved, Cancel, Doors, Exit, Gateway, Io, MemoryLimit, Mode, Outcome, SandboxError, Usage, Who,
    refusal, run,
};

/// Init, seen from outside. Dropped, it and everything in its sandbox is dead.
pub(crate) struct Child {
    pid: i32,
    pidfd: OwnedFd,
    reaped: bool,
    /// Goes after it.
    cgroup: Option<Cgroup>,
}

impl Child {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, reaped: false, cgroup: None }
    }

    pub(crate) fn in_cgroup(mut self, cgroup: Cgroup) -> Self {
        self.cgroup = Some(cgroup);
        self
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    fn kill(&self) {
        kernel::kill_pidfd(self.pidfd.as_raw_fd());
    }

    pub(crate) fn wait(&mut self) {
        if !self.reaped {
            // It cannot fail for a child that nobody else waits for; a caller that ignores SIGCHLD has no zombie.
            let _ = kernel::wait_pidfd(self.pidfd.as_raw_fd());
            self.reaped = true;
        }
    }
}

/// How often a cgroup is asked whether a limit was reached.
const CGROUP_PAUSE: Duration = Duration::from_millis(20);

/// Inits that have nothing left to do but to let go of their mounts, in the order of their ends, each with the
/// scratch directory that it still holds.
static LEAVING: Mutex<VecDeque<(Child, PathBuf)>> = Mutex::new(VecDeque::new());
/// More than this are waited for: each holds memory of the kernel.
const LEAVING_LIMIT: usize = 32;

/// Lets an init that has said its last word end by itself, and reaps those that have ended.
fn leave(child: Child, scratch: PathBuf) {
    let mut leaving = LEAVING.lock().unwrap_or_else(PoisonError::into_inner);
    leaving.retain_mut(|(child, _)| {
        child.reaped = child.reaped || kernel::reap_pidfd(child.pidfd.as_raw_fd());
        !child.reaped
    });
    leaving.push_back((child, scratch));
    let first = if leaving.len() > LEAVING_LIMIT { leaving.pop_front() } else { None };
    drop(leaving);
    drop(first);
}

/// Waits until no init holds `scratch`. Who deletes what a kernel's overlay still holds makes the kernel spin.
pub(crate) fn await_release(scratch: &Path) {
    let mut leaving = LEAVING.lock().unwrap_or_else(PoisonError::into_inner);
    let found = leaving.iter().position(|(_, held)| held == scratch);
    let found = found.and_then(|at| leaving.remove(at));
    drop(leaving);
    drop(found);
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            self.wait();
        }
    }
}

/// One run, from the fork on.
pub(crate) struct Supervision<'a> {
    pub(crate) job: &'a Job,
    pub(crate) child: Child,
    pub(crate) socket: OwnedFd,
    pub(crate) log: Option<OwnedFd>,
    pub(crate) mode: Mode,
    /// What it does without, if it may.
    pub(crate) degraded: Option<Vec<String>>,
    pub(crate) started: Instant,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cancel: &'a Cancel,
    pub(crate) work: &'a Path,
    pub(crate) scratch: &'a Path,
    pub(crate) conditions: &'a Conditions,
    pub(crate) gateway: Option<&'a dyn Gateway>,
    pub(crate) room: Room,
}

/// What init has said so far.
#[derive(Default)]
struct Heard {
    ready: Option<(Achieved, OwnedFd)>,
    failed: Option<Failure>,
    exit: Option<Exit>,
    /// Every other process of the sandbox is dead and reaped, and init has closed the log.
    alone: bool,
    usage: Usage,
    survivors: bool,
    names: Option<OwnedFd>,
    /// In the order of [`Doors`].
    doors: Vec<OwnedFd>,
    root: Option<OwnedFd>,
    /// Set once the command is about to be executed: the version of Landlock, and its listener, if it could have one.
    filtered: Option<(u32, Option<OwnedFd>)>,
}

impl<'a> Supervision<'a> {
    pub(crate) fn until_end(mut self, io: Io<'_>) -> Result<Outcome, SandboxError> {
        let mut heard = Heard::default();
        let end = Cancel::new()
            .map_err(|e| refusal::setup(Stage::Supervise, String::new(), e.raw_os_error().unwrap_or(0)))?;
        let (result, seen) = std::thread::scope(|scope| {
            let mut watching = None;
            let mut serving = None;
            let gateway = self.gateway;
            let watch = &mut |watcher: Watcher<'a>, doors: Option<Doors>, who: Who| {
                watching = Some(scope.spawn(|| watcher.run(&end)));
                if let (Some(gateway), Some(doors)) = (gateway, doors) {
                    let end = &end;
                    serving = Some(scope.spawn(move || gateway.serve(doors, &who, end)));
                }
            };
            let result = match io {
                Io::Log { sink } => self.listen(&mut heard, sink, watch),
                Io::Terminal => {
                    let result = self.listen(&mut heard, &mut |_| {}, watch);
                    kernel::restore_foreground(0);
                    result
                }
            };
            end.cancel();
            // What was not heard to its end is no record: a fault of this program, and told as one.
            let seen =
                watching.map(|thread| thread.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault)));
            let mut seen = seen.unwrap_or_default();
            let asked =
                serving.map(|thread| thread.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault)));
            seen.violations.extend(asked.unwrap_or_default());
            (result, seen)
        });
        let killed = result?;
        if let Some(cause) = seen.broken.clone() {
            let fix = "boot with proc_mem.force_override=always, or choose `level = \"honest\"`".to_owned();
            return Err(SandboxError::Refused { cause, fix });
        }
        if let Some(failure) = heard.failed {
            return Err(self.explain(failure));
        }
        // The kernel ends all of a cgroup that has no memory left, init too.
        let killed = killed
            .or_else(|| self.child.cgroup.as_ref().filter(|_| heard.exit != Some(Exit::Code(0)))?.over());
        let killed = killed.or_else(|| self.room.at_end(heard.exit == Some(Exit::Code(0))));
        let Some(exit) = killed.or(heard.exit) else { return Err(SandboxError::Vanished) };
        let (achieved, work) = match heard.ready {
            Some(ready) => ready,
            // Killed while it was set up: nothing ran, and the build directory is what it was.
            None if killed.is_some() => (self.achieved(0, false, false, false), self.untouched()?),
            None => return Err(SandboxError::Vanished),
        };
        // The overlay's own directory has mode 0: its owner could not delete it.
        let _ = fs::set_permissions(self.scratch.join("work/work"), fs::Permissions::from_mode(0o700));
        let usage = Usage { wall: self.started.elapsed(), ..heard.usage };
        if heard.alone {
            leave(self.child, self.scratch.to_owned());
        }
        let Seen { violations, more_violations, trace, .. } = seen;
        let survivors_killed = heard.survivors;
        Ok(Outcome { exit, work, usage, achieved, survivors_killed, violations, more_violations, trace })
    }

    /// Polls until init is dead, or is alone and has said so; says whether it was killed here, and why.
    fn listen(
        &mut self,
        heard: &mut Heard,
        sink: &mut dyn FnMut(&[u8]),
        watch: &mut dyn FnMut(Watcher<'a>, Option<Doors>, Who),
    ) -> Result<Option<Exit>, SandboxError> {
        let mut killed = None;
        // Not larger: a page that is written after a fork is copied first, and every run forks.
        let mut buffer = vec![0; 8 << 10];
        let deadline = self.timeout.and_then(|timeout| self.started.checked_add(timeout));
        loop {
            let log = self.log.as_ref().map_or(-1, AsRawFd::as_raw_fd);
            let cancel = if killed.is_none() { self.cancel.watched() } else { -1 };
            let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            let mut entries = [log, self.socket.as_raw_fd(), self.child.pidfd.as_raw_fd(), cancel].map(entry);
            let left = (killed.is_none() && heard.exit.is_none()).then(|| {
                let look = if self.child.cgroup.is_some() { CGROUP_PAUSE } else { Duration::MAX };
                let deadline = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                let left = self.room.pause().min(look).min(deadline.unwrap_or(Duration::MAX));
                i32::try_from(left.as_millis() + u128::from(!left.is_zero())).unwrap_or(i32::MAX)
            });
            kernel::poll(&mut entries, left)
                .map_err(|errno| refusal::setup(Stage::Supervise, String::new(), errno.0))?;
            let [log_event, message, ended, cancelled] = entries.map(|entry| entry.revents != 0);
            if log_event {
                self.read_log(&mut buffer, sink, 16);
            }
            if message {
                self.hear(heard)?;
                if let Some((landlock, listener)) = heard.filtered.take() {
                    if let Some((achieved, _)) = &mut heard.ready {
                        achieved.watched = listener.is_some();
                        // Only a degraded one goes on without.
                        if listener.is_none() {
                            achieved.degraded.get_or_insert_default().push("seccomp-notify".to_owned());
                        }
                        achieved.landlock = landlock;
                    }
                    if self.job.limits.disk.is_some()
                        && let Some(root) = heard.root.as_ref().and_then(|root| root.try_clone().ok())
                    {
                        self.room.root(root);
                    }
                    let root = heard.root.take().filter(|_| listener.is_some());
                    let files = (self.job.trace && root.is_some()).then(Files::default);
                    let places = root.map(|root| Places::new(root, self.job.layout.writable()));
                    let (owner, conditions) = (self.job.owner, self.conditions.clone());
                    let (names, init) = (heard.names.take(), self.child.pid());
                    let doors = <[OwnedFd; 3]>::try_from(std::mem::take(&mut heard.doors)).ok();
                    let doors = doors.map(|[http, https, proxy]| Doors { http, https, proxy });
                    let watcher =
                        Watcher::new(listener, names, init, files, places, owner, conditions, self.gateway);
                    watch(watcher, doors, Who::new(init));
                }
            }
            if ended {
                self.child.wait();
                self.hear(heard)?;
                break;
            }
            if heard.alone {
                break;
            }
            if killed.is_none() && heard.exit.is_none() {
                if cancelled {
                    killed = Some(Exit::Cancelled);
                } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    killed = Some(Exit::TimedOut);
                } else {
                    killed = self.child.cgroup.as_ref().and_then(Cgroup::over).or_else(|| self.room.look());
                }
                if killed.is_some() {
                    self.child.kill();
                }
            }
        }
        // Everything that could write is dead: what is in the pipe is all there will be.
        self.read_log(&mut buffer, sink, usize::MAX);
        Ok(if heard.exit.is_some() { None } else { killed })
    }

    /// Reads what is there, at most `times` buffers; gives the pipe up when its writers are gone.
    fn read_log(&mut self, buffer: &mut [u8], sink: &mut dyn FnMut(&[u8]), times: usize) {
        for _ in 0..times {
            let Some(log) = &self.log else { return };
            match kernel::read(log.as_raw_fd(), buffer) {
                Ok(0) => self.log = None,
                Ok(length) => sink(&buffer[..length]),
                Err(Errno(libc::EINTR)) => {}
                Err(_) => return, // empty for now
            }
        }
    }

    fn hear(&self, heard: &mut Heard) -> Result<(), SandboxError> {
        let mut bytes = [0; 64];
        loop {
            let (length, fd) = match receive(&self.socket, &mut bytes) {
                Ok(received) => received,
                Err(Errno(libc::EINTR)) => continue,
                Err(_) => return Ok(()), // nothing there now
            };
            if length == 0 {
                return Ok(());
            }
            match (Message::decode(&bytes[..length]), fd) {
                (Some(Message::Ready { cpus, hidepid, keyring, nested_refused }), Some(work)) => {
                    heard.ready = Some((self.achieved(cpus, hidepid, keyring, nested_refused), work));
                }
                (Some(Message::Failed(failure)), _) => heard.failed = Some(failure),
                (Some(Message::Root), Some(root)) => heard.root = Some(root),
                (Some(Message::Door { nth }), Some(door)) if nth == heard.doors.len() as u64 => {
                    heard.doors.push(door);
                }
                (Some(Message::Names), Some(names)) => heard.names = Some(names),
                (Some(Message::Filtered { landlock }), listener) => {
                    heard.filtered = Some((landlock, listener));
                }
                (Some(Message::Over(over)), _) => {
                    heard.exit = Some(match over {
                        Over::Memory => Exit::OutOfMemory,
                        Over::Processes => Exit::OutOfProcesses,
                        Over::CpuTime => Exit::OutOfCpuTime,
                    });
                }
                (Some(Message::Ended { status, survivors, user, system, max_rss }), _) => {
                    heard.exit = Some(self.ended(status, Duration::from_micros(user.saturating_add(system))));
                    heard.survivors = survivors;
                    heard.alone = true;
                    heard.usage.user = Duration::from_micros(user);
                    heard.usage.system = Duration::from_micros(system);
                    heard.usage.max_rss = max_rss << 10;
                }
                _ => return Err(SandboxError::Vanished),
            }
        }
    }

    /// How the command ended, that used so much processor time.
    fn ended(&self, status: i32, used: Duration) -> Exit {
        let exit = if libc::WIFSIGNALED(status) {
            Exit::Signal(libc::WTERMSIG(status))
        } else {
            Exit::Code(libc::WEXITSTATUS(status))
        };
        let limits = &self.job.limits;
        // As a shell tells of a signal that ended what it waited for.
        let too_large = [Exit::Signal(libc::SIGXFSZ), Exit::Code(128 + libc::SIGXFSZ)];
        if limits.file_size.is_some() && too_large.contains(&exit) {
            return Exit::FileTooLarge;
        }
        let all_used = limits.cpu_time.is_some_and(|limit| used >= limit);
        if all_used && exit != Exit::Code(0) { Exit::OutOfCpuTime } else { exit }
    }

    fn achieved(&self, cpus: u64, hidepid: bool, keyring: bool, nested_refused: bool) -> Achieved {
        Achieved {
            mode: self.mode,
            namespaces: run::NAMESPACES
                .iter()
                .filter(|name| !(**name == "net" && self.job.lacks.network))
                .map(ToString::to_string)
                .collect(),
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            memory: match self.job.watched {
                _ if self.job.limits.memory.is_none() => MemoryLimit::None,
                _ if self.job.cgroup => MemoryLimit::Cgroup,
                Some(_) => MemoryLimit::Watched,
                None => MemoryLimit::None,
            },
            cgroup: self.job.cgroup,
            hidepid,
            keyring,
            nested_namespaces_refused: nested_refused,
            watched: false,
            landlock: 0,
            degraded: self.degraded.clone(),
        }
    }

    /// The inputs themselves, as the build directory of a command that never ran.
    fn untouched(&self) -> Result<OwnedFd, SandboxError> {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        fs::OpenOptions::new().read(true).custom_flags(flags).open(self.work).map(OwnedFd::from).map_err(
            |source| SandboxError::Path { attempt: "open the inputs", path: self.work.to_owned(), source },
        )
    }

    /// What a failure of init was about, in the caller's words.
    fn explain(&self, failure: Failure) -> SandboxError {
        let Failure { stage, index, errno } = failure;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let command = &self.job.command;
        let layout = &self.job.layout;
        let inside = |path: &std::ffi::CStr| format!("/{}", path.to_string_lossy());
        let attempted = match stage {
            Stage::Exec => {
                let looked: Vec<String> =
                    command.programs.iter().map(|path| path.to_string_lossy().into_owned()).collect();
                return SandboxError::Exec {
                    program: command.name(),
                    looked,
                    source: std::io::Error::from_raw_os_error(errno),
                };
            }
            Stage::Layers | Stage::Mounts | Stage::Private | Stage::Workdir | Stage::User
                if let Some(image) = self.job.image() =>
            {
                return image::failed(image, stage, index, errno);
            }
            Stage::World => layout.shown().nth(index).map(|(_, path)| inside(path)),
            Stage::Skeleton | Stage::Bind => layout.entries.get(index).map(Entry::path).map(inside),
            Stage::Device => DEVICES.get(index).map(|(path, _)| path.to_string_lossy().into_owned()),
            Stage::Private => layout.private.get(index).map(|path| inside(path)),
            Stage::Build => Some(format!(
                "{} (inputs {}, changes in {})",
                inside(&layout.build),
                self.work.display(),
                self.scratch.display()
            )),
            Stage::Secrets => {
                self.job.secrets.get(index).map(|(name, _)| name.to_string_lossy().into_owned())
            }
            Stage::Inputs => Some(self.work.display().to_string()),
            Stage::Scratch => Some(self.scratch.display().to_string()),
            _ => None,
        };
        refusal::setup(stage, attempted.unwrap_or_default(), errno)
    }
}

/// A message and the descriptor with it, without waiting.
pub(crate) fn receive(socket: &OwnedFd, bytes: &mut [u8; 64]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let socket: RawFd = socket.as_raw_fd();
    let (length, fd) = kernel::receive(socket, bytes, libc::MSG_DONTWAIT)?;
    // SAFETY: the descriptor is new and nobody else has it.
    Ok((length, fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })))
}
