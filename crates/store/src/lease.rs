//! Who is using the store: builders share a lease, garbage collection needs it alone.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{Store, StoreError};

/// Keeps garbage collection away as long as it lives; the kernel ends it when the process dies.
#[derive(Debug)]
pub struct Lease {
    _fd: OwnedFd,
}

impl Store {
    /// Takes a share in the store: nothing is collected while any process holds one.
    ///
    /// Take it before the first look-up whose answer you rely on, and hold it until what you made is named by a
    /// root. Waits for a collection that is running.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn lease(&self) -> Result<Lease, StoreError> {
        self.lock(FlockOperation::LockShared)
    }

    /// The lease for one alone.
    pub(crate) fn exclusive(&self) -> Result<Lease, StoreError> {
        self.lock(FlockOperation::NonBlockingLockExclusive)
    }

    fn lock(&self, how: FlockOperation) -> Result<Lease, StoreError> {
        let path = self.dir().join("lease");
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o644))
            .map_err(|e| StoreError::io("open", &path, e))?;
        loop {
            match rustix::fs::flock(&fd, how) {
                Ok(()) => return Ok(Lease { _fd: fd }),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Err(StoreError::Busy { dir: self.dir().to_owned() }),
                Err(e) => return Err(StoreError::io("lock", &path, e)),
            }
        }
    }
}
