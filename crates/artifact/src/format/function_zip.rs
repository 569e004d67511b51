//! A zip for a service that runs functions: the bytes follow from the files alone.
//!
//! As `zip`, but every time is the first that zip has, so that a commit which changes no file asks for no new deployment;
//! and directories are not entries, as services take them for files that cannot be read.

use std::io::Write;

use super::{Packing, zip};
use crate::PackError;
use crate::listing::Kind;

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    let entries: Vec<_> =
        packing.entries.iter().filter(|entry| entry.kind != Kind::Directory).cloned().collect();
    zip::write(&Packing { entries: &entries, mtime: 0, ..*packing }, out)
}
