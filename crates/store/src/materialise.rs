//! Trees on disk, made once and mounted many times.
//!
//! `trees/BOOT/<hex>.<mtime>[.rw]/root` has its name only when it is complete, by one rename of the directory around
//! it (which stays writable: the read-only `root` itself could not be moved). `BOOT` is the kernel's boot id: a
//! tree of an earlier boot may have lost file contents that were not yet on the disk when the power failed, so it
//! is hashed once before it moves to the present one.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use model::{Digest, Sha256, Timestamp};

use crate::copy_out::{CopyOut, Seal, Style};
use crate::layout::{lock, open_dir, set_mode};
use crate::{Store, StoreError, remove, verify};

impl Store {
    /// A complete, read-only copy of a tree on disk, made when it is first asked for.
    ///
    /// Directories are 0555, files 0444 or 0555, whatever the umask; the time of everything, symlinks and
    /// directories included, is `mtime`. No file is a hard link. Asking again costs one `stat`. Threads and
    /// processes may ask for the same tree at once.
    ///
    /// # Errors
    /// As [`Store::walk`] and [`Store::open_blob`]; nothing half-made is left.
    pub fn materialise(&self, root: &Digest, mtime: Timestamp) -> Result<PathBuf, StoreError> {
        self.on_disk(root, Seal { mtime, writable: false })
    }

    /// As [`Store::materialise`], but its owner may write: directories and programs are 0755, other files 0644.
    ///
    /// For the lower layer of an overlay, where modes are what the upper layer shows. Nobody may really write to
    /// it: a tree that was changed is found by [`Store::verify`], not before it is used.
    ///
    /// # Errors
    /// As [`Store::materialise`].
    pub fn materialise_writable(&self, root: &Digest, mtime: Timestamp) -> Result<PathBuf, StoreError> {
        self.on_disk(root, Seal { mtime, writable: true })
    }

    fn on_disk(&self, root: &Digest, seal: Seal) -> Result<PathBuf, StoreError> {
        let trees = self.inner.dir.join("trees");
        let name = seal.name(root);
        let now = trees.join(boot_id());
        let home = now.join(&name);
        let path = home.join("root");
        if path.is_dir() {
            return Ok(path);
        }
        let _turn = Turn::wait(self, &home);
        if path.is_dir() {
            return Ok(path);
        }
        match fs::create_dir(&now) {
            Ok(()) => set_mode(&now, 0o755)?,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(StoreError::io("make", now, e)),
        }
        self.adopt(&trees, &name, root, seal, &home);
        if path.is_dir() {
            return Ok(path);
        }
        let session = self.session()?;
        let around = session.path().join(session.fresh_name());
        match self.make(root, seal, &around).and_then(|()| rename_if_free(&around, &home)) {
            Ok(true) => Ok(path),
            Ok(false) => {
                // Another process was faster; its tree is as good.
                let _ = remove::tree(&around);
                Ok(path)
            }
            Err(error) => {
                let _ = remove::tree(&around);
                Err(error)
            }
        }
    }

    fn make(&self, root: &Digest, seal: Seal, around: &Path) -> Result<(), StoreError> {
        let place = around.join("root");
        for dir in [around, &place] {
            fs::create_dir(dir).map_err(|e| StoreError::io("make", dir, e))?;
        }
        set_mode(around, 0o755)?;
        CopyOut { store: self, style: Style::Sealed(seal), place: &place }.tree(root, open_dir(&place)?)
    }

    /// Takes a tree over from an earlier boot if it is still what it should be; removes it otherwise.
    fn adopt(&self, trees: &Path, name: &str, root: &Digest, seal: Seal, home: &Path) {
        for boot in fs::read_dir(trees).into_iter().flatten().flatten() {
            let old = boot.path().join(name);
            if old == home || !old.is_dir() {
                continue;
            }
            if verify::tree_on_disk(&old.join("root"), seal).is_ok_and(|found| found == *root)
                && rename_if_free(&old, home).unwrap_or(false)
            {
                return;
            }
            let _ = remove::tree(&old);
        }
    }
}

impl Seal {
    /// The name of a tree that is so: `<hex>.<mtime>`, with `.rw` if its owner may write.
    fn name(self, root: &Digest) -> String {
        format!("{}.{}{}", root.hex(), self.mtime.0, if self.writable { ".rw" } else { "" })
    }

    /// Reads such a name.
    pub(crate) fn parse(name: &str) -> Option<(Sha256, Self)> {
        let (hex, rest) = name.split_once('.')?;
        let (mtime, writable) = rest.strip_suffix(".rw").map_or((rest, false), |mtime| (mtime, true));
        Some((hex.parse().ok()?, Self { mtime: Timestamp(mtime.parse().ok()?), writable }))
    }
}

/// False if something is there already.
pub(crate) fn rename_if_free(from: &Path, to: &Path) -> Result<bool, StoreError> {
    use rustix::io::Errno;
    match rustix::fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
        Err(e) => Err(StoreError::io("rename", from, e)),
    }
}

/// Names the present boot; where the kernel does not tell, trees of all boots are one.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    BOOT.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let id = text.trim();
        let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if plain { id.to_owned() } else { "unknown".to_owned() }
    })
}

/// Held by the one thread of this process that makes a tree, so that the others do not make it too.
pub(crate) struct Turn<'a> {
    store: &'a Store,
    key: PathBuf,
}

impl<'a> Turn<'a> {
    pub(crate) fn wait(store: &'a Store, key: &Path) -> Self {
        let mut making = lock(&store.inner.making);
        while !HashSet::insert(&mut making, key.to_owned()) {
            making = store.inner.made.wait(making).unwrap_or_else(PoisonError::into_inner);
        }
        Self { store, key: key.to_owned() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.store.inner.making).remove(&self.key);
        self.store.inner.made.notify_all();
    }
}
