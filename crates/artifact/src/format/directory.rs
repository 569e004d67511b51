//! A directory: its digest is that of its tree, so there are no bytes to write.

use std::io::Write;

use super::Packing;
use crate::PackError;

pub(super) fn write(_: &Packing<'_>, _: &mut dyn Write) -> Result<(), PackError> {
    Err(PackError::NotAStream)
}
