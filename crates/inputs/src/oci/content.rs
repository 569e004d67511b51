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

    /// The part of a file that begins at `start`. Whether it has the digest is seen when it is read.
    pub(super) fn part(digest: Digest, file: Arc<File>, start: u64, path: &Path) -> Self {
        Self { digest, held: Held::File { file, start, path: path.to_owned() } }
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

/// A content on its way out. It is hashed as it goes, and its last bytes are given only if it is what its digest says: a
/// server is never sent all of something else under that name.
pub(super) struct Outgoing<'a> {
    content: &'a Content,
    hasher: Hasher,
    at: u64,
    /// Where this turn ends.
    end: u64,
    /// What it is instead.
    pub(super) found: Option<Digest>,
    progress: &'a dyn Fn(u64),
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(content: &'a Content, progress: &'a dyn Fn(u64)) -> Self {
        let hasher = Hasher::default();
        Self { content, hasher, at: 0, end: 0, found: None, progress }
    }

    /// Makes it give the bytes from `offset` to `end`. What comes before is read again if it must be, to be hashed.
    pub(super) fn turn(&mut self, offset: u64, end: u64) -> io::Result<()> {
        if offset != self.at {
            (self.at, self.hasher) = (0, Hasher::default());
            self.end = offset;
            let progress = std::mem::replace(&mut self.progress, &|_| ());
            let read = io::copy(self, &mut io::sink());
            self.progress = progress;
            read?;
        }
        (self.end, self.found) = (end, None);
        (self.progress)(self.at);
        Ok(())
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
            self.found = Some(self.hasher.clone().finish());
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(&buffer[..got]);
        self.at += got as u64;
        if self.at == self.content.digest.size {
            let found = self.hasher.clone().finish();
            if found != self.content.digest {
                self.found = Some(found);
                return Err(io::Error::other("it is not what its digest says"));
            }
        }
        (self.progress)(self.at);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_given_only_if_all_of_it_is_right() {
        let heard = std::cell::RefCell::new(Vec::new());
        let progress = |n| heard.borrow_mut().push(n);
        let content = Content::of(b"0123456789".to_vec());
        let mut out = Outgoing::new(&content, &progress);
        let mut given = Vec::new();
        out.turn(0, 4).unwrap();
        out.read_to_end(&mut given).unwrap();
        // The server has less than was sent, then goes on.
        out.turn(2, 10).unwrap();
        out.read_to_end(&mut given).unwrap();
        assert_eq!(given, b"012323456789");
        assert_eq!(*heard.borrow(), [0, 4, 2, 10]);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "..0123456788").unwrap();
        for (start, size) in [(2, 10), (3, 10), (2, 11)] {
            let digest = Digest { size, ..content.digest };
            let part = Content::part(digest, Arc::new(File::open(&path).unwrap()), start, &path);
            let mut out = Outgoing::new(&part, &|_| ());
            out.turn(0, size).unwrap();
            let mut given = Vec::new();
            assert!(out.read_to_end(&mut given).is_err(), "{start} {size}");
            assert!(given.len() < usize::try_from(size).unwrap() && out.found.is_some());
        }
    }
}
