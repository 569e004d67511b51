//! The network of the sandbox: a namespace with nothing but the loopback interface.
//!
//! To create one takes the kernel as long as the whole root, so a helper process does that beside init, which
//! enters it at the end. Until then init, which runs nothing of the command, is in the caller's network
//! namespace, without any right in it.

#![allow(unsafe_code, reason = "the helper shares init's memory and descriptors, which saves copying them")]

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::error::{At, Failure, Stage};
use crate::job::Stack;
use crate::kernel;

/// The namespace the helper has made; -1 as long as, or if, there is none. One process 1, one namespace.
static MADE: AtomicI32 = AtomicI32::new(-1);

/// A network namespace in the making.
pub(super) struct Network<'a> {
    helper: i32,
    stack: PhantomData<&'a Stack>,
}

impl<'a> Network<'a> {
    /// Starts the helper: always process 2, so that the command is always process 3.
    pub(super) fn begin(stack: &'a Stack) -> Result<Self, Failure> {
        MADE.store(-1, Ordering::Relaxed);
        // SAFETY: init has one thread; `helper` only exits; its stack is its own and outlives it, since `self` is
        // joined (or everything dies with init); it writes nothing but `MADE`.
        let helper = unsafe { kernel::spawn_beside(helper, std::ptr::null_mut(), stack.end()) };
        Ok(Self { helper: helper.at(Stage::Network)?, stack: PhantomData })
    }

    /// Waits for the helper and enters its namespace. What it could not do is tried here, for the error's sake.
    ///
    /// Where it may be `lacking`, this process stays where it is.
    pub(super) fn join(self, lacking: bool) -> Result<(), Failure> {
        kernel::wait_for(self.helper).at(Stage::Network)?;
        match MADE.load(Ordering::Acquire) {
            -1 if lacking => Ok(()),
            -1 => create(),
            namespace => {
                let entered = kernel::enter_network(namespace).at(Stage::Network);
                kernel::close(namespace);
                entered
            }
        }
    }
}

/// Gives this process a new network namespace with the loopback interface up.
pub(super) fn create() -> Result<(), Failure> {
    kernel::unshare_network().at(Stage::Network)?;
    kernel::loopback_up().at(Stage::Loopback)
}

extern "C" fn helper(_: *mut c_void) -> c_int {
    if create().is_ok()
        && let Ok(namespace) = kernel::open_at(libc::AT_FDCWD, c"/proc/self/ns/net", libc::O_RDONLY, 0)
    {
        MADE.store(namespace, Ordering::Release);
    }
    kernel::exit_now(0)
}
