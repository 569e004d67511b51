//! A folder to run real tools in, and what normalising makes of their files.

use std::path::{Path, PathBuf};
use std::process::Command;

use artifact::{NormalOptions, Normalised, ReadError, normalise};
use model::Timestamp;

/// 2023-11-14T22:13:20Z: before anything that a tool writes now.
pub(crate) const EPOCH: i64 = 1_700_000_000;

pub(crate) fn options() -> NormalOptions {
    NormalOptions::all(Timestamp(EPOCH))
}

pub(crate) fn made(name: &str, bytes: &[u8]) -> Normalised {
    normalise(name, bytes, &options()).unwrap_or_else(|error| unreachable!("{name}: {error}"))
}

pub(crate) fn refused(name: &str, bytes: &[u8]) -> ReadError {
    match normalise(name, bytes, &options()) {
        Err(error) => error,
        Ok(made) => unreachable!("{name}: {made:?}"),
    }
}

/// The bytes after normalising, changed or not.
pub(crate) fn normal(name: &str, bytes: &[u8]) -> Vec<u8> {
    made(name, bytes).bytes.unwrap_or_else(|| bytes.to_vec())
}

/// A folder that goes with its value.
pub(crate) struct Scene(tempfile::TempDir);

impl Scene {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs a line of shell in the folder, and gives what it prints.
    pub(crate) fn run(&self, line: &str) -> String {
        run_in(self.0.path(), line)
    }
}

fn run_in(folder: &Path, line: &str) -> String {
    let out = Command::new("sh")
        .arg("-ec")
        .arg(line)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{line}: {}\n{}", text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}
