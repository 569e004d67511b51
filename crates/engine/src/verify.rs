//! Asks whether an artifact on disk is what a bundle says, and writes the answer down.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ::attest::verify::Kind;
use ::attest::{Expectations, PublicKey, Subject, Verification};
use ledger::{LedgerError, VerificationRow};
use model::tree::Node;
use model::{Digest, FileName, RelPath};
use serde_json::json;
use store::StoreError;

use crate::{Context, package};

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
    /// The answer cannot be written down.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
}

/// Verifies the file or directory at `path`, offline, and records the answer. Which of the two it is counts, whatever
/// `expect` says.
///
/// # Errors
/// If the artifact cannot be read or the answer cannot be recorded. A refusal is an answer, not an error.
pub fn verify(
    cx: &Context<'_>,
    path: &Path,
    bundle: Option<&[u8]>,
    keys: &[PublicKey],
    expect: &Expectations,
) -> Result<(Digest, Verification), VerifyError> {
    let (digest, kind) = digest_of(cx, path)?;
    let expect = Expectations { kind: Some(kind), ..expect.clone() };
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let answer = ::attest::verify(&Subject { name, digest }, bundle, keys, &expect);
    let class = json!(answer.class).as_str().unwrap_or_default().to_owned();
    cx.ledger.record_verification(&VerificationRow {
        subject: digest.sha256,
        ok: answer.ok,
        exit: answer.class.exit_code(),
        class,
        at: (cx.clock)(),
        keys: keys.iter().map(|k| k.id().to_string()).collect(),
        checks: json!(answer.checks),
    })?;
    Ok((digest, answer))
}

/// Digest of a file's bytes, or of a directory's tree, and which of them it is.
fn digest_of(cx: &Context<'_>, path: &Path) -> Result<(Digest, Kind), VerifyError> {
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
    match name.map(|name| cx.store.import(parent.as_fd(), &name)).transpose()?.flatten() {
        Some(Node::Directory(digest)) => Ok((digest, Kind::Directory)),
        _ => Err(read(io::Error::other("not a directory with a plain name"))),
    }
}
