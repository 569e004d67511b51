//! The registry that everybody asks: a folder, served by the gateway's example `registry`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::bench::project::Bench;

/// A running registry; it ends when it is dropped.
pub(super) struct Served {
    child: Child,
    /// What it serves.
    pub(super) folder: PathBuf,
    /// The certificate to trust.
    pub(super) authority: PathBuf,
    /// Its address in TLS.
    pub(super) base: String,
}

impl Served {
    pub(super) fn new(bench: &Bench, name: &str) -> Result<Self, String> {
        let folder = bench.fresh(&format!("served-{name}"))?;
        let authority = bench.work.join(format!("authority-{name}.pem"));
        let mut command = bench.example("registry");
        command.arg(&folder).arg(&authority).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut line = String::new();
        let said = child.stdout.take().map(BufReader::new).map(|mut out| out.read_line(&mut line));
        let port = line.trim().split_once(' ').map(|(_, port)| port.to_owned());
        let Some((port, Ok(_))) = port.zip(said) else {
            return Err(format!("{command:?} names no port: `{line}`"));
        };
        Ok(Self { child, folder, authority, base: format!("https://localhost:{port}") })
    }

    /// Writes a file of the registry.
    pub(super) fn has(&self, path: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.folder.join(path);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(&self.folder)).map_err(failed)?;
        fs::write(&path, bytes).map_err(failed)
    }

    /// `selfsame`, with this as its registry of a type of purl, and below it `path`.
    pub(super) fn selfsame(&self, bench: &Bench, kind: &str, path: &str) -> Command {
        let mut command = bench.selfsame();
        command
            .env(format!("SELFSAME_REGISTRY_{kind}"), format!("{}{path}", self.base))
            .env("SSL_CERT_FILE", &self.authority);
        command
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
