//! Process 1 while the command runs: reaps orphans, watches limits, reports the end.

use std::os::fd::RawFd;

use crate::job::{Job, Watched};
use crate::kernel;
use crate::message::{Message, Over};

const PAGE: u64 = 4096;
/// Of processor time in `/proc`, as every Linux says it.
const TICKS_PER_SECOND: u64 = 100;

/// Returns when the command has ended (or reached a limit) and the caller has been told.
pub(super) fn until_end(job: &Job, payload: i32) {
    let socket = job.descriptors.socket;
    // What was used before the command.
    let (user_before, system_before, _) = kernel::usage_of_children();
    let before = user_before + system_before;
    let terminal = job.descriptors.log < 0;
    let processes = kernel::open_at(libc::AT_FDCWD, c"/proc", libc::O_RDONLY | libc::O_DIRECTORY, 0);
    let watch = job.watched.zip(processes.ok());
    let flags = if terminal { libc::WUNTRACED } else { 0 };
    let mut looked = kernel::millis();
    let status = loop {
        let polled = if watch.is_some() { libc::WNOHANG } else { 0 };
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
                let Some((watched, processes)) = watch else { continue };
                // Orphans that end do not make it look more often.
                let passed = kernel::millis() - looked;
                if passed < watched.every_millis {
                    kernel::await_child(watched.every_millis - passed);
                    continue;
                }
                if let Some(over) = Sample::take(processes, watched.memory.is_some()).over(watched, before) {
                    let _ = Message::Over(over).send(socket, None);
                    return;
                }
                looked = kernel::millis();
            }
            Err(kernel::Errno(libc::EINTR)) => {}
            Err(_) => return, // the payload cannot be lost; the caller reports that init vanished
        }
    };
    if let Some(failure) = job.report.failure() {
        let _ = Message::Failed(failure).send(socket, None);
        return;
    }
    // What it could not start it may have ended for. The command itself is gone from the count.
    if status != 0
        && let Some((watched, processes)) = watch
        && Sample::take(processes, false).tasks + 1 >= watched.processes
    {
        let _ = Message::Over(Over::Processes).send(socket, None);
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

/// All processes at one moment.
#[derive(Default)]
struct Sample {
    /// Bytes of their private memory, and of the files in memory.
    bytes: u64,
    /// Processes and threads, those included that have ended and were not waited for.
    tasks: u64,
    /// Processor time of the living, and of the dead that they have waited for.
    ticks: u64,
}

impl Sample {
    fn take(processes: RawFd, memory: bool) -> Self {
        let mut sample = Self::default();
        if memory {
            sample.bytes = kernel::bytes_used(c"/tmp");
        }
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
                    sample.add(processes, entry, memory);
                }
                rest = rest.get(size..).unwrap_or(&[]);
            }
        }
        sample
    }

    fn add(&mut self, processes: RawFd, name: &[u8], memory: bool) {
        let mut text = [0_u8; 512];
        let stat = file_of(processes, name, b"/stat", &mut text);
        // The name of the program, in brackets, may hold anything.
        let at = stat.iter().rposition(|byte| *byte == b')').map_or(stat.len(), |at| at + 2);
        // From the third: the state; then of them all that has a number here, as in proc(5), less 3.
        let mut fields = Numbers(stat.get(at..).unwrap_or(&[]));
        let times: u64 = (0..4).map(|n| fields.nth(if n == 0 { 11 } else { 0 }).unwrap_or(0)).sum();
        let threads = fields.nth(2).unwrap_or(0);
        self.tasks += threads.max(1);
        // Process 1's own are not the command's; those that it has waited for are counted apart.
        if name.get(..2) != Some(b"1\0") {
            self.ticks += times;
        }
        if memory {
            let statm = file_of(processes, name, b"/statm", &mut text);
            let mut fields = Numbers(statm);
            let (resident, shared) = (fields.nth(1).unwrap_or(0), fields.next().unwrap_or(0));
            self.bytes += resident.saturating_sub(shared) * PAGE;
        }
    }

    /// The limit that is reached.
    fn over(&self, watched: Watched, before: u64) -> Option<Over> {
        if watched.memory.is_some_and(|limit| self.bytes > limit) {
            return Some(Over::Memory);
        }
        if self.tasks >= watched.processes {
            return Some(Over::Processes);
        }
        let limit = watched.cpu_seconds?;
        let (user, system, _) = kernel::usage_of_children();
        let reaped = (user + system).saturating_sub(before) / (1_000_000 / TICKS_PER_SECOND);
        (self.ticks + reaped >= limit.saturating_mul(TICKS_PER_SECOND)).then_some(Over::CpuTime)
    }
}

/// What the file `file` of the process `name` begins with; nothing if it is gone.
fn file_of<'a>(processes: RawFd, name: &[u8], file: &[u8], text: &'a mut [u8; 512]) -> &'a [u8] {
    let mut path = [0_u8; 32];
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).take(16);
    for (slot, byte) in path.iter_mut().zip(digits.chain(file)) {
        *slot = *byte;
    }
    let Ok(path) = std::ffi::CStr::from_bytes_until_nul(&path) else { return &[] };
    let Ok(file) = kernel::open_at(processes, path, libc::O_RDONLY, 0) else { return &[] };
    let length = kernel::read(file, text).unwrap_or(0);
    kernel::close(file);
    &text[..length]
}

/// The numbers in a line, one for each word; 0 for a word that is none.
struct Numbers<'a>(&'a [u8]);

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|byte| *byte == b' ').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or(&[]);
        let digits = word.iter().filter(|byte| byte.is_ascii_digit());
        Some(digits.fold(0_u64, |n, byte| n.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'))))
    }
}
