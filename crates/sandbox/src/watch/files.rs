//! Every look at a file, while the sandbox traces.
//!
//! A call is heard before it is made. Whether a file is there is found out here, by looking from the sandbox's root
//! as the process would; the call itself is then made by the kernel.

use std::collections::HashMap;
use std::path::Path;

use model::trace::Trace;
use model::violation::{Kind, Process};

use super::places::{Places, absolute, is_of_the_kernel};
use super::process::Caller;
use super::record::Record;

/// The longest path of the kernel.
const PATH: usize = 4096;
/// How many names, and how many programs tried in vain, are kept: what a step makes up must not fill the caller's memory.
const NAMES: usize = 1 << 20;
const TRIES: usize = 1 << 12;

/// What a call does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
    /// Makes a new name; the name itself is meant, not what it points at.
    Make,
    /// Moves or removes a name.
    Remove,
    Execute,
    Ask,
}

/// Where a path is in a call's arguments.
struct Place {
    purpose: Purpose,
    /// Which argument is the directory's descriptor, if there is one.
    dir: Option<usize>,
    path: usize,
}

/// Listens for files.
#[derive(Default)]
pub(crate) struct Files {
    trace: Trace,
    /// By thread: its process in the trace.
    known: HashMap<i32, u32>,
    /// By thread: programs that it tried to execute in vain since it last executed one.
    in_vain: HashMap<i32, Vec<(String, Vec<Process>)>>,
    /// How many are kept.
    tries: usize,
}

impl Files {
    /// Notes what the call is about to use.
    pub(super) fn hear(
        &mut self,
        caller: &Caller,
        init: i32,
        number: i64,
        arguments: &[u64; 6],
        places: &mut Places,
        record: &mut Record,
    ) {
        for Place { purpose, dir, path } in named(number, arguments) {
            let Some(text) = caller.read_text(arguments[path], PATH) else {
                // Before the command is executed its memory is closed; which one it is, is known.
                let own = purpose == Purpose::Execute && self.trace.processes.is_empty();
                self.trace.lost += u64::from(!own);
                continue;
            };
            if text.is_empty() {
                continue; // the descriptor itself
            }
            let Some(path) = absolute(caller, dir.map(|dir| arguments[dir]), Path::new(&text)) else {
                self.trace.lost += 1;
                continue;
            };
            if !is_of_the_kernel(&path) {
                self.note(caller, init, purpose, &path, places, record);
            }
            if purpose == Purpose::Execute {
                self.known.remove(&caller.pid); // the next call may be another program's
            }
        }
    }

    fn note(
        &mut self,
        caller: &Caller,
        init: i32,
        purpose: Purpose,
        path: &Path,
        places: &mut Places,
        record: &mut Record,
    ) {
        let follow = !matches!(purpose, Purpose::Make | Purpose::Remove);
        let there = places.leads(path, follow);
        // To make what is there, or to remove what is not, changes nothing.
        let changes = match purpose {
            Purpose::Write => true,
            Purpose::Make => there.is_none(),
            Purpose::Remove => there.is_some(),
            Purpose::Read | Purpose::Execute | Purpose::Ask => false,
        };
        let real = match &there {
            Some(real) => real.clone(),
            // What is made lies where its directory really is.
            None => match (path.parent().and_then(|parent| places.leads(parent, true)), path.file_name()) {
                (Some(parent), Some(name)) if changes => parent.join(name),
                _ => path.to_owned(),
            },
        };
        if changes && !places.is_writable(&real) {
            record.add(Kind::Write, &real.display().to_string(), || caller.ancestry(init));
        }
        let process = self.process(caller, init);
        if purpose == Purpose::Execute {
            if there.is_some() {
                self.tries -= self.in_vain.remove(&caller.pid).map_or(0, |tried| tried.len());
            } else {
                if self.tries < TRIES {
                    let by = caller.ancestry(init);
                    self.in_vain.entry(caller.pid).or_default().push((path.display().to_string(), by));
                    self.tries += 1;
                }
            }
        }
        // A link is used as much as what it leads to.
        let linked = (real != path && there.is_some()).then_some(path);
        for name in [Some(real.as_path()), linked].into_iter().flatten() {
            let name = name.display().to_string();
            if self.trace.files.len() >= NAMES && !self.trace.files.contains_key(&name) {
                self.trace.lost += 1;
                continue;
            }
            let used = self.trace.files.entry(name).or_default();
            match purpose {
                Purpose::Read => used.read = true,
                _ if changes => used.written = true,
                Purpose::Execute => used.executed = true,
                _ => used.asked = true,
            }
            // Who first finds nothing, and makes nothing, has missed it.
            if there.is_none() && !changes && !used.written && used.by.is_empty() {
                used.missing = true;
            } else if changes {
                used.missing = false;
            }
            if let Err(at) = used.by.binary_search(&process) {
                used.by.insert(at, process);
            }
        }
    }

    fn process(&mut self, caller: &Caller, init: i32) -> u32 {
        if let Some(known) = self.known.get(&caller.pid) {
            return *known;
        }
        let by = caller.ancestry(init).into_iter().next();
        let process = by.unwrap_or_else(|| Process { pid: 0, command: "?".into() });
        let last = self.trace.processes.iter().rposition(|known| *known == process);
        let index = last.unwrap_or_else(|| {
            self.trace.processes.push(process);
            self.trace.processes.len() - 1
        });
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.known.insert(caller.pid, index);
        index
    }

    /// The trace; programs that were executed in vain, and nothing instead of them, become violations.
    pub(super) fn into_trace(mut self, record: &mut Record) -> Trace {
        let mut in_vain: Vec<_> = self.in_vain.drain().collect();
        in_vain.sort_by_key(|(thread, _)| *thread);
        for (name, by) in in_vain.into_iter().flat_map(|(_, tried)| tried) {
            let program = Path::new(&name).file_name().map(|n| n.to_string_lossy().into_owned());
            record.add(Kind::Program, &program.unwrap_or(name), || by);
        }
        self.trace
    }
}

/// The paths of a call.
fn named(number: i64, arguments: &[u64; 6]) -> Vec<Place> {
    let place = |purpose, dir, path| Place { purpose, dir, path };
    let opened = |flags: u64| {
        let flags = i32::try_from(flags & 0x7fff_ffff).unwrap_or(0);
        let reads = flags & libc::O_ACCMODE == libc::O_RDONLY && flags & (libc::O_CREAT | libc::O_TRUNC) == 0;
        if reads { Purpose::Read } else { Purpose::Write }
    };
    match number {
        libc::SYS_openat => vec![place(opened(arguments[2]), Some(0), 1)],
        // The flags of openat2 are in memory; it is used by few, and for reading.
        437 => vec![place(Purpose::Read, Some(0), 1)],
        libc::SYS_execve => vec![place(Purpose::Execute, None, 0)],
        libc::SYS_execveat => vec![place(Purpose::Execute, Some(0), 1)],
        libc::SYS_faccessat | 439 | libc::SYS_newfstatat | libc::SYS_statx => {
            vec![place(Purpose::Ask, Some(0), 1)]
        }
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => {
            // A link is made only where nothing is; what is moved takes another's place.
            let (from, to) = match number {
                libc::SYS_linkat => (Purpose::Ask, Purpose::Make),
                _ => (Purpose::Remove, Purpose::Write),
            };
            vec![place(from, Some(0), 1), place(to, Some(2), 3)]
        }
        libc::SYS_mkdirat => vec![place(Purpose::Make, Some(0), 1)],
        libc::SYS_unlinkat => vec![place(Purpose::Remove, Some(0), 1)],
        libc::SYS_symlinkat => vec![place(Purpose::Make, Some(1), 2)],
        _ => here(number, arguments, opened),
    }
}

/// The calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
fn here(number: i64, arguments: &[u64; 6], opened: impl Fn(u64) -> Purpose) -> Vec<Place> {
    let place = |purpose, path| Place { purpose, dir: None, path };
    match number {
        libc::SYS_open => vec![place(opened(arguments[1]), 0)],
        libc::SYS_creat => vec![place(Purpose::Write, 0)],
        libc::SYS_access | libc::SYS_stat | libc::SYS_lstat => vec![place(Purpose::Ask, 0)],
        libc::SYS_rename => vec![place(Purpose::Remove, 0), place(Purpose::Write, 1)],
        libc::SYS_link => vec![place(Purpose::Ask, 0), place(Purpose::Make, 1)],
        libc::SYS_mkdir => vec![place(Purpose::Make, 0)],
        libc::SYS_unlink | libc::SYS_rmdir => vec![place(Purpose::Remove, 0)],
        libc::SYS_symlink => vec![place(Purpose::Make, 1)],
        _ => Vec::new(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn here(_: i64, _: &[u64; 6], _: impl Fn(u64) -> Purpose) -> Vec<Place> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_follow_the_flags() {
        let purpose = |flags: i32| {
            let arguments = [0, 0, u64::from(flags.cast_unsigned()), 0, 0, 0];
            named(libc::SYS_openat, &arguments)[0].purpose
        };
        assert_eq!(purpose(libc::O_RDONLY | libc::O_CLOEXEC), Purpose::Read);
        for writes in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC] {
            assert_eq!(purpose(writes), Purpose::Write, "{writes:#o}");
        }
    }
}
