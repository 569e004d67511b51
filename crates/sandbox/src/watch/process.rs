//! A look into a process that waits for an answer.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};

use model::violation::Process;

use super::Reply;
use crate::kernel;

/// How much of a command line is kept.
const COMMAND: usize = 200;
/// How far up the parents are told.
const GENERATIONS: usize = 12;

/// A process (or a thread of one) that has made a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// In this process's numbers.
    pub(crate) pid: i32,
    /// Of the call.
    pub(crate) id: u64,
    pub(crate) listener: i32,
}

impl Caller {
    /// `length` bytes at `address`; fewer if there are fewer. `None` if it cannot be read, or the process is gone.
    pub(crate) fn read(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let count = kernel::read_memory(self.pid, address, &mut bytes).ok()?;
        bytes.truncate(count);
        self.waits().then_some(bytes)
    }

    /// Writes `bytes` at `address` and lets the call return `value`.
    pub(crate) fn give(&self, address: u64, bytes: &[u8], value: i64) -> Reply {
        if self.write(address, bytes) { Reply::Value(value) } else { Reply::Refuse(libc::EFAULT) }
    }

    /// Writes `bytes` at `address`; false if that cannot be.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> bool {
        self.waits() && kernel::write_memory(self.pid, address, bytes).is_ok()
    }

    /// Whether the call still waits. If not, its process may be gone, and its number another one's.
    pub(crate) fn waits(&self) -> bool {
        kernel::call_waits(self.listener, self.id)
    }

    /// A descriptor of the process, sharing its offset.
    pub(crate) fn borrow_descriptor(&self, fd: u64) -> Option<OwnedFd> {
        let fd = i32::try_from(fd & 0xffff_ffff).ok()?;
        // The kernel takes a thread only since Linux 6.9.
        let process = kernel::pidfd_of_thread(self.pid).or_else(|_| {
            let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
            let leader = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
            kernel::pidfd_open(leader.unwrap_or(0))
        });
        let process = kernel::own(process.ok()?);
        kernel::borrow_descriptor(process.as_raw_fd(), fd).ok().map(kernel::own)
    }

    /// The text at `address`, without the NUL that ends it, if that comes within `most` bytes.
    pub(crate) fn read_text(&self, address: u64, most: usize) -> Option<std::ffi::OsString> {
        use std::os::unix::ffi::OsStringExt as _;
        // Most are short; and what lies past the end of a page may not be readable.
        const PIECE: usize = 256;
        let mut text = Vec::new();
        while text.len() < most {
            let at = address.wrapping_add(text.len() as u64);
            let to_page = 4096 - usize::try_from(at % 4096).unwrap_or(0);
            let piece = self.read(at, PIECE.min(to_page))?;
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend_from_slice(&piece[..end]);
                    return Some(std::ffi::OsString::from_vec(text));
                }
                None if piece.is_empty() => return None,
                None => text.extend_from_slice(&piece),
            }
        }
        None
    }

    /// Who it is: itself, its parent, and so on, up to but without `init`.
    pub(crate) fn ancestry(&self, init: i32) -> Vec<Process> {
        ancestry(self.pid, init)
    }
}

/// As [`Caller::ancestry`], for a process that may have gone.
pub(crate) fn ancestry(mut pid: i32, init: i32) -> Vec<Process> {
    let mut list = Vec::new();
    while pid > 0 && pid != init && list.len() < GENERATIONS {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { break };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(':')?.split_whitespace().next_back()?.parse::<i64>().ok()
        };
        // The innermost number of the process (not the thread): the last of its line.
        let inside = field("NStgid").or_else(|| field("Tgid")).unwrap_or(0);
        let name = status.lines().next().and_then(|line| line.strip_prefix("Name:")).unwrap_or("").trim();
        list.push(Process { pid: u32::try_from(inside).unwrap_or(0), command: command(pid, name) });
        pid = field("PPid").and_then(|parent| i32::try_from(parent).ok()).unwrap_or(0);
    }
    list
}

/// The command line of a process on one line; its name if it has none.
fn command(pid: i32, name: &str) -> String {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = fs::File::open(format!("/proc/{pid}/cmdline"))
        .and_then(|file| file.take(COMMAND as u64 + 1).read_to_end(&mut bytes));
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    if read.is_err() || bytes.is_empty() {
        return name.to_owned();
    }
    let long = bytes.len() > COMMAND;
    bytes.truncate(COMMAND);
    let text: String =
        String::from_utf8_lossy(&bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if long { format!("{text}…") } else { text }
}
