//! What a registry's packages cost: bringing them, locking them again, and replaying them to a build.
//!
//! Two published projects with their own lockfiles, one of more than 300 crates and one of more than 500 npm packages,
//! with the toolchains of examples. Who is measured asks one registry of this machine, with TLS and HTTP/2 as registries
//! have it ([`served`]), so that the weather of a network does not count: it has what was recorded, and pages of an
//! index as the host's own registry gives them. That, and the toolchains, is brought once from the registries that this
//! host is configured for, into `target/bench`.

mod crates;
mod npm;
mod recorded;
mod replay;
mod served;

use super::project::Bench;
use super::timing::Row;

/// How often each side is measured.
const ROUNDS: usize = 7;

/// A published project, and how selfsame builds it.
struct Project {
    /// Its folder, and the word for its packages.
    name: &'static str,
    purl: &'static str,
    /// Whose toolchain it has.
    example: &'static str,
    uses: &'static str,
    /// So many packages it has at least.
    packages: usize,
}

const CRATES: Project = Project {
    name: "crates",
    purl: "pkg:cargo/miniserve@0.29.0",
    example: "hexyl",
    uses: "cargo",
    packages: 300,
};

const NPM: Project = Project {
    name: "npm packages",
    purl: "pkg:npm/firebase-tools@11.30.0",
    example: "css-what",
    uses: "npm",
    packages: 500,
};

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let crates = crates::run(bench, rows).map_err(|error| format!("{}: {error}", CRATES.name));
    let npm = npm::run(bench, rows).map_err(|error| format!("{}: {error}", NPM.name));
    let failed: Vec<_> = [crates, npm].into_iter().filter_map(Result::err).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}
