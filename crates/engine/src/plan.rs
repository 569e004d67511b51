//! From a step and what earlier steps made to an action.

use std::collections::BTreeMap;

use model::action::{self, Action, ActionResult};
use model::ecosystem;
use model::recipe::{Reference, Step};
use model::tree::Node;
use model::{Conditions, Digest, RelPath};
use store::Store;

use crate::{BuildError, Job, normal};

/// Results of the steps that are done, by name.
pub type Results = BTreeMap<String, ActionResult>;

/// Resolves `step`: every step it needs is in `done`. Its sandbox may be `degraded`.
///
/// # Errors
/// If a reference points at nothing, or inputs do not fit together.
pub fn action(
    store: &Store,
    job: &Job,
    step: &Step,
    conditions: &Conditions,
    done: &Results,
    degraded: bool,
) -> Result<Action, BuildError> {
    let mut parts: Vec<(RelPath, Node)> = Vec::new();
    for (place, reference) in &step.inputs {
        parts.push((place.clone(), resolve(store, job, &step.name, reference, done)?));
    }
    let work = match parts.as_slice() {
        [(place, Node::Directory(tree))] if place.is_root() => *tree,
        _ => store.compose(&parts)?,
    };
    let transcript = match job.lock.steps.get(&step.name) {
        Some(locked) if !step.uses.is_empty() => Some(store.put(locked.requests.to_text().as_bytes())?),
        _ => None,
    };
    let mut env = job.lock.toolchain.environment(conditions.environment());
    env.extend(ecosystem::environment(&step.uses));
    env.extend(step.env.clone());
    Ok(Action {
        script: action::script(&step.uses, &step.run),
        env,
        outputs: step.outputs.clone(),
        toolchain: job.lock.toolchain.tree,
        work,
        conditions: conditions.clone(),
        timeout: step.timeout,
        transcript,
        limits: step.limits,
        secrets: step.secrets.clone(),
        degraded,
        normalize: (!step.normalize.is_empty()).then(|| normal::identity(&step.normalize)),
        isa: isa(&job.lock.toolchain.arch).to_owned(),
    })
}

/// What a reference points at. `user` is who refers to it, for the error.
///
/// # Errors
/// If nothing is there.
pub fn resolve(
    store: &Store,
    job: &Job,
    user: &str,
    reference: &Reference,
    done: &Results,
) -> Result<Node, BuildError> {
    let (top, path) = match reference {
        Reference::Source { name, path } => {
            (job.sources.get(name).map(|s| Node::Directory(s.tree)), path.clone())
        }
        Reference::Step { name, path } => {
            let outputs = done.get(name).map(|r| &r.outputs);
            let found = outputs.and_then(|o| o.iter().find(|(output, _)| path.is_within(output)));
            (found.map(|(_, node)| node.clone()), found.map_or(RelPath::root(), |(o, _)| path.below(o)))
        }
    };
    let found = match top {
        Some(Node::Directory(tree)) if !path.is_root() => match store.lookup(&tree, &path)? {
            Some(node) => return Ok(node),
            None => Some(tree),
        },
        Some(node) if path.is_root() => return Ok(node),
        Some(_) | None => None,
    };
    let nearby = found.map_or_else(Vec::new, |tree| names_near(store, &tree, &path));
    Err(BuildError::Reference { user: user.to_owned(), reference: reference.to_string(), nearby })
}

/// What stands in the deepest directory on the way to `path`; at most ten names.
pub(crate) fn names_near(store: &Store, tree: &Digest, path: &RelPath) -> Vec<String> {
    let mut here = path.parent().unwrap_or_default();
    loop {
        let node = if here.is_root() {
            Some(Node::Directory(*tree))
        } else {
            store.lookup(tree, &here).ok().flatten()
        };
        if let Some(Node::Directory(digest)) = node
            && let Ok(directory) = store.directory(&digest)
        {
            return directory.0.keys().take(10).map(|name| here.join_name(name).to_string()).collect();
        }
        match here.parent() {
            Some(parent) => here = parent,
            None => return Vec::new(),
        }
    }
}

/// The instruction set of a Debian architecture, as `uname -m` says it.
pub(crate) fn isa(arch: &str) -> &str {
    match arch {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" => "i686",
        "armhf" => "armv7l",
        "ppc64el" => "ppc64le",
        other => other,
    }
}
