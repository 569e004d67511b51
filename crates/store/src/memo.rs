//! Memos: small answers that were dear to find and may be lost at any time.

use std::fs;
use std::io::Write;

use model::{Digest, FileName};

use crate::layout::{fan_out, open_dir};
use crate::record::{seal, unseal};
use crate::{Store, StoreError};

impl Store {
    /// The memo kept in `space` under `key`; `None` if there is none or it is damaged.
    ///
    /// `space` is one plain file name, chosen by the caller for one kind of memo and one version of it.
    #[must_use]
    pub fn memo_get(&self, space: &str, key: &Digest) -> Option<Vec<u8>> {
        let space: FileName = space.parse().ok()?;
        let dir = self.inner.dir.join("memos").join(space.as_str());
        let record = fs::read(dir.join(fan_out(&key.sha256))).ok()?;
        unseal(key, &record).map(<[u8]>::to_vec)
    }

    /// Keeps a memo in `space` under `key`, over an older one.
    ///
    /// # Errors
    /// As [`Store::put`]; a `space` that is no plain file name is a [`StoreError::Io`].
    pub fn memo_put(&self, space: &str, key: &Digest, content: &[u8]) -> Result<(), StoreError> {
        let memos = self.inner.dir.join("memos");
        let plain = space.parse::<FileName>().map_err(|e| {
            StoreError::io("write", &memos, std::io::Error::new(std::io::ErrorKind::InvalidFilename, e))
        })?;
        let mut temp = self.session()?.temp()?;
        temp.file.write_all(&seal(key, content)).map_err(|e| StoreError::io("write", temp.path(), e))?;
        temp.keep(open_dir(&memos)?, &format!("{plain}/{}", fan_out(&key.sha256)))
            .map_err(|e| StoreError::io("keep", memos.join(space), e))
    }
}
