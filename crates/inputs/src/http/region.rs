//! A download straight into its place in a file, hashed on the way.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use model::{Digest, Hasher};

use super::{Client, HttpError, Resume, Sink};

/// A part of a file that a download fills. What is around it is never written to.
pub(crate) struct Region<'a> {
    file: &'a File,
    /// The file's, for errors.
    path: &'a Path,
    start: u64,
    /// How many bytes of it are there, and hashed.
    done: u64,
    hasher: Hasher,
    progress: &'a dyn Fn(u64),
}

impl<'a> Region<'a> {
    /// The part of `file` that begins at `start`; `progress` hears how many bytes of it have come.
    pub(crate) fn new(file: &'a File, path: &'a Path, start: u64, progress: &'a dyn Fn(u64)) -> Self {
        Self { file, path, start, done: 0, hasher: Hasher::default(), progress }
    }

    /// Counts the first `done` bytes as brought, by an earlier run perhaps; they are read and hashed.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn begun(mut self, done: u64) -> Result<Self, HttpError> {
        let mut buffer = vec![0; 256 << 10];
        while self.done < done {
            let want = usize::try_from(done - self.done).map_or(buffer.len(), |left| left.min(buffer.len()));
            let got = self
                .file
                .read_at(&mut buffer[..want], self.start + self.done)
                .map_err(|cause| self.failed(cause))?;
            if got == 0 {
                break;
            }
            self.hasher.update(&buffer[..got]);
            self.done += got as u64;
        }
        Ok(self)
    }

    fn failed(&self, cause: std::io::Error) -> HttpError {
        HttpError::File { path: self.path.to_owned(), cause }
    }

    /// Forgets what came.
    pub(crate) fn clear(&mut self) {
        (self.done, self.hasher) = (0, Hasher::default());
    }

    /// Adds bytes that come from elsewhere.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.take(bytes)
    }

    /// Of everything that came.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

impl Sink for Region<'_> {
    fn restart(&mut self) -> Result<(), HttpError> {
        self.clear();
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.file.write_all_at(bytes, self.start + self.done).map_err(|cause| self.failed(cause))?;
        self.hasher.update(bytes);
        let before = self.done;
        self.done += bytes.len() as u64;
        // Often enough for people.
        if before >> 20 != self.done >> 20 {
            (self.progress)(self.done);
        }
        Ok(())
    }
}

impl Client<'_> {
    /// Fills a region with what is at `url`, which names it by its digest: `size` bytes, going on where the region
    /// ends. Whether it is right is for the caller to see ([`Region::digest`]).
    pub(crate) fn fill(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        size: u64,
        region: &mut Region<'_>,
    ) -> Result<(), HttpError> {
        let state = Resume { validator: None, addressed: true, done: region.done };
        self.transfer(url, headers, size, state, region)
    }
}
