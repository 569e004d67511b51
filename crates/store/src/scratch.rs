//! Room to work in, on the store's filesystem.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::session::Session;
use crate::{Store, StoreError, remove};

/// A private, empty directory (mode 0700), removed with everything in it when dropped.
///
/// If the process dies first, the next [`Store::open`] of any process removes it.
pub struct Scratch {
    path: PathBuf,
    /// Holds the lock that says the owner is alive.
    _session: Arc<Session>,
}

impl Store {
    /// Makes a scratch directory.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`].
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        let session = self.session()?;
        let path = session.path().join(session.fresh_name());
        DirBuilder::new().mode(0o700).create(&path).map_err(|e| StoreError::io("make", &path, e))?;
        Ok(Scratch { path, _session: session })
    }
}

impl Scratch {
    /// Where it is; absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now goes with the session, or with the next process that opens the store.
        let _ = remove::tree(&self.path);
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scratch").field(&self.path).finish()
    }
}
