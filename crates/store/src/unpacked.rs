//! Directories that somebody else fills, made once: layers of images, with the owners and links that a tree cannot hold.
//!
//! `trees/BOOT/<hex>.layer/root` is named after what decides it, and can be made again at any time. So it lives as long as
//! the boot, goes with the next garbage collection, and is not among what [`Store::verify`] looks at.

use std::fs;
use std::path::{Path, PathBuf};

use model::Sha256;

use crate::layout::set_mode;
use crate::materialise::{Turn, boot_id, rename_if_free};
use crate::{Store, StoreError, remove};

/// What the names end in.
const LAYER: &str = ".layer";

/// Whether a name in `trees/BOOT` is of one.
pub(crate) fn is_unpacked(name: &str) -> bool {
    name.strip_suffix(LAYER).is_some_and(|hex| hex.parse::<Sha256>().is_ok())
}

impl Store {
    /// The directory named `key`; where there is none, `fill` fills an empty one. Threads and processes may ask for the same
    /// at once. Nobody may write to it afterwards.
    ///
    /// # Errors
    /// What `fill` says, and [`StoreError::Io`]; nothing half-made is left.
    pub fn unpacked<E: From<StoreError>>(
        &self,
        key: &Sha256,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        let now = self.dir().join("trees").join(boot_id());
        let home = now.join(format!("{key}{LAYER}"));
        let path = home.join("root");
        let _turn = Turn::wait(self, &home);
        if path.is_dir() {
            return Ok(path);
        }
        match fs::create_dir(&now) {
            Ok(()) => set_mode(&now, 0o755)?,
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(StoreError::io("make", now, e).into()),
        }
        let session = self.session()?;
        let around = session.path().join(session.fresh_name());
        let place = around.join("root");
        for dir in [&around, &place] {
            fs::create_dir(dir).map_err(|e| StoreError::io("make", dir, e))?;
            set_mode(dir, 0o755)?;
        }
        let made = fill(&place).and_then(|()| Ok(rename_if_free(&around, &home)?));
        if !matches!(made, Ok(true)) {
            let _ = remove::tree(&around);
        }
        made.map(|_| path)
    }
}
