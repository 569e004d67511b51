//! Privileged mode: the caller's trees as mounts on which everything belongs to the builder.

#![allow(unsafe_code, reason = "forks a process that only holds a user namespace")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::Stage;
use crate::job::{UNUSED_ID, path_text};
use crate::kernel::{self, Errno};
use crate::{SandboxError, refusal};

/// One namespace for each owner of trees, kept while the process lives: making one costs a fork.
static NAMESPACES: Mutex<BTreeMap<(u32, u32), OwnedFd>> = Mutex::new(BTreeMap::new());

/// A detached mount of `tree`, whose owner's files appear as the builder's.
pub(crate) fn mount_as_builder(tree: &Path) -> Result<OwnedFd, SandboxError> {
    let failed = |errno: Errno| SandboxError::Path {
        attempt: "show as the builder's (an idmapped mount; is the file system ext4, xfs, btrfs or tmpfs?)",
        path: tree.to_owned(),
        source: errno.into(),
    };
    let meta = fs::metadata(tree).map_err(|source| SandboxError::Path {
        attempt: "read the tree",
        path: tree.to_owned(),
        source,
    })?;
    let mount = mount(tree)?;
    let mut namespaces = NAMESPACES.lock().unwrap_or_else(PoisonError::into_inner);
    let owner = (meta.uid(), meta.gid());
    let map = match namespaces.entry(owner) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(namespace(owner)?),
    };
    kernel::map_owners(mount.as_raw_fd(), map.as_raw_fd()).map_err(failed)?;
    Ok(mount)
}

/// A detached mount of `dir`.
pub(crate) fn mount(dir: &Path) -> Result<OwnedFd, SandboxError> {
    let text = path_text(dir)?;
    let mount = kernel::clone_mount(libc::AT_FDCWD, &text).map_err(|errno| SandboxError::Path {
        attempt: "mount",
        path: dir.to_owned(),
        source: errno.into(),
    })?;
    // SAFETY: the descriptor is new and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(mount) })
}

/// A user namespace that maps `owner` to the builder's id outside.
fn namespace((uid, gid): (u32, u32)) -> Result<OwnedFd, SandboxError> {
    let before = kernel::block_signals();
    // SAFETY: the child only sleeps until it is killed; it dies with this thread.
    let child = match unsafe { kernel::fork_into(libc::CLONE_NEWUSER as u64, None) } {
        Ok(None) => {
            let _ = kernel::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0);
            loop {
                let _ = kernel::poll(&mut [], None);
            }
        }
        Ok(Some(child)) => Ok(child),
        Err(errno) => Err(refusal::setup(Stage::Clone, String::new(), errno.0)),
    };
    kernel::set_signal_mask(before);
    let (pid, pidfd) = child?;
    let file = |name: &str| format!("/proc/{pid}/{name}");
    let opened = fs::write(file("uid_map"), format!("{uid} {UNUSED_ID} 1\n"))
        .and_then(|()| fs::write(file("gid_map"), format!("{gid} {UNUSED_ID} 1\n")))
        .and_then(|()| fs::File::open(file("ns/user")));
    kernel::kill_pidfd(pidfd);
    let _ = kernel::wait_pidfd(pidfd);
    kernel::close(pidfd);
    opened.map(OwnedFd::from).map_err(|source| {
        refusal::setup(Stage::OwnerMap, String::new(), source.raw_os_error().unwrap_or(libc::EIO))
    })
}
