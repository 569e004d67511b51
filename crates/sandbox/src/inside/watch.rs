//! Process 1 while the command runs: reaps orphans, watches memory, reports the end.

use std::os::fd::RawFd;

use crate::job::Job;
use crate::kernel;
use crate::message::Message;

/// How often memory is added up.
const INTERVAL_MILLIS: i64 = 20;
const PAGE: u64 = 4096;

/// Returns when the command has ended (or needs too much memory) and the caller has been told.
pub(super) fn until_end(job: &Job, payload: i32) {
    let socket = job.descriptors.socket;
    // What was used before the command.
    let (user_before, system_before, _) = kernel::usage_of_children();
    let terminal = job.descriptors.log < 0;
    let processes = kernel::open_at(libc::AT_FDCWD, c"/proc", libc::O_RDONLY | libc::O_DIRECTORY, 0);
    let flags = if terminal { libc::WUNTRACED } else { 0 };
    let status = loop {
        let polled = if job.memory.is_some() { libc::WNOHANG } else { 0 };
        match kernel::wait_any(flags | polled) {
            Ok(Some((pid, status))) if libc::WIFSTOPPED(status) => {
                // Nobody could continue it: its terminal's shell is outside.
                if pid == payload {
                    kernel::kill(pid, libc::SIGCONT);
                }
            }
            Ok(Some((pid, status))) if pid == payload => break status,
            Ok(Some(_)) => {}
            Ok(None) => {
                kernel::await_child(INTERVAL_MILLIS);
                if let (Some(limit), Ok(processes)) = (job.memory, processes)
                    && resident(processes) > limit
                {
                    let _ = Message::OutOfMemory.send(socket, None);
                    return;
                }
            }
            Err(kernel::Errno(libc::EINTR)) => {}
            Err(_) => return, // the payload cannot be lost; the caller reports that init vanished
        }
    };
    if let Some(failure) = job.report.failure() {
        let _ = Message::Failed(failure).send(socket, None);
        return;
    }
    let survivors = loop {
        match kernel::wait_any(libc::WNOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    if survivors {
        // The end of this process would kill them too; so their usage is counted.
        kernel::kill(-1, libc::SIGKILL);
        while kernel::wait_any(0).is_ok() {}
    }
    let (user, system, max_rss) = kernel::usage_of_children();
    let (user, system) = (user.saturating_sub(user_before), system.saturating_sub(system_before));
    let _ = Message::Ended { status, survivors, user, system, max_rss }.send(socket, None);
}

/// Bytes of private memory of all processes, and of the files in memory.
fn resident(processes: RawFd) -> u64 {
    let mut total = kernel::bytes_used(c"/tmp");
    let mut buffer = [0_u8; 4096];
    kernel::rewind(processes);
    while let Ok(length) = kernel::read_entries(processes, &mut buffer) {
        let Some(mut rest) = buffer.get(..length).filter(|rest| !rest.is_empty()) else { break };
        // linux_dirent64: inode 8, offset 8, length 2, kind 1, then the name.
        while let Some(size) =
            rest.get(16..18).map(|size| usize::from(u16::from_ne_bytes([size[0], size[1]])))
        {
            let Some(entry) = rest.get(19..size) else { break };
            if entry.first().is_some_and(u8::is_ascii_digit) {
                total += private_pages(processes, entry) * PAGE;
            }
            rest = rest.get(size..).unwrap_or(&[]);
        }
    }
    total
}

/// Pages of the process `name` that are resident and not of a file.
fn private_pages(processes: RawFd, name: &[u8]) -> u64 {
    let mut path = [0_u8; 32];
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).take(16);
    for (slot, byte) in path.iter_mut().zip(digits.chain(b"/statm")) {
        *slot = *byte;
    }
    let Ok(path) = std::ffi::CStr::from_bytes_until_nul(&path) else { return 0 };
    let Ok(file) = kernel::open_at(processes, path, libc::O_RDONLY, 0) else { return 0 };
    let mut text = [0_u8; 128];
    let length = kernel::read(file, &mut text).unwrap_or(0);
    kernel::close(file);
    let mut numbers = text[..length].split(|byte| *byte == b' ').skip(1).map(|number| {
        number.iter().filter(|b| b.is_ascii_digit()).fold(0_u64, |n, b| n * 10 + u64::from(b - b'0'))
    });
    let (resident, shared) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    resident.saturating_sub(shared)
}
