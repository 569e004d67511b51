//! Ecosystems: what a repository is, what its lockfiles say, and what recipe would build it.
//!
//! One adapter each, all of the same shape. [`detect`] finds the projects of a repository. [`components`] reads the
//! lockfile of one of them: what is pinned, by which hash, from where, needed by whom; an entry that nothing pins, and
//! a lockfile that does not fit its manifest, is an error with the command that mends it. [`agree`] compares what was
//! recorded of a tool's downloads with what the lockfile says.
//!
//! Nothing here resolves versions, fetches or runs anything: that is the ecosystem's own tool's work, in the sandbox.
//! All checks are of text against text, and every text is hostile: a parser answers with an error, never with a panic.

mod component;
mod error;
mod files;
mod found;
mod place;
mod yaml;

mod agree;
mod dirhash;
mod recipe;

mod c;
mod cargo;
mod debian;
pub(crate) mod go;
mod gradle;
mod maven;
mod npm;
mod pypi;

pub use agree::{Agreement, Disagreement, Mismatch, agree};
pub(crate) use component::python_name;
pub use component::{Algorithm, Checksum, Component, LockedFile, Origin, Scope};
pub use error::{EcosystemError, Problem};
pub use files::Files;
pub use found::{Adapter, Found, Product, Tool, Wanted};
pub use recipe::{Proposal, Wish, propose};

/// How one ecosystem is read.
struct Reader {
    adapter: Adapter,
    detect: fn(&Files<'_>) -> Vec<Found>,
    components: fn(&Files<'_>, &Found) -> Result<Vec<Component>, EcosystemError>,
}

/// In the order in which they are asked.
const READERS: &[Reader] = &[
    Reader { adapter: Adapter::Cargo, detect: cargo::detect, components: cargo::components },
    Reader { adapter: Adapter::Go, detect: go::detect, components: go::components },
    Reader { adapter: Adapter::Npm, detect: npm::detect, components: npm::components },
    Reader { adapter: Adapter::Pypi, detect: pypi::detect, components: pypi::components },
    Reader { adapter: Adapter::Maven, detect: maven::detect, components: maven::components },
    Reader { adapter: Adapter::Gradle, detect: gradle::detect, components: gradle::components },
    Reader { adapter: Adapter::C, detect: c::detect, components: c::components },
    Reader { adapter: Adapter::Debian, detect: debian::detect, components: debian::components },
];

/// Every project in a repository, in the order of the adapters and then of the folders.
///
/// A manifest that cannot be read is a project too, with a note that says why.
#[must_use]
pub fn detect(files: &Files<'_>) -> Vec<Found> {
    READERS.iter().flat_map(|reader| (reader.detect)(files)).collect()
}

/// What the lockfile of a project pins, in its order.
///
/// Empty for an ecosystem that has no lockfile, and for a project without dependencies.
///
/// # Errors
/// If the lockfile is missing, cannot be understood, does not fit the manifest, or leaves something loose.
pub fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let reader = READERS.iter().find(|reader| reader.adapter == found.adapter);
    reader.map_or(Ok(Vec::new()), |reader| (reader.components)(files, found))
}
