//! The order of directories.
//!
//! A directory is listed whole when a process begins to read it, put in order, and given out piece by piece. Where a
//! reader stands is kept where the kernel keeps it: in the offset of the open file, as the number of the listing and
//! the number of the entry. So descriptors that share it (`dup`, `fork`), `telldir` and `seekdir` need nothing here,
//! and what is made or removed meanwhile moves nobody.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};

use model::Digest;
use model::conditions::DirectoryOrder;

use super::Reply;
use super::process::Caller;
use crate::kernel;

/// So many listings are remembered: as many as directories can be read at once.
const LISTINGS: usize = 4096;
/// So many entries of all listings together: a step must not fill the caller's memory.
const ENTRIES: usize = 2 << 20;
/// Bits for the number of an entry. Larger directories keep the file system's order.
const ENTRY: u32 = 20;
/// Of `struct linux_dirent64` before the name: inode 8, offset 8, length 2, kind 1.
const HEAD: usize = 19;

/// One name of a directory.
struct Entry {
    inode: [u8; 8],
    kind: u8,
    name: Vec<u8>,
}

/// The listings of a sandbox.
pub(super) struct Listings {
    order: DirectoryOrder,
    list: VecDeque<(i64, Vec<Entry>)>,
    next: i64,
    /// Entries of all of them.
    kept: usize,
}

impl Listings {
    pub(super) fn new(order: DirectoryOrder) -> Self {
        Self { order, list: VecDeque::new(), next: 1, kept: 0 }
    }

    /// Answers for `getdents64`; what cannot be put in order is left to the kernel.
    pub(super) fn getdents(&mut self, caller: &Caller, arguments: &[u64; 6]) -> Reply {
        let Some(fd) = caller.borrow_descriptor(arguments[0]) else { return Reply::Go };
        let Ok(at) = kernel::tell(fd.as_raw_fd()) else { return Reply::Go };
        let (listing, index) = if at == 0 {
            match self.open(&fd) {
                Some(listing) => (listing, 0),
                None => return Reply::Go,
            }
        } else {
            let index = usize::try_from(at & ((1 << ENTRY) - 1)).unwrap_or(0);
            (at >> ENTRY, index)
        };
        let Some((_, entries)) = self.list.iter().find(|(number, _)| *number == listing) else {
            return Reply::Go; // a file system's own offset
        };
        let room = usize::try_from(arguments[2] & 0xffff_ffff).unwrap_or(0).min(1 << 20);
        let (bytes, next) = encode(entries, index, listing, room);
        if bytes.is_empty() && index < entries.len() {
            return Reply::Refuse(libc::EINVAL);
        }
        let offset = listing << ENTRY | i64::try_from(next).unwrap_or(0);
        // A file system that does not take the offset would give it all again, for ever.
        if kernel::seek(fd.as_raw_fd(), offset).is_err() {
            return Reply::Go;
        }
        caller.give(arguments[1], &bytes, i64::try_from(bytes.len()).unwrap_or(0))
    }

    /// Lists a directory; its number.
    fn open(&mut self, fd: &OwnedFd) -> Option<i64> {
        let mut entries = read(fd)?;
        if entries.len() >= 1 << ENTRY {
            return None;
        }
        let number = self.next;
        // The file system must be able to keep where the reader stands.
        let end = number << ENTRY | i64::try_from(entries.len()).ok()?;
        kernel::seek(fd.as_raw_fd(), end).ok().filter(|at| *at == end)?;
        let order = self.order;
        entries.sort_by_cached_key(|entry| {
            let own = !matches!(entry.name.as_slice(), b"." | b"..");
            let key = match order {
                DirectoryOrder::Shuffled(seed) if own => {
                    let mut text = seed.to_le_bytes().to_vec();
                    text.extend_from_slice(&entry.name);
                    Digest::of(&text).hex().into_bytes()
                }
                _ => entry.name.clone(),
            };
            (own, key)
        });
        if order == DirectoryOrder::Reversed {
            let own =
                entries.iter().take_while(|entry| matches!(entry.name.as_slice(), b"." | b"..")).count();
            entries[own..].reverse();
        }
        self.next += 1;
        self.kept += entries.len();
        self.list.push_front((number, entries));
        while self.list.len() > LISTINGS || self.kept > ENTRIES {
            let Some((_, oldest)) = self.list.pop_back() else { break };
            self.kept -= oldest.len();
        }
        Some(number)
    }
}

/// All names, read by a descriptor of its own. `None` for what is no ordinary directory.
fn read(fd: &OwnedFd) -> Option<Vec<Entry>> {
    let own = kernel::reopen_dir(fd.as_raw_fd()).ok()?;
    let mut entries = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = kernel::read_entries(own.as_raw_fd(), &mut buffer).ok()?;
        let mut rest = &buffer[..length];
        if rest.is_empty() {
            return Some(entries);
        }
        while !rest.is_empty() {
            let size = usize::from(u16::from_ne_bytes(rest.get(16..18)?.try_into().ok()?));
            let entry = rest.get(..size)?;
            let name = entry.get(HEAD..)?.split(|byte| *byte == 0).next()?.to_vec();
            entries.push(Entry { inode: entry.get(..8)?.try_into().ok()?, kind: entry[18], name });
            rest = &rest[size..];
        }
    }
}

/// Entries from `index` on, as many as there is room for; and the index of the next one.
fn encode(entries: &[Entry], index: usize, listing: i64, room: usize) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut next = index;
    for entry in entries.get(index..).unwrap_or_default() {
        let size = (HEAD + entry.name.len() + 1).next_multiple_of(8);
        if bytes.len() + size > room {
            break;
        }
        next += 1;
        let begin = bytes.len();
        bytes.extend_from_slice(&entry.inode);
        let offset = listing << ENTRY | i64::try_from(next).unwrap_or(0);
        bytes.extend_from_slice(&offset.to_ne_bytes());
        bytes.extend_from_slice(&u16::try_from(size).unwrap_or(0).to_ne_bytes());
        bytes.push(entry.kind);
        bytes.extend_from_slice(&entry.name);
        bytes.resize(begin + size, 0);
    }
    (bytes, next)
}
