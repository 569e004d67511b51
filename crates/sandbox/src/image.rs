//! A root that is the file system of an image, for a command that builds on it: layers over one another, all of which it
//! may write to, as one of the image's users.
//!
//! The image's users are a range of ids of the host's own: 65,536 of them, of which the first is the image's root
//! ([`first_id`]). So files belong to whom the image says, `chown` and `setuid` are the kernel's, and nothing is emulated;
//! but the caller must own such a range. Root does, in a container too as far as its ids reach; an ordinary user becomes
//! root of a namespace of its subordinate ids first (`newuidmap`).
//!
//! Layers are directories as [`crate::Spec::scratch`]'s `upper` is after a run: a deleted file is a character device 0, 0,
//! a directory that hides what is below it has the attribute `user.overlay.opaque`. Below them lies one with the mount
//! points that the image may lack, so that nothing of them is in what the command wrote.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Component, Path};

use model::Conditions;

use crate::error::Stage;
use crate::job::{Source, path_text};
use crate::{SandboxError, idmap, kernel, refusal};

/// How many ids an image has.
pub const IDS: u32 = 1 << 16;

/// Where the range begins for somebody who has all ids of the host: above what container managers hand out.
const UNUSED: u32 = 0x7001_0000;

/// The file system of an image as a root.
pub struct Image<'a> {
    /// Unpacked layers, the lowest first, at most [`LAYERS`]; whoever owns a file in the image does so plus [`first_id`].
    pub layers: &'a [&'a Path],
    /// Who runs the command.
    pub user: User,
    /// Where; absolute, and it exists in the layers.
    pub workdir: &'a str,
    /// What lies over the image while the command runs, in this order.
    pub mounts: &'a [Mount<'a>],
}

/// More layers than this are too many for one mount.
pub const LAYERS: usize = 128;

/// A user of an image, by its own numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Less than [`IDS`].
    pub uid: u32,
    /// Less than [`IDS`].
    pub gid: u32,
    /// Further groups, each less than [`IDS`].
    pub groups: Vec<u32>,
}

/// A directory or file over one of the image.
#[derive(Debug, Clone, Copy)]
pub struct Mount<'a> {
    /// A directory or file of the caller.
    pub source: &'a Path,
    /// Where; absolute and plain.
    pub target: &'a str,
    /// Whether the command may write to it.
    pub writable: bool,
}

/// Directories of the root that are never the image's, with their modes.
pub(crate) const KERNELS: [(&CStr, &CStr); 3] = [(c"dev", c"0755"), (c"proc", c"0555"), (c"sys", c"0555")];

/// What init needs of it, made before the fork.
pub(crate) struct Prepared {
    /// Layers, to be attached somewhere so that their descriptors lead to them.
    pub(crate) layers: Vec<OwnedFd>,
    /// Options of the overlay.
    pub(crate) options: CString,
    pub(crate) mounts: Vec<Over>,
    pub(crate) workdir: CString,
    pub(crate) user: User,
}

/// What lies over the image.
pub(crate) struct Over {
    pub(crate) mount: OwnedFd,
    /// Relative to the root.
    pub(crate) target: CString,
    pub(crate) writable: bool,
    /// Whether it is a file, and not a directory.
    is_file: bool,
}

impl Prepared {
    /// `scratch` is a mount.
    pub(crate) fn new(image: &Image<'_>, scratch: &Source) -> Result<Self, SandboxError> {
        let invalid = |what, expected, found: String| Err(SandboxError::Invalid { what, expected, found });
        if image.layers.len() > LAYERS {
            return invalid("the image", "at most 128 layers", image.layers.len().to_string());
        }
        let User { uid, gid, groups } = &image.user;
        if let Some(id) = [uid, gid].into_iter().chain(groups).find(|id| **id >= IDS) {
            return invalid("the user", "ids below 65536", id.to_string());
        }
        let mut layers = Vec::new();
        let mut lower = Vec::new();
        for layer in image.layers.iter().rev() {
            let mount = idmap::mount(layer)?;
            lower.push(format!("/proc/self/fd/{}", mount.as_raw_fd()));
            layers.push(mount);
        }
        let mut mounts = Vec::new();
        for Mount { source, target, writable } in image.mounts {
            let target = path_text(plain(target)?)?;
            let mount = idmap::mount(source)?;
            mounts.push(Over { mount, target, writable: *writable, is_file: source.is_file() });
        }
        let scratch = format!("/proc/self/fd/{}", scratch.descriptor().unwrap_or(-1));
        lower.push(format!("{scratch}/points"));
        let options = format!(
            "userxattr,volatile,lowerdir={},upperdir={scratch}/upper,workdir={scratch}/work",
            lower.join(":")
        );
        let workdir = match plain(image.workdir) {
            Ok(path) => path_text(path)?,
            Err(_) if image.workdir == "/" => c".".to_owned(),
            Err(error) => return Err(error),
        };
        let options = CString::new(options).expect("paths of descriptors have no nul byte");
        Ok(Self { layers, options, mounts, workdir, user: image.user.clone() })
    }
}

impl Prepared {
    /// The descriptors of everything.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.layers.iter().chain(self.mounts.iter().map(|over| &over.mount)).map(AsRawFd::as_raw_fd)
    }

    /// Where the mounts are, and whether each is a file.
    pub(crate) fn points(&self) -> impl Iterator<Item = (&CString, bool)> {
        self.mounts.iter().map(|over| (&over.target, over.is_file))
    }
}

/// An absolute path as one relative to the root.
pub(crate) fn plain(path: &str) -> Result<&Path, SandboxError> {
    let relative = path.strip_prefix('/').map(Path::new).filter(|path| !path.as_os_str().is_empty());
    let is_plain = |path: &&Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    relative.filter(is_plain).filter(|_| !path.contains('\0')).ok_or_else(|| SandboxError::Invalid {
        what: "a path in the image",
        expected: "an absolute path without `.` and `..`",
        found: path.to_owned(),
    })
}

/// Makes the directory below all layers: the mount points, each with whether it is a file. They are `owner`'s.
pub(crate) fn points(
    scratch: &Path,
    owner: Option<u32>,
    points: &[(&CString, bool)],
    time: i64,
) -> Result<(), SandboxError> {
    let failed =
        |path: &Path, source| SandboxError::Path { attempt: "prepare", path: path.to_owned(), source };
    let below = scratch.join("points");
    let make = |path: &Path, is_file: bool| {
        let made = if is_file { fs::write(path, "") } else { fs::create_dir(path) };
        let mode = if is_file { 0o644 } else { 0o755 };
        made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .and_then(|()| chown(path, owner, owner))
            .map_err(|error| failed(path, error))
    };
    make(&below, false)?;
    let mut all = vec![below.clone()];
    for (point, is_file) in KERNELS
        .iter()
        .map(|(path, _)| (*path, false))
        .chain(points.iter().map(|(path, is_file)| (path.as_c_str(), *is_file)))
    {
        let point = below.join(OsStr::from_bytes(point.to_bytes()));
        let above = point.ancestors().skip(1).take_while(|path| *path != below);
        for folder in above.collect::<Vec<_>>().into_iter().rev() {
            if !folder.exists() {
                make(folder, false)?;
                all.push(folder.to_owned());
            }
        }
        if !point.exists() {
            make(&point, is_file)?;
            all.push(point);
        }
    }
    // Last: what is made in a directory changes its time.
    for path in all {
        kernel::set_time(&path_text(&path)?, time).map_err(|errno| failed(&path, errno.into()))?;
    }
    Ok(())
}

/// Files of `/etc` that tell the command where it is, over the image's own.
pub(crate) fn etc(conditions: &Conditions) -> Vec<(String, Vec<u8>)> {
    const OURS: [&str; 3] = ["hostname", "hosts", "resolv.conf"];
    let files = crate::accounts::files(conditions).into_iter().filter(|(name, _)| OURS.contains(name));
    files.map(|(name, content)| (format!("etc/{name}"), content.into_bytes())).collect()
}

/// The id that the root of every image has outside.
///
/// # Errors
/// [`SandboxError::Refused`] if this process may not hand out [`IDS`] ids.
pub fn first_id() -> Result<u32, SandboxError> {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let found = range(&read("uid_map"), &read("gid_map"));
    match found.filter(|_| crate::run::may_change_owners()) {
        Some(first) => Ok(first),
        None => Err(SandboxError::Refused {
            cause: "an image has many users, and this process has no 65536 ids to give them".to_owned(),
            fix: "run as root, or give yourself subordinate ids: apt-get install uidmap; usermod --add-subuids \
                  100000-165535 --add-subgids 100000-165535 $USER"
                .to_owned(),
        }),
    }
}

/// The first of [`IDS`] ids in a row that both maps have, 0 not among them.
fn range(uids: &str, gids: &str) -> Option<u32> {
    let (uids, gids) = (extents(uids), extents(gids));
    let has = |extents: &[(u64, u64)], first: u64| {
        extents.iter().any(|(from, to)| *from <= first && first + u64::from(IDS) <= *to)
    };
    let candidates = uids.iter().chain(&gids).map(|(from, _)| (*from).max(1));
    std::iter::once(u64::from(UNUSED))
        .chain(candidates)
        .find(|first| has(&uids, *first) && has(&gids, *first))
        .and_then(|first| u32::try_from(first).ok())
}

/// What a map covers: half-open ranges, those that touch as one.
fn extents(map: &str) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = map
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
            Some((first, first + count))
        })
        .collect();
    all.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in all {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Why the layers could not be laid over each other, or something over them.
pub(crate) fn failed(prepared: &Prepared, stage: Stage, index: usize, errno: i32) -> SandboxError {
    let attempted = match stage {
        Stage::Mounts => prepared.mounts.get(index).map(|over| &over.target),
        Stage::Workdir => Some(&prepared.workdir),
        _ => None,
    };
    let own = KERNELS.get(index).map(|(path, _)| *path).filter(|_| stage == Stage::Private);
    let attempted = attempted.map(CString::as_c_str).or(own);
    let attempted = attempted.map(|path| format!("/{}", path.to_string_lossy())).unwrap_or_default();
    refusal::setup(stage, attempted, errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_in_every_kind_of_namespace() {
        let host = "0 0 4294967295\n";
        assert_eq!(range(host, host), Some(UNUSED));
        // What `newuidmap` gives.
        let own = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(range(own, own), Some(1));
        assert_eq!(range(host, own), Some(1));
        // A container of one range: too few by one.
        assert_eq!(range("0 100000 65536\n", host), None);
        assert_eq!(range("0 1000 1\n", "0 1000 1\n"), None);
        assert_eq!(range("0 1000 1\n5 100000 65536\n", "0 0 70000\n"), Some(5));
        assert_eq!(range("", ""), None);
    }

    #[test]
    fn paths_in_an_image_are_plain() {
        assert_eq!(plain("/a/b").unwrap(), Path::new("a/b"));
        for path in ["", "/", "a", "/a/../b", "/./a", "/a\0"] {
            assert!(plain(path).is_err(), "{path:?}");
        }
    }
}
