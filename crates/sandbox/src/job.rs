//! Everything init needs, made before the fork: afterwards nothing can be allocated.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use model::{Conditions, Limits};

use crate::achieved::Lacks;
use crate::error::{Failure, Stage};
use crate::filter::Filter;
use crate::image::{IDS, Prepared};
use crate::layout::Layout;
use crate::spec::PROCESSES;
use crate::watch::Owner;
use crate::{SandboxError, kernel};

/// The host id of the builder in privileged mode: just above the range that container managers hand out, and
/// used by nothing.
pub(crate) const UNUSED_ID: u32 = 0x7000_0000;

/// A tree of the caller.
#[derive(Debug)]
pub(crate) enum Source {
    /// To be opened by init (rootless).
    Path(CString),
    /// A detached mount that the caller has made (privileged: init could not reach the path any more).
    Mount(RawFd),
}

/// What the root is made of.
pub(crate) enum Files {
    /// The toolchain and the inputs.
    Trees { root: Source, work: Source },
    /// An image.
    Image(Prepared),
}

impl Job {
    /// The image that is the root, if it is one.
    pub(crate) const fn image(&self) -> Option<&Prepared> {
        match &self.files {
            Files::Image(image) => Some(image),
            Files::Trees { .. } => None,
        }
    }
}

impl Source {
    /// Its descriptor, if it has one yet.
    pub(crate) const fn descriptor(&self) -> Option<RawFd> {
        match self {
            Self::Mount(fd) => Some(*fd),
            Self::Path(_) => None,
        }
    }
}

/// The ids of the builder.
#[derive(Debug)]
pub(crate) struct Ids {
    /// Inside.
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The lines of `uid_map` and `gid_map`.
    pub(crate) uid_map: Vec<u8>,
    pub(crate) gid_map: Vec<u8>,
    /// Whether the caller writes the maps (else init does).
    pub(crate) mapped_by_caller: bool,
    /// Whether the builder is the host's root outside (a root without capabilities).
    pub(crate) root_outside: bool,
}

impl Ids {
    pub(crate) fn new(uid: u32, gid: u32, privileged: bool) -> Self {
        let (own_uid, own_gid) = if privileged { (UNUSED_ID, UNUSED_ID) } else { kernel::own_ids() };
        Self {
            uid,
            gid,
            uid_map: format!("{uid} {own_uid} 1\n").into_bytes(),
            gid_map: format!("{gid} {own_gid} 1\n").into_bytes(),
            mapped_by_caller: privileged,
            root_outside: own_uid == 0,
        }
    }

    /// All of an image: its root is `first` outside.
    pub(crate) fn of_image(first: u32) -> Self {
        let map = format!("0 {first} {IDS}\n").into_bytes();
        let (uid_map, gid_map) = (map.clone(), map);
        Self { uid: 0, gid: 0, uid_map, gid_map, mapped_by_caller: true, root_outside: false }
    }
}

impl Ids {
    /// The builder outside and inside.
    pub(crate) fn owner(&self) -> Owner {
        let outside = if self.mapped_by_caller { (UNUSED_ID, UNUSED_ID) } else { kernel::own_ids() };
        Owner { outside, inside: (self.uid, self.gid), count: 1 }
    }
}

/// The descriptors that init inherits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptors {
    /// To the caller.
    pub(crate) socket: RawFd,
    /// The log's writing end; -1 for a terminal.
    pub(crate) log: RawFd,
    /// Readable when the caller is dead.
    pub(crate) caller: RawFd,
}

/// What init has to set up, and then run.
pub(crate) struct Job {
    pub(crate) ids: Ids,
    pub(crate) files: Files,
    pub(crate) scratch: Source,
    /// Every descriptor that init keeps, sorted.
    pub(crate) keep: Vec<RawFd>,
    pub(crate) layout: Layout,
    /// Modification time of everything made new.
    pub(crate) time: i64,
    pub(crate) hostname: Vec<u8>,
    pub(crate) umask: u32,
    pub(crate) cpus: usize,
    /// Where to begin to take CPUs, so that concurrent steps take different ones.
    pub(crate) first_cpu: usize,
    pub(crate) limits: Limits,
    /// What init watches; nothing where a cgroup does, or where there is no `/proc` to see it in.
    pub(crate) watched: Option<Watched>,
    /// Whether it is in a cgroup of its own.
    pub(crate) cgroup: bool,
    /// The size of the file system in memory, if it is not the kernel's own choice.
    pub(crate) room: Option<CString>,
    pub(crate) command: Command,
    /// Files of `/run/secrets`: name, content.
    pub(crate) secrets: Vec<(CString, Vec<u8>)>,
    pub(crate) descriptors: Descriptors,
    /// Whether its network has doors.
    pub(crate) gateway: bool,
    /// What it does without.
    pub(crate) lacks: Lacks,
    /// Whether every look at a file is heard.
    pub(crate) trace: bool,
    /// Whether the caller needs the root, to look at files as the command does.
    pub(crate) look: bool,
    pub(crate) owner: Owner,
    /// The command's process gets a greater number.
    pub(crate) process_ids_after: u32,
    pub(crate) random_addresses: bool,
    /// NIS domain name.
    pub(crate) domain: Vec<u8>,
    /// Which system calls the command may make: with a listener, and for where there can be none.
    pub(crate) filter: Filter,
    pub(crate) unwatched: Filter,
    /// Whether the second one will do: then attempts are not seen, and conditions below the program are the host's.
    pub(crate) may_go_unwatched: bool,
    /// What the command's process says of itself before it executes.
    pub(crate) report: Report,
    /// Of the command's process until it executes.
    pub(crate) stack: Stack,
    /// Of the network's helper.
    pub(crate) network_stack: Stack,
}

/// The limits that init watches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) memory: Option<u64>,
    pub(crate) processes: u64,
    pub(crate) cpu_seconds: Option<u64>,
    pub(crate) every_millis: i64,
}

impl Watched {
    /// Where nothing is limited by the recipe, only forks without end have to be seen: that has time.
    pub(crate) fn of(limits: &Limits) -> Self {
        let asked = limits.memory.is_some() || limits.processes.is_some() || limits.cpu_time.is_some();
        Self {
            memory: limits.memory,
            processes: limits.processes.unwrap_or(PROCESSES).into(),
            cpu_seconds: limits.cpu_time.map(|time| time.as_secs()),
            every_millis: if asked { 20 } else { 250 },
        }
    }
}

/// Written by the command's process before it executes, read by init.
#[derive(Debug)]
pub(crate) struct Report {
    failed: AtomicBool,
    stage: AtomicU64,
    index: AtomicU64,
    errno: AtomicI32,
    /// Descriptor of the listener, in init's table too; -1 if there is none.
    pub(crate) listener: AtomicI32,
    /// Version of Landlock that restricts the command; 0 for none.
    pub(crate) landlock: AtomicU32,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            failed: AtomicBool::new(false),
            stage: AtomicU64::new(0),
            index: AtomicU64::new(0),
            errno: AtomicI32::new(0),
            listener: AtomicI32::new(-1),
            landlock: AtomicU32::new(0),
        }
    }

    pub(crate) fn fail(&self, failure: Failure) {
        self.stage.store(failure.stage.number(), Ordering::Relaxed);
        self.index.store(failure.index, Ordering::Relaxed);
        self.errno.store(failure.errno, Ordering::Relaxed);
        self.failed.store(true, Ordering::Release);
    }

    /// Why the command was not executed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failed.load(Ordering::Acquire).then(|| Failure {
            stage: Stage::from_number(self.stage.load(Ordering::Relaxed)),
            index: self.index.load(Ordering::Relaxed),
            errno: self.errno.load(Ordering::Relaxed),
        })
    }
}

/// The program as `execve` wants it.
pub(crate) struct Command {
    /// Paths to try, in order.
    pub(crate) programs: Vec<CString>,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    /// Owners of what the two arrays point at: arguments, then environment.
    strings: Vec<CString>,
}

impl Command {
    pub(crate) fn new(arguments: &[String], env: &BTreeMap<String, String>) -> Result<Self, SandboxError> {
        let text = |what, text: &str| {
            CString::new(text).map_err(|_| SandboxError::Invalid {
                what,
                expected: "text without a nul byte",
                found: text.escape_debug().to_string(),
            })
        };
        let program = arguments.first().filter(|program| !program.is_empty()).ok_or_else(|| {
            SandboxError::Invalid { what: "the command", expected: "a program", found: arguments.join(" ") }
        })?;
        let programs = if program.contains('/') {
            vec![text("the command", program)?]
        } else {
            let path = env.get("PATH").map_or("", String::as_str);
            path.split(':')
                .filter(|dir| dir.starts_with('/'))
                .map(|dir| text("the command", &format!("{}/{program}", dir.trim_end_matches('/'))))
                .collect::<Result<_, _>>()?
        };
        let mut strings = Vec::with_capacity(arguments.len() + env.len());
        for argument in arguments {
            strings.push(text("an argument", argument)?);
        }
        for (name, value) in env {
            if name.is_empty() || name.contains('=') {
                return Err(SandboxError::Invalid {
                    what: "the environment",
                    expected: "a name without `=`",
                    found: name.clone(),
                });
            }
            strings.push(text("the environment", &format!("{name}={value}"))?);
        }
        let array = |strings: &[CString]| -> Vec<*const c_char> {
            strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
        };
        let (first, second) = strings.split_at(arguments.len());
        Ok(Self { programs, argv: array(first), envp: array(second), strings })
    }

    /// The program as it was asked for.
    pub(crate) fn name(&self) -> String {
        self.strings.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Null-terminated; valid as long as `self`.
    pub(crate) fn argv(&self) -> *const *const c_char {
        self.argv.as_ptr()
    }

    /// Null-terminated; valid as long as `self`.
    pub(crate) fn envp(&self) -> *const *const c_char {
        self.envp.as_ptr()
    }
}

/// Memory for a process that shares init's.
pub(crate) struct Stack(Vec<u128>);

impl Stack {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(4096)) // 64 KiB, 16-byte aligned
    }

    /// One past the highest address.
    pub(crate) fn end(&self) -> *mut c_void {
        self.0.as_ptr().cast_mut().wrapping_add(self.0.capacity()).cast()
    }
}

/// A C string of a path of the caller.
pub(crate) fn path_text(path: &std::path::Path) -> Result<CString, SandboxError> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| SandboxError::Invalid {
        what: "a path",
        expected: "a path without a nul byte",
        found: path.display().to_string(),
    })
}

/// Secrets as init writes them.
pub(crate) fn secret_files(secrets: &[(&str, &[u8])]) -> Result<Vec<(CString, Vec<u8>)>, SandboxError> {
    let file = |(name, content): &(&str, &[u8])| {
        let plain = !name.is_empty() && !matches!(*name, "." | "..") && !name.contains('/');
        match CString::new(*name) {
            Ok(text) if plain => Ok((text, content.to_vec())),
            _ => Err(SandboxError::Invalid {
                what: "a secret",
                expected: "a file name",
                found: name.escape_debug().to_string(),
            }),
        }
    };
    secrets.iter().map(file).collect()
}

/// Host name as the kernel takes it.
pub(crate) fn hostname(conditions: &Conditions) -> Vec<u8> {
    conditions.hostname.clone().into_bytes()
}
