//! Bytes of a known digest that can be read from any place on: what is sent to a registry, and sent on after a break.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Digest, Hasher};

/// How many bytes are read at once.
const CHUNK: usize = 256 << 10;

/// A blob, and where its bytes are.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) digest: Digest,
    held: Held,
}

#[derive(Debug, Clone)]
enum Held {
    Memory(Vec<u8>),
    /// A part of a file.
    File {
        file: Arc<File>,
        start: u64,
        path: PathBuf,
    },
}

impl Content {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { digest: Digest::of(&bytes), held: Held::Memory(bytes) }
    }

    /// The part of a file that begins at `start`. Whether it has the digest is not looked at: [`Content::hashed`].
    pub(super) fn part(digest: Digest, file: Arc<File>, start: u64, path: &Path) -> Self {
        Self { digest, held: Held::File { file, start, path: path.to_owned() } }
    }

    /// What it is by its bytes.
    pub(super) fn hashed(&self) -> io::Result<Digest> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; CHUNK];
        let mut at = 0;
        loop {
            match self.read_at(&mut buffer, at)? {
                0 => return Ok(hasher.finish()),
                count => {
                    hasher.update(&buffer[..count]);
                    at += count as u64;
                }
            }
        }
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        match &self.held {
            Held::Memory(_) => "memory".to_owned(),
            Held::File { path, .. } => path.display().to_string(),
        }
    }

    /// Reads from `offset` on, never behind the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.digest.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left).min(CHUNK);
        match &self.held {
            Held::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let part = &bytes[from..bytes.len().min(from + want)];
                buffer[..part.len()].copy_from_slice(part);
                Ok(part.len())
            }
            Held::File { file, start, .. } => file.read_at(&mut buffer[..want], start + offset),
        }
    }
}

/// A content on its way out, in turns.
pub(super) struct Outgoing<'a> {
    content: &'a Content,
    at: u64,
    /// Where this turn ends.
    end: u64,
    /// There were fewer bytes than there should be.
    pub(super) short: bool,
    progress: &'a dyn Fn(u64),
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(content: &'a Content, progress: &'a dyn Fn(u64)) -> Self {
        Self { content, at: 0, end: 0, short: false, progress }
    }

    /// Makes it give the bytes from `offset` to `end`.
    pub(super) fn turn(&mut self, offset: u64, end: u64) {
        (self.at, self.end) = (offset, end);
        (self.progress)(self.at);
    }

    /// How far it has been read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        if want == 0 {
            return Ok(0);
        }
        let got = self.content.read_at(&mut buffer[..want], self.at)?;
        if got == 0 {
            self.short = true;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = self.at;
        self.at += got as u64;
        // Often enough for people.
        if before >> 20 != self.at >> 20 {
            (self.progress)(self.at);
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_in_turns_from_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "..0123456789..").unwrap();
        let memory = Content::of(b"0123456789".to_vec());
        let part = |start, size| {
            let digest = Digest { size, ..memory.digest };
            Content::part(digest, Arc::new(File::open(&path).unwrap()), start, &path)
        };
        for content in [&memory, &part(2, 10)] {
            let heard = std::cell::RefCell::new(Vec::new());
            let progress = |n| heard.borrow_mut().push(n);
            let mut out = Outgoing::new(content, &progress);
            let mut given = Vec::new();
            out.turn(0, 4);
            out.read_to_end(&mut given).unwrap();
            // The server has less than was sent, then goes on.
            out.turn(2, 10);
            out.read_to_end(&mut given).unwrap();
            assert_eq!(given, b"012323456789");
            assert_eq!((heard.borrow().as_slice(), out.at()), ([0, 2].as_slice(), 10));
            assert_eq!(content.hashed().unwrap(), memory.digest);
        }
        assert_ne!(part(3, 10).hashed().unwrap(), memory.digest);
        // Cut since it was looked at.
        let cut = part(2, 20);
        let mut out = Outgoing::new(&cut, &|_| ());
        out.turn(0, 20);
        assert!(out.read_to_end(&mut Vec::new()).is_err() && out.short);
        assert_eq!(cut.hashed().unwrap().size, 12);
    }
}
