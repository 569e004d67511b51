//! What a command has written, and what is left of the disk for everybody else.
//!
//! No quota can be set without privilege, so this is looked at while the command runs. Looking at the whole is quick
//! ([`kernel::file_system`]) and done often; adding up the files of the command takes as long as it has files, and is done
//! when the disk has lost so much that it may be above its limit, now and then besides, and once at its end.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use model::Limits;

use crate::job::path_text;
use crate::kernel;
use crate::{Exit, SandboxError};

/// How often it is looked at: where there is a limit, and where there is none.
const OFTEN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_millis(100);
/// Between two sums: at least so long, and so many times as long as the last one took, if nothing calls for it.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSES: u32 = 50;
/// As above, if the disk has lost much.
const SHORT_PAUSES: u32 = 4;
/// So much above the reserve, its end is far.
const FAR: u64 = 1 << 30;
/// What is left to the machine, at most: the hundredth part of its disk, if that is less.
const RESERVE: u64 = 1 << 30;
/// Nobody has deeper directories but to hide something; what is below counts for the reserve alone.
const DEPTH: usize = 200;

/// The watch over it.
pub(crate) struct Room {
    scratch: CString,
    limit: Option<u64>,
    file_size: Option<u64>,
    /// The command's files in memory: the root of the sandbox.
    memory: Option<OwnedFd>,
    reserve: u64,
    often: bool,
    next_look: Instant,
    /// When, and with how much left on the disk, what lies there was added up.
    summed: Instant,
    took: Duration,
    left: u64,
    sum: Sum,
}

/// What lies in a directory.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    /// The size of the largest file.
    largest: u64,
}

impl Room {
    pub(crate) fn new(scratch: &Path, limits: &Limits) -> Result<Self, SandboxError> {
        let scratch = path_text(scratch)?;
        let (_, left, all) = kernel::file_system(&scratch).unwrap_or((0, u64::MAX, 0));
        let now = Instant::now();
        Ok(Self {
            scratch,
            limit: limits.disk,
            file_size: limits.file_size,
            memory: None,
            // A disk that was almost full when it began is no reason to end it.
            reserve: RESERVE.min(all / 100).min(left / 2),
            often: limits.disk.is_some(),
            next_look: now + OFTEN,
            summed: now,
            took: Duration::ZERO,
            left,
            sum: Sum::default(),
        })
    }

    /// The root of the sandbox stands.
    pub(crate) fn root(&mut self, root: OwnedFd) {
        self.memory = Some(root);
    }

    /// How long until the next look.
    pub(crate) fn pause(&self) -> Duration {
        self.next_look.saturating_duration_since(Instant::now())
    }

    /// Looks, if it is time; says whether the command has to be ended.
    pub(crate) fn look(&mut self) -> Option<Exit> {
        let now = Instant::now();
        if now < self.next_look {
            return None;
        }
        self.next_look = now + if self.often { OFTEN } else { SELDOM };
        let (_, left, _) = kernel::file_system(&self.scratch).ok()?;
        if left < self.reserve {
            return Some(Exit::DiskFull);
        }
        // As long as no disk fills it, there is time.
        self.often = self.limit.is_some() || left - self.reserve < FAR;
        let limit = self.limit?;
        let lost = self.left.saturating_sub(left);
        let since = now - self.summed;
        let much = self.sum.bytes.saturating_add(lost).saturating_add(self.in_memory()) > limit;
        let due = if much { self.took * SHORT_PAUSES } else { PAUSE.max(self.took * PAUSES) };
        if since >= due {
            self.add_up(left);
        }
        (self.sum.bytes.saturating_add(self.in_memory()) > limit).then_some(Exit::OutOfDisk)
    }

    /// Which limit a command was above when it ended; whether it ended well is `well`.
    pub(crate) fn at_end(&mut self, well: bool) -> Option<Exit> {
        if !well && kernel::file_system(&self.scratch).is_ok_and(|(_, left, _)| left < self.reserve) {
            return Some(Exit::DiskFull);
        }
        if self.limit.is_none() && (well || self.file_size.is_none()) {
            return None;
        }
        self.add_up(self.left);
        if self.limit.is_some_and(|limit| self.sum.bytes.saturating_add(self.in_memory()) > limit) {
            return Some(Exit::OutOfDisk);
        }
        // The kernel cuts off what would make a file larger: it has that size to the byte.
        (!well && self.file_size == Some(self.sum.largest)).then_some(Exit::FileTooLarge)
    }

    fn in_memory(&self) -> u64 {
        self.memory.as_ref().map_or(0, |root| kernel::bytes_used_by(root.as_raw_fd()))
    }

    fn add_up(&mut self, left: u64) {
        self.summed = Instant::now();
        self.left = left;
        self.sum = sum(&self.scratch);
        self.took = self.summed.elapsed();
    }
}

/// Adds up what is below the directory at `path`. Nothing is followed; what goes meanwhile is not counted, and neither is
/// what cannot be listed.
fn sum(path: &CStr) -> Sum {
    let mut sum = Sum::default();
    // Files with several names: device and number.
    let mut seen = BTreeSet::new();
    let mut buffer = vec![0_u8; 32 << 10];
    let mut open = Vec::new();
    open.extend(listing(libc::AT_FDCWD, path));
    // Each listing with the directories that it has and that were not looked into.
    let mut levels: Vec<(OwnedFd, Vec<CString>)> = Vec::new();
    while let Some(directory) = open.pop() {
        let mut below = Vec::new();
        while let Ok(length @ 1..) = kernel::read_entries(directory.as_raw_fd(), &mut buffer) {
            for name in names(&buffer[..length]) {
                let Ok(stat) = kernel::stat_at(directory.as_raw_fd(), name) else { continue };
                if stat.st_mode & libc::S_IFMT == libc::S_IFDIR {
                    below.push(name.to_owned());
                } else if stat.st_nlink > 1 && !seen.insert((stat.st_dev, stat.st_ino)) {
                    continue;
                } else {
                    sum.largest = sum.largest.max(u64::try_from(stat.st_size).unwrap_or(0));
                }
                sum.bytes =
                    sum.bytes.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512));
            }
        }
        levels.push((directory, below));
        // Down into the next one that there is, and up from where there is none.
        while let Some((directory, below)) = levels.last_mut() {
            match below.pop() {
                Some(name) => {
                    let next = listing(directory.as_raw_fd(), &name);
                    if levels.len() < DEPTH && next.is_some() {
                        open.extend(next);
                        break;
                    }
                }
                None => drop(levels.pop()),
            }
        }
    }
    sum
}

fn listing(directory: i32, name: &CStr) -> Option<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    kernel::open_at(directory, name, flags, 0).ok().map(kernel::own)
}

/// The names in directory entries of the kernel, but for `.` and `..`.
fn names(mut rest: &[u8]) -> impl Iterator<Item = &CStr> {
    std::iter::from_fn(move || {
        // linux_dirent64: inode 8, offset 8, length 2, kind 1, then the name.
        let size = rest.get(16..18).map(|size| usize::from(u16::from_ne_bytes([size[0], size[1]])))?;
        let name = CStr::from_bytes_until_nul(rest.get(19..size)?).ok()?;
        rest = rest.get(size..)?;
        Some(name)
    })
    .filter(|name| !matches!(name.to_bytes(), b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_once_and_links_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("a/b")).expect("it is new");
        std::fs::write(at("a/b/one"), vec![1; 100_000]).expect("room");
        std::fs::hard_link(at("a/b/one"), at("two")).expect("a link");
        std::os::unix::fs::symlink("/", at("a/root")).expect("a link");
        let found = sum(&path_text(dir.path()).expect("a path"));
        assert_eq!(found.largest, 100_000);
        assert!((100_000..150_000).contains(&found.bytes), "{found:?}");
        let mut deep = dir.path().to_owned();
        for _ in 0..DEPTH + 10 {
            deep.push("d");
        }
        std::fs::create_dir_all(&deep).expect("it is new");
        std::fs::write(deep.join("hidden"), vec![1; 300_000]).expect("room");
        assert_eq!(sum(&path_text(dir.path()).expect("a path")).largest, 100_000);
        std::fs::write(deep.ancestors().nth(20).expect("it is deep").join("seen"), vec![1; 200_000])
            .expect("room");
        assert_eq!(sum(&path_text(dir.path()).expect("a path")).largest, 200_000);
    }
}
