//! The root of the sandbox where it is an image's: its layers under an overlay that the command writes to.

use std::os::fd::AsRawFd as _;

use super::network::Network;
use super::root::{self, Built};
use crate::error::{At, Failure, Stage};
use crate::image::{KERNELS, Over, Prepared};
use crate::job::Job;
use crate::kernel;

/// Where it is put together; the file system around it goes with the old root.
const PLACE: &std::ffi::CStr = c"root";

pub(super) fn build(
    job: &Job,
    image: &Prepared,
    network: Network<'_>,
    named: bool,
) -> Result<Built, Failure> {
    for (index, layer) in image.layers.iter().enumerate() {
        kernel::attach(layer.as_raw_fd(), libc::AT_FDCWD, root::STAGE).at_entry(Stage::Layers, index)?;
    }
    root::stage_tree(&job.scratch, 0).at(Stage::Scratch)?;
    // Not on top of everything: it would stay there, above the old root, when that is let go.
    root::new_root(job.room.as_deref(), root::STAGE).at(Stage::Root)?;
    kernel::make_dir(PLACE, 0o755).at(Stage::Skeleton)?;
    root::await_scratch(job)?;
    kernel::mount(c"overlay", PLACE, kernel::NO_DEV, &image.options).at(Stage::Layers)?;
    let place = libc::O_PATH | libc::O_DIRECTORY;
    let within = kernel::open_at(libc::AT_FDCWD, PLACE, place, 0).at(Stage::Layers)?;
    kernel::enter_dir(within).at(Stage::Layers)?;
    // What is not the image's: devices, and below `/proc` what will be shown elsewhere.
    // An image that has something else than a directory there could make it be somewhere else.
    for (index, (path, mode)) in KERNELS.iter().enumerate() {
        let flags = kernel::NO_SUID | if *path == c"dev" { 0 } else { kernel::NO_DEV };
        let made = kernel::new_mount(c"tmpfs", &[(c"mode", mode)], flags).at_entry(Stage::Private, index)?;
        let own =
            kernel::open_at(within, path, place | libc::O_NOFOLLOW, 0).at_entry(Stage::Private, index)?;
        kernel::attach(made, own, c"").at_entry(Stage::Private, index)?;
        kernel::close(own);
        kernel::close(made);
    }
    root::fill(job, None)?;
    root::devices(job, within)?;
    let hidepid = root::processes_and_world(job, within, named)?;
    for (index, Over { mount, target, writable, .. }) in image.mounts.iter().enumerate() {
        let flags = kernel::NO_SUID | kernel::NO_DEV | if *writable { 0 } else { kernel::READ_ONLY };
        let mount = mount.as_raw_fd();
        let attached = kernel::mount_attributes(mount, c"", flags, false)
            .and_then(|()| kernel::attach_in(mount, within, target, true));
        attached.at_entry(Stage::Mounts, index)?;
    }
    let read_only = kernel::READ_ONLY | kernel::NO_SUID | kernel::NO_DEV | kernel::NO_EXEC;
    let sys = kernel::open_at(within, c"sys", place, 0).at(Stage::ReadOnly)?;
    kernel::mount_attributes(sys, c"", read_only, false).at(Stage::ReadOnly)?;
    kernel::close(sys);
    network.join(job.lacks.network)?;
    kernel::pivot_here().at(Stage::Pivot)?;
    let work = kernel::open_at(libc::AT_FDCWD, c"/", place, 0).at_entry(Stage::Pivot, 1)?;
    let workdir = kernel::open_at(work, &image.workdir, place, 0).at(Stage::Workdir)?;
    kernel::enter_dir(workdir).at(Stage::Workdir)?;
    kernel::close(workdir);
    Ok(Built { work, hidepid })
}
