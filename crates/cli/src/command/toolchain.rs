//! `selfsame toolchain`: what the root filesystem of the steps is made of, and what two of them differ in.

use std::path::{Path, PathBuf};

use model::Digest;
use model::lock::{Change, Lock, LockedBase, LockedToolchain, Part};
use model::tree::Node;
use serde_json::{Value, json};
use store::Difference;

use crate::failure::Failure;
use crate::output::answer::{Answer, Table, bytes};
use crate::project::Project;
use crate::session::{Session, read_source};

/// How many rows people are shown of a long list.
const SHOWN: usize = 40;

/// Arguments of `toolchain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Packages, versions, archives and size of a locked toolchain
    Show {
        /// Recipe, its folder, or a lock [default: ./selfsame.toml]
        recipe: Option<PathBuf>,
    },
    /// What differs between two toolchains: parts and versions, then paths
    Diff {
        /// Recipe, its folder, a lock, or the digest of a tree
        before: String,
        /// The same
        after: String,
    },
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Show { recipe } => show(session, recipe.as_deref()),
        What::Diff { before, after } => diff(session, before, after),
    }
}

/// The lock that a path means.
fn locked(path: Option<&Path>) -> Result<LockedToolchain, Failure> {
    if let Some(path) = path.filter(|p| p.extension().is_some_and(|e| e == "lock") && p.is_file()) {
        return Ok(Lock::parse(&path.display().to_string(), &read_source(path)?)?.toolchain);
    }
    let project = Project::open(path)?;
    Ok(Lock::parse(&project.lock_path().display().to_string(), &project.lock_text()?)?.toolchain)
}

fn show(session: &Session, recipe: Option<&Path>) -> Result<Answer, Failure> {
    let toolchain = locked(recipe)?;
    let size = size(session, &toolchain.tree)?;
    let parts = toolchain.parts();
    let mut table = Table::default();
    table.row("toolchain", toolchain.title()).row("arch", &toolchain.arch).row("tree", toolchain.tree);
    match size {
        Some((files, total)) => table.row("size", format!("{files} files, {}", bytes(total))),
        None => table.row("size", "not in the store: run `selfsame fetch`"),
    };
    if let LockedBase::Host(host) = &toolchain.base {
        table.row("captured of", format!("{}: only the machine that did has it", host.machine));
    }
    for archive in &toolchain.archives {
        let path: Vec<String> = archive.path.iter().map(|p| format!("/{p}")).collect();
        let version = archive.version.as_deref().unwrap_or("-");
        table.row(
            format!("archive {}", archive.name),
            format!("{version}  at /{}  on PATH: {}", archive.at, or_none(&path.join(":"))),
        );
    }
    for part in parts.iter().filter(|p| p.kind != "archive") {
        let said = [part.version.clone(), part.digest.map(|d| d.to_string())];
        let said: Vec<String> = said.into_iter().flatten().collect();
        table.row(format!("{} {}", part.kind, part.name), said.join("  "));
    }
    let data = json!({
        "kind": toolchain.base.kind(), "title": toolchain.title(), "arch": toolchain.arch,
        "tree": toolchain.tree, "base_tree": toolchain.base_tree, "assembler": toolchain.assembler,
        "files": size.map(|s| s.0), "bytes": size.map(|s| s.1), "parts": parts,
        "archives": toolchain.archives.iter().map(|a| json!({
            "name": a.name, "version": a.version, "origin": a.origin.to_string(), "at": a.at, "path": a.path,
            "env": a.env, "licence": a.licence, "tree": a.tree,
        })).collect::<Vec<_>>(),
    });
    Ok(Answer::ok(data, table.text()))
}

/// Files of a tree, and their bytes; nothing if the store does not hold it.
fn size(session: &Session, tree: &Digest) -> Result<Option<(u64, u64)>, Failure> {
    let walked = match session.store.walk(tree) {
        Ok(walked) => walked,
        Err(store::StoreError::Missing { .. }) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    let sizes = walked.into_iter().filter_map(|(_, node)| match node {
        Node::File { digest, .. } => Some(digest.size),
        Node::Directory(_) | Node::Symlink(_) => None,
    });
    Ok(Some(sizes.fold((0, 0), |(files, total), size| (files + 1, total + size))))
}

/// A toolchain, or a tree alone.
struct Side {
    tree: Digest,
    toolchain: Option<LockedToolchain>,
}

impl Side {
    fn of(text: &str) -> Result<Self, Failure> {
        if let Ok(tree) = text.parse() {
            return Ok(Self { tree, toolchain: None });
        }
        let toolchain = locked(Some(Path::new(text)))?;
        Ok(Self { tree: toolchain.tree, toolchain: Some(toolchain) })
    }
}

fn diff(session: &Session, before: &str, after: &str) -> Result<Answer, Failure> {
    let (before, after) = (Side::of(before)?, Side::of(after)?);
    let changes = match (&before.toolchain, &after.toolchain) {
        (Some(first), Some(second)) => Some(first.changes(second)),
        _ => None,
    };
    let paths = match session.store.differences(&before.tree, &after.tree) {
        Ok(paths) => Some(paths),
        // What a lock says can be compared without.
        Err(store::StoreError::Missing { .. }) if changes.is_some() => None,
        Err(other) => return Err(other.into()),
    };
    let mut table = Table::default();
    let same = before.tree == after.tree;
    if same {
        table.row("tree", format!("the same: {}", before.tree));
    } else {
        table.row("tree before", before.tree).row("tree after", after.tree);
    }
    for change in changes.iter().flatten() {
        table.row(format!("{} {}", change.kind, change.name), told(change));
    }
    match &paths {
        None => drop(table.row("paths", "not in the store: run `selfsame fetch` on both")),
        Some(paths) => {
            for path in paths.iter().take(SHOWN) {
                table.row(sign(path), &path.path);
            }
            if paths.len() > SHOWN {
                table.row("…", format!("{} paths more; --json lists all", paths.len() - SHOWN));
            }
        }
    }
    let node = |node: &Option<Node>| match node {
        None => Value::Null,
        Some(Node::File { digest, executable }) => json!({ "file": digest, "executable": executable }),
        Some(Node::Directory(digest)) => json!({ "directory": digest }),
        Some(Node::Symlink(target)) => json!({ "link": target }),
    };
    let rows = paths.map(|paths| {
        let row =
            |p: &Difference| json!({ "path": p.path, "before": node(&p.before), "after": node(&p.after) });
        paths.iter().map(row).collect::<Vec<_>>()
    });
    let data = json!({
        "same": same, "before": before.tree, "after": after.tree, "changes": changes, "paths": rows,
    });
    Ok(Answer::ok(data, table.text()))
}

/// A change in a few words.
pub(super) fn told(change: &Change) -> String {
    let part = |part: &Part| {
        let digest = part.digest.map(|d| format!("sha256:{}…", &d.hex()[..12]));
        let said: Vec<String> = part.version.clone().into_iter().chain(digest).collect();
        if said.is_empty() { "there".to_owned() } else { said.join(" ") }
    };
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{} → {}", part(before), part(after)),
        (None, Some(after)) => format!("new: {}", part(after)),
        (Some(before), None) => format!("gone: {}", part(before)),
        (None, None) => String::new(),
    }
}

fn sign(path: &Difference) -> &'static str {
    match (&path.before, &path.after) {
        (None, _) => "  new",
        (_, None) => "  gone",
        _ => "  changed",
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(nothing)" } else { text }
}
