//! Stopping a run from elsewhere.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::kernel;

/// Raised once, it kills every sandbox that watches it, also those started later.
#[derive(Debug)]
pub struct Cancel {
    counter: OwnedFd,
}

impl Cancel {
    /// A new one, not raised.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    #[allow(unsafe_code, reason = "takes ownership of a descriptor that was just made")]
    pub fn new() -> io::Result<Self> {
        let counter = kernel::event_counter()?;
        // SAFETY: the descriptor is new and nobody else has it.
        Ok(Self { counter: unsafe { OwnedFd::from_raw_fd(counter) } })
    }

    /// Raises it. May be called from any thread and from a signal handler.
    pub fn cancel(&self) {
        // Only a full counter could refuse, and that one is raised.
        let _ = kernel::write_all(self.counter.as_raw_fd(), &1_u64.to_ne_bytes());
    }

    /// Whether it has been raised.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let mut entry = [libc::pollfd { fd: self.watched(), events: libc::POLLIN, revents: 0 }];
        kernel::poll(&mut entry, Some(0)).is_ok_and(|ready| ready > 0)
    }

    /// Returns once it has been raised.
    pub fn wait(&self) {
        let mut entry = [libc::pollfd { fd: self.watched(), events: libc::POLLIN, revents: 0 }];
        // A signal may end the waiting early.
        while kernel::poll(&mut entry, None).is_err() {}
    }

    /// The descriptor that is readable once it has been raised.
    pub(crate) fn watched(&self) -> RawFd {
        self.counter.as_raw_fd()
    }
}
