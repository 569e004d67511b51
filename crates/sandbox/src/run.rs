//! Running a command: from the specification to the fork.

#![allow(unsafe_code, reason = "forks init, and takes ownership of descriptors that were just made")]

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use model::conditions::{Clock, DirectoryOrder, Random};
use model::{Conditions, Limits};

use crate::achieved::Lacks;
use crate::cgroup::Cgroup;
use crate::error::Stage;
use crate::filter::{Filter, Listener, Topics};
use crate::image::{self, IDS, Prepared};
use crate::job::{
    self, Command, Descriptors, Ids, Job, Report, Source, Stack, UNUSED_ID, Watched, hostname, path_text,
    secret_files,
};
use crate::kernel::{self, Errno};
use crate::layout::{self, Layout};
use crate::room::Room;
use crate::supervise::{Child, Supervision};
use crate::watch::Owner;
use crate::{
    Files, Gateway, Io, Mode, Outcome, SandboxError, Spec, cgroup, copied, idmap, inside, probe, refusal,
};

/// The namespaces of a sandbox, as `/proc/self/ns` names them.
pub(crate) const NAMESPACES: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
/// All of them but the network's, which init makes beside its other work (`inside::network`).
const NAMESPACE_FLAGS: i32 = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// Concurrent runs begin at different CPUs.
static NEXT_CPU: AtomicUsize = AtomicUsize::new(0);

/// Runs a command, and returns when all of its processes are dead.
///
/// Only init may live a moment longer, alone, to let go of its mounts: a file system that holds `work` or
/// `scratch` may be busy for that long. It becomes a zombie that later runs reap.
///
/// May be called from several threads at once. It waits for its child by descriptor only, sends no SIGCHLD, and
/// does not change the process.
///
/// # Errors
/// When the command could not be started; see [`SandboxError`]. A command that ran has an [`crate::Exit`].
pub fn run(spec: Spec<'_>) -> Result<Outcome, SandboxError> {
    let started = Instant::now();
    let Spec { files: spec_files, scratch, arguments, env, .. } = spec;
    let Spec { secrets, gateway, conditions, timeout, limits, trace, degraded, io, cancel, .. } = spec;
    layout::check(conditions)?;
    let place = Place::of(&spec_files)?;
    if let (Files::Image(_), true) = (&spec_files, degraded) {
        let (what, expected) = ("the sandbox of an image", "one that is sealed");
        return Err(SandboxError::Invalid { what, expected, found: "degraded".to_owned() });
    }
    let command = Command::new(arguments, env)?;
    let mut lacks = if degraded { probe::lacks(scratch)? } else { Lacks::default() };
    lacks.addresses &= !conditions.address_randomness;
    if gateway.is_some() && lacks.network {
        let cause = "a step that fetches needs a network of its own, which this host refuses".to_owned();
        let fix = "`selfsame doctor` says what would give it one".to_owned();
        return Err(SandboxError::Refused { cause, fix });
    }
    let mut laid = gateway.map_or_else(Vec::new, Gateway::files);
    let (layout, dirs) = match &spec_files {
        Files::Trees { root, work } => {
            (Layout::plan(root, conditions, laid, lacks)?, vec![*root, *work, scratch])
        }
        Files::Image(image) => {
            for (path, content) in secrets {
                laid.push((image::plain(path)?.to_string_lossy().into_owned(), content.to_vec()));
            }
            let dirs = image.layers.iter().copied().chain([scratch]).collect();
            (Layout::of_image(conditions, laid), dirs)
        }
    };
    for dir in dirs {
        let failed =
            |source| SandboxError::Path { attempt: "use as a directory", path: dir.to_owned(), source };
        if !fs::metadata(dir).map_err(failed)?.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
    }

    let mut mounts = Vec::new();
    let mut source = |path: &Path, as_builder: bool| match place {
        Place::Rootless => path_text(path).map(Source::Path),
        Place::Privileged | Place::Image(_) => {
            let mount = if as_builder { idmap::mount_as_builder(path) } else { idmap::mount(path) }?;
            mounts.push(mount);
            Ok(Source::Mount(mounts.last().map_or(-1, AsRawFd::as_raw_fd)))
        }
    };
    let scratch_mount = source(scratch, false)?;
    let files = match &spec_files {
        Files::Trees { root, work } => {
            job::Files::Trees { root: source(root, true)?, work: source(work, true)? }
        }
        Files::Image(image) => job::Files::Image(Prepared::new(image, &scratch_mount)?),
    };
    let ids = match place {
        Place::Image(first) => Ids::of_image(first),
        Place::Privileged | Place::Rootless => {
            Ids::new(conditions.uid, conditions.gid, place == Place::Privileged)
        }
    };
    let channels = Channels::new(matches!(io, Io::Log { .. }), place.owner())?;
    let cpus = usize::try_from(conditions.cpus).unwrap_or(usize::MAX);
    let owner = match place {
        Place::Image(first) => Owner { outside: (first, first), inside: (0, 0), count: IDS },
        Place::Privileged | Place::Rootless => ids.owner(),
    };
    let topics = topics(conditions, trace);
    let filter = |topics, listener| match place {
        Place::Image(_) => Filter::of_image(topics, listener),
        _ if lacks.network => Filter::without_sockets(topics, listener, owner.inside),
        _ => Filter::new(topics, listener, owner.inside),
    };
    let keep = channels.keep(keep_of(&files, &scratch_mount));
    let mut job = Job {
        ids,
        files,
        scratch: scratch_mount,
        keep,
        layout,
        time: conditions.source_date_epoch.0,
        hostname: hostname(conditions),
        umask: conditions.umask,
        cpus,
        first_cpu: NEXT_CPU.fetch_add(1, Ordering::Relaxed).wrapping_mul(cpus),
        limits,
        watched: None,
        cgroup: false,
        room: room_in_memory(&limits),
        command,
        secrets: match &spec_files {
            Files::Image(_) => Vec::new(),
            Files::Trees { .. } => secret_files(secrets)?,
        },
        gateway: gateway.is_some(),
        descriptors: channels.inherited(),
        lacks,
        trace,
        look: limits.disk.is_some() || topics.meets(Topics::FILES.and(Topics::TIMES)),
        owner,
        process_ids_after: conditions.process_ids_after,
        random_addresses: conditions.address_randomness,
        domain: conditions.domain.clone().into_bytes(),
        filter: filter(topics, Listener::There),
        unwatched: filter(Topics::default(), Listener::None),
        may_go_unwatched: degraded,
        report: Report::new(),
        stack: Stack::new(),
        network_stack: Stack::new(),
    };
    let room = Room::new(scratch, &limits)?;
    let child = start_limited(&mut job)?;
    drop(mounts);
    let Channels { socket, socket_inside, log, log_inside, .. } = channels;
    drop((socket_inside, log_inside));
    map_ids(&job, child.pid(), socket.as_raw_fd())?;
    // While init fills the root.
    prepare_scratch(scratch, place.owner(), job.time)?;
    match &spec_files {
        Files::Image(_) => image::points(scratch, place.owner(), &job.layout.points(job.image()), job.time)?,
        Files::Trees { work, .. } if lacks.overlay => {
            copied::copy(work, &scratch.join("upper"), place.owner(), job.time)?;
        }
        Files::Trees { .. } => {}
    }
    // An init that is gone has left a message that says why.
    let _ = kernel::send(socket.as_raw_fd(), b"!", None);
    let supervision = Supervision {
        job: &job,
        child,
        socket,
        log,
        mode: place.mode(),
        degraded: degraded.then(|| lacks.words()),
        started,
        timeout,
        cancel,
        work: match &spec_files {
            Files::Trees { work, .. } => work,
            Files::Image(_) => scratch,
        },
        scratch,
        conditions,
        gateway,
        room,
    };
    supervision.until_end(io)
}

/// Forks init into a cgroup, if a limit is asked for that one keeps better, and there can be one.
fn start_limited(job: &mut Job) -> Result<Child, SandboxError> {
    cgroup::base();
    let limits = job.limits;
    let asked = limits.memory.is_some() || limits.processes.is_some() || limits.cpu_time.is_some();
    if let Some(cgroup) = asked.then(|| Cgroup::new(&limits)).flatten() {
        job.cgroup = true;
        // A cgroup that cannot be entered is none; what else is wrong, the next attempt says.
        if let Ok(child) = start(job, inside::init, Some(cgroup.directory())) {
            return Ok(child.in_cgroup(cgroup));
        }
        job.cgroup = false;
    }
    job.watched = if job.lacks.proc { None } else { Some(Watched::of(&limits)) };
    start(job, inside::init, None)
}

/// The size of the files in memory, where the recipe's limit is less than the half of all memory that the kernel gives.
///
/// A little more than the limit, so that it is found out before the command is.
fn room_in_memory(limits: &Limits) -> Option<CString> {
    const MORE: u64 = 16 << 20;
    let room = limits.disk?.saturating_add(MORE);
    (room < kernel::memory() / 2).then(|| CString::new(room.to_string()).unwrap_or_default())
}

/// What goes to the caller.
fn topics(conditions: &Conditions, trace: bool) -> Topics {
    let always = Topics::NETWORK.and(Topics::KERNEL).and(Topics::CPUS).and(Topics::MEMORY);
    let choices = [
        (trace, Topics::FILES),
        (conditions.clock != Clock::Host, Topics::CLOCK.and(Topics::TIMES).and(Topics::BIRTH)),
        (conditions.random != Random::Host, Topics::RANDOM.and(Topics::BIRTH)),
        (conditions.directory_order != DirectoryOrder::Host, Topics::ORDER),
    ];
    choices.into_iter().filter(|(chosen, _)| *chosen).fold(always, |all, (_, topic)| all.and(topic))
}

/// Forks init, and maps its ids where the caller must do that.
pub(crate) fn start(job: &Job, main: fn(&Job) -> !, cgroup: Option<RawFd>) -> Result<Child, SandboxError> {
    // The caller's signal handlers must not run in the child.
    let before = kernel::block_signals();
    let left_out = if cgroup.is_some() { libc::CLONE_NEWCGROUP as u64 } else { 0 };
    let flags = NAMESPACE_FLAGS as u64 & !left_out;
    // SAFETY: `main` is written for this: it uses `kernel` only, and neither allocates nor locks.
    let forked = match unsafe { kernel::fork_into(flags, cgroup) } {
        Ok(None) => main(job),
        other => other,
    };
    kernel::set_signal_mask(before);
    match forked {
        Ok(Some((pid, pidfd))) => {
            // SAFETY: the descriptor is new and nobody else has it.
            let child = Child::new(pid, unsafe { OwnedFd::from_raw_fd(pidfd) });
            Ok(child)
        }
        Ok(None) => Err(SandboxError::Vanished), // `main` does not return
        Err(errno) => Err(refusal::setup(Stage::Clone, String::new(), errno.0)),
    }
}

/// Writes the id maps of init and lets it go on (privileged mode).
pub(crate) fn map_ids(job: &Job, pid: i32, socket: RawFd) -> Result<(), SandboxError> {
    if !job.ids.mapped_by_caller {
        return Ok(());
    }
    let write = |name: &str, line: &[u8]| {
        fs::write(format!("/proc/{pid}/{name}"), line).map_err(|source| {
            refusal::setup(Stage::MapIds, name.to_owned(), source.raw_os_error().unwrap_or(libc::EIO))
        })
    };
    write("uid_map", &job.ids.uid_map)?;
    write("gid_map", &job.ids.gid_map)?;
    kernel::send(socket, b"!", None).map_err(|errno| refusal::setup(Stage::MapIds, String::new(), errno.0))
}

/// Who sets a sandbox up, and whose its files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Rootless,
    Privileged,
    /// Of the users of an image, the first of whom is this one outside.
    Image(u32),
}

impl Place {
    fn of(files: &Files<'_>) -> Result<Self, SandboxError> {
        Ok(match (files, mode()) {
            (Files::Image(_), _) => Self::Image(image::first_id()?),
            (Files::Trees { .. }, Mode::Privileged) => Self::Privileged,
            (Files::Trees { .. }, Mode::Rootless) => Self::Rootless,
        })
    }

    /// To whom files are given, if not to the caller.
    const fn owner(self) -> Option<u32> {
        match self {
            Self::Rootless => None,
            Self::Privileged => Some(UNUSED_ID),
            Self::Image(first) => Some(first),
        }
    }

    const fn mode(self) -> Mode {
        match self {
            Self::Rootless => Mode::Rootless,
            Self::Privileged | Self::Image(_) => Mode::Privileged,
        }
    }
}

/// The descriptors that init needs for its files.
fn keep_of(files: &job::Files, scratch: &Source) -> Vec<RawFd> {
    let mut all: Vec<RawFd> = match files {
        job::Files::Trees { root, work } => [root, work].into_iter().filter_map(Source::descriptor).collect(),
        job::Files::Image(image) => image.descriptors().collect(),
    };
    all.extend(scratch.descriptor());
    all
}

/// Whether this process may give files away and be others, in its user namespace.
pub(crate) fn may_change_owners() -> bool {
    const CHOWN: u32 = 0;
    const DAC_OVERRIDE: u32 = 1;
    const SETGID: u32 = 6;
    const SETUID: u32 = 7;
    const SYS_ADMIN: u32 = 21;
    [CHOWN, DAC_OVERRIDE, SETGID, SETUID, SYS_ADMIN].into_iter().all(kernel::has_capability)
}

/// Which mode this process can use: decided by capabilities, not by the user id, and by whether the builder's
/// id exists in this user namespace at all.
pub(crate) fn mode() -> Mode {
    // A process stays in its user namespace, and that one's map is written once.
    static MAPPED: OnceLock<bool> = OnceLock::new();
    let mapped = || {
        ["/proc/self/uid_map", "/proc/self/gid_map"].iter().all(|map| {
            fs::read_to_string(map).unwrap_or_default().lines().any(|line| {
                let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(0_u64));
                let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
                matches!((first, count), (Some(first), Some(count))
                    if (first..first + count).contains(&u64::from(UNUSED_ID)))
            })
        })
    };
    if may_change_owners() && *MAPPED.get_or_init(mapped) { Mode::Privileged } else { Mode::Rootless }
}

/// Makes the overlay's two directories; they are `owner`'s, if that is somebody else.
fn prepare_scratch(scratch: &Path, owner: Option<u32>, time: i64) -> Result<(), SandboxError> {
    if owner.is_some() {
        // It may be closed to all but its owner; the overlay goes through it as the builder.
        let failed = |source| SandboxError::Path { attempt: "prepare", path: scratch.to_owned(), source };
        chown(scratch, owner, owner).map_err(failed)?;
    }
    for name in ["upper", "work"] {
        let path = scratch.join(name);
        let failed = |source| SandboxError::Path { attempt: "prepare", path: path.clone(), source };
        fs::create_dir(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        if owner.is_some() {
            chown(&path, owner, owner).map_err(failed)?;
        }
        // The upper directory's time is the build directory's.
        kernel::set_time(&path_text(&path)?, time).map_err(|errno| failed(errno.into()))?;
    }
    Ok(())
}

/// The descriptors between the caller and init: each end owned until it is given up.
pub(crate) struct Channels {
    pub(crate) socket: OwnedFd,
    pub(crate) socket_inside: OwnedFd,
    pub(crate) log: Option<OwnedFd>,
    pub(crate) log_inside: Option<OwnedFd>,
    caller: OwnedFd,
}

impl Channels {
    /// With an `owner` other than the caller, the log is that one's.
    pub(crate) fn new(log: bool, owner: Option<u32>) -> Result<Self, SandboxError> {
        let failed = |errno: Errno| refusal::setup(Stage::Prepare, String::new(), errno.0);
        // SAFETY: each descriptor is new and nobody else has it.
        let own = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
        let (socket, socket_inside) =
            kernel::message_pair().map(|(a, b)| (own(a), own(b))).map_err(failed)?;
        let caller = kernel::pidfd_open(std::process::id()).map(own).map_err(failed)?;
        let (log, log_inside) =
            if log {
                let (reader, writer) = kernel::pipe().map(|(a, b)| (own(a), own(b))).map_err(failed)?;
                kernel::set_nonblocking(reader.as_raw_fd()).map_err(failed)?;
                if owner.is_some() {
                    // So that the builder may open /dev/stdout.
                    std::os::unix::fs::fchown(&writer, owner, owner).map_err(|source| {
                        SandboxError::Path { attempt: "give the builder", path: "the log".into(), source }
                    })?;
                }
                (Some(reader), Some(writer))
            } else {
                (None, None)
            };
        Ok(Self { socket, socket_inside, log, log_inside, caller })
    }

    /// Those that init keeps, with `more`, sorted.
    pub(crate) fn keep(&self, more: impl IntoIterator<Item = RawFd>) -> Vec<RawFd> {
        let own = self.inherited();
        let mut keep: Vec<RawFd> = [own.socket, own.log, own.caller].into_iter().chain(more).collect();
        keep.retain(|fd| *fd >= 0);
        keep.sort_unstable();
        keep.dedup();
        keep
    }

    pub(crate) fn inherited(&self) -> Descriptors {
        Descriptors {
            socket: self.socket_inside.as_raw_fd(),
            log: self.log_inside.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            caller: self.caller.as_raw_fd(),
        }
    }
}
