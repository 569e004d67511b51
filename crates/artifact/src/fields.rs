//! Fields of a file that may be hostile: every look says where it was and what was expected.

use crate::{Kind, ReadError};

/// A file's bytes and where in them the next field is.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    kind: Kind,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(kind: Kind, bytes: &'a [u8]) -> Self {
        Self { kind, bytes, at: 0 }
    }

    /// The same bytes from another place on.
    pub(crate) const fn from(&self, at: usize) -> Self {
        Self { kind: self.kind, bytes: self.bytes, at }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Something is wrong at the place of the next field.
    pub(crate) fn damaged(&self, expected: impl Into<String>, found: impl Into<String>) -> ReadError {
        let (expected, found) = (expected.into(), found.into());
        ReadError::Damaged { kind: self.kind, at: self.at as u64, expected, found }
    }

    /// The next `count` bytes, called `what` if they are not there.
    pub(crate) fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], ReadError> {
        let field = self.rest().get(..count).ok_or_else(|| self.short(count, what))?;
        self.at += count;
        Ok(field)
    }

    /// The same as a field of a number.
    fn array<const COUNT: usize>(&mut self, what: &str) -> Result<[u8; COUNT], ReadError> {
        let field = *self.rest().first_chunk().ok_or_else(|| self.short(COUNT, what))?;
        self.at += COUNT;
        Ok(field)
    }

    fn short(&self, count: usize, what: &str) -> ReadError {
        self.damaged(format!("{what} of {count} bytes"), format!("{} bytes", self.rest().len()))
    }

    pub(crate) fn expect(&mut self, magic: &[u8], what: &str) -> Result<(), ReadError> {
        let before = self.at;
        let found = self.take(magic.len(), what)?;
        if found == magic {
            return Ok(());
        }
        self.at = before;
        Err(self.damaged(what, format!("{:?}", String::from_utf8_lossy(found))))
    }

    pub(crate) fn u8(&mut self, what: &str) -> Result<u8, ReadError> {
        Ok(self.take(1, what)?[0])
    }

    pub(crate) fn u16_le(&mut self, what: &str) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u32_le(&mut self, what: &str) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64_le(&mut self, what: &str) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u16_be(&mut self, what: &str) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u32_be(&mut self, what: &str) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }
}

/// Bytes as a text for reports.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
