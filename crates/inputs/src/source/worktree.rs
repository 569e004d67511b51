//! The git work tree around a recipe: its tracked files, as they stand.
//!
//! Content is what the files hold now, not what was committed: modified files are in, and reported; untracked ones are
//! not in, and reported; deleted ones are absent, and reported. Submodules are their checked-out tracked files.
//!
//! What git says is clean may still not be what was committed: an index can tell git not to look at a file, and filters
//! and line-end conversion have other bytes in the work tree than in the commit. So the id that git would give each
//! file's bytes as they are is computed while they are hashed, and compared with the index ([`object`]).
//!
//! What was hashed once is known by its stat data ([`cache`]), so a build without changes reads no file at all. Nor does
//! it ask whether the store still holds each of them: what has got lost is missing when it is needed, and then
//! [`bring_worktree`] reads it again.

mod cache;
mod object;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::tree::{Node, Tree};
use model::{Digest, RelPath, Timestamp};
use rustix::fs::{AtFlags, CWD, FileType, Mode as Permissions, OFlags};
use rustix::io::Errno;

use crate::git::{ask, listed};
use crate::{Context, GitError, InputError};
use cache::{Cache, Known, Stat};
use object::Object;
pub use status::remote;

/// A work tree as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTree {
    /// The tracked files.
    pub tree: Digest,
    /// The commit that is checked out; `None` before the first.
    pub commit: Option<String>,
    /// Where the source lies in the repository; `.` for all of it.
    pub folder: RelPath,
    /// URL of the remote `origin`, else of the one whose name sorts first, as [`model::sbom::public_url`] has it.
    pub remote: Option<String>,
    /// Time of the commit; 0 before the first.
    pub epoch: Timestamp,
    /// What differs from the commit, sorted by path: a letter (`M` modified, `A` added, `D` deleted, `R` renamed,
    /// `T` of another type, `U` in conflict, `H` hidden from git by its index, `?` untracked), a space and the path in
    /// the repository.
    pub dirty: Vec<String>,
}

/// Reads the work tree at `path`, relative to the recipe's folder. What has changed since the last time is put into the
/// store; what has not was put there then, and is not looked for.
///
/// # Errors
/// If there is no git repository, git refuses, or a file cannot be read or stored.
pub fn worktree(cx: &Context<'_>, path: &RelPath) -> Result<WorkTree, InputError> {
    look(cx, path, false)
}

/// As [`worktree`], and afterwards the store holds all of it, whatever it had lost.
///
/// # Errors
/// As [`worktree`].
pub fn bring_worktree(cx: &Context<'_>, path: &RelPath) -> Result<WorkTree, InputError> {
    look(cx, path, true)
}

fn look(cx: &Context<'_>, path: &RelPath, whole: bool) -> Result<WorkTree, InputError> {
    let folder = cx.recipe_dir.join(path.as_str());
    let folder = folder.canonicalize().map_err(|cause| GitError::File { path: folder, cause })?;
    let Some(top) = folder.ancestors().find(|a| a.join(".git").exists()) else {
        return Err(GitError::NoRepository { path: folder }.into());
    };
    let below = folder.strip_prefix(top).ok().and_then(Path::to_str).unwrap_or_default();
    let below = if below.is_empty() {
        RelPath::root()
    } else {
        below.parse().map_err(|_| GitError::NoRepository { path: folder.clone() })?
    };
    let env = &cx.host.env;
    std::thread::scope(|scope| {
        let status = scope.spawn(|| status::read(env, &folder));
        let remote = scope.spawn(|| remote(env, &folder));
        let scanned = scan(cx, &folder, whole).and_then(|s| Ok((changed(env, &folder, &s)?, s)));
        let remote = remote.join().expect("the thread does not panic");
        let status = status.join().expect("the thread does not panic")?;
        let (changed, scanned) = scanned?;
        let place = |path: &RelPath| below.join(path).to_string();
        let changed = changed.iter().map(place).collect();
        let found = scanned.found.iter().map(|(path, letter)| (place(path), *letter));
        Ok(WorkTree {
            tree: scanned.tree,
            epoch: status.time.unwrap_or(Timestamp(0)),
            commit: status.commit.clone(),
            dirty: status::merge(status, &changed, found),
            folder: below,
            remote,
        })
    })
}

/// The submodules, not those inside others, that are not as the index around them says: at another commit, or with
/// anything in them, or in a submodule of theirs, that is no part of it.
fn changed(
    env: &BTreeMap<String, String>,
    folder: &Path,
    scanned: &Scanned,
) -> Result<BTreeSet<RelPath>, GitError> {
    let mut changed = BTreeSet::new();
    let mut outermost: Option<&RelPath> = None;
    for module in &scanned.modules {
        // Those inside a submodule come right after it.
        let whole = outermost.filter(|o| module.path.is_within(o)).unwrap_or(&module.path);
        outermost = Some(whole);
        if changed.contains(whole) {
            continue;
        }
        // What git is told to overlook is named by its own path.
        let touched = |(path, letter): &(RelPath, char)| *letter != 'H' && path.is_within(&module.path);
        let same = !scanned.found.iter().any(touched) && {
            let status = status::read(env, &folder.join(module.path.as_str()))?;
            status.is_clean() && status.commit.as_ref() == Some(&module.commit)
        };
        if !same {
            changed.insert(whole.clone());
        }
    }
    Ok(changed)
}

/// A submodule that is checked out.
struct Module {
    path: RelPath,
    /// Where the index around it says that it is.
    commit: String,
}

/// One tracked file: where it is, and what the index says of it.
struct Tracked {
    path: RelPath,
    /// Git's id of its content, and what kind of file it is.
    object: Object,
    mode: Mode,
    /// Git is told not to look at it.
    hidden: bool,
}

/// The kinds of file that an index knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    Executable,
    Link,
}

/// The tree, and what differs from the index, whatever git says: path in the folder and letter, sorted.
struct Scanned {
    tree: Digest,
    found: Vec<(RelPath, char)>,
    modules: Vec<Module>,
}

/// What the indexes list: files, submodules that are checked out, and those that are not.
#[derive(Default)]
struct Lists {
    tracked: Vec<Tracked>,
    modules: Vec<Module>,
    empty: Vec<RelPath>,
}

/// Reads the files. With `whole`, that nothing has changed is not enough: the store must hold it, too.
fn scan(cx: &Context<'_>, folder: &Path, whole: bool) -> Result<Scanned, InputError> {
    let began = cache::now();
    let mut lists = Lists::default();
    list(cx, folder, &RelPath::root(), &mut lists, 0)?;
    let stats = stat_all(folder, &lists.tracked)?;
    let Lists { tracked, modules, empty } = lists;
    let fingerprint = cache::fingerprint(&tracked, &stats, &empty);
    if let Some(last) = cache::last(cx.store, folder)
        && last.fingerprint == fingerprint.hex()
        && (!whole || cx.store.missing(&last.tree)?.is_empty())
    {
        return Ok(Scanned { tree: last.tree, found: last.found, modules });
    }
    let old = Cache::load(cx.store, folder);
    let files: Vec<(&Tracked, Stat)> =
        tracked.iter().zip(&stats).filter_map(|(file, stat)| Some((file, (*stat)?))).collect();
    let nodes = nodes(cx, folder, &files, &old)?;
    // A submodule that is not checked out is not there.
    let mut found: Vec<(RelPath, char)> = empty.iter().map(|path| (path.clone(), 'D')).collect();
    let gone = tracked.iter().zip(&stats).filter(|(_, stat)| stat.is_none());
    found.extend(gone.map(|(file, _)| (file.path.clone(), 'D')));
    let letters = files.iter().zip(&nodes).filter_map(|((file, _), known)| Some((file, file.letter(known)?)));
    found.extend(letters.map(|(file, letter)| (file.path.clone(), letter)));
    found.sort();
    let mut tree = Tree::default();
    let content = |e: model::tree::TreeError| GitError::Content {
        place: folder.display().to_string(),
        reason: e.to_string(),
    };
    for path in &empty {
        tree.make_directory(path).map_err(content)?;
    }
    for ((file, _), known) in files.iter().zip(&nodes) {
        tree.insert(&file.path, known.node.clone()).map_err(content)?;
    }
    let finished = tree.finish();
    cx.store.put_tree(&finished)?;
    let settled = Cache::save(cx.store, folder, began, files.iter().map(|(f, s)| (&f.path, s)).zip(&nodes))?;
    let scanned = Scanned { tree: finished.root, found, modules };
    if settled {
        cache::save_last(cx.store, folder, &fingerprint, &scanned)?;
    }
    Ok(scanned)
}

impl Tracked {
    /// In which way what was found differs from the index.
    fn letter(&self, known: &Known) -> Option<char> {
        let mode = match known.node {
            Node::Symlink(_) => Mode::Link,
            Node::File { executable: true, .. } => Mode::Executable,
            _ => Mode::Plain,
        };
        if (mode == Mode::Link) != (self.mode == Mode::Link) {
            return Some('T');
        }
        if mode != self.mode || known.object != self.object {
            return Some('M');
        }
        self.hidden.then_some('H')
    }
}

/// Lists what is tracked below `folder`, in submodules as well.
fn list(
    cx: &Context<'_>,
    folder: &Path,
    prefix: &RelPath,
    lists: &mut Lists,
    depth: usize,
) -> Result<(), InputError> {
    let place = folder.display().to_string();
    let bytes = ask(&cx.host.env, folder, &["ls-files", "-s", "-v", "-z"])?;
    for entry in listed(&place, &bytes)? {
        let path: RelPath = entry.path.parse().map_err(|e: model::path::PathError| GitError::Content {
            place: place.clone(),
            reason: e.to_string(),
        })?;
        let whole = prefix.join(&path);
        if entry.mode != "160000" {
            let object = Object::parse(entry.object).ok_or_else(|| GitError::Content {
                place: place.clone(),
                reason: format!("`{whole}`: expected the id of an object, found `{}`", entry.object),
            })?;
            let mode = match entry.mode {
                "120000" => Mode::Link,
                "100755" => Mode::Executable,
                _ => Mode::Plain,
            };
            lists.tracked.push(Tracked { path: whole, object, mode, hidden: entry.hidden });
            continue;
        }
        let module = folder.join(entry.path);
        if module.join(".git").exists() && depth < 16 {
            lists.modules.push(Module { path: whole.clone(), commit: entry.object.to_owned() });
            list(cx, &module, &whole, lists, depth + 1)?;
        } else {
            cx.warn(
                format!("submodule `{whole}` is not checked out: its folder is empty in the build"),
                Some("git submodule update --init --recursive".into()),
            );
            lists.empty.push(whole);
        }
    }
    Ok(())
}

/// What stands at each path; `None` where no file or link is any more.
fn stat_all(folder: &Path, tracked: &[Tracked]) -> Result<Vec<Option<Stat>>, InputError> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    let chunk = tracked.len().div_ceil(threads).max(256);
    let failed = |e: Errno| GitError::File { path: folder.to_owned(), cause: e.into() };
    let root = Links { folder, fd: open_below(CWD, folder).map_err(failed)? };
    let parts: Vec<Result<Vec<Option<Stat>>, GitError>> = std::thread::scope(|scope| {
        let running: Vec<_> = tracked.chunks(chunk).map(|part| scope.spawn(|| root.stat(part))).collect();
        running.into_iter().map(|r| r.join().expect("the thread does not panic")).collect()
    });
    let mut stats = Vec::with_capacity(tracked.len());
    for part in parts {
        stats.extend(part?);
    }
    Ok(stats)
}

/// Looks at files below a folder without passing through a symlink: git holds a file behind one to be deleted.
struct Links<'a> {
    folder: &'a Path,
    fd: OwnedFd,
}

impl Links<'_> {
    fn stat(&self, tracked: &[Tracked]) -> Result<Vec<Option<Stat>>, GitError> {
        // Sorted paths share their folder with the one before, mostly; a name in an open folder is found quickest.
        let mut open: Option<(&str, Option<OwnedFd>)> = None;
        let mut list = Vec::with_capacity(tracked.len());
        for Tracked { path, .. } in tracked {
            let failed = |e: Errno| GitError::File { path: self.folder.join(path.as_str()), cause: e.into() };
            let (parent, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
            if open.as_ref().is_none_or(|(seen, _)| *seen != parent) {
                open = Some((parent, self.open(parent).map_err(failed)?));
            }
            let Some((_, Some(fd))) = &open else {
                list.push(None);
                continue;
            };
            list.push(match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let kind = FileType::from_raw_mode(stat.st_mode);
                    matches!(kind, FileType::RegularFile | FileType::Symlink).then(|| Stat::of(&stat))
                }
                Err(Errno::NOENT | Errno::NOTDIR) => None,
                Err(error) => return Err(failed(error)),
            });
        }
        Ok(list)
    }

    /// The folder at `path`; `None` if there is none, or it is behind a symlink.
    fn open(&self, path: &str) -> Result<Option<OwnedFd>, Errno> {
        let mut here: Option<OwnedFd> = None;
        for component in path.split('/') {
            let component = if component.is_empty() { "." } else { component };
            match open_below(here.as_ref().unwrap_or(&self.fd), component) {
                Ok(fd) => here = Some(fd),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(here)
    }
}

/// Opens a folder, and no symlink to one, to look up names in it.
fn open_below(at: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Permissions::empty())
}

/// What each file holds: from the cache, else read, several at a time.
fn nodes(
    cx: &Context<'_>,
    folder: &Path,
    files: &[(&Tracked, Stat)],
    old: &Cache,
) -> Result<Vec<Known>, InputError> {
    let mut nodes: Vec<Option<Known>> = files.iter().map(|(f, s)| old.known(cx.store, &f.path, s)).collect();
    let todo: Vec<usize> = (0..files.len()).filter(|i| nodes[*i].is_none()).collect();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Known, InputError>)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(todo.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(nth) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (file, _) = files[*nth];
                    let node = read(cx, &folder.join(file.path.as_str()), &file.object);
                    results.lock().expect("no thread panics while it holds the results").push((*nth, node));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panics while it holds the results");
    results.sort_by_key(|(nth, _)| *nth);
    for (nth, node) in results {
        nodes[nth] = Some(node?);
    }
    Ok(nodes.into_iter().flatten().collect())
}

/// What is at `path`, with its id of the same kind as `like`.
fn read(cx: &Context<'_>, path: &Path, like: &Object) -> Result<Known, InputError> {
    let failed = |cause| GitError::File { path: path.to_owned(), cause };
    let meta = std::fs::symlink_metadata(path).map_err(failed)?;
    if meta.is_symlink() {
        let target = std::fs::read_link(path).map_err(failed)?;
        let target = target.into_os_string().into_string().map_err(|_| GitError::Content {
            place: path.display().to_string(),
            reason: "points to a name that is not UTF-8".to_owned(),
        })?;
        let object = Object::of(like, target.as_bytes());
        return Ok(Known { node: Node::Symlink(target), object });
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut reader = object::Reader::new(file, like, meta.len());
    let digest = cx.store.put_reader(&mut reader)?;
    // A file that grew or shrank meanwhile gives an id of no content, which no index holds.
    let object = reader.finish();
    Ok(Known { node: Node::File { digest, executable: meta.permissions().mode() & 0o100 != 0 }, object })
}
