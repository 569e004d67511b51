//! The root of the sandbox: from the caller's trees to the current directory.
//!
//! The trees are first attached somewhere in the old root ([`STAGE`]), where only their descriptors reach them;
//! parts of them are then cloned onto a new file system in memory. That one goes on top of the old root, takes
//! its place, and the old root with all in it is let go in one piece.

use std::os::fd::RawFd;

use super::network::Network;
use super::secrets;
use super::text::Text;
use crate::error::{At, Failure, Stage};
use crate::job::{Files, Job, Source};
use crate::kernel::{self, Answer, Errno};
use crate::layout::{DEVICES, Entry, RANDOM_DEVICES, RANDOM_SIZE};

/// Files of `/proc` that tell about the host or its keys to everybody.
const MASKED_FILES: &[&std::ffi::CStr] =
    &[c"proc/keys", c"proc/key-users", c"proc/sched_debug", c"proc/latency_stats"];
/// Files of `/proc` that only the host's root may use: masked where the builder is that.
const MASKED_ROOT_FILES: &[&std::ffi::CStr] =
    &[c"proc/kcore", c"proc/kmsg", c"proc/sysrq-trigger", c"proc/timer_list"];
/// Directories of `/proc` about the host's hardware.
const MASKED_DIRS: &[&std::ffi::CStr] = &[c"proc/acpi", c"proc/scsi"];

/// A directory of every host that nothing here uses. Not `/`: only the topmost of what is stacked there would be
/// let go with the old root.
pub(super) const STAGE: &std::ffi::CStr = c"/proc/fs";

const HIDDEN: u64 = kernel::READ_ONLY | kernel::NO_SUID | kernel::NO_DEV;

/// What [`build`] leaves: the process stands in the build directory of the new root.
pub(super) struct Built {
    /// The build directory.
    pub(super) work: RawFd,
    pub(super) hidepid: bool,
}

/// With `named`, the kernel has the machine's names; else files say them.
pub(super) fn build(job: &Job, network: Network<'_>, named: bool) -> Result<Built, Failure> {
    match &job.files {
        Files::Trees { root, work } => build_step(job, root, work, network, named),
        Files::Image(image) => super::image::build(job, image, network, named),
    }
}

fn build_step(
    job: &Job,
    toolchain: &Source,
    work: &Source,
    network: Network<'_>,
    named: bool,
) -> Result<Built, Failure> {
    let toolchain = stage_tree(toolchain, HIDDEN).at(Stage::Toolchain)?;
    let work = stage_tree(work, HIDDEN).at(Stage::Inputs)?;
    let scratch = stage_tree(&job.scratch, 0).at(Stage::Scratch)?;
    let root = new_root(job.room.as_deref(), c"/").at(Stage::Root)?;

    fill(job, Some(toolchain))?;
    if job.layout.etc {
        let options = Text::new().push("lowerdir=etc:").push_fd(toolchain).push("/etc");
        kernel::mount(c"overlay", c"etc", HIDDEN, options.as_c_str()).at(Stage::Etc)?;
    }
    devices(job, root)?;
    for (index, path) in job.layout.private.iter().enumerate() {
        bind(root, path, root, path).at_entry(Stage::Private, index)?;
    }
    let hidepid = processes_and_world(job, root, named)?;
    await_scratch(job)?;
    if job.lacks.overlay {
        copied(scratch, root, &job.layout.build).at(Stage::Build)?;
    } else {
        let options = Text::new()
            .push("userxattr,volatile,lowerdir=")
            .push_fd(work)
            .push(",upperdir=")
            .push_fd(scratch)
            .push("/upper,workdir=")
            .push_fd(scratch)
            .push("/work");
        let flags = kernel::NO_SUID | kernel::NO_DEV;
        kernel::mount(c"overlay", &job.layout.build, flags, options.as_c_str()).at(Stage::Build)?;
    }
    let build = kernel::open_at(root, &job.layout.build, libc::O_PATH | libc::O_DIRECTORY, 0)
        .at_entry(Stage::Build, 1)?;

    secrets::mount(job, root)?;
    kernel::mount_attributes(root, c"", kernel::READ_ONLY, false).at(Stage::ReadOnly)?;
    network.join(job.lacks.network)?;
    kernel::pivot_here().at(Stage::Pivot)?;
    kernel::enter_dir(build).at_entry(Stage::Pivot, 1)?;
    Ok(Built { work: build, hidepid })
}

/// Puts the host's devices, and terminals of its own, into `/dev` of the root, which is the current directory.
pub(super) fn devices(job: &Job, root: RawFd) -> Result<(), Failure> {
    for (index, (device, path)) in DEVICES.iter().enumerate() {
        if !job.layout.random.is_empty() && RANDOM_DEVICES.contains(path) {
            random_device(path, &job.layout.random).at_entry(Stage::Device, index)?;
            continue;
        }
        bind(libc::AT_FDCWD, device, root, path).at_entry(Stage::Device, index)?;
    }
    let quiet = kernel::NO_SUID | kernel::NO_EXEC;
    kernel::mount(c"devpts", c"dev/pts", quiet, c"newinstance,ptmxmode=0666,mode=620").at(Stage::Terminals)
}

/// Mounts `/proc`, and over it and elsewhere the files of the world, which are below it and out of sight then.
pub(super) fn processes_and_world(job: &Job, root: RawFd, named: bool) -> Result<bool, Failure> {
    // Each mount is made when it is attached: newer kernels list mounts in the one order, older ones in the other.
    let covered = kernel::open_at(root, c"proc", libc::O_PATH | libc::O_DIRECTORY, 0).at(Stage::Mask)?;
    let hidepid = if job.lacks.proc { false } else { processes(job, root)? };
    let names = if named { &[] } else { job.layout.names.as_slice() };
    for (index, (source, target)) in job.layout.world.iter().chain(names).enumerate() {
        let mount = kernel::clone_mount(covered, source).at_entry(Stage::World, index)?;
        kernel::mount_attributes(mount, c"", HIDDEN | kernel::NO_EXEC, false)
            .at_entry(Stage::World, index)?;
        kernel::attach_in(mount, root, target, false).at_entry(Stage::World, index)?;
        kernel::close(mount);
    }
    kernel::close(covered);
    Ok(hidepid)
}

/// The build directory is the copy that the caller has made.
fn copied(scratch: RawFd, root: RawFd, build: &std::ffi::CStr) -> Answer<()> {
    let mount = kernel::clone_mount(scratch, c"upper")?;
    kernel::mount_attributes(mount, c"", kernel::NO_SUID | kernel::NO_DEV, false)?;
    let attached = kernel::attach(mount, root, build);
    kernel::close(mount);
    attached
}

/// Fills the place of a random device: the same bytes at each opening, and zeros without end.
fn random_device(path: &std::ffi::CStr, bytes: &[u8]) -> Answer<()> {
    let file = kernel::open_at(libc::AT_FDCWD, path, libc::O_WRONLY, 0)?;
    let filled = kernel::write_all(file, bytes).and_then(|()| kernel::set_size(file, RANDOM_SIZE));
    kernel::close(file);
    filled
}

/// The caller prepares the scratch directory while this process works, and then says so.
pub(super) fn await_scratch(job: &Job) -> Result<(), Failure> {
    let mut go = [0; 1];
    if kernel::receive(job.descriptors.socket, &mut go, 0).at(Stage::Scratch)?.0 == 0 {
        kernel::exit_now(1); // the caller gave up
    }
    Ok(())
}

/// Attaches a tree in the old root and returns its descriptor.
pub(super) fn stage_tree(source: &Source, attributes: u64) -> Answer<RawFd> {
    let mount = match source {
        Source::Path(path) => kernel::clone_mount(libc::AT_FDCWD, path)?,
        Source::Mount(mount) => *mount,
    };
    if attributes != 0 {
        kernel::mount_attributes(mount, c"", attributes, false)?;
    }
    kernel::attach(mount, libc::AT_FDCWD, STAGE)?;
    Ok(mount)
}

/// A file system in memory, of the size `room` if that is given, at `place`; it becomes the current directory.
pub(super) fn new_root(room: Option<&std::ffi::CStr>, place: &std::ffi::CStr) -> Answer<RawFd> {
    let options = [(c"mode", c"0755"), (c"size", room.unwrap_or(c""))];
    let options = &options[..if room.is_some() { 2 } else { 1 }];
    let root = kernel::new_mount(c"tmpfs", options, kernel::NO_SUID | kernel::NO_DEV)?;
    kernel::attach(root, libc::AT_FDCWD, place)?;
    kernel::enter_dir(root)?;
    Ok(root)
}

/// Makes the layout's entries in the current directory; what is the toolchain's is mounted from there.
pub(super) fn fill(job: &Job, toolchain: Option<RawFd>) -> Result<(), Failure> {
    let create = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    for (index, entry) in job.layout.entries.iter().enumerate() {
        match entry {
            Entry::Dir(path, mode) => kernel::make_dir(path, *mode),
            Entry::BindDir(path) => kernel::make_dir(path, 0o755),
            Entry::Link(path, target) => kernel::make_link(target, path),
            Entry::BindFile(path) => kernel::make_file(path, 0o444),
            Entry::File(path, content) if content.is_empty() => kernel::make_file(path, 0o644),
            Entry::File(path, content) => {
                kernel::open_at(libc::AT_FDCWD, path, create, 0o644).and_then(|file| {
                    let written = kernel::write_all(file, content);
                    kernel::close(file);
                    written
                })
            }
        }
        .at_entry(Stage::Skeleton, index)?;
    }
    // Last and backwards: what is made in a directory changes its time.
    for (index, entry) in job.layout.entries.iter().enumerate().rev() {
        kernel::set_time(entry.path(), job.time).at_entry(Stage::Skeleton, index)?;
    }
    if toolchain.is_some() {
        kernel::set_time(c".", job.time).at(Stage::Skeleton)?;
    }
    for (index, entry) in job.layout.entries.iter().enumerate() {
        if let (Entry::BindDir(path) | Entry::BindFile(path), Some(toolchain)) = (entry, toolchain) {
            bind(toolchain, path, libc::AT_FDCWD, path).at_entry(Stage::Bind, index)?;
        }
    }
    Ok(())
}

/// Mounts what is at `from` also at `to`.
fn bind(dir: RawFd, from: &std::ffi::CStr, to_dir: RawFd, to: &std::ffi::CStr) -> Answer<()> {
    let mount = kernel::clone_mount(dir, from)?;
    let attached = kernel::attach(mount, to_dir, to);
    kernel::close(mount);
    attached
}

/// Mounts `/proc` and takes away what tells about the host. Says whether other users' processes are hidden.
fn processes(job: &Job, root: RawFd) -> Result<bool, Failure> {
    let hidepid = mount_proc()?;
    let sys = kernel::clone_mount(root, c"proc/sys").at(Stage::Mask)?;
    kernel::mount_attributes(sys, c"", HIDDEN | kernel::NO_EXEC, false).at(Stage::Mask)?;
    kernel::attach(sys, root, c"proc/sys").at(Stage::Mask)?;
    let extra = if job.ids.root_outside { MASKED_ROOT_FILES } else { &[] };
    // Something empty.
    let folder = if job.image().is_some() { c"sys" } else { c"run" };
    for (masks, with) in [(MASKED_FILES, c"dev/null"), (extra, c"dev/null"), (MASKED_DIRS, folder)] {
        for path in masks {
            if kernel::exists(path) {
                bind(root, with, root, path).at(Stage::Mask)?;
            }
        }
    }
    Ok(hidepid)
}

fn mount_proc() -> Result<bool, Failure> {
    let flags = kernel::NO_SUID | kernel::NO_DEV | kernel::NO_EXEC;
    match kernel::mount(c"proc", c"proc", flags, c"hidepid=2") {
        Ok(()) => Ok(true),
        Err(Errno(libc::EINVAL)) => {
            kernel::mount(c"proc", c"proc", flags, c"").at(Stage::Proc)?;
            Ok(false)
        }
        Err(errno) => Err(errno).at(Stage::Proc),
    }
}

/// The parts of a sandbox that hosts refuse, without any tree.
pub(super) fn probe(job: &Job) -> Result<bool, Failure> {
    new_root(None, c"/").at(Stage::Root)?;
    for (index, dir) in [c"proc", c"lower", c"upper", c"work", c"build"].into_iter().enumerate() {
        kernel::make_dir(dir, 0o755).at_entry(Stage::Skeleton, index)?;
    }
    let hidepid = if job.lacks.proc { false } else { mount_proc()? };
    if !job.lacks.overlay {
        let options = c"userxattr,lowerdir=lower,upperdir=upper,workdir=work";
        kernel::mount(c"overlay", c"build", 0, options).at(Stage::Build)?;
    }
    kernel::pivot_here().at(Stage::Pivot)?;
    if !job.lacks.addresses {
        kernel::personality(libc::ADDR_NO_RANDOMIZE as u64).at(Stage::Addresses)?;
    }
    Ok(hidepid)
}
