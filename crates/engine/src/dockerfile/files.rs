//! Where `COPY`, `ADD` and mounts take files from: the context, a stage, an image.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use artifact::oci::{LayerEntry, What};
use model::Digest;
use model::tree::Node;
use store::Store;

use crate::layers::{LayerError, Seen, Source, View, attributes, join};

/// Files by their paths from a root.
pub(super) trait Files {
    /// What is at a path without links on the way to it. Of a file that has several names, each is a file of its own.
    fn entry(&self, path: &str) -> Result<Option<LayerEntry<Source>>, LayerError>;

    /// The names in a directory, sorted.
    fn names(&self, path: &str) -> Result<Vec<String>, LayerError>;

    /// The path without links that a path leads to.
    fn resolve(&self, path: &str) -> Result<String, LayerError>;

    /// Whose they are, where nobody says whose a copy is to be: `None` for whoever they are now.
    fn owner(&self) -> Option<(u32, u32)>;
}

/// The context, without what is ignored. Modes are those of git: the checkout's umask is nothing that was declared.
#[derive(Default)]
pub(super) struct Context {
    entries: BTreeMap<String, LayerEntry<Source>>,
}

impl Context {
    /// Everything below a tree that is not `left_out`.
    pub(super) fn new(
        store: &Store,
        tree: &Digest,
        left_out: &dyn Fn(&str) -> bool,
    ) -> Result<Self, LayerError> {
        let mut entries = BTreeMap::new();
        for (path, node) in store.walk(tree)? {
            let path = path.to_string();
            if left_out(&path) {
                continue;
            }
            let (what, mode) = match node {
                Node::Directory(_) => (What::Directory, 0o755),
                Node::Symlink(target) => (What::Symlink(target.to_string()), 0o777),
                Node::File { digest, executable } => {
                    let mode = if executable { 0o755 } else { 0o644 };
                    (What::File { content: Source::Blob(digest), size: digest.size }, mode)
                }
            };
            let above = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
            for above in above.collect::<Vec<_>>() {
                // A folder that is left out is there again for what a line lets in.
                entries.entry(above.clone()).or_insert_with(|| entry(above, What::Directory, 0o755));
            }
            entries.insert(path.clone(), entry(path, what, mode));
        }
        Ok(Self { entries })
    }

    /// Digest of everything in it that lies at or below a path.
    pub(super) fn digest(&self, path: &str) -> Digest {
        let mut text = String::new();
        for (name, entry) in self.below(path) {
            text.push_str(&format!("{name:?} {:?} {:o}\n", entry.what, entry.mode));
        }
        Digest::of(text.as_bytes())
    }

    fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a String, &'a LayerEntry<Source>)> {
        let is_below = move |name: &str| {
            path.is_empty()
                || name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.entries.iter().filter(move |(name, _)| is_below(name))
    }
}

/// A member without anything else to be said of it.
pub(super) const fn entry(path: String, what: What<Source>, mode: u32) -> LayerEntry<Source> {
    LayerEntry { path, what, mode, uid: 0, gid: 0, attributes: BTreeMap::new() }
}

impl Files for Context {
    fn entry(&self, path: &str) -> Result<Option<LayerEntry<Source>>, LayerError> {
        if path.is_empty() {
            return Ok(Some(entry(String::new(), What::Directory, 0o755)));
        }
        Ok(self.entries.get(path).cloned())
    }

    fn names(&self, path: &str) -> Result<Vec<String>, LayerError> {
        let before = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.entries.range(before.clone()..).map_while(|(name, _)| name.strip_prefix(&before));
        Ok(below.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect())
    }

    fn resolve(&self, path: &str) -> Result<String, LayerError> {
        crate::layers::resolve(path, true, &mut |path| {
            Ok(match self.entries.get(path).map(|entry| &entry.what) {
                Some(What::Symlink(target)) => Some(target.clone()),
                _ => None,
            })
        })
    }

    fn owner(&self) -> Option<(u32, u32)> {
        Some((0, 0))
    }
}

/// A stage or an image.
pub(super) struct Unpacked {
    pub(super) view: View,
    pub(super) first: u32,
}

impl Files for Unpacked {
    fn entry(&self, path: &str) -> Result<Option<LayerEntry<Source>>, LayerError> {
        let (place, metadata, what) = match self.view.look(path)? {
            Seen::Nothing => return Ok(None),
            Seen::Folder(folder) => match (folder.path(), &folder.metadata) {
                (Some(place), Some(metadata)) => (place.to_owned(), metadata.clone(), What::Directory),
                _ => return Ok(Some(entry(path.to_owned(), What::Directory, 0o755))),
            },
            Seen::Leaf(place, metadata) => {
                let what = if metadata.is_symlink() {
                    let target = fs::read_link(&place).map_err(LayerError::path(path))?;
                    What::Symlink(target.to_string_lossy().into_owned())
                } else if metadata.file_type().is_fifo() {
                    What::Pipe
                } else if metadata.is_file() {
                    What::File { content: Source::Disk(place.clone()), size: metadata.len() }
                } else {
                    return Err(LayerError::refused(path, "is neither file, directory, link nor pipe"));
                };
                (place, metadata, what)
            }
        };
        Ok(Some(LayerEntry {
            path: path.to_owned(),
            what,
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid().saturating_sub(self.first),
            gid: metadata.gid().saturating_sub(self.first),
            attributes: attributes(&place, self.first).map_err(LayerError::path(path))?,
        }))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, LayerError> {
        match self.view.look(path)? {
            Seen::Folder(folder) => self.view.list(&folder).map_err(LayerError::path(path)),
            _ => Ok(Vec::new()),
        }
    }

    fn resolve(&self, path: &str) -> Result<String, LayerError> {
        self.view.resolve(path, true)
    }

    fn owner(&self) -> Option<(u32, u32)> {
        None
    }
}

/// The content of a member.
pub(super) fn open(store: &Store, source: &Source) -> io::Result<Box<dyn Read>> {
    Ok(match source {
        Source::Disk(path) => Box::new(fs::File::open(path)?),
        Source::Blob(digest) => Box::new(store.open_blob(digest).map_err(io::Error::other)?),
        Source::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
    })
}

/// Everything below a path, as deep as `depth` folders: what a wildcard may mean.
pub(super) fn all(files: &dyn Files, path: &str, depth: usize) -> Result<Vec<String>, LayerError> {
    let mut found = Vec::new();
    for name in files.names(path)? {
        let here = join(path, &name);
        let is_folder = matches!(files.entry(&here)?.map(|entry| entry.what), Some(What::Directory));
        found.push(here.clone());
        if is_folder && depth > 1 {
            found.extend(all(files, &here, depth - 1)?);
        }
    }
    Ok(found)
}
