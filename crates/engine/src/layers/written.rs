//! From what a command left in the directory over an image to the members of a layer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use artifact::oci::{LayerEntry, What};
use model::Digest;
use sandbox::IDS;

use super::view::{Seen, View, is_gone, join};
use super::{LayerError, attribute};

/// Where the content of a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// On disk.
    Disk(PathBuf),
    /// In the store.
    Blob(Digest),
    /// Here.
    Bytes(Vec<u8>),
}

/// Members of a layer by their paths.
pub(crate) type Entries = BTreeMap<String, LayerEntry<Source>>;

/// Everything that was written to `upper`, which lay over `below`. Directories in which nothing is left, and of which nothing
/// else is new, were only looked into or written through.
pub(crate) fn written(upper: &Path, below: &View, first: u32) -> Result<Entries, LayerError> {
    let mut walk = Walk { below, first, entries: Entries::new(), links: BTreeMap::new() };
    walk.folder(upper, "")?;
    Ok(walk.entries)
}

struct Walk<'a> {
    below: &'a View,
    first: u32,
    entries: Entries,
    /// The first name of each file that has several, by where it is on the disk.
    links: BTreeMap<(u64, u64), String>,
}

impl Walk<'_> {
    /// True if something in it is new.
    fn folder(&mut self, place: &Path, path: &str) -> Result<bool, LayerError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(place).map_err(LayerError::path(path))? {
            let name = entry.map_err(LayerError::path(path))?.file_name();
            let name = name.into_string().map_err(|name| {
                let name = join(path, &name.to_string_lossy());
                LayerError::refused(&name, "has a name that is not UTF-8")
            })?;
            names.push(name);
        }
        names.sort();
        let mut new = false;
        for name in names {
            new |= self.entry(&place.join(&name), join(path, &name))?;
        }
        Ok(new)
    }

    /// True if it is new.
    fn entry(&mut self, place: &Path, path: String) -> Result<bool, LayerError> {
        let at = || LayerError::path(&path);
        let metadata = place.symlink_metadata().map_err(at())?;
        let kind = metadata.file_type();
        let id = |id: u32| id.checked_sub(self.first).filter(|id| *id < IDS);
        let (Some(uid), Some(gid)) = (id(metadata.uid()), id(metadata.gid())) else {
            if is_gone(&metadata) {
                return Ok(self.gone(path));
            }
            let reason =
                format!("belongs to {}:{}, who is nobody of the image", metadata.uid(), metadata.gid());
            return Err(LayerError::refused(&path, reason));
        };
        if is_gone(&metadata) {
            return Ok(self.gone(path));
        }
        let attributes = attribute::read(place, self.first).map_err(at())?;
        let mode = metadata.mode() & 0o7777;
        let entry = |what| {
            let path = path.clone();
            LayerEntry { path, what, mode, uid, gid, attributes: attributes.clone() }
        };
        if kind.is_dir() {
            let opaque = attribute::is_opaque(place);
            let entry = entry(if opaque { What::Opaque } else { What::Directory });
            let new = self.folder(place, &path)?;
            if !new && !opaque && self.is_below(&entry)? {
                return Ok(false);
            }
            self.entries.insert(path, entry);
            return Ok(true);
        }
        let what = if kind.is_symlink() {
            let target = fs::read_link(place).map_err(at())?;
            let Some(target) = target.to_str() else {
                return Err(LayerError::refused(&path, "leads to a name that is not UTF-8"));
            };
            What::Symlink(target.to_owned())
        } else if kind.is_file() {
            let known = self.links.get(&(metadata.dev(), metadata.ino())).cloned();
            match known.filter(|_| metadata.nlink() > 1) {
                Some(first) => What::Link(first),
                None => {
                    self.links.insert((metadata.dev(), metadata.ino()), path.clone());
                    What::File { content: Source::Disk(place.to_owned()), size: metadata.len() }
                }
            }
        } else if kind.is_fifo() {
            What::Pipe
        } else {
            // A socket is nothing without the process that listens; engines leave it out too.
            return Ok(false);
        };
        let entry = entry(what);
        self.entries.insert(path, entry);
        Ok(true)
    }

    fn gone(&mut self, path: String) -> bool {
        let entry = LayerEntry {
            path: path.clone(),
            what: What::Gone,
            mode: 0,
            uid: 0,
            gid: 0,
            attributes: BTreeMap::new(),
        };
        self.entries.insert(path, entry);
        true
    }

    /// Whether just that directory is there without the layer.
    fn is_below(&self, entry: &LayerEntry<Source>) -> Result<bool, LayerError> {
        let Seen::Folder(folder) = self.below.look(&entry.path)? else { return Ok(false) };
        let (Some(place), Some(metadata)) = (folder.path(), &folder.metadata) else { return Ok(false) };
        let same = metadata.mode() & 0o7777 == entry.mode
            && metadata.uid().checked_sub(self.first) == Some(entry.uid)
            && metadata.gid().checked_sub(self.first) == Some(entry.gid);
        Ok(same
            && attribute::read(place, self.first).map_err(LayerError::path(&entry.path))? == entry.attributes)
    }
}
