//! Rust with cargo: `Cargo.toml` and `Cargo.lock`, versions 1 to 4.
//!
//! A checksum is the SHA-256 of the `.crate` file. A git dependency has the whole commit and no hash of its content. The
//! lock of a workspace lies at its root and lists development dependencies too, so scopes come from the manifests.

mod lock;
mod manifest;

use model::RelPath;

use super::{Adapter, Component, EcosystemError, Files, Found, Product, Tool};
pub(super) use manifest::{Workspace, beside, fits};

/// Workspaces, and crates that are in none.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let folders = files.folders_with("Cargo.toml");
    let workspaces: Vec<Workspace> = folders.iter().filter_map(|dir| Workspace::read(files, dir)).collect();
    let is_member = |dir: &RelPath| {
        workspaces.iter().any(|w| w.dir != *dir && w.is_workspace && w.members.iter().any(|m| m.dir == *dir))
    };
    workspaces.iter().filter(|w| !is_member(&w.dir)).map(|workspace| found(files, workspace)).collect()
}

fn found(files: &Files<'_>, workspace: &Workspace) -> Found {
    let dir = &workspace.dir;
    let manifest = dir.join(&"Cargo.toml".parse().expect("a plain name"));
    let mut found = Found::new(Adapter::Cargo, Tool::Cargo, dir, manifest);
    found.lockfile = files.at(dir, "Cargo.lock");
    found.lock_command = Some("cargo generate-lockfile".into());
    found.members = workspace.members.iter().map(|m| m.dir.clone()).filter(|d| d != dir).collect();
    let root = workspace.members.iter().find(|m| m.dir == *dir);
    let one = root.or_else(|| workspace.members.iter().find(|m| !m.programs.is_empty()));
    let one = one.or(workspace.members.first());
    found.name = one.and_then(|m| m.name.clone());
    found.version = one.and_then(|m| m.version.clone());
    found.licence = one.and_then(|m| m.licence.clone());
    for member in workspace.built() {
        found.makes.extend(member.programs.iter().cloned().map(Product::Program));
        if let Some(library) = &member.library {
            found.makes.push(Product::Library(library.clone()));
        }
    }
    for member in &workspace.members {
        let said = format!("`rust-version` in {}", member.file);
        if let Some(version) = &member.rust_version {
            found.want("rust", version, said);
        }
        if let Some((version, edition)) = member.edition.as_deref().and_then(of_edition) {
            found.want("rust", version, format!("edition {edition} in {}", member.file));
        }
    }
    if let Some(lockfile) = &found.lockfile
        && files.glance(lockfile).lines().take(6).any(|line| line.trim() == "version = 4")
    {
        found.want("rust", "1.78", format!("version 4 of {lockfile}"));
    }
    toolchain_file(files, &mut found);
    if !workspace.members.iter().any(|m| m.rust_version.is_some()) {
        // What others publish today asks for a recent one, whatever the project itself would do with.
        found.want("rust", RECENT, "no `rust-version` says what is enough, so a recent one is taken: it");
    }
    // The same said by every member is said once.
    found.wants.sort_by(|a, b| (a.tool, &a.at_least, &a.said_by).cmp(&(b.tool, &b.at_least, &b.said_by)));
    found.wants.dedup_by(|b, a| a.tool == b.tool && a.at_least == b.at_least);
    found
}

/// What most crates that are published today can be compiled with.
const RECENT: &str = "1.85";

/// The first release that knows an edition.
fn of_edition(edition: &str) -> Option<(&'static str, &str)> {
    Some(match edition {
        "2024" => ("1.85", edition),
        "2021" => ("1.56", edition),
        "2018" => ("1.31", edition),
        _ => return None,
    })
}

/// `rust-toolchain.toml`, or the older file that may hold the channel alone.
fn toolchain_file(files: &Files<'_>, found: &mut Found) {
    for name in ["rust-toolchain.toml", "rust-toolchain"] {
        let Some(path) = files.at(&found.dir, name).or_else(|| files.at(&RelPath::root(), name)) else {
            continue;
        };
        let text = files.glance(&path);
        let table: Option<toml::Table> = toml::from_str(&text).ok();
        let channel = table
            .and_then(|t| Some(t.get("toolchain")?.get("channel")?.as_str()?.to_owned()))
            .unwrap_or_else(|| text.trim().to_owned());
        if channel.starts_with(|c: char| c.is_ascii_digit()) {
            found.want("rust", &channel, format!("`channel` in {path}"));
        } else {
            found.notes.push(format!(
                "{path} asks for the channel `{channel}`, which names no version; the toolchain of the recipe is used"
            ));
        }
        return;
    }
}

/// The entries of `Cargo.lock`, the workspace's own crates included.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    lock::components(files, found)
}

#[cfg(test)]
#[path = "cargo/tests.rs"]
mod tests;
