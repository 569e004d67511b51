//! Puts what layers hold into a directory.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use artifact::oci::{LayerMember, MemberError, members, plain};
use model::Hasher;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};
use sandbox::IDS;

use super::view::{Seen, View, is_gone, join};
use super::{Layer, LayerError, attribute};

const WHITEOUT: &str = ".wh.";
/// What other overlays kept for themselves, and a directory that hides what is below it.
const KEPT: &str = ".wh..wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What is put at a path.
pub(crate) enum Put<'a> {
    /// A file with this content.
    File(&'a mut dyn Read),
    /// Another name of the file at a path.
    Link(&'a str),
    /// A symbolic link to this text.
    Symlink(&'a str),
    /// A directory; what is in one already stays.
    Folder,
    /// A named pipe.
    Pipe,
    /// Nothing: what lies below is hidden.
    Gone,
}

/// What is said of what is put.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds.
    pub(crate) mtime: i64,
    pub(crate) attributes: BTreeMap<String, Vec<u8>>,
}

/// Fills a directory that lies over others.
pub(crate) struct Writer<'a> {
    dir: &'a Path,
    below: &'a View,
    whole: View,
    first: u32,
    /// Where folders really are, by how they are called.
    folders: HashMap<String, String>,
    /// Set at the end: what is put into a directory changes its time.
    times: Vec<(PathBuf, i64)>,
}

/// Unpacks a layer into an empty directory.
pub(super) fn unpack(
    blob: File,
    layer: &Layer,
    below: &View,
    dir: &Path,
    first: u32,
) -> Result<(), LayerError> {
    let read = |source| LayerError::Member(MemberError::Damaged(source));
    let mut hashed = Hashed { inner: plain(BufReader::new(blob)).map_err(read)?, hasher: Hasher::default() };
    let mut writer = Writer::new(dir, below, first);
    members(&mut hashed, |member, content| writer.member(&member, content))?;
    let found = hashed.hasher.finish().sha256;
    if found != layer.diff_id {
        let reason = format!("is, decompressed, sha256:{found}, and the image says sha256:{}", layer.diff_id);
        return Err(LayerError::refused(&format!("layer {}", layer.blob), reason));
    }
    writer.finish()
}

/// Reads through, and hashes.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        io::Write::write_all(&mut self.hasher, &buffer[..count])?;
        Ok(count)
    }
}

impl<'a> Writer<'a> {
    /// Fills `dir`, which lies over `below` and belongs to the image whose first id that is.
    pub(crate) fn new(dir: &'a Path, below: &'a View, first: u32) -> Self {
        let (whole, folders, times) = (below.under(dir), HashMap::new(), Vec::new());
        Self { dir, below, whole, first, folders, times }
    }

    /// Puts one member of a layer.
    fn member(&mut self, member: &LayerMember, content: &mut dyn Read) -> Result<(), LayerError> {
        let path = member.name.as_str();
        if path.contains('\u{fffd}') {
            return Err(LayerError::refused(path, "has a name that is not UTF-8"));
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name == OPAQUE {
            let folder = self.folder(above)?;
            return attribute::make_opaque(&self.dir.join(&folder)).map_err(LayerError::path(path));
        }
        if name.starts_with(KEPT) {
            return Ok(());
        }
        if let Some(name) = name.strip_prefix(WHITEOUT) {
            if matches!(name, "" | "." | "..") {
                return Err(LayerError::refused(path, "takes away nothing that has a name"));
            }
            return self.put(&join(above, name), Put::Gone, &About::default());
        }
        let id = |id: u64| u32::try_from(id).ok().filter(|id| *id < IDS);
        let (Some(uid), Some(gid)) = (id(member.uid), id(member.gid)) else {
            let reason =
                format!("belongs to {}:{}, and an image has ids below {IDS} here", member.uid, member.gid);
            return Err(LayerError::refused(path, reason));
        };
        let mtime = i64::try_from(member.mtime).unwrap_or(i64::MAX);
        let about = About { mode: member.mode, uid, gid, mtime, attributes: member.attributes.clone() };
        let put = match member.kind {
            '0' => Put::File(content),
            '1' => Put::Link(&member.target),
            '2' => Put::Symlink(&member.target),
            '5' => Put::Folder,
            '6' => Put::Pipe,
            // Devices are the sandbox's, and not an image's.
            '3' | '4' => return Ok(()),
            other => return Err(LayerError::refused(path, format!("is of kind `{other}`, which is none"))),
        };
        self.put(path, put, &about)
    }

    /// Puts something at a path from the root; folders on the way are looked up, and made where there are none.
    pub(crate) fn put(&mut self, path: &str, what: Put<'_>, about: &About) -> Result<(), LayerError> {
        if matches!(path, "" | ".") {
            let Put::Folder = what else { return Err(LayerError::refused("", "is the root, a directory")) };
            return self.describe(self.dir, "", about);
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return Err(LayerError::refused(path, "has no name"));
        }
        let folder = self.folder(above)?;
        let here = join(&folder, name);
        let place = self.dir.join(&here);
        let at = || LayerError::path(path);
        let before = match place.symlink_metadata() {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at()(error)),
        };
        match (&what, &before) {
            (Put::Folder, Some(before)) if before.is_dir() => {}
            // What a layer holds is there, wherever in it stands that what lies below is gone.
            (Put::Gone, Some(before)) => {
                return if before.is_dir() { attribute::make_opaque(&place).map_err(at()) } else { Ok(()) };
            }
            (_, Some(before)) => {
                self.folders.clear();
                let removed =
                    if before.is_dir() { fs::remove_dir_all(&place) } else { fs::remove_file(&place) };
                removed.map_err(at())?;
            }
            (_, None) => {}
        }
        match what {
            Put::File(content) => {
                let mut file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place).map_err(at())?;
                io::copy(content, &mut file).map_err(at())?;
            }
            Put::Symlink(target) => symlink(target, &place).map_err(at())?,
            Put::Folder => {
                if before.as_ref().is_none_or(|before| !before.is_dir()) {
                    fs::create_dir(&place).map_err(at())?;
                }
                if before.as_ref().is_some_and(is_gone) {
                    attribute::make_opaque(&place).map_err(at())?;
                }
            }
            Put::Pipe => self.node(&place, FileType::Fifo).map_err(at())?,
            Put::Gone => return self.node(&place, FileType::CharacterDevice).map_err(at()),
            Put::Link(target) => {
                let target = self.link_target(path, target)?;
                return fs::hard_link(target, &place).map_err(at());
            }
        }
        self.describe(&place, path, about)
    }

    /// Sets all times. Nothing may be put afterwards.
    pub(crate) fn finish(self) -> Result<(), LayerError> {
        for (place, seconds) in self.times.iter().rev() {
            set_time(place, *seconds).map_err(LayerError::path(&place.to_string_lossy()))?;
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "what is made belongs to the directory that is filled")]
    fn node(&self, place: &Path, kind: FileType) -> io::Result<()> {
        Ok(mknodat(CWD, place, kind, Mode::from_raw_mode(0o600), 0)?)
    }

    fn describe(&mut self, place: &Path, path: &str, about: &About) -> Result<(), LayerError> {
        let at = || LayerError::path(path);
        let owner = |id: u32| Some(self.first + id);
        lchown(place, owner(about.uid), owner(about.gid)).map_err(at())?;
        let is_link = place.symlink_metadata().map_err(at())?.is_symlink();
        if !is_link {
            fs::set_permissions(place, Permissions::from_mode(about.mode)).map_err(at())?;
        }
        for (name, value) in &about.attributes {
            attribute::write(place, name, value, self.first).map_err(at())?;
        }
        self.times.push((place.to_owned(), about.mtime));
        Ok(())
    }

    /// Where a folder really is, made if it is not there: as it is below, or root's.
    fn folder(&mut self, called: &str) -> Result<String, LayerError> {
        if let Some(known) = self.folders.get(called) {
            return Ok(known.clone());
        }
        let real = self.whole.resolve(called, true)?;
        let mut here = String::new();
        for name in real.split('/').filter(|name| !name.is_empty()) {
            here = join(&here, name);
            let place = self.dir.join(&here);
            match place.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => continue,
                Ok(metadata) if is_gone(&metadata) => {
                    fs::remove_file(&place).map_err(LayerError::path(&here))?;
                    fs::create_dir(&place).map_err(LayerError::path(&here))?;
                    attribute::make_opaque(&place).map_err(LayerError::path(&here))?;
                    let fresh = About { mode: 0o755, mtime: 1, ..About::default() };
                    self.describe(&place, &here, &fresh)?;
                    continue;
                }
                Ok(_) => {
                    return Err(LayerError::refused(&here, "is no directory, and something is below it"));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LayerError::path(&here)(error)),
            }
            let about = match self.below.look(&here)? {
                Seen::Folder(folder) => match folder.path() {
                    Some(below) => self.about(below, &here)?,
                    None => About { mode: 0o755, mtime: 1, ..About::default() },
                },
                Seen::Nothing => About { mode: 0o755, mtime: 1, ..About::default() },
                Seen::Leaf(..) => {
                    return Err(LayerError::refused(&here, "is no directory, and something is below it"));
                }
            };
            fs::create_dir(&place).map_err(LayerError::path(&here))?;
            self.describe(&place, &here, &about)?;
        }
        self.folders.insert(called.to_owned(), real.clone());
        Ok(real)
    }

    /// What is said of something on disk.
    fn about(&self, place: &Path, path: &str) -> Result<About, LayerError> {
        let metadata = place.symlink_metadata().map_err(LayerError::path(path))?;
        Ok(About {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid().saturating_sub(self.first),
            gid: metadata.gid().saturating_sub(self.first),
            mtime: metadata.mtime(),
            attributes: attribute::read(place, self.first).map_err(LayerError::path(path))?,
        })
    }

    /// Where the file lies that gets another name: one of this layer, or a copy in it of one below.
    fn link_target(&mut self, path: &str, target: &str) -> Result<PathBuf, LayerError> {
        let target = self.whole.resolve(target, false)?;
        let place = self.dir.join(&target);
        match place.symlink_metadata() {
            Ok(metadata) if metadata.is_file() || metadata.is_symlink() => return Ok(place),
            _ => {}
        }
        let Seen::Leaf(below, metadata) = self.below.look(&target)? else {
            return Err(LayerError::refused(path, format!("is a link to `/{target}`, which is no file")));
        };
        if !metadata.is_file() {
            return Err(LayerError::refused(path, format!("is a link to `/{target}`, which is no file")));
        }
        let about = self.about(&below, &target)?;
        let mut content = File::open(&below).map_err(LayerError::path(&target))?;
        self.put(&target, Put::File(&mut content), &about)?;
        Ok(place)
    }
}

fn set_time(place: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
