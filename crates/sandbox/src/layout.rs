//! The plan of a root: which parts of the toolchain go where, and what is new.
//!
//! The root is a small file system in memory with the toolchain's top-level directories mounted on it. Where a
//! directory of the toolchain must hold a mount point that it has not (`/var/tmp`, a build path below `/usr`),
//! the directory itself is made new and its children are mounted instead.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use model::Conditions;

use crate::SandboxError;
use crate::accounts;
use crate::achieved::Lacks;
use crate::image::Prepared;

/// One thing in the root; paths are relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A new directory.
    Dir(CString, u32),
    /// A symbolic link: path, target.
    Link(CString, CString),
    /// A new file with this content.
    File(CString, Vec<u8>),
    /// A directory of the toolchain, mounted at the same path.
    BindDir(CString),
    /// A file of the toolchain, mounted at the same path.
    BindFile(CString),
}

impl Entry {
    pub(crate) fn path(&self) -> &CStr {
        match self {
            Self::Dir(path, _)
            | Self::Link(path, _)
            | Self::File(path, _)
            | Self::BindDir(path)
            | Self::BindFile(path) => path,
        }
    }
}

/// The plan.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What to create and mount, parents first, siblings in descending order (the file system in memory lists the
    /// newest first, so that a listing is sorted).
    pub(crate) entries: Vec<Entry>,
    /// Directories of the builder: relative path, mode. Parents first.
    pub(crate) private: Vec<CString>,
    /// The build directory.
    pub(crate) build: CString,
    /// Files that lie over those of `/proc`: where below it they are made, where they are shown.
    pub(crate) world: Vec<(CString, CString)>,
    /// The same of the machine's names, which lie there only where the kernel may not be given them.
    pub(crate) names: Vec<(CString, CString)>,
    /// What the random devices give instead of random numbers; empty if they are the host's.
    pub(crate) random: Vec<u8>,
    /// Whether the toolchain has an `/etc` to lay files over.
    pub(crate) etc: bool,
}

/// Device files taken from the host.
pub(crate) const DEVICES: &[(&CStr, &CStr)] = &[
    (c"/dev/null", c"dev/null"),
    (c"/dev/zero", c"dev/zero"),
    (c"/dev/full", c"dev/full"),
    (c"/dev/random", c"dev/random"),
    (c"/dev/urandom", c"dev/urandom"),
    (c"/dev/tty", c"dev/tty"),
];

/// Those of them that give random numbers.
pub(crate) const RANDOM_DEVICES: &[&CStr] = &[c"dev/random", c"dev/urandom"];
/// How much a random device has that is not zero.
const RANDOM_BYTES: usize = 1 << 20;
/// How large it is: more than anybody reads.
pub(crate) const RANDOM_SIZE: i64 = 1 << 40;

const DEV_LINKS: &[(&str, &str)] = &[
    ("dev/fd", "/proc/self/fd"),
    ("dev/ptmx", "pts/ptmx"),
    ("dev/stderr", "/proc/self/fd/2"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
];

/// Names at the top that the toolchain never provides.
const OWN: &[&str] = &["dev", "etc", "proc", "run", "sys", "tmp"];

impl Layout {
    /// Plans the root of `toolchain` under `conditions`, which must be [`check`]ed, with `files` over those of `/etc` and
    /// in `/run`.
    pub(crate) fn plan(
        toolchain: &Path,
        conditions: &Conditions,
        files: Vec<(String, Vec<u8>)>,
        lacks: Lacks,
    ) -> Result<Self, SandboxError> {
        let build = relative(&conditions.build_path);
        let home = relative(&conditions.home);
        let mut points: BTreeSet<PathBuf> =
            ["tmp", "var/tmp", "dev/shm"].into_iter().map(PathBuf::from).collect();
        points.insert(home.clone());
        let private: Vec<PathBuf> = points.iter().cloned().collect();
        points.insert(build.clone());

        let mut plan = Plan { toolchain, points, entries: Vec::new() };
        for (name, mode) in [("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("run", 0o755)] {
            plan.dir(Path::new(name), mode);
        }
        plan.dir(Path::new("dev/pts"), 0o755);
        for (path, target) in DEV_LINKS {
            plan.entries.push(Entry::Link(c_path(Path::new(path)), c_path(Path::new(target))));
        }
        for (_, path) in DEVICES {
            plan.entries.push(Entry::File((*path).to_owned(), Vec::new()));
        }
        // Below `/proc`, where they are out of sight once that is mounted.
        let mut world = Vec::new();
        let mut shown = if lacks.proc { Vec::new() } else { crate::world::files(conditions) };
        let names = shown.len();
        shown.extend(crate::world::names(conditions).into_iter().filter(|_| !lacks.proc));
        for (number, (path, content)) in shown.into_iter().enumerate() {
            let name = number.to_string();
            plan.entries.push(Entry::File(c_path(&Path::new("proc").join(&name)), content.into_bytes()));
            world.push((c_path(Path::new(&name)), c_path(Path::new(path))));
        }
        let names = world.split_off(names);
        for (name, content) in accounts::files(conditions) {
            plan.entries.push(Entry::File(c_path(&Path::new("etc").join(name)), content.into_bytes()));
        }
        for (path, content) in files {
            plan.file(Path::new(&path), content);
        }
        plan.expand(Path::new(""))?;
        for point in plan.points.clone() {
            plan.chain(&point);
        }
        let mut etc = fs::symlink_metadata(toolchain.join("etc")).is_ok_and(|meta| meta.is_dir());
        if etc && lacks.overlay {
            let own: BTreeSet<CString> = plan.entries.iter().map(|entry| entry.path().to_owned()).collect();
            let before = plan.entries.len();
            plan.expand(Path::new("etc"))?;
            let rest = plan.entries.split_off(before);
            plan.entries.extend(rest.into_iter().filter(|entry| !own.contains(entry.path())));
            etc = false;
        }

        let mut entries = plan.entries;
        entries.sort_by(|a, b| {
            let depth = |entry: &Entry| entry.path().to_bytes().iter().filter(|byte| **byte == b'/').count();
            depth(a).cmp(&depth(b)).then_with(|| b.path().cmp(a.path()))
        });
        Ok(Self {
            entries,
            private: private.iter().map(|path| c_path(path)).collect(),
            world,
            names,
            random: random_bytes(conditions),
            build: c_path(&build),
            etc,
        })
    }
}

impl Layout {
    /// Plans what an image's root has that is not the image's: devices, and `files` and those of the machine over its own.
    pub(crate) fn of_image(conditions: &Conditions, files: Vec<(String, Vec<u8>)>) -> Self {
        let mut plan = Plan { toolchain: Path::new(""), points: BTreeSet::new(), entries: Vec::new() };
        plan.dir(Path::new("dev/pts"), 0o755);
        plan.dir(Path::new("dev/shm"), 0o1777);
        for (path, target) in DEV_LINKS {
            plan.entries.push(Entry::Link(c_path(Path::new(path)), c_path(Path::new(target))));
        }
        for (_, path) in DEVICES {
            plan.entries.push(Entry::File((*path).to_owned(), Vec::new()));
        }
        let mut world = Vec::new();
        let mut shown = crate::image::etc(conditions);
        shown.extend(files);
        let owned = |(path, content): (&str, String)| (path.to_owned(), content.into_bytes());
        shown.extend(crate::world::files(conditions).into_iter().map(owned));
        let names = shown.len();
        shown.extend(crate::world::names(conditions).into_iter().map(owned));
        for (number, (path, content)) in shown.into_iter().enumerate() {
            let name = number.to_string();
            plan.entries.push(Entry::File(c_path(&Path::new("proc").join(&name)), content));
            world.push((c_path(Path::new(&name)), c_path(Path::new(&path))));
        }
        let names = world.split_off(names);
        Self {
            entries: plan.entries,
            private: Vec::new(),
            world,
            names,
            random: random_bytes(conditions),
            build: CString::default(),
            etc: false,
        }
    }

    /// Every file that lies over one of the root, as [`Layout::world`] has it; the machine's names are the last.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &(CString, CString)> {
        self.world.iter().chain(&self.names)
    }

    /// Where something is mounted over `image`, and whether that is a file.
    pub(crate) fn points<'a>(&'a self, image: Option<&'a Prepared>) -> Vec<(&'a CString, bool)> {
        let mut points: Vec<(&CString, bool)> = Vec::new();
        let own = self.world.iter().filter(|(_, path)| !path.as_bytes().starts_with(b"proc/"));
        points.extend(own.map(|(_, path)| (path, true)));
        points.extend(image.into_iter().flat_map(Prepared::points));
        points
    }

    /// The directories that the command may write to, absolute.
    pub(crate) fn writable(&self) -> Vec<PathBuf> {
        if self.build.is_empty() {
            return vec![PathBuf::from("/")];
        }
        let paths = self.private.iter().chain([&self.build]);
        paths.map(|path| Path::new("/").join(std::ffi::OsStr::from_bytes(path.to_bytes()))).collect()
    }
}

/// What a random device gives, at each opening from the beginning.
fn random_bytes(conditions: &Conditions) -> Vec<u8> {
    let model::conditions::Random::Seed(seed) = conditions.random else { return Vec::new() };
    let mut bytes = vec![0; RANDOM_BYTES];
    crate::watch::random::Sequence::new(seed, "/dev/random", 0).fill(&mut bytes);
    bytes
}

struct Plan<'a> {
    toolchain: &'a Path,
    points: BTreeSet<PathBuf>,
    entries: Vec<Entry>,
}

impl Plan<'_> {
    fn dir(&mut self, path: &Path, mode: u32) {
        self.entries.push(Entry::Dir(c_path(path), mode));
    }

    /// A new file, in new directories as far as there are none yet.
    fn file(&mut self, path: &Path, content: Vec<u8>) {
        let mut parents: Vec<&Path> =
            path.ancestors().skip(1).filter(|part| !part.as_os_str().is_empty()).collect();
        parents.reverse();
        for part in parents {
            let name = c_path(part);
            if !self.entries.iter().any(|entry| entry.path() == name.as_c_str()) {
                self.dir(part, 0o755);
            }
        }
        self.entries.push(Entry::File(c_path(path), content));
    }

    /// Provides the children of the toolchain's directory `rel`.
    fn expand(&mut self, rel: &Path) -> Result<(), SandboxError> {
        let dir = self.toolchain.join(rel);
        let failed =
            |source| SandboxError::Path { attempt: "read the toolchain's", path: dir.clone(), source };
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if rel.as_os_str().is_empty() && OWN.iter().any(|own| name == *own) {
                continue;
            }
            self.provide(&rel.join(&name), &entry).map_err(failed)??;
        }
        Ok(())
    }

    fn provide(&mut self, path: &Path, entry: &fs::DirEntry) -> io::Result<Result<(), SandboxError>> {
        let kind = entry.file_type()?;
        let within = |point: &PathBuf| point.starts_with(path);
        if self.points.iter().any(within) {
            // A mount point on the way: only a real directory that has them all can be mounted as it is.
            let complete = self.points.iter().filter(|p| within(p)).all(|p| p != path && self.is_real_dir(p));
            if kind.is_dir() && complete {
                self.entries.push(Entry::BindDir(c_path(path)));
            } else if kind.is_dir() && !self.points.contains(path) {
                self.dir(path, 0o755);
                return Ok(self.expand(path));
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            self.entries.push(Entry::Link(c_path(path), c_path(&target)));
        } else if kind.is_dir() {
            let empty = fs::read_dir(entry.path())?.next().is_none();
            self.entries.push(if empty {
                Entry::Dir(c_path(path), 0o755)
            } else {
                Entry::BindDir(c_path(path))
            });
        } else if kind.is_file() {
            self.entries.push(Entry::BindFile(c_path(path)));
        }
        Ok(Ok(()))
    }

    /// Whether the toolchain has `path` as a directory, by directories only.
    fn is_real_dir(&self, path: &Path) -> bool {
        path.ancestors()
            .filter(|part| !part.as_os_str().is_empty())
            .all(|part| fs::symlink_metadata(self.toolchain.join(part)).is_ok_and(|meta| meta.is_dir()))
    }

    /// Creates the mount point `point` and its parents, as far as nothing provides them.
    fn chain(&mut self, point: &Path) {
        let mut parts: Vec<&Path> = point.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
        parts.reverse();
        for part in parts {
            let name = c_path(part);
            match self.entries.iter().find(|entry| entry.path() == name.as_c_str()) {
                Some(Entry::BindDir(_)) => return, // it has the rest
                Some(_) => {}
                None => {
                    let sticky = part == Path::new("tmp")
                        || part == Path::new("var/tmp")
                        || part == Path::new("dev/shm");
                    self.dir(part, if sticky { 0o1777 } else { 0o755 });
                }
            }
        }
    }
}

/// Checks that conditions can be applied.
pub(crate) fn check(conditions: &Conditions) -> Result<(), SandboxError> {
    let invalid =
        |what, expected, found: &str| Err(SandboxError::Invalid { what, expected, found: found.to_owned() });
    for (what, path) in [("the build path", &conditions.build_path), ("the home", &conditions.home)] {
        let parts: Vec<&str> = path.split('/').collect();
        let plain = path.starts_with('/')
            && parts.iter().skip(1).all(|part| !matches!(*part, "" | "." | ".."))
            && !path.contains(['\0', ':', '\n']);
        if !plain {
            return invalid(what, "an absolute path without `.`, `..`, `:` or empty parts", path);
        }
        if ["dev", "etc", "proc", "run", "sys"].contains(&parts[1]) {
            return invalid(what, "a path outside /dev, /etc, /proc, /run and /sys", path);
        }
    }
    let (build, home) = (Path::new(&conditions.build_path), Path::new(&conditions.home));
    let fixed = ["/tmp", "/var", "/var/tmp"].map(Path::new);
    if home.starts_with(build) || fixed.contains(&build) {
        return invalid(
            "the build path",
            "a directory that holds neither the home nor /tmp",
            &conditions.build_path,
        );
    }
    if fixed.contains(&home) {
        return invalid("the home", "a directory of its own", &conditions.home);
    }
    for (what, name) in [("the user", &conditions.user), ("the group", &conditions.group)] {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || !name.bytes().all(plain) || name == "root" {
            return invalid(what, "a name of visible ASCII characters other than `:`, not `root`", name);
        }
    }
    for (what, id) in [("the uid", conditions.uid), ("the gid", conditions.gid)] {
        if id == 0 || id == u32::MAX {
            return invalid(what, "an id other than 0 and 4294967295", &id.to_string());
        }
    }
    let name = &conditions.hostname;
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("the host name", "1 to 64 visible ASCII characters", name);
    }
    if conditions.umask > 0o777 {
        return invalid("the umask", "at most 0o777", &format!("{:#o}", conditions.umask));
    }
    if conditions.cpus == 0 {
        return invalid("the number of CPUs", "at least 1", "0");
    }
    Ok(())
}

/// An absolute path of the sandbox, relative to its root.
fn relative(path: &str) -> PathBuf {
    PathBuf::from(path.trim_start_matches('/'))
}

fn c_path(path: &Path) -> CString {
    let mut bytes = path.as_os_str().to_owned().into_vec();
    bytes.retain(|byte| *byte != 0);
    debug_assert_eq!(bytes, path.as_os_str().as_bytes());
    CString::new(bytes).expect("every nul was taken out")
}
