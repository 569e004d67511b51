//! [`Store`]: one directory, opened.

use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use model::{Digest, Sha256};
use rustix::fs::{Mode, OFlags};

use crate::StoreError;
use crate::session::{self, Session};

/// The layout that this code reads and writes.
const LAYOUT: &str = "selfsame-store/1";

/// Everything that may stand in a store's directory.
const PLACES: [&str; 6] = ["blobs", "actions", "memos", "trees", "quarantine", "tmp"];

/// Bytes by digest in one directory; cheap to clone, used by many threads and processes at once.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.inner.dir).finish()
    }
}

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    /// `blobs`, `actions`: names below them are short, and need no walk from `/`.
    pub(crate) blobs: OwnedFd,
    pub(crate) actions: OwnedFd,
    /// Made when first needed: a process that only reads makes nothing.
    session: Mutex<Option<Arc<Session>>>,
    /// Trees that this process has found complete; emptied when a blob is lost.
    pub(crate) complete: Mutex<HashSet<Digest>>,
    /// Trees that a thread of this process is materialising.
    pub(crate) making: Mutex<HashSet<PathBuf>>,
    pub(crate) made: Condvar,
}

impl Store {
    /// Opens the store in `dir`, making what is missing, and removes what dead processes left in `tmp/`.
    ///
    /// # Errors
    /// [`StoreError::Version`] if `dir` holds an unknown layout, or something that is no store.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if !dir.is_dir() {
            make_dirs(dir)?;
        }
        let dir = fs::canonicalize(dir).map_err(|e| StoreError::io("open", dir, e))?;
        let known = check_version(&dir)?;
        for place in PLACES {
            let path = dir.join(place);
            match fs::DirBuilder::new().mode(0o755).create(&path) {
                // Readers of trees may be another user, whatever the umask of this process.
                Ok(()) => set_mode(&path, 0o755)?,
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(StoreError::io("make", path, e)),
            }
        }
        if !known {
            write_version(&dir)?;
        }
        session::remove_dead(&dir.join("tmp"));
        let place = |name| open_dir(&dir.join(name));
        let inner = Inner {
            blobs: place("blobs")?,
            actions: place("actions")?,
            session: Mutex::new(None),
            complete: Mutex::default(),
            making: Mutex::default(),
            made: Condvar::new(),
            dir,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The store's directory, absolute and without symlinks.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// This process's directory in `tmp/`.
    pub(crate) fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut slot = lock(&self.inner.session);
        if let Some(session) = &*slot {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::new(&self.inner.dir.join("tmp"))?);
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Moves `blobs/…` or `actions/…` to quarantine and gives its new place.
    ///
    /// If another process has meanwhile put a good file in its place (`bad_inode` is another), that one is
    /// left alone.
    pub(crate) fn quarantine(&self, from: &Path, label: &str, bad_inode: u64) -> Result<PathBuf, StoreError> {
        use std::os::unix::fs::MetadataExt;
        let to = self.inner.dir.join("quarantine").join(label);
        let same = |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.ino() == bad_inode);
        if same(from) {
            match fs::rename(from, &to) {
                Ok(()) if !same(&to) => {
                    fs::rename(&to, from).map_err(|e| StoreError::io("rename", &to, e))?;
                }
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(StoreError::io("rename", from, e)),
            }
        }
        lock(&self.inner.complete).clear();
        Ok(to)
    }
}

/// Locks, also after another thread panicked: no state here is ever half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `ab/<64 hex>`.
pub(crate) fn fan_out(sha256: &Sha256) -> String {
    let hex = sha256.hex();
    format!("{}/{hex}", &hex[..2])
}

pub(crate) fn open_dir(path: &Path) -> Result<OwnedFd, StoreError> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| StoreError::io("open", path, e))
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|e| StoreError::io("change the mode of", path, e))
}

fn make_dirs(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(|e| StoreError::io("make", dir, e))?;
    set_mode(dir, 0o755)
}

/// True if `dir` is a store already, false if it can become one.
fn check_version(dir: &Path) -> Result<bool, StoreError> {
    let refuse = |found: String| StoreError::Version { dir: dir.to_owned(), expected: LAYOUT, found };
    match fs::read(dir.join("VERSION")) {
        Ok(text) if text == format!("{LAYOUT}\n").as_bytes() => Ok(true),
        Ok(text) => {
            let text: String = String::from_utf8_lossy(&text).trim().chars().take(60).collect();
            Err(refuse(format!("layout `{text}`")))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let entries = fs::read_dir(dir).map_err(|e| StoreError::io("read", dir, e))?;
            for entry in entries {
                let name = entry.map_err(|e| StoreError::io("read", dir, e))?.file_name();
                // Another process may be making the same store right now.
                if !PLACES.iter().any(|place| name == *place) && name != "VERSION" && name != "lease" {
                    return Err(refuse(format!("no `VERSION`, but `{}`", name.to_string_lossy())));
                }
            }
            Ok(false)
        }
        Err(e) => Err(StoreError::io("read", dir.join("VERSION"), e)),
    }
}

fn write_version(dir: &Path) -> Result<(), StoreError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temp = dir.join("tmp").join(format!("VERSION.{}.{count}", std::process::id()));
    let wrong = |e| StoreError::io("write", dir.join("VERSION"), e);
    fs::write(&temp, format!("{LAYOUT}\n")).map_err(|e| {
        let _ = fs::remove_file(&temp);
        wrong(e)
    })?;
    fs::rename(&temp, dir.join("VERSION")).map_err(wrong)
}
