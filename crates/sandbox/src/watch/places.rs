//! Where paths lead, from the sandbox's root.
//!
//! Most of what a step looks at is its toolchain, and that does not change while it runs. So a path that leads through
//! nothing but read-only directories is looked up once: it is *settled*. What the step may write to, or is the kernel's
//! own, never is.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::process::Caller;
use crate::kernel;

/// Files of the kernel's own, seen differently from each process.
const OF_THE_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];
/// How many settled paths are kept: what a step makes up must not fill the caller's memory.
const KEPT: usize = 1 << 18;
/// How many symbolic links are followed, as by the kernel.
const LINKS: u32 = 40;

/// The sandbox's root, and what is known of it.
pub(crate) struct Places {
    root: OwnedFd,
    /// Directories that the step may write to.
    writable: Vec<PathBuf>,
    /// Settled paths and where they lead, `None` for nowhere: of a last link itself, and of what it leads to.
    settled: [HashMap<PathBuf, Option<PathBuf>>; 2],
}

impl Places {
    pub(crate) fn new(root: OwnedFd, writable: Vec<PathBuf>) -> Self {
        Self { root, writable, settled: Default::default() }
    }

    /// Where the absolute and plain `path` leads; `None` if nothing is there.
    pub(super) fn leads(&mut self, path: &Path, follow: bool) -> Option<PathBuf> {
        if let Some(known) = self.settled(path, follow) {
            return known;
        }
        let found = self.open(path, follow)?;
        fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()
    }

    /// A descriptor of what is at `path`, only good for asking about it.
    pub(super) fn open(&self, path: &Path, follow: bool) -> Option<OwnedFd> {
        let text = CString::new(path.as_os_str().as_bytes()).ok()?;
        kernel::look_in(self.root.as_raw_fd(), &text, follow).ok().map(kernel::own)
    }

    /// Whether the step may write below `path`.
    pub(super) fn is_writable(&self, path: &Path) -> bool {
        self.writable.iter().any(|dir| path.starts_with(dir))
    }

    /// Where `path` leads for as long as the step runs; `None` if that may change.
    pub(super) fn settled(&mut self, path: &Path, follow: bool) -> Option<Option<PathBuf>> {
        self.settle(path, follow, LINKS)
    }

    fn settle(&mut self, path: &Path, follow: bool, links: u32) -> Option<Option<PathBuf>> {
        if let Some(known) = self.settled[usize::from(follow)].get(path) {
            return Some(known.clone());
        }
        if is_of_the_kernel(path) || self.is_writable(path) {
            return None;
        }
        let found = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => match self.settle(parent, true, links)? {
                Some(parent) => self.below(&parent, &parent.join(name), follow, links)?,
                None => None,
            },
            _ => Some(path.to_owned()), // the root
        };
        let settled = &mut self.settled[usize::from(follow)];
        if settled.len() < KEPT {
            settled.insert(path.to_owned(), found.clone());
        }
        Some(found)
    }

    /// The same of `own`, which lies in `parent`, a read-only directory by its real name.
    fn below(&mut self, parent: &Path, own: &Path, follow: bool, links: u32) -> Option<Option<PathBuf>> {
        if is_of_the_kernel(own) || self.is_writable(own) {
            return None;
        }
        let Some(file) = self.open(own, false) else { return Some(None) };
        let is_link = follow
            && kernel::stat(file.as_raw_fd()).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFLNK);
        if !is_link {
            return Some(Some(own.to_owned()));
        }
        let target = kernel::read_link(file.as_raw_fd())?;
        // By name, `..` is taken out only where it stands at the beginning: what comes before it may be a link.
        let inner = target.components().skip_while(|part| !matches!(part, Component::Normal(_)));
        if links == 0 || inner.into_iter().any(|part| part == Component::ParentDir) {
            return None;
        }
        self.settle(&plain(&parent.join(target)), true, links - 1)
    }
}

/// Whether `path` is a file of the kernel's own.
pub(super) fn is_of_the_kernel(path: &Path) -> bool {
    OF_THE_KERNEL.iter().any(|own| path.starts_with(own))
}

/// A path as its process means it, from the root; `.` and `..` are taken out by name.
pub(super) fn absolute(caller: &Caller, dir: Option<u64>, path: &Path) -> Option<PathBuf> {
    if path.is_absolute() {
        return Some(plain(path));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "descriptors have 32 bits; the rest is not looked at"
    )]
    let dir = dir.map_or(libc::AT_FDCWD, |dir| (dir as u32).cast_signed());
    let link = match dir {
        libc::AT_FDCWD => format!("/proc/{}/cwd", caller.pid),
        dir => format!("/proc/{}/fd/{dir}", caller.pid),
    };
    Some(plain(&fs::read_link(link).ok()?.join(path)))
}

fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_plain() {
        for (path, expected) in [("/a/./b/../c", "/a/c"), ("/..", "/"), ("/a//b/", "/a/b"), ("/a/b/..", "/a")]
        {
            assert_eq!(plain(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn only_what_cannot_change_is_settled() {
        let root = tempfile::tempdir().unwrap();
        for dir in ["usr/bin", "usr/lib/deep", "tmp", "build"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        fs::write(root.path().join("usr/bin/cc1"), "").unwrap();
        for (link, target) in [
            ("bin", "usr/bin"),
            ("usr/bin/cc", "cc1"),
            ("usr/bin/up", "../lib/deep"),
            ("usr/bin/odd", "deep/../cc1"),
            ("usr/bin/loop", "loop"),
            ("usr/tmp", "/tmp"),
            ("tmp/back", "/usr/bin"),
            ("usr/lib/out", "/tmp/back"),
            ("usr/lib/mounts", "/proc/self/mounts"),
        ] {
            symlink(target, root.path().join(link)).unwrap();
        }
        let file = fs::File::open(root.path()).unwrap();
        let mut places = Places::new(file.into(), vec!["/tmp".into(), "/build".into()]);
        let there = |path: &str| Some(Some(PathBuf::from(path)));
        let cases: &[(&str, bool, Option<Option<PathBuf>>)] = &[
            ("/", true, there("/")),
            ("/usr/bin/cc1", true, there("/usr/bin/cc1")),
            ("/bin/cc", true, there("/usr/bin/cc1")),
            ("/bin/cc", false, there("/usr/bin/cc")),
            ("/bin", false, there("/bin")),
            ("/bin/up", true, there("/usr/lib/deep")),
            ("/usr/bin/none", true, Some(None)),
            ("/none/below", true, Some(None)),
            ("/tmp", true, None),
            ("/tmp/back/cc1", true, None),
            ("/usr/tmp/x", true, None),
            ("/usr/tmp", true, None),
            ("/usr/tmp", false, there("/usr/tmp")),
            ("/usr/tmp/back/cc1", true, None),
            ("/usr/lib/out", true, None),
            ("/usr/lib/out/cc1", true, None),
            ("/usr/lib/mounts", true, None),
            ("/usr/bin/odd", true, None),
            ("/usr/bin/loop", true, None),
            ("/dev/null", true, None),
        ];
        for _ in 0..2 {
            for (path, follow, expected) in cases {
                assert_eq!(places.settled(Path::new(path), *follow), *expected, "{path} {follow}");
            }
        }
    }
}
