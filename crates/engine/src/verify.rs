//! Asks whether an artifact on disk is what a bundle says, which needs no store, and writes the answer down.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ::attest::verify::Kind;
use ::attest::{Expectations, PublicKey, Subject, Verification};
use ledger::{Ledger, LedgerError, VerificationRow};
use model::tree::Node;
use model::{Digest, FileName, RelPath, Timestamp};
use serde_json::json;
use store::StoreError;

use crate::package;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The artifact cannot be read.
    #[error("cannot read `{path}`", path = .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It is neither a file nor a directory, or holds something that no tree can hold.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Verifies the file or directory at `path`, offline. Which of the two it is counts, whatever `expect` says.
///
/// # Errors
/// If the artifact cannot be read. A refusal is an answer, not an error.
pub fn verify(
    path: &Path,
    bundle: Option<&[u8]>,
    keys: &[PublicKey],
    expect: &Expectations,
) -> Result<(Digest, Verification), VerifyError> {
    let (digest, kind) = digest_of(path)?;
    let expect = Expectations { kind: Some(kind), ..expect.clone() };
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let answer = ::attest::verify(&Subject { name, digest }, bundle, keys, &expect);
    Ok((digest, answer))
}

/// Writes the answer about an artifact down.
///
/// # Errors
/// If the ledger cannot be written.
pub fn record(
    ledger: &Ledger,
    digest: &Digest,
    answer: &Verification,
    keys: &[PublicKey],
    at: Timestamp,
) -> Result<(), LedgerError> {
    ledger.record_verification(&VerificationRow {
        subject: digest.sha256,
        ok: answer.ok,
        exit: answer.class.exit_code(),
        class: json!(answer.class).as_str().unwrap_or_default().to_owned(),
        at,
        keys: keys.iter().map(|k| k.id().to_string()).collect(),
        checks: json!(answer.checks),
    })
}

/// Digest of a file's bytes, or of a directory's tree, and which of them it is.
fn digest_of(path: &Path) -> Result<(Digest, Kind), VerifyError> {
    let read = |source| VerifyError::Read { path: path.to_owned(), source };
    let full = path.canonicalize().map_err(read)?;
    let stat = full.metadata().map_err(read)?;
    if stat.is_file() {
        return Ok((package::digest_of(&full).map_err(read)?, Kind::File));
    }
    if !stat.is_dir() {
        // A pipe would be waited for, a device read for ever.
        return Err(read(io::Error::other("it is neither a file nor a directory")));
    }
    let name: Option<RelPath> = full
        .file_name()
        .and_then(|n| n.to_str())
        .and_then(|n| n.parse::<FileName>().ok())
        .map(|n| RelPath::root().join_name(&n));
    let parent = std::fs::File::open(full.parent().unwrap_or(&full)).map_err(read)?;
    match name.map(|name| store::measure(parent.as_fd(), &name)).transpose()?.flatten() {
        Some(Node::Directory(digest)) => Ok((digest, Kind::Directory)),
        _ => Err(read(io::Error::other("not a directory with a plain name"))),
    }
}
