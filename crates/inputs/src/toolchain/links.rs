//! Symbolic links within a tree that will be a root: nothing of the machine is looked at.

use model::RelPath;
use model::tree::{Node, Tree};

/// A chain of more links than this goes in a circle.
const LINKS: usize = 16;

/// Where a link in folder `above` points, within the tree; above the root is the root.
pub(crate) fn follow(above: &RelPath, target: &str) -> Option<RelPath> {
    let mut names: Vec<&str> =
        if target.starts_with('/') { Vec::new() } else { above.components().collect() };
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() { Some(RelPath::root()) } else { names.join("/").parse().ok() }
}

/// `path` with the links above its last component followed, within `tree`. Each place that a link leads to is put
/// through `settle` first.
pub(crate) fn through(tree: &Tree, path: &RelPath, settle: impl Fn(&RelPath) -> RelPath) -> RelPath {
    through_with(path, settle, |place| match tree.leaf(place) {
        Some(Node::Symlink(target)) => Some(target.clone()),
        _ => None,
    })
}

/// As [`through`], of anything that can tell where a link points.
pub(crate) fn through_with(
    path: &RelPath,
    settle: impl Fn(&RelPath) -> RelPath,
    link: impl Fn(&RelPath) -> Option<String>,
) -> RelPath {
    let mut here = path.clone();
    for _ in 0..LINKS {
        let mut above = RelPath::root();
        let names: Vec<String> = here.components().map(str::to_owned).collect();
        let mut next = None;
        for (i, name) in names.iter().enumerate().take(names.len().saturating_sub(1)) {
            let place = above.join(&name.parse().expect("a component of a path is a path"));
            if let Some(target) = link(&place) {
                next = follow(&above, &target).map(|to| {
                    let rest: RelPath = names[i + 1..].join("/").parse().unwrap_or_default();
                    to.join(&rest)
                });
                break;
            }
            above = place;
        }
        match next {
            Some(next) => here = settle(&next),
            None => return here,
        }
    }
    here
}
