//! What a traced step used of what it was given: inputs, packages, and who wrote each output.

use std::collections::{BTreeMap, BTreeSet};

use model::action::Components;
use model::trace::{Trace, Use};
use model::tree::Node;
use model::{Digest, RelPath};
use serde::Serialize;
use store::{Store, StoreError};

/// Where the assembler of toolchains keeps which package brought which file, by the tree's digest.
const OWNERS: &str = "owners";

/// What was used and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// How many files of each package of the toolchain were read or executed; by package.
    pub packages: BTreeMap<String, usize>,
    /// Packages of which nothing was. Empty if it is not known which file is whose.
    pub unused_packages: Vec<String>,
    /// Files of the inputs that were neither read nor executed nor listed by name.
    pub unused_inputs: Vec<String>,
    /// How many files the inputs have.
    pub inputs: usize,
    /// By file below the build directory, who wrote it: command lines.
    pub writers: BTreeMap<String, Vec<String>>,
    /// How many calls were not understood; above 0, `unused` is a guess.
    pub lost: u64,
}

/// Compares what an action was given, by its `components`, with what was heard.
///
/// # Errors
/// If the store has lost a tree.
pub fn usage(store: &Store, components: &Components, trace: &Trace) -> Result<Usage, StoreError> {
    let mut usage = Usage { lost: trace.lost, ..Usage::default() };
    let part = |name: &str| components.0.get(name).and_then(|text| text.parse::<Digest>().ok());
    let touched = |used: &Use| used.read || used.executed;
    if let Some(bytes) = part("toolchain").and_then(|tree| store.memo_get(OWNERS, &tree)) {
        let owners: BTreeMap<String, Vec<String>> = serde_json::from_slice(&bytes).unwrap_or_default();
        for (package, files) in owners {
            let count =
                files.iter().filter(|f| trace.files.get(&format!("/{f}")).is_some_and(touched)).count();
            if count > 0 {
                usage.packages.insert(package, count);
            } else {
                usage.unused_packages.push(package);
            }
        }
    }
    let build = components.0.get("conditions.build-path").map(|text| text.trim_matches('"'));
    let Some(build) = build else { return Ok(usage) };
    if let Some(tree) = part("inputs") {
        let mut files = BTreeSet::new();
        list(store, &tree, &RelPath::root(), &mut files)?;
        usage.inputs = files.len();
        let unused = |path: &&String| !trace.files.get(&format!("{build}/{path}")).is_some_and(touched);
        usage.unused_inputs = files.iter().filter(unused).cloned().collect();
    }
    for (path, used) in trace.files.iter().filter(|(_, used)| used.written && !used.missing) {
        let Some(path) = path.strip_prefix(build).and_then(|p| p.strip_prefix('/')) else { continue };
        let who = used.by.iter().filter_map(|nth| trace.processes.get(usize::try_from(*nth).ok()?));
        usage.writers.insert(path.to_owned(), who.map(|process| process.command.clone()).collect());
    }
    Ok(usage)
}

/// Every file of a tree.
fn list(store: &Store, tree: &Digest, at: &RelPath, files: &mut BTreeSet<String>) -> Result<(), StoreError> {
    for (name, node) in store.directory(tree)?.0 {
        let path = at.join_name(&name);
        match node {
            Node::Directory(below) => list(store, &below, &path, files)?,
            Node::File { .. } | Node::Symlink(_) => {
                files.insert(path.to_string());
            }
        }
    }
    Ok(())
}
