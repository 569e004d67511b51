//! The files of a repository as the adapters see them: a sorted list of paths, and a reader.
//!
//! The same adapters look at a working folder and at a tree of the store, so they are given neither. What is read is
//! hostile: a file has a greatest size, and a symbolic link is no file.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use model::tree::Node;
use model::{Digest, RelPath};

use super::EcosystemError;
use crate::GitError;
use crate::git::{ask, listed};

/// The largest file that is read: lockfiles of real projects stay below 10 MB.
const MAX: u64 = 64 << 20;

/// How many entries are looked at in a folder that is in no git repository.
const MAX_WALK: usize = 200_000;

/// Folders that hold what was made or brought, and not what belongs to the project, where no git says so.
const MADE: &[&str] = &[".git", ".venv", "__pycache__", "node_modules", "target", "venv"];

type Reader<'a> = Box<dyn Fn(&RelPath) -> io::Result<Vec<u8>> + 'a>;

/// The regular files of a repository.
pub struct Files<'a> {
    paths: Vec<RelPath>,
    read: Reader<'a>,
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.paths).finish()
    }
}

impl<'a> Files<'a> {
    /// The files that `paths` lists, in any order, and what reads one of them.
    pub fn new(
        paths: impl IntoIterator<Item = RelPath>,
        read: impl Fn(&RelPath) -> io::Result<Vec<u8>> + 'a,
    ) -> Self {
        let mut paths: Vec<RelPath> = paths.into_iter().collect();
        paths.sort();
        paths.dedup();
        Self { paths, read: Box::new(read) }
    }

    /// The files of a tree of the store.
    ///
    /// # Errors
    /// As [`store::Store::walk`].
    pub fn of_tree(store: &'a store::Store, tree: &Digest) -> Result<Self, store::StoreError> {
        let mut files = BTreeMap::new();
        for (path, node) in store.walk(tree)? {
            if let Node::File { digest, .. } = node {
                files.insert(path, digest);
            }
        }
        let paths: Vec<RelPath> = files.keys().cloned().collect();
        Ok(Self::new(paths, move |path| {
            let digest = files.get(path).ok_or(io::ErrorKind::NotFound)?;
            if digest.size > MAX {
                return Err(too_large(digest.size));
            }
            store.read(digest).map_err(io::Error::other)
        }))
    }

    /// The files below `folder` that git tracks, or, where nothing is tracked yet, all that do not look made. `env` is
    /// for `git`.
    ///
    /// # Errors
    /// If git refuses, or the folder cannot be read.
    pub fn of_folder(env: &BTreeMap<String, String>, folder: &Path) -> Result<Self, GitError> {
        let folder =
            folder.canonicalize().map_err(|cause| GitError::File { path: folder.to_owned(), cause })?;
        let mut paths = Vec::new();
        if folder.ancestors().any(|a| a.join(".git").exists()) {
            let bytes = ask(env, &folder, &["ls-files", "-s", "-v", "-z"])?;
            for entry in listed(&folder.display().to_string(), &bytes)? {
                // A link is no file, and a submodule is somebody else's project.
                if entry.mode.starts_with("100")
                    && let Ok(path) = entry.path.parse::<RelPath>()
                {
                    paths.push(path);
                }
            }
        }
        if paths.is_empty() {
            walk(&folder, &RelPath::root(), &mut paths)
                .map_err(|cause| GitError::File { path: folder.clone(), cause })?;
        }
        Ok(Self::new(paths, move |path| read_file(&folder, path)))
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.paths.iter()
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn has(&self, path: &RelPath) -> bool {
        self.paths.binary_search(path).is_ok()
    }

    /// The file `name`, which may have folders in it, below `dir`, if it is there.
    #[must_use]
    pub fn at(&self, dir: &RelPath, name: &str) -> Option<RelPath> {
        let path = dir.join(&name.parse().ok()?);
        self.has(&path).then_some(path)
    }

    /// The files below `dir`, sorted.
    pub fn below<'s>(&'s self, dir: &'s RelPath) -> impl Iterator<Item = &'s RelPath> {
        self.paths.iter().filter(move |p| p.is_within(dir))
    }

    /// The folders that hold a file called `name`, sorted, without those that hold examples, tests or other people's code.
    #[must_use]
    pub fn folders_with(&self, name: &str) -> Vec<RelPath> {
        let found = self.paths.iter().filter(|p| p.file_name() == Some(name));
        let mut folders: Vec<RelPath> =
            found.filter_map(RelPath::parent).filter(|dir| !is_aside(dir)).collect();
        // A file of the root may come after a folder's: `a/x` is before `x`.
        folders.sort();
        folders
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// If it is not there, is too large or cannot be read.
    pub fn bytes(&self, path: &RelPath) -> Result<Vec<u8>, EcosystemError> {
        (self.read)(path).map_err(|cause| EcosystemError::Read { file: path.clone(), cause })
    }

    /// The text of a file, without a byte order mark.
    ///
    /// # Errors
    /// As [`Files::bytes`], and if it is not UTF-8.
    pub fn text(&self, path: &RelPath) -> Result<String, EcosystemError> {
        let bytes = self.bytes(path)?;
        let text = String::from_utf8(bytes).map_err(|e| EcosystemError::Read {
            file: path.clone(),
            cause: io::Error::new(io::ErrorKind::InvalidData, e),
        })?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// As [`Files::text`], for what is only looked at: what cannot be read says nothing.
    #[must_use]
    pub fn glance(&self, path: &RelPath) -> String {
        self.text(path).unwrap_or_default()
    }
}

/// Whether a folder is aside of what a project ships.
fn is_aside(dir: &RelPath) -> bool {
    const ASIDE: &[&str] = &[
        "benches",
        "bench",
        "benchmark",
        "benchmarks",
        "demo",
        "demos",
        "e2e",
        "example",
        "examples",
        "fixture",
        "fixtures",
        "fuzz",
        "node_modules",
        "sample",
        "samples",
        "template",
        "templates",
        "test",
        "test-data",
        "testdata",
        "tests",
        "third_party",
        "vendor",
    ];
    dir.components().any(|c| ASIDE.contains(&c) || (c.starts_with('.') && c != "."))
}

fn too_large(size: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("has {size} bytes; the most that is read is {MAX}"))
}

fn read_file(folder: &Path, path: &RelPath) -> io::Result<Vec<u8>> {
    // A folder on the way may have become a link since git listed it.
    let file = folder.join(path.as_str()).canonicalize()?;
    if !file.starts_with(folder) || !file.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file of the folder"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    if size > MAX { Err(too_large(size)) } else { Ok(bytes) }
}

fn walk(folder: &Path, dir: &RelPath, paths: &mut Vec<RelPath>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder.join(dir.as_str()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let Some(name) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let path = dir.join_name(&name);
        if kind.is_file() {
            paths.push(path);
        } else if kind.is_dir() && !MADE.contains(&name.as_str()) && path.components().count() < 32 {
            walk(folder, &path, paths)?;
        }
        if paths.len() > MAX_WALK {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A repository made of texts.
    pub(in crate::ecosystem) fn files(list: &[(&str, &str)]) -> Files<'static> {
        let map: BTreeMap<RelPath, Vec<u8>> =
            list.iter().map(|(path, text)| (path.parse().unwrap(), text.as_bytes().to_vec())).collect();
        let paths: Vec<RelPath> = map.keys().cloned().collect();
        Files::new(paths, move |path| Ok(map.get(path).ok_or(io::ErrorKind::NotFound)?.clone()))
    }

    #[test]
    fn a_folder_gives_what_git_tracks_and_no_link_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("x"), "secret").unwrap();
        std::fs::create_dir_all(dir.path().join("a")).unwrap();
        std::fs::create_dir_all(dir.path().join("target")).unwrap();
        std::fs::write(dir.path().join("a/x"), "mine").unwrap();
        std::fs::write(dir.path().join("target/made"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]);
        let files = Files::of_folder(&env, dir.path()).unwrap();
        assert_eq!(files.paths().map(RelPath::as_str).collect::<Vec<_>>(), ["a/x"]);
        std::fs::remove_file(dir.path().join("a/x")).unwrap();
        std::fs::remove_dir(dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("a")).unwrap();
        assert!(files.text(&"a/x".parse().unwrap()).is_err());
    }

    #[test]
    fn folders_aside_are_not_the_project() {
        let files = files(&[
            ("Cargo.toml", ""),
            ("a/Cargo.toml", ""),
            ("examples/b/Cargo.toml", ""),
            (".x/Cargo.toml", ""),
        ]);
        let found = files.folders_with("Cargo.toml");
        assert_eq!(found.iter().map(RelPath::as_str).collect::<Vec<_>>(), [".", "a"]);
    }
}
