//! A cgroup of its own for a sandbox, where the kernel's second version is delegated to this user: limits are then
//! kept by the kernel, and what used them up is known exactly.
//!
//! The kernel lets no process live in a cgroup that gives controllers to others. Where this process is alone in a
//! cgroup that is its own, with what it has started, it moves itself, once, one below ([`CALLER`]); sandboxes come beside it, and go with their
//! end. A cgroup with other processes in it is left alone.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use model::Limits;

use crate::kernel;
use crate::{Exit, spec};

/// Where this process goes, below a cgroup that it was alone in.
const CALLER: &str = "selfsame.caller";
/// What a sandbox needs, beside the processor time that every cgroup counts.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// A cgroup below which sandboxes can have theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its directory.
    pub(crate) base: String,
    /// Whether this process, alone in it with what it has started, has to go one below first.
    pub(crate) enter: bool,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The kernel has, or shows, no cgroup v2.
    Version,
    /// The cgroup is not this user's, is without controllers, or holds other processes.
    Delegation(String),
}

/// Finds one: what `read` gives for files, what `writable` says of paths, and the number of this process.
pub(crate) fn find(
    read: &dyn Fn(&str) -> Option<String>,
    writable: &dyn Fn(&str) -> bool,
    own: u32,
) -> Result<Place, Lack> {
    let text = read("/proc/self/cgroup").unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).ok_or(Lack::Version)?;
    let (name, entered) = match path.strip_suffix(CALLER).and_then(|path| path.strip_suffix('/')) {
        Some(parent) => (parent, true),
        None => (path.trim_end_matches('/'), false),
    };
    // The second is where both versions are in use.
    let base = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .map(|root| format!("{root}{name}"))
        .into_iter()
        .find(|base| read(&format!("{base}/cgroup.controllers")).is_some())
        .ok_or(Lack::Version)?;
    let lack = |what: String| {
        Lack::Delegation(format!("cgroup {} {what}", if name.is_empty() { "/" } else { name }))
    };
    let has = |file: &str| {
        let text = read(&format!("{base}/{file}")).unwrap_or_default();
        let found: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        CONTROLLERS.into_iter().filter(|name| !found.iter().any(|one| one == name)).collect::<Vec<_>>()
    };
    let lacking = has("cgroup.controllers");
    if !lacking.is_empty() {
        return Err(lack(format!("is without {}", lacking.join(", "))));
    }
    let files = ["", "/cgroup.procs", "/cgroup.subtree_control"].map(|file| format!("{base}{file}"));
    if !files.iter().all(|path| writable(path)) {
        return Err(lack("is not this user's".to_owned()));
    }
    if has("cgroup.subtree_control").is_empty() {
        return Ok(Place { base, enter: false });
    }
    let alone = processes(&base, read).into_iter().all(|pid| descends(pid, own, read));
    if alone {
        Ok(Place { base, enter: !entered })
    } else {
        Err(lack("holds other processes too".to_owned()))
    }
}

/// The processes of the cgroup `base`.
fn processes(base: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<u32> {
    let text = read(&format!("{base}/cgroup.procs")).unwrap_or_default();
    // One of another pid namespace is 0.
    text.split_whitespace().map(|pid| pid.parse().unwrap_or(0)).collect()
}

/// Whether `pid` is `own`, or was started by it, or by one that was; also if it is gone.
fn descends(mut pid: u32, own: u32, read: &dyn Fn(&str) -> Option<String>) -> bool {
    while pid != own {
        if pid <= 1 {
            return false;
        }
        let Some(stat) = read(&format!("/proc/{pid}/stat")) else { return true };
        // Behind the name in brackets: the state, then the parent.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        pid = parent.unwrap_or(0);
    }
    true
}

/// Moves all that is in `base` one below, until it can give controllers away.
///
/// More than once: a thread of this process may start something meanwhile.
fn enter(base: &Path, below: &Path, read: &dyn Fn(&str) -> Option<String>, own: u32) -> bool {
    for _ in 0..20 {
        for pid in processes(&base.to_string_lossy(), read) {
            if !descends(pid, own, read) {
                return false;
            }
            // One that has ended cannot be moved, and does not matter.
            let _ = write(&below.join("cgroup.procs"), &pid.to_string());
        }
        match write(&base.join("cgroup.subtree_control"), "+memory +pids") {
            Ok(()) => return true,
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(_) => return false,
        }
    }
    false
}

/// The directory below which this process makes cgroups.
///
/// Decided once, before the first sandbox is started: one that runs must not be moved, it would see that.
pub(crate) fn base() -> Option<&'static Path> {
    static BASE: OnceLock<Option<PathBuf>> = OnceLock::new();
    BASE.get_or_init(|| {
        let read = |path: &str| fs::read_to_string(path).ok();
        let writable = |path: &str| std::ffi::CString::new(path).is_ok_and(|path| kernel::writable(&path));
        let place = find(&read, &writable, std::process::id()).ok()?;
        let base = PathBuf::from(place.base);
        let below = base.join(CALLER);
        if place.enter {
            let _ = fs::create_dir(&below);
            if !enter(&base, &below, &read, std::process::id()) {
                // Somebody came in meanwhile: back.
                for pid in processes(&below.to_string_lossy(), &read) {
                    let _ = write(&base.join("cgroup.procs"), &pid.to_string());
                }
                let _ = fs::remove_dir(&below);
                return None;
            }
        } else {
            write(&base.join("cgroup.subtree_control"), "+memory +pids").ok()?;
        }
        Some(base)
    })
    .as_deref()
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// The cgroup of one sandbox. Dropped, after the last process of it is gone, it is removed.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    directory: OwnedFd,
    cpu_time: Option<Duration>,
}

impl Cgroup {
    /// One with these limits; `None` where there can be none.
    pub(crate) fn new(limits: &Limits) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base()?.join(format!("selfsame.{}.{number}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let made = Self::limited(&path, limits);
        if made.is_none() {
            let _ = fs::remove_dir(&path);
        }
        made
    }

    fn limited(path: &Path, limits: &Limits) -> Option<Self> {
        if let Some(memory) = limits.memory {
            write(&path.join("memory.max"), &memory.to_string()).ok()?;
            // All of it at once: what is left of a step without one of its processes is nothing to go on with.
            write(&path.join("memory.oom.group"), "1").ok()?;
            // The limit is of what it needs, not of what can be kept in memory. A kernel without swap has no such file.
            let _ = write(&path.join("memory.swap.max"), "0");
        }
        // What would make it reach the limit is refused, and counted.
        let processes = limits.processes.unwrap_or(spec::PROCESSES).saturating_sub(1);
        write(&path.join("pids.max"), &processes.to_string()).ok()?;
        let flags = libc::O_DIRECTORY | libc::O_PATH;
        let directory = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
        Some(Self { path: path.to_owned(), directory: directory.into(), cpu_time: limits.cpu_time })
    }

    /// What a process is forked into.
    pub(crate) fn directory(&self) -> RawFd {
        self.directory.as_raw_fd()
    }

    /// Which limit was reached, if one was.
    pub(crate) fn over(&self) -> Option<Exit> {
        // The first alone is its limit's doing; the second alone, that of a machine without memory.
        if self.count("memory.events", "oom") > 0 && self.count("memory.events", "oom_kill") > 0 {
            return Some(Exit::OutOfMemory);
        }
        if self.count("pids.events", "max") > 0 {
            return Some(Exit::OutOfProcesses);
        }
        let limit = self.cpu_time?;
        let used = Duration::from_micros(self.count("cpu.stat", "usage_usec"));
        (used >= limit).then_some(Exit::OutOfCpuTime)
    }

    /// The number behind `key` in `file`; 0 without one.
    fn count(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        found.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The last process may be a moment from being gone for the kernel.
        for _ in 0..50 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    let _ = kernel::poll(&mut [], Some(2));
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)], closed: &[&str]) -> Result<Place, Lack> {
        let read =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        find(&read, &|path| !closed.contains(&path), 7)
    }

    #[test]
    fn it_is_found_where_it_is_this_users_and_nobody_elses() {
        let own = ("/proc/self/cgroup", "1:cpu:/\n0::/a\n");
        let has = ("/sys/fs/cgroup/a/cgroup.controllers", "cpu memory pids\n");
        let gives = ("/sys/fs/cgroup/a/cgroup.subtree_control", "memory pids\n");
        let alone = ("/sys/fs/cgroup/a/cgroup.procs", "7\n");
        let at = |enter| Ok(Place { base: "/sys/fs/cgroup/a".into(), enter });
        let lack = |what: &str| Err(Lack::Delegation(format!("cgroup /a {what}")));
        assert_eq!(found(&[own, has, alone], &[]), at(true));
        assert_eq!(found(&[own, has, gives], &[]), at(false));
        let entered = ("/proc/self/cgroup", "0::/a/selfsame.caller\n");
        assert_eq!(found(&[entered, has, gives], &[]), at(false));
        let both = (alone.0, "7\n8\n");
        let other = |parent| [own, has, both, ("/proc/8/stat", parent), ("/proc/9/stat", "9 (x) S 7 9")];
        assert_eq!(found(&other("8 (a) S) S 9 8 8"), &[]), at(true), "a child of a child");
        assert_eq!(found(&other("8 (a) S 1 8 8"), &[]), lack("holds other processes too"));
        assert_eq!(found(&[own, has, (alone.0, "7\n0\n")], &[]), lack("holds other processes too"));
        assert_eq!(found(&[own, (has.0, "cpu pids"), alone], &[]), lack("is without memory"));
        assert_eq!(found(&[own, has, alone], &[alone.0]), lack("is not this user's"));
        assert_eq!(found(&[own], &[]), Err(Lack::Version));
        assert_eq!(found(&[("/proc/self/cgroup", "1:cpu:/\n")], &[]), Err(Lack::Version));
        let both = ("/sys/fs/cgroup/unified/a/cgroup.controllers", "");
        assert_eq!(found(&[own, both], &[]), lack("is without memory, pids"));
    }
}
