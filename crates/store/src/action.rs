//! The action cache: what each action made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use model::Digest;
use model::action::ActionResult;
use model::tree::Node;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::layout::fan_out;
use crate::record::{seal, unseal};
use crate::{Store, StoreError};

/// No honest entry is larger: it holds paths and digests of declared outputs.
const MAX_ENTRY: u64 = 64 << 20;

impl Store {
    /// What `action` made, if all of it is here: every output at any depth, and the log.
    ///
    /// A damaged entry is moved to quarantine and is a miss. Presence is by name and size; bytes are verified
    /// when they are read, and an engine that then meets a [`StoreError::Corrupt`] runs the action again.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::Tree`] if an output is no tree.
    pub fn action_result(&self, action: &Digest) -> Result<Option<ActionResult>, StoreError> {
        let Some(result) = self.action_entry(action)? else { return Ok(None) };
        Ok(self.result_is_complete(&result)?.then_some(result))
    }

    /// Keeps what `action` made. Its outputs and log must have been put before.
    ///
    /// # Errors
    /// As [`Store::put`]; [`StoreError::Missing`] if the log, a file or the root of a directory is not here.
    pub fn put_action_result(&self, action: &Digest, result: &ActionResult) -> Result<(), StoreError> {
        let named = result.outputs.values().filter_map(|node| match node {
            Node::File { digest, .. } | Node::Directory(digest) => Some(*digest),
            Node::Symlink(_) => None,
        });
        let digests: BTreeSet<Digest> = named.chain([result.log]).collect();
        for digest in digests {
            if !self.contains(&digest) {
                return Err(StoreError::Missing { digest });
            }
        }
        let mut temp = self.session()?.temp()?;
        temp.file
            .write_all(&seal(action, &result.encode()))
            .map_err(|e| StoreError::io("write", temp.path(), e))?;
        temp.keep(&self.inner.actions, &fan_out(&action.sha256))
            .map_err(|e| StoreError::io("keep", self.action_path(action), e))
    }

    /// The entry as it stands, complete or not.
    pub(crate) fn action_entry(&self, action: &Digest) -> Result<Option<ActionResult>, StoreError> {
        let failed = |e| StoreError::io("read", self.action_path(action), e);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let name = fan_out(&action.sha256);
        let file = match rustix::fs::openat(&self.inner.actions, &name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(StoreError::io("open", self.action_path(action), e)),
        };
        let mut record = Vec::new();
        (&file).take(MAX_ENTRY).read_to_end(&mut record).map_err(failed)?;
        if let Some(result) = unseal(action, &record).and_then(|encoding| ActionResult::decode(encoding).ok())
        {
            return Ok(Some(result));
        }
        let inode = file.metadata().map_err(failed)?.ino();
        self.quarantine(&self.action_path(action), &format!("{}-action", action.hex()), inode)?;
        Ok(None)
    }

    pub(crate) fn result_is_complete(&self, result: &ActionResult) -> Result<bool, StoreError> {
        if !self.contains(&result.log) {
            return Ok(false);
        }
        for node in result.outputs.values() {
            let here = match node {
                Node::File { digest, .. } => self.contains(digest),
                Node::Directory(root) => self.is_complete(root)?,
                Node::Symlink(_) => true,
            };
            if !here {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn action_path(&self, action: &Digest) -> PathBuf {
        self.inner.dir.join("actions").join(fan_out(&action.sha256))
    }
}
