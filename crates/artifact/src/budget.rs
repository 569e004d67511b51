//! How much a hostile file may cost: levels of nesting, bytes unpacked, members listed.

use crate::ReadError;

/// What reading one file may cost in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Containers in one another.
    pub depth: u32,
    /// Bytes that come out of compressed members, all levels together.
    pub bytes: u64,
    /// Members, all levels together.
    pub members: u64,
}

impl Default for Limits {
    /// 12 levels, 2 GiB, a million members: more than real packages have, less than hurts.
    fn default() -> Self {
        Self { depth: 12, bytes: 2 << 30, members: 1 << 20 }
    }
}

/// What is left of [`Limits`].
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    depth: u32,
    bytes: u64,
    members: u64,
}

impl Budget {
    /// A whole budget.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, depth: 0, bytes: limits.bytes, members: limits.members }
    }

    /// One level down. Every call needs its [`Budget::leave`].
    ///
    /// # Errors
    /// If it is one too many.
    pub(crate) fn enter(&mut self) -> Result<(), ReadError> {
        if self.depth == self.limits.depth {
            return Err(ReadError::TooDeep { limit: self.limits.depth });
        }
        self.depth += 1;
        Ok(())
    }

    /// One level up.
    pub(crate) const fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Pays for `count` bytes that were, or are about to be, unpacked.
    ///
    /// # Errors
    /// If there are not so many left.
    pub(crate) fn spend(&mut self, count: u64) -> Result<(), ReadError> {
        let left = self.bytes.checked_sub(count);
        self.bytes = left.ok_or(ReadError::TooLarge { limit: self.limits.bytes, unit: "bytes unpacked" })?;
        Ok(())
    }

    /// How many bytes may still be unpacked.
    pub(crate) const fn left(&self) -> u64 {
        self.bytes
    }

    /// Pays for one more member.
    ///
    /// # Errors
    /// If none is left.
    pub(crate) fn member(&mut self) -> Result<(), ReadError> {
        let left = self.members.checked_sub(1);
        self.members = left.ok_or(ReadError::TooLarge { limit: self.limits.members, unit: "members" })?;
        Ok(())
    }
}
