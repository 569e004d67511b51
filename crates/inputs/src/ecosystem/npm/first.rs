//! Version 1 of `package-lock.json`, which npm 5 and 6 wrote: a tree of what is installed, turned into the places of later
//! versions ([`super::lock`]).
//!
//! It does not repeat what the manifest asks for: of that only the names can be compared. `npm ci` of today reads it, and
//! asks the registry for what is missing in it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::Asked;
use super::lock::Entry;

/// A package and what is installed below it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Package {
    version: String,
    resolved: Option<Value>,
    integrity: Option<String>,
    dev: bool,
    optional: bool,
    bundled: bool,
    /// `true` at the root, a table of names below.
    requires: Option<Value>,
    dependencies: BTreeMap<String, Self>,
}

/// The entries of later versions: by place, the root's own with what its manifest asks for and is installed.
pub(super) fn places(tree: BTreeMap<String, Package>, asked: &Asked) -> BTreeMap<String, Entry> {
    let mut root = Entry::default();
    for ((table, name), spec) in asked {
        // What is optional, and what is a peer's, need not be installed.
        let table = match *table {
            "dependencies" => &mut root.dependencies,
            "devDependencies" => &mut root.dev_dependencies,
            "optionalDependencies" => &mut root.optional_dependencies,
            _ => &mut root.peer_dependencies,
        };
        table.insert(name.clone(), spec.clone());
    }
    root.dependencies.retain(|name, _| tree.contains_key(name));
    root.dev_dependencies.retain(|name, _| tree.contains_key(name));
    let mut places = BTreeMap::from([(String::new(), root)]);
    below("", tree, &mut places);
    places
}

fn below(above: &str, tree: BTreeMap<String, Package>, places: &mut BTreeMap<String, Entry>) {
    for (name, package) in tree {
        let between = if above.is_empty() { "" } else { "/" };
        let place = format!("{above}{between}node_modules/{name}");
        below(&place, package.dependencies, places);
        let requires = package.requires.as_ref().and_then(Value::as_object).into_iter().flatten();
        let mut entry = Entry {
            integrity: package.integrity,
            resolved: package.resolved,
            dev: package.dev,
            optional: package.optional,
            in_bundle: package.bundled,
            dependencies: requires
                .filter_map(|(name, spec)| Some((name.clone(), spec.as_str()?.to_owned())))
                .collect(),
            ..Entry::default()
        };
        // A version may be an alias, or where the package is from.
        let real = package.version.strip_prefix("npm:").and_then(|real| real.rsplit_once('@'));
        if let Some((real, version)) = real {
            entry.name = Some(real.to_owned());
            entry.version = Some(version.to_owned());
        } else if package.version.contains(':') {
            entry.resolved = Some(package.version.into());
        } else {
            entry.version = Some(package.version);
        }
        places.insert(place, entry);
    }
}

/// The lines on which the entries begin, as npm writes them: two spaces more for each step down.
pub(super) fn lines(text: &str) -> HashMap<String, usize> {
    let mut lines = HashMap::new();
    let mut above: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let plain = line.trim_start_matches(' ');
        let depth = (line.len() - plain.len()) / 4;
        let name = plain.strip_suffix(": {").and_then(|key| serde_json::from_str::<String>(key).ok());
        let Some(name) = name.filter(|_| depth > 0 && (line.len() - plain.len()).is_multiple_of(4)) else {
            continue;
        };
        above.truncate(depth - 1);
        above.push(format!("node_modules/{name}"));
        if above.len() == depth {
            lines.insert(above.join("/"), number);
        }
    }
    lines
}
