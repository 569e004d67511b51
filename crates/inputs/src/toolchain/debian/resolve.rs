//! From the names in a recipe to their closure.
//!
//! The rules, all independent of the order in which packages are met, so that the same index gives the same closure:
//! every essential package and every named one is in; a name that is no package's is that of the only one that provides it.
//! Then what satisfies each dependency that the recipe asks for, and is as good as named. For each dependency an alternative that those already satisfy is
//! taken; else the first alternative that can be satisfied: by the package of that name in its latest fitting version,
//! else by the provider of the highest priority whose name sorts first (so `awk` is `mawk`, as on every Debian). Nothing is tried and taken back: what does not fit together is an error,
//! and the recipe's author names the alternative wanted.

use std::collections::{BTreeMap, VecDeque};

use super::DebianError;
use super::packages::{Index, Package, Relation};

/// The closure of `requested` (`name`, `name=version` or a dependency), sorted by name, and for each package the names of those that
/// satisfy its dependencies, sorted.
pub(crate) fn resolve(
    index: &Index,
    requested: &[String],
) -> Result<Vec<(Package, Vec<String>)>, DebianError> {
    let mut chosen: BTreeMap<String, Package> = BTreeMap::new();
    let mut wanted_by: BTreeMap<String, String> = BTreeMap::new();
    let essential = index.essential().iter().map(|n| (n, "the essential set"));
    let is_dependency = |text: &str| text.contains(['(', '|']);
    let (dependencies, named): (Vec<&String>, Vec<&String>) =
        requested.iter().partition(|t| is_dependency(t));
    for (text, why) in named.into_iter().map(|n| (n, "the recipe")).chain(essential) {
        let (name, exact) = text.split_once('=').map_or((text.as_str(), None), |(n, v)| (n, Some(v)));
        let providers = index.providers(name);
        let only = match &providers[..] {
            [only] if exact.is_none() && index.versions(name)?.is_empty() => Some(only.as_str()),
            _ => None,
        };
        let name = only.unwrap_or(name);
        if chosen.contains_key(name) {
            continue;
        }
        let found = index.versions(name)?;
        let offered: Vec<String> = found.iter().map(|p| p.version.clone()).collect();
        let package = found.into_iter().find(|p| exact.is_none_or(|v| v == p.version)).ok_or_else(|| {
            let reason = match (offered.is_empty(), providers.is_empty()) {
                (false, _) => format!("the suite has {}", offered.join(", ")),
                (true, false) => format!("it is a virtual package; name one of {}", providers.join(", ")),
                (true, true) => "the suite has no package of that name".to_owned(),
            };
            DebianError::Unsatisfiable { wanted: text.clone(), reason, chain: why.to_owned() }
        })?;
        wanted_by.insert(name.to_owned(), why.to_owned());
        chosen.insert(name.to_owned(), package);
    }
    let mut roots = chosen.clone();
    for text in dependencies {
        let group: Vec<Relation> = text.split('|').filter_map(|t| Relation::parse(t, index.arch())).collect();
        let package =
            satisfy(index, &roots, &chosen, &group).map_err(|e| e.wanted(&group, "the recipe".into()))?;
        wanted_by.entry(package.name.clone()).or_insert_with(|| "the recipe".to_owned());
        roots.insert(package.name.clone(), package.clone());
        chosen.insert(package.name.clone(), package);
    }
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut queue: VecDeque<String> = chosen.keys().cloned().collect();
    while let Some(name) = queue.pop_front() {
        let groups = chosen[&name].depends.clone();
        let mut names = Vec::new();
        for group in groups {
            let package = satisfy(index, &roots, &chosen, &group)
                .map_err(|error| error.wanted(&group, chain(&wanted_by, &name)))?;
            if package.name != name {
                names.push(package.name.clone());
            }
            if !chosen.contains_key(&package.name) {
                wanted_by.insert(package.name.clone(), name.clone());
                queue.push_back(package.name.clone());
                chosen.insert(package.name.clone(), package);
            }
        }
        names.sort();
        names.dedup();
        edges.insert(name, names);
    }
    exclusions(&chosen)?;
    Ok(chosen
        .into_iter()
        .map(|(name, package)| {
            let depends = edges.remove(&name).unwrap_or_default();
            (package, depends)
        })
        .collect())
}

enum Unmet {
    Index(DebianError),
    Reason(String),
}

impl Unmet {
    fn wanted(self, group: &[Relation], chain: String) -> DebianError {
        match self {
            Self::Index(error) => error,
            Self::Reason(reason) => {
                let texts: Vec<&str> = group.iter().map(|r| r.text.as_str()).collect();
                DebianError::Unsatisfiable { wanted: texts.join(" | "), reason, chain }
            }
        }
    }
}

fn satisfy(
    index: &Index,
    roots: &BTreeMap<String, Package>,
    chosen: &BTreeMap<String, Package>,
    group: &[Relation],
) -> Result<Package, Unmet> {
    for relation in group {
        // The package of that name before those that provide it.
        let named = roots.get(&relation.name).filter(|p| relation.satisfied_by(p));
        if let Some(package) = named.or_else(|| roots.values().find(|p| relation.satisfied_by(p))) {
            return Ok(package.clone());
        }
    }
    let mut reasons = Vec::new();
    for relation in group {
        let versions = index.versions(&relation.name).map_err(Unmet::Index)?;
        // One version of a package is in a closure.
        let taken = chosen.get(&relation.name);
        let offered: Vec<String> = versions.iter().map(|p| p.version.clone()).collect();
        let fits = |p: &Package| relation.satisfied_by(p) && taken.is_none_or(|t| t.version == p.version);
        if let Some(package) = versions.into_iter().find(fits) {
            return Ok(package);
        }
        for provider in index.providers(&relation.name) {
            let taken = chosen.get(&provider);
            let fits = |p: &Package| relation.satisfied_by(p) && taken.is_none_or(|t| t.version == p.version);
            let found = index.versions(&provider).map_err(Unmet::Index)?.into_iter().find(fits);
            if let Some(package) = found {
                return Ok(package);
            }
        }
        reasons.push(match (offered.is_empty(), taken) {
            (true, _) => format!("the suite has no `{}`", relation.name),
            (false, Some(taken)) => format!("`{}` {} is in already", relation.name, taken.version),
            (false, None) => format!("the suite has `{}` {}", relation.name, offered.join(", ")),
        });
    }
    Err(Unmet::Reason(reasons.join("; ")))
}

/// Who wants `name`, from the recipe down to it.
fn chain(wanted_by: &BTreeMap<String, String>, name: &str) -> String {
    let mut names = vec![name.to_owned()];
    let mut here = name;
    // A package is wanted by one met before it, so the way up ends.
    while let Some(above) = wanted_by.get(here).filter(|_| names.len() <= wanted_by.len()) {
        names.push(above.clone());
        here = above;
    }
    names.reverse();
    names.join(" → ")
}

fn exclusions(chosen: &BTreeMap<String, Package>) -> Result<(), DebianError> {
    for package in chosen.values() {
        let conflicts = package.conflicts.iter().map(|r| ("Conflicts", r));
        for (field, relation) in conflicts.chain(package.breaks.iter().map(|r| ("Breaks", r))) {
            // A package may exclude what it provides itself (Policy 7.6.2).
            let other = chosen.values().find(|o| o.name != package.name && relation.satisfied_by(o));
            if let Some(other) = other {
                return Err(DebianError::Conflict {
                    package: package.name.clone(),
                    other: other.name.clone(),
                    field,
                    relation: relation.text.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(packages: &[&str]) -> Index {
        let hash = "0".repeat(64);
        let mut text = String::new();
        for package in packages {
            let mut lines = package.split(';');
            let (name, version) = lines.next().and_then(|l| l.trim().split_once(' ')).unwrap();
            text.push_str(&format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {hash}\n"
            ));
            for line in lines {
                text.push_str(&format!("{}\n", line.trim()));
            }
            text.push('\n');
        }
        let mut index = Index::new("amd64");
        index.add("http://127.0.0.1/Packages".into(), text);
        index
    }

    fn names(index: &Index, requested: &[&str]) -> Result<Vec<String>, String> {
        let requested: Vec<String> = requested.iter().map(|r| (*r).to_owned()).collect();
        resolve(index, &requested)
            .map(|list| list.iter().map(|(p, _)| format!("{} {}", p.name, p.version)).collect())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn closures() {
        let i = index(&[
            "base 1; Essential: yes; Pre-Depends: libc (>= 2)",
            "libc 2; Depends: crypt | libc",
            "libc 1",
            "crypt 1; Depends: libc",
            "mawk 1; Provides: awk; Priority: required",
            "gawk 1; Provides: awk",
            "usesawk 1; Depends: awk",
            "versioned 1; Depends: api (= 3)",
            "impl-b 1; Provides: api (= 3)",
            "impl-a 1; Provides: api",
            "broken 1; Depends: usesawk, missing (>= 1) | libc (>> 2)",
            "deep 1; Depends: broken",
            "alone 1; Provides: lonely",
            "yawk 1; Conflicts: awk; Provides: awk; Depends: base:any, usesawk",
        ]);
        let all = |list: &[&str]| Ok(list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        let base = ["base 1", "crypt 1", "libc 2"];
        assert_eq!(names(&i, &[]), all(&base));
        assert_eq!(names(&i, &["usesawk"]), all(&["base 1", "crypt 1", "libc 2", "mawk 1", "usesawk 1"]));
        assert_eq!(
            names(&i, &["usesawk", "gawk"]),
            all(&["base 1", "crypt 1", "gawk 1", "libc 2", "usesawk 1"]),
            "what is named wins over what has priority"
        );
        assert_eq!(
            names(&i, &["versioned"]),
            all(&["base 1", "crypt 1", "impl-b 1", "libc 2", "versioned 1"])
        );
        assert_eq!(
            names(&i, &["deep"]).unwrap_err(),
            "`missing (>= 1) | libc (>> 2)` cannot be satisfied: the suite has no `missing`; `libc` 2 is in already \
             (wanted by the recipe → deep → broken)"
        );
        assert!(names(&i, &["awk"]).unwrap_err().contains("name one of mawk, gawk, yawk"));
        assert!(names(&i, &["libc=1"]).unwrap_err().contains("`libc (>= 2)`"), "a pinned version is held");
        assert!(names(&i, &["libc=7"]).unwrap_err().contains("the suite has 2, 1"));
        // A dependency of the recipe: a version, an alternative, what something provides.
        assert_eq!(names(&i, &["usesawk (>= 1)"]), names(&i, &["usesawk"]));
        assert_eq!(names(&i, &["nothing | gawk (= 1)", "usesawk"]), names(&i, &["gawk", "usesawk"]));
        assert_eq!(
            names(&i, &["api (= 3)"]),
            all(&["base 1", "crypt 1", "impl-b 1", "libc 2"]),
            "of those that provide it, the one of that version"
        );
        assert_eq!(
            names(&i, &["usesawk (>= 2)"]).unwrap_err(),
            "`usesawk (>= 2)` cannot be satisfied: the suite has `usesawk` 1 (wanted by the recipe)"
        );
        assert_eq!(names(&i, &["lonely"]), names(&i, &["alone"]), "the only one that provides it");
        assert!(names(&i, &["yawk", "gawk"]).unwrap_err().contains("`yawk` conflicts with `gawk`"));
        assert_eq!(names(&i, &["yawk"]).map(|l| l.len()), Ok(5), "its own provision is no conflict");
    }
}
