//! Looking at every byte.

use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use model::{Digest, RelPath, Sha256};
use rustix::fs::{AtFlags, FileType, Stat};
use serde::Serialize;

use crate::blob::hash;
use crate::copy_out::Seal;
use crate::layout::open_dir;
use crate::record::unseal;
use crate::scan::{self, Taker, failed};
use crate::stats::each_file;
use crate::{ImportProblem, Store, StoreError, session};

/// What [`Store::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Blobs that were hashed.
    pub blobs: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Action results that were decoded and looked through.
    pub actions: u64,
    /// Memos that were looked at.
    pub memos: u64,
    /// Trees on disk that were hashed.
    pub trees: u64,
    /// What is wrong, sorted by path. Each has been dealt with.
    pub damaged: Vec<Damage>,
    /// What dead processes left in `tmp/`; no damage.
    pub leftovers: u64,
}

/// One thing that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// Where it stood, below the store's directory.
    pub path: PathBuf,
    /// What kind of thing it is.
    pub kind: DamageKind,
    /// What was expected and what found.
    pub why: String,
    /// Where it is now; `None` if it was removed.
    pub moved_to: Option<PathBuf>,
}

/// What can be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DamageKind {
    /// A blob whose bytes are not those of its name; quarantined.
    Blob,
    /// An action's result that does not decode; quarantined.
    Action,
    /// An action's result whose outputs or log are not all here; removed, because it can only be a miss.
    Incomplete,
    /// A memo that does not open; removed.
    Memo,
    /// A tree on disk that is not what its name says; removed, and made again when needed.
    Tree,
    /// A file that no store makes; quarantined.
    Stray,
}

impl Report {
    /// True if nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty()
    }
}

impl Store {
    /// Hashes every blob and every tree on disk, decodes every action result and looks for all it names.
    ///
    /// Damaged things are moved to quarantine, trees and memos removed; all are listed. `progress` is told how many
    /// things of how many are done. May run beside builds.
    ///
    /// # Errors
    /// [`StoreError::Io`] if something cannot be read or moved; damage is no error.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, StoreError> {
        let mut report =
            Report { leftovers: session::count_dead(&self.dir().join("tmp")), ..Report::default() };
        let blobs = files(&self.dir().join("blobs"))?;
        let actions = files(&self.dir().join("actions"))?;
        let memos = files(&self.dir().join("memos"))?;
        let trees = self.tree_dirs()?;
        let total = (blobs.len() + actions.len() + memos.len() + trees.len()) as u64;
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done, total);
        };

        self.verify_blobs(&blobs, &mut report, &mut step)?;
        for path in &actions {
            report.actions += 1;
            let damage = self.verify_action(path)?;
            report.damaged.extend(damage);
            step();
        }
        for path in &memos {
            report.memos += 1;
            if !memo_is_whole(path) {
                match fs::remove_file(path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        return Err(StoreError::io("remove", path, e));
                    }
                    _ => report.damaged.push(self.damage(path, DamageKind::Memo, "does not open", None)),
                }
            }
            step();
        }
        let unpacked = |home: &Path| {
            home.file_name().and_then(|name| name.to_str()).is_some_and(crate::unpacked::is_unpacked)
        };
        for tree in trees.iter().filter(|tree| !unpacked(&tree.home)) {
            report.trees += 1;
            let why = match tree.named {
                None => Some("no tree has such a name".to_owned()),
                Some((sha256, seal)) => match tree_on_disk(&tree.home.join("root"), seal) {
                    Ok(found) if found.sha256 == sha256 => None,
                    Ok(found) => Some(format!("expected {sha256}, found {}", found.sha256)),
                    Err(StoreError::Import { path, problem: ImportProblem::Changed }) => {
                        Some(format!("`{path}`: its mode or time is not the one it was made with"))
                    }
                    Err(error) => Some(error.to_string()),
                },
            };
            if let Some(why) = why
                && tree.home.exists()
            {
                self.remove_tree_dir(&tree.home)?;
                report.damaged.push(self.damage(&tree.home, DamageKind::Tree, &why, None));
            }
            step();
        }
        report.damaged.sort();
        Ok(report)
    }

    /// Hashes on all processors; tells of each blob on the calling thread.
    fn verify_blobs(
        &self,
        paths: &[PathBuf],
        report: &mut Report,
        step: &mut dyn FnMut(),
    ) -> Result<(), StoreError> {
        let next = AtomicUsize::new(0);
        let (send, receive) = mpsc::channel();
        let work = |send: mpsc::Sender<_>| {
            while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                if send.send(self.verify_blob(path)).is_err() {
                    return;
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let send = send.clone();
                scope.spawn(move || work(send));
            }
            drop(send);
            // An error drops the receiver, which ends the workers.
            for result in receive {
                if let Some((size, damage)) = result? {
                    report.blobs += 1;
                    report.bytes += size;
                    report.damaged.extend(damage);
                }
                step();
            }
            Ok(())
        })
    }

    fn verify_blob(&self, path: &Path) -> Result<Option<(u64, Option<Damage>)>, StoreError> {
        let failed = |e| StoreError::io("read", path, e);
        let mut file = match open_plain(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let inode = file.metadata().map_err(failed)?.ino();
        let Some(expected) = name_of(path) else {
            return self.stray(path, inode).map(|damage| Some((0, Some(damage))));
        };
        let found = hash(&mut file).map_err(failed)?;
        if found.sha256 == expected {
            return Ok(Some((found.size, None)));
        }
        let label = format!("{expected}-{}", &found.hex()[..16]);
        let moved = self.quarantine(path, &label, inode)?;
        let why = format!("expected {expected}, found {}", found.sha256);
        Ok(Some((found.size, Some(self.damage(path, DamageKind::Blob, &why, Some(moved))))))
    }

    fn verify_action(&self, path: &Path) -> Result<Option<Damage>, StoreError> {
        let failed = |e| StoreError::io("read", path, e);
        let mut file = match open_plain(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let inode = file.metadata().map_err(failed)?.ino();
        let Some(name) = name_of(path) else { return self.stray(path, inode).map(Some) };
        let mut record = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut record).map_err(failed)?;
        // The key is inside the record: its size is not in the file's name.
        let result = key_of(&record)
            .filter(|key| key.sha256 == name)
            .and_then(|key| unseal(&key, &record))
            .and_then(|encoding| model::action::ActionResult::decode(encoding).ok());
        let Some(result) = result else {
            let moved = self.quarantine(path, &format!("{name}-action"), inode)?;
            return Ok(Some(self.damage(path, DamageKind::Action, "does not decode", Some(moved))));
        };
        if matches!(self.result_is_complete(&result), Ok(true)) {
            return Ok(None);
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", path, e)),
            _ => {
                let why = "an output or the log is not in the store";
                Ok(Some(self.damage(path, DamageKind::Incomplete, why, None)))
            }
        }
    }

    fn stray(&self, path: &Path, inode: u64) -> Result<Damage, StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let moved = self.quarantine(path, &format!("stray-{inode}-{name}"), inode)?;
        Ok(self.damage(path, DamageKind::Stray, "no store makes such a file", Some(moved)))
    }

    fn damage(&self, path: &Path, kind: DamageKind, why: &str, moved_to: Option<PathBuf>) -> Damage {
        let path = path.strip_prefix(self.dir()).unwrap_or(path).to_owned();
        Damage { path, kind, why: why.to_owned(), moved_to }
    }
}

fn files(place: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    each_file(place, &mut |path, _| found.push(path.to_owned()))?;
    found.sort();
    Ok(found)
}

/// The hash in `ab/<64 hex>`; `None` for every other name.
fn name_of(path: &Path) -> Option<Sha256> {
    let name = path.file_name()?.to_str()?;
    let sha256: Sha256 = name.parse().ok()?;
    (sha256.hex() == name && path.parent()?.file_name()?.to_str()? == &name[..2]).then_some(sha256)
}

fn key_of(record: &[u8]) -> Option<Digest> {
    let line = record.get(32..)?.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

fn memo_is_whole(path: &Path) -> bool {
    let Ok(record) = fs::read(path) else { return false };
    name_of(path)
        .zip(key_of(&record))
        .is_some_and(|(name, key)| key.sha256 == name && unseal(&key, &record).is_some())
}

fn open_plain(path: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// The digest of a tree on disk, if every mode and time is as [`Store::materialise`] leaves it.
pub(crate) fn tree_on_disk(root: &Path, seal: Seal) -> Result<Digest, StoreError> {
    let fd = open_dir(root)?;
    let sealed = Sealed(seal);
    let stat = rustix::fs::fstat(&fd).map_err(|e| failed("read", &RelPath::root(), e))?;
    sealed.check(&stat, &RelPath::root())?;
    scan::directory(fd, &RelPath::root(), &sealed)
}

/// Hashes, keeps nothing, and wants modes and times to be those of a tree on disk.
struct Sealed(Seal);

impl Sealed {
    fn check(&self, stat: &Stat, path: &RelPath) -> Result<(), StoreError> {
        let mode = stat.st_mode & 0o7777;
        let fits = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => mode == self.0.directory(),
            FileType::RegularFile => mode == self.0.file(false) || mode == self.0.file(true),
            _ => true,
        };
        if fits && stat.st_mtime == self.0.mtime.0 && stat.st_mtime_nsec == 0 {
            return Ok(());
        }
        Err(scan::refused(path, ImportProblem::Changed))
    }
}

impl Taker for Sealed {
    fn file(&self, mut file: File, stat: &Stat, path: &RelPath) -> Result<Digest, StoreError> {
        self.check(stat, path)?;
        hash(&mut file).map_err(|e| StoreError::io("read", path.as_str(), e))
    }

    fn directory(&self, encoding: &[u8]) -> Result<Digest, StoreError> {
        Ok(Digest::of(encoding))
    }

    fn other(&self, parent: BorrowedFd<'_>, name: &CStr, path: &RelPath) -> Result<(), StoreError> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| failed("read", path, e))?;
        self.check(&stat, path)
    }
}
