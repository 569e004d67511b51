//! A toolchain captured of this machine: named programs, and the packages that they are from and need.
//!
//! For a first try on a machine that has everything, and for tools that no archive has. What is captured is named by the
//! digest of its content, but where it came from is this machine's word alone: the lock and provenance say so, and nobody
//! else can bring it.
//!
//! With dpkg, whole packages are captured: those of the programs with what they recommend, and the essential ones, closed
//! over what they depend on, as far as it is installed.
//! Of `/etc`, only what is as the package brought it: what was changed here is this machine's own affair and stays here.
//! Where there is no such record, the programs are, with the libraries that they load.

mod capture;
mod libraries;
mod record;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::Digest;
use model::lock::{LockedBase, LockedHost, LockedToolchain};

use super::image::{distro, fields};
use crate::{Context, InputError};
use capture::Capture;
use record::Record;

/// What every step runs, and a machine without a package database does not bring by itself.
const SHELL: &str = "/bin/sh";

/// Why programs of this machine could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum HostCaptureError {
    /// Not on this machine.
    #[error("this machine has no program `{program}` (looked in {searched}): install it, or name its path")]
    Program {
        /// Its name.
        program: String,
        /// Where.
        searched: String,
    },
    /// The machine is of another architecture than the recipe wants.
    #[error(
        "this machine is of another architecture\n  expected {expected}\n  found    {found}\nset `arch` in [toolchain]"
    )]
    Architecture {
        /// In the recipe.
        expected: String,
        /// This machine's.
        found: String,
    },
    /// A file could not be read.
    #[error("`{path}` cannot be captured: {reason}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The store lacks what was captured, and this machine is not as that one was.
    #[error(
        "the toolchain was captured of another machine, or of this one in another state ({machine}), and the store does not \
         hold it\n  expected {expected}\n  found    {found}\nbring the store of that machine, or run `selfsame lock` to \
         capture this one"
    )]
    Elsewhere {
        /// The machine that it was captured of.
        machine: String,
        /// Its tree.
        expected: Digest,
        /// What this machine gives.
        found: String,
    },
}

/// Captures the programs.
pub(super) fn lock(
    cx: &Context<'_>,
    programs: &[String],
    arch: &str,
) -> Result<(Digest, LockedBase), InputError> {
    let here = here();
    if here != arch {
        let (expected, found) = (arch.to_owned(), here.to_owned());
        return Err(HostCaptureError::Architecture { expected, found }.into());
    }
    let (tree, locked) = capture(cx, programs)?;
    cx.warn(
        format!("the toolchain is captured of this machine ({}): no other can bring it", locked.machine),
        Some("provenance says so; take a toolchain that others can have before you release".into()),
    );
    Ok((tree, LockedBase::Host(locked)))
}

/// Captures again what the store has lost, if this machine is still as it was.
pub(super) fn fetch(
    cx: &Context<'_>,
    locked: &LockedHost,
    toolchain: &LockedToolchain,
) -> Result<Digest, InputError> {
    let expected = toolchain.base_tree;
    let found = match capture(cx, &locked.requested) {
        Ok((tree, _)) if tree == expected => return Ok(tree),
        Ok((tree, found)) => format!("{tree} on {}", found.machine),
        Err(InputError::Capture(error)) => error.to_string(),
        Err(other) => return Err(other),
    };
    Err(HostCaptureError::Elsewhere { machine: locked.machine.clone(), expected, found }.into())
}

/// This machine's architecture, as Debian calls it.
fn here() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        "arm" => "armhf",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

fn capture(cx: &Context<'_>, programs: &[String]) -> Result<(Digest, LockedHost), InputError> {
    let root = cx.host.root.as_path();
    let record = Record::read(root);
    let mut capture = Capture::new(cx, root, record.conffiles());
    let mut packages: BTreeSet<String> = BTreeSet::new();
    let mut loose: BTreeSet<String> = BTreeSet::new();
    let search = cx.host.env.get("PATH").map_or("/usr/bin:/bin", String::as_str);
    let shell = SHELL.to_owned();
    for program in programs.iter().chain([&shell]) {
        let path = find(root, search, program)?;
        // Every link on the way may be of another package, or of none.
        for step in chain(root, &path) {
            match record.owner(&step) {
                Some(package) => drop(packages.insert(package)),
                None => drop(loose.insert(step)),
            }
        }
    }
    for file in loose.clone() {
        for library in libraries::of(root, &file) {
            for step in chain(root, &library) {
                match record.owner(&step) {
                    Some(package) => drop(packages.insert(package)),
                    None => drop(loose.insert(step)),
                }
            }
        }
    }
    let closure = record.closure(packages);
    for package in &closure {
        capture.take(record.files(package))?;
    }
    capture.take(loose.iter().cloned().collect())?;
    capture.alternatives()?;
    let tree = capture.finish()?;
    let os_release = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|p| std::fs::read_to_string(root.join(p)).ok())
        .unwrap_or_default();
    let name = fields(&os_release).get("PRETTY_NAME").cloned();
    let alternative = |file: &String| file.starts_with("/etc/alternatives/");
    let own: Vec<String> = loose.into_iter().filter(|f| !alternative(f)).collect();
    Ok((
        tree,
        LockedHost {
            requested: programs.to_vec(),
            machine: name.unwrap_or_else(|| "a machine without a name".into()),
            distro: distro(&os_release),
            installed: record.installed(&closure),
            files: own,
        },
    ))
}

/// A program's absolute path. What is given as a path may be any file: a header, to have its package.
fn find(root: &Path, search: &str, program: &str) -> Result<String, HostCaptureError> {
    let any = program.starts_with('/');
    let is_program = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let real = resolved(root, path);
        std::fs::metadata(root.join(real.trim_start_matches('/')))
            .is_ok_and(|m| m.is_file() && (any || m.permissions().mode() & 0o111 != 0))
    };
    let candidates: Vec<String> = if program.starts_with('/') {
        vec![program.to_owned()]
    } else {
        search
            .split(':')
            .filter(|d| d.starts_with('/'))
            .map(|d| format!("{}/{program}", d.trim_end_matches('/')))
            .collect()
    };
    candidates.iter().find(|p| is_program(p)).cloned().ok_or_else(|| HostCaptureError::Program {
        program: program.to_owned(),
        searched: if program.starts_with('/') { program.to_owned() } else { search.to_owned() },
    })
}

/// The path itself and whatever its last component links to, in turn. Links above are the file system's.
fn chain(root: &Path, path: &str) -> Vec<String> {
    let mut list = vec![path.to_owned()];
    while list.len() < 16 {
        let here = list.last().expect("it begins with one");
        let Ok(target) = std::fs::read_link(root.join(here.trim_start_matches('/'))) else { break };
        let above = here.rsplit_once('/').map_or("", |(above, _)| above);
        let above = above.trim_start_matches('/').parse().unwrap_or_default();
        let Some(next) = target.to_str().and_then(|t| super::links::follow(&above, t)) else { break };
        list.push(format!("/{next}"));
    }
    list
}

/// Where a chain of links ends.
fn resolved(root: &Path, path: &str) -> String {
    chain(root, path).pop().unwrap_or_else(|| path.to_owned())
}
