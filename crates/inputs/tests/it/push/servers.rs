//! Registries of others, each with what it cannot do; ended when dropped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::images::registry::Registry;

/// What keeps a registry alive.
enum Held {
    Docker(#[expect(dead_code, reason = "ends it when dropped")] Registry),
    Program(Child),
}

pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: String,
    held: Held,
    /// Has the referrers API.
    pub(super) lists: bool,
    /// Says so when it takes a manifest with a subject.
    pub(super) says_so: bool,
    /// Knows how much of an upload has arrived.
    pub(super) resumes: bool,
    /// Takes blobs from its other repositories.
    pub(super) mounts: bool,
}

/// Where `scripts/test-tools` puts what it brings.
pub(super) fn tool(path: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools =
        std::env::var_os("SELFSAME_TEST_TOOLS").map_or_else(|| "target/test-tools".into(), PathBuf::from);
    let program = repository.join(tools).join(path);
    assert!(program.exists(), "there is no {}: run scripts/test-tools", program.display());
    program
}

/// Debian's `docker-registry`: no referrers API; an upload that broke within a piece is thrown away when it is asked for.
pub(super) fn docker() -> Server {
    let registry = Registry::start(false);
    let (name, address) = ("docker-registry", registry.address.clone());
    let held = Held::Docker(registry);
    Server { name, address, held, lists: false, says_so: false, resumes: false, mounts: true }
}

/// One of go-containerregistry: lists what refers, but does not say so, and calls it by the type of its configuration. All its
/// repositories have the same blobs.
pub(super) fn refreg() -> Server {
    let (address, child) = program("refreg");
    let held = Held::Program(child);
    Server { name: "refreg", address, held, lists: true, says_so: false, resumes: false, mounts: false }
}

/// CUE's, in memory: lists what refers and says so, without its artifact type; `null` where there is nothing.
pub(super) fn cuereg() -> Server {
    let (address, child) = program("cuereg");
    let held = Held::Program(child);
    Server { name: "cuereg", address, held, lists: true, says_so: true, resumes: true, mounts: true }
}

pub(super) fn all() -> Vec<Server> {
    vec![docker(), refreg(), cuereg()]
}

/// Starts a program that prints its address.
fn program(name: &str) -> (String, Child) {
    let mut child = Command::new(tool(&format!("registries/{name}")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (line.trim().to_owned(), child)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Held::Program(child) = &mut self.held {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
