//! Looks through unpacked layers as a container of them does.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::{LayerError, attribute};

/// No text that is read of an image is longer: whoever made it may mean harm.
const LONGEST: u64 = 64 << 20;
/// As many links does Linux follow on the way to one file.
const LINKS: usize = 40;

/// Layers over one another.
#[derive(Clone)]
pub(crate) struct View {
    /// The uppermost first.
    dirs: Vec<PathBuf>,
}

/// What is at a path.
pub(crate) enum Seen {
    /// Nothing.
    Nothing,
    /// A file, a link, or another thing that is no directory: where it lies on disk.
    Leaf(PathBuf, Metadata),
    /// A directory.
    Folder(Folder),
}

/// A directory, perhaps of several layers.
pub(crate) struct Folder {
    /// Where it lies on disk, the uppermost first. Not empty, but for the root of an image without layers.
    parts: Vec<PathBuf>,
    /// Of the uppermost.
    pub(crate) metadata: Option<Metadata>,
}

impl Folder {
    /// Where the uppermost lies on disk.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.parts.first().map(PathBuf::as_path)
    }
}

/// Puts a name below a path.
pub(crate) fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// What an overlay takes for "nothing is here".
pub(super) fn is_gone(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

impl View {
    /// Of directories, the lowest first.
    pub(crate) fn new(dirs: &[PathBuf]) -> Self {
        Self { dirs: dirs.iter().rev().cloned().collect() }
    }

    /// With a further directory over it.
    pub(crate) fn under(&self, dir: &Path) -> Self {
        let dirs = std::iter::once(dir.to_owned()).chain(self.dirs.iter().cloned()).collect();
        Self { dirs }
    }

    fn root(&self) -> Folder {
        let metadata = self.dirs.first().and_then(|dir| dir.symlink_metadata().ok());
        Folder { parts: self.dirs.clone(), metadata }
    }

    /// What is at a path without links on the way to it; the empty path is the root.
    pub(crate) fn look(&self, path: &str) -> Result<Seen, LayerError> {
        let mut folder = self.root();
        let mut names = path.split('/').filter(|name| !name.is_empty());
        while let Some(name) = names.next() {
            match Self::enter(&folder, name).map_err(LayerError::path(path))? {
                Seen::Folder(next) => folder = next,
                // Nothing is below a leaf.
                Seen::Leaf(..) if names.next().is_some() => return Ok(Seen::Nothing),
                other => return Ok(other),
            }
        }
        Ok(Seen::Folder(folder))
    }

    /// What is called `name` in a directory.
    fn enter(folder: &Folder, name: &str) -> io::Result<Seen> {
        let mut parts = Vec::new();
        let mut uppermost = None;
        for part in &folder.parts {
            let path = part.join(name);
            let metadata = match path.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if is_gone(&metadata) {
                break;
            }
            if !metadata.is_dir() {
                if parts.is_empty() {
                    return Ok(Seen::Leaf(path, metadata));
                }
                break;
            }
            uppermost.get_or_insert(metadata);
            let opaque = attribute::is_opaque(&path);
            parts.push(path);
            if opaque {
                break;
            }
        }
        if parts.is_empty() {
            return Ok(Seen::Nothing);
        }
        Ok(Seen::Folder(Folder { parts, metadata: uppermost }))
    }

    /// The names in a directory.
    pub(crate) fn list(&self, folder: &Folder) -> io::Result<Vec<String>> {
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for part in &folder.parts {
            for entry in fs::read_dir(part)? {
                let entry = entry?;
                let name = entry.file_name().into_string().map_err(|name| {
                    io::Error::other(format!("the name {} is not UTF-8", name.to_string_lossy()))
                })?;
                let gone = is_gone(&entry.path().symlink_metadata()?);
                names.entry(name).or_insert(!gone);
            }
        }
        Ok(names.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect())
    }

    /// The path without links that a path leads to, as [`resolve`] says.
    pub(crate) fn resolve(&self, path: &str, last: bool) -> Result<String, LayerError> {
        resolve(path, last, &mut |here| match self.look(here)? {
            Seen::Leaf(place, metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&place).map_err(LayerError::path(here))?;
                let target = target.into_os_string().into_string();
                target.map(Some).map_err(|_| LayerError::refused(here, "leads to a name that is not UTF-8"))
            }
            _ => Ok(None),
        })
    }

    /// The text of a file, through links; `None` if there is no file.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, LayerError> {
        let resolved = self.resolve(path, true)?;
        match self.look(&resolved)? {
            Seen::Leaf(_, metadata) if metadata.is_file() && metadata.len() > LONGEST => {
                let reason = format!("has {} bytes: expected at most {LONGEST}", metadata.len());
                Err(LayerError::refused(path, reason))
            }
            Seen::Leaf(place, metadata) if metadata.is_file() => {
                let bytes = fs::read(place).map_err(LayerError::path(path))?;
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            _ => Ok(None),
        }
    }
}

/// The path without links that a path leads to, `..` at the root being the root; `link` says where a path leads, if it is a
/// link. What is not there stays as it is written. With `last`, a link at its end is followed too.
pub(crate) fn resolve(
    path: &str,
    last: bool,
    link: &mut dyn FnMut(&str) -> Result<Option<String>, LayerError>,
) -> Result<String, LayerError> {
    let mut open: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    let mut at = String::new();
    let mut links = 0;
    while let Some(name) = open.pop_front() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let here = join(&at, &name);
        let is_end = open.iter().all(|rest| rest.is_empty() || rest == ".");
        let target = if is_end && !last { None } else { link(&here)? };
        let Some(target) = target else {
            at = here;
            continue;
        };
        links += 1;
        if links > LINKS {
            return Err(LayerError::refused(path, "is a link that leads in circles"));
        }
        if target.starts_with('/') {
            at.clear();
        }
        for part in target.split('/').rev() {
            open.push_front(part.to_owned());
        }
    }
    Ok(at)
}
