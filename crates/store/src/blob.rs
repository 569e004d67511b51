//! Blobs: bytes in, bytes out, verified both ways.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use model::{Digest, Hasher, Sha256};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::layout::fan_out;
use crate::session::Temp;
use crate::{Store, StoreError};

/// Bytes moved at once; also the size up to which a blob is built in memory and never has a temp file
/// before it is known to be new.
pub(crate) const CHUNK: usize = 256 << 10;

/// How far a stream that is longer than promised is read on, to tell its digest.
const DRAIN_LIMIT: u64 = 1 << 30;

/// A blob being written; [`BlobWriter::finish`] gives its digest. Dropped unfinished, it leaves nothing.
pub struct BlobWriter {
    store: Store,
    hasher: Hasher,
    /// Not yet written to `temp`.
    buffer: Vec<u8>,
    temp: Option<Temp>,
}

impl Store {
    /// Keeps `bytes`.
    ///
    /// A blob that is here already is compared with `bytes` and replaced if it differs: putting heals.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Io`]; nothing half-written is left.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.put_known(&digest, bytes)?;
        Ok(digest)
    }

    /// Keeps `bytes`, which the caller has just hashed.
    pub(crate) fn put_known(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let name = fan_out(&digest.sha256);
        if self.holds(&name, bytes) {
            return Ok(());
        }
        let mut temp = self.session()?.temp()?;
        temp.file.write_all(bytes).map_err(|e| StoreError::io("write", temp.path(), e))?;
        temp.keep(&self.inner.blobs, &name).map_err(|e| StoreError::io("keep", self.blob_path(digest), e))
    }

    /// Keeps everything `reader` gives, in bounded memory.
    ///
    /// # Errors
    /// As [`Store::put`]; an error of `reader` is a [`StoreError::Io`].
    pub fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest, StoreError> {
        let mut writer = self.writer()?;
        writer.copy_from(reader, u64::MAX, &|e| self.source_failed(e))?;
        writer.finish()
    }

    /// Keeps what `reader` gives if it is `expected`, and nothing otherwise.
    ///
    /// No more than the promised size is ever written, whatever the stream does.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] with expected and found; otherwise as [`Store::put_reader`].
    pub fn put_expecting(&self, reader: &mut dyn Read, expected: &Digest) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        writer.copy_from(reader, expected.size.saturating_add(1), &|e| self.source_failed(e))?;
        if writer.hasher.clone().finish().size > expected.size {
            // It cannot be right any more. The true digest of what came helps whoever made a mistake.
            let mut hasher = writer.hasher.clone();
            drop(writer);
            io::copy(&mut reader.take(DRAIN_LIMIT), &mut hasher).map_err(|e| self.source_failed(e))?;
            return Err(StoreError::Mismatch { expected: *expected, found: hasher.finish() });
        }
        let found = writer.hasher.clone().finish();
        if found != *expected {
            return Err(StoreError::Mismatch { expected: *expected, found });
        }
        writer.finish().map(drop)
    }

    /// Starts a blob of unknown content.
    ///
    /// # Errors
    /// None today; the temp file is made when the first bytes no longer fit in memory.
    pub fn writer(&self) -> Result<BlobWriter, StoreError> {
        Ok(BlobWriter { store: self.clone(), hasher: Hasher::default(), buffer: Vec::new(), temp: None })
    }

    /// True if a blob of this name and size is here. Its bytes are not looked at: reading them verifies.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        rustix::fs::statat(&self.inner.blobs, fan_out(&digest.sha256), AtFlags::SYMLINK_NOFOLLOW).is_ok_and(
            |stat| {
                FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                    && u64::try_from(stat.st_size) == Ok(digest.size)
            },
        )
    }

    /// The digest of the blob with this hash, if it is here: its size is that of its file.
    #[must_use]
    pub fn find(&self, sha256: &Sha256) -> Option<Digest> {
        let stat = rustix::fs::statat(&self.inner.blobs, fan_out(sha256), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let size = u64::try_from(stat.st_size).ok().filter(|_| file)?;
        Some(Digest { sha256: *sha256, size })
    }

    /// The bytes of a blob, verified.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Corrupt`] if the bytes are wrong, which moves them to quarantine.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut file = self.open_unverified(digest)?;
        let mut bytes = Vec::with_capacity(usize::try_from(digest.size).unwrap_or(0));
        // Never more than promised, should another process write to the file.
        let read = (&mut file).take(digest.size).read_to_end(&mut bytes);
        read.map_err(|e| StoreError::io("read", self.blob_path(digest), e))?;
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(self.damaged(digest, found, &file)) }
    }

    /// Removes a blob that should never have come in. What refers to it misses it from now on.
    ///
    /// # Errors
    /// If it cannot be removed. One that is not there is removed.
    pub fn discard(&self, digest: &Digest) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.inner.blobs, fan_out(&digest.sha256), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(StoreError::io("remove", self.blob_path(digest), e)),
        }
    }

    /// A blob's file at its start, verified completely before it is handed out.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let mut file = self.open_unverified(digest)?;
        let found = hash(&mut file).map_err(|e| StoreError::io("read", self.blob_path(digest), e))?;
        if found != *digest {
            return Err(self.damaged(digest, found, &file));
        }
        file.rewind().map_err(|e| StoreError::io("read", self.blob_path(digest), e))?;
        Ok(file)
    }

    /// A blob's file, of the right size, not yet hashed.
    pub(crate) fn open_unverified(&self, digest: &Digest) -> Result<File, StoreError> {
        let missing = StoreError::Missing { digest: *digest };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file =
            match rustix::fs::openat(&self.inner.blobs, fan_out(&digest.sha256), flags, Mode::empty()) {
                Ok(fd) => File::from(fd),
                Err(Errno::NOENT) => return Err(missing),
                Err(e) => return Err(StoreError::io("open", self.blob_path(digest), e)),
            };
        let failed = |e| StoreError::io("read", self.blob_path(digest), e);
        if file.metadata().map_err(failed)?.size() == digest.size {
            return Ok(file);
        }
        let found = hash(&mut file).map_err(failed)?;
        // The blob is right and the asker's size is wrong: no such blob can exist.
        if found.sha256 == digest.sha256 { Err(missing) } else { Err(self.damaged(digest, found, &file)) }
    }

    /// Moves a damaged blob away; gives the error that says so.
    pub(crate) fn damaged(&self, digest: &Digest, found: Digest, file: &File) -> StoreError {
        let label = format!("{}-{}", digest.hex(), &found.hex()[..16]);
        let moved = file
            .metadata()
            .map_err(|e| StoreError::io("read", self.blob_path(digest), e))
            .and_then(|m| self.quarantine(&self.blob_path(digest), &label, m.ino()));
        match moved {
            Ok(quarantined_at) => StoreError::Corrupt { digest: *digest, found, quarantined_at },
            Err(error) => error,
        }
    }

    fn source_failed(&self, error: io::Error) -> StoreError {
        StoreError::io("read what is to be kept in", self.dir(), error)
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.inner.dir.join("blobs").join(fan_out(&digest.sha256))
    }

    /// True if the blob called `name` consists of `bytes`.
    fn holds(&self, name: &str, bytes: &[u8]) -> bool {
        self.open_existing(name, bytes.len() as u64).is_some_and(|mut file| same(&mut file, bytes))
    }

    fn open_existing(&self, name: &str, size: u64) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::openat(&self.inner.blobs, name, flags, Mode::empty()).ok()?);
        let stat = file.metadata().ok()?;
        (stat.is_file() && stat.size() == size).then_some(file)
    }
}

impl BlobWriter {
    /// Ends the blob and gives it its name.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn finish(mut self) -> Result<Digest, StoreError> {
        let digest = self.hasher.clone().finish();
        if self.temp.is_none() {
            self.store.put_known(&digest, &self.buffer)?;
            return Ok(digest);
        }
        self.spill().map_err(|e| self.failed(e))?;
        let mut temp = self.temp.take().expect("the case without a temp file has returned");
        let name = fan_out(&digest.sha256);
        // Letting go of a copy before it reaches the disk is cheaper than writing it twice.
        if let Some(existing) = self.store.open_existing(&name, digest.size)
            && same_files(&mut temp.file, existing)
        {
            return Ok(digest);
        }
        temp.keep(&self.store.inner.blobs, &name)
            .map_err(|e| StoreError::io("keep", self.store.blob_path(&digest), e))?;
        Ok(digest)
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.hasher.clone().finish().size
    }

    /// Takes everything from `reader`, or its first `most` bytes.
    pub(crate) fn copy_from(
        &mut self,
        reader: &mut dyn Read,
        most: u64,
        failed: &dyn Fn(io::Error) -> StoreError,
    ) -> Result<(), StoreError> {
        let mut left = most;
        while left > 0 {
            if self.buffer.len() >= CHUNK {
                self.spill().map_err(|e| self.failed(e))?;
            }
            let held = self.buffer.len();
            let room = (CHUNK - held).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.buffer.resize(held + room, 0);
            let got = match reader.read(&mut self.buffer[held..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                Ok(0) => {
                    self.buffer.truncate(held);
                    return Ok(());
                }
                Ok(got) => got,
                Err(e) => return Err(failed(e)),
            };
            self.buffer.truncate(held + got);
            self.hasher.update(&self.buffer[held..]);
            left -= got as u64;
        }
        Ok(())
    }

    /// Lets `file` be the blob without copying its bytes, where the filesystem can share them.
    ///
    /// True if `file` has become the whole content of this writer, which must be empty.
    pub(crate) fn share(&mut self, file: &File) -> Result<bool, StoreError> {
        let mut temp = self.store.session()?.temp()?;
        if rustix::fs::ioctl_ficlone(&temp.file, file).is_err() {
            return Ok(false);
        }
        // What is hashed is what is kept, whatever happens to `file` from now on.
        io::copy(&mut temp.file, &mut self.hasher).map_err(|e| StoreError::io("read", temp.path(), e))?;
        self.temp = Some(temp);
        Ok(true)
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.temp.is_none() {
            let temp = self.store.session().and_then(|session| session.temp());
            self.temp = Some(temp.map_err(io::Error::other)?);
        }
        let temp = self.temp.as_mut().expect("made above");
        temp.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn failed(&self, error: io::Error) -> StoreError {
        // `spill` had to wrap an error of the store in one of `Write`.
        match error.downcast::<StoreError>() {
            Ok(error) => error,
            Err(error) => {
                let path = self.temp.as_ref().map_or_else(|| self.store.dir().to_owned(), Temp::path);
                StoreError::io("write", path, error)
            }
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= CHUNK {
            self.spill()?;
        }
        let taken = &bytes[..bytes.len().min(CHUNK - self.buffer.len())];
        self.buffer.extend_from_slice(taken);
        self.hasher.update(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobWriter")
            .field("store", &self.store)
            .field("file", &self.temp.as_ref().map(|temp| temp.file.as_raw_fd()))
            .finish_non_exhaustive()
    }
}

/// Hashes a file from where it stands to its end.
pub(crate) fn hash(file: &mut File) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(got) => hasher.update(&buffer[..got]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// True if `file` goes on with exactly `bytes`; an unreadable file is not the same.
fn same(file: &mut File, mut bytes: &[u8]) -> bool {
    let mut buffer = vec![0; bytes.len().clamp(1, CHUNK)];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return bytes.is_empty(),
            Ok(got) => match bytes.strip_prefix(&buffer[..got]) {
                Some(rest) => bytes = rest,
                None => return false,
            },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

fn same_files(new: &mut File, mut existing: File) -> bool {
    let mut buffer = vec![0; CHUNK];
    if new.rewind().is_err() {
        return false;
    }
    loop {
        match new.read(&mut buffer) {
            Ok(0) => return existing.read(&mut buffer).is_ok_and(|more| more == 0),
            Ok(got) => {
                let mut other = vec![0; got];
                if existing.read_exact(&mut other).is_err() || other != buffer[..got] {
                    return false;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
