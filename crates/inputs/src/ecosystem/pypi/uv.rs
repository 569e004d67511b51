//! `uv.lock`, version 1.

use std::collections::{BTreeSet, HashMap};

use model::RelPath;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::{dig, requirement_name, texts};
use crate::ecosystem::component::python_name;
use crate::ecosystem::error::Tally;
use crate::ecosystem::place::{line_at, toml};
use crate::ecosystem::{Adapter, Checksum, Component, EcosystemError, LockedFile, Origin, Problem, Scope};

const AGAIN: &str = "run `uv lock`, and commit uv.lock";

#[derive(Deserialize)]
struct Lock {
    version: u32,
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: Spanned<String>,
    version: Option<String>,
    source: Table,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    optional_dependencies: HashMap<String, Vec<Dependency>>,
    #[serde(default)]
    dev_dependencies: HashMap<String, Vec<Dependency>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct File {
    url: Option<String>,
    path: Option<String>,
    hash: Option<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    #[serde(default)]
    requires_dist: Vec<Required>,
}

#[derive(Deserialize)]
struct Required {
    name: String,
    specifier: Option<String>,
}

pub(super) fn components(
    lockfile: &RelPath,
    text: &str,
    manifest: &RelPath,
    pyproject: &Table,
) -> Result<Vec<Component>, EcosystemError> {
    let lock: Lock = toml(lockfile, text, AGAIN)?;
    if lock.version != 1 {
        let found = format!("version {}", lock.version);
        return Err(Problem::form(lockfile, 1, "`version = 1`", found, "use a newer selfsame"));
    }
    compare(lockfile, text, &lock, manifest, pyproject)?;
    let mut loose = Tally::default();
    let mut list: Vec<Component> =
        lock.package.iter().map(|package| component(lockfile, text, package, &mut loose)).collect();
    loose.finish(EcosystemError::Loose)?;
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, package) in lock.package.iter().enumerate() {
        places.entry(package.name.get_ref()).or_default().push(at);
    }
    let find = |d: &Dependency| -> Option<usize> {
        let all = places.get(d.name.as_str())?;
        let same = |at: &&usize| d.version.is_none() || lock.package[**at].version == d.version;
        all.iter().find(same).copied()
    };
    let mut work: Vec<(usize, Scope)> = Vec::new();
    for (at, package) in lock.package.iter().enumerate() {
        let runtime: Vec<usize> = package.dependencies.iter().filter_map(find).collect();
        let optional: Vec<usize> =
            package.optional_dependencies.values().flatten().filter_map(find).collect();
        let dev: Vec<usize> = package.dev_dependencies.values().flatten().filter_map(find).collect();
        if is_own(package) {
            work.push((at, Scope::Runtime));
            for (targets, scope) in
                [(&runtime, Scope::Runtime), (&optional, Scope::Optional), (&dev, Scope::Dev)]
            {
                for target in targets {
                    list[*target].direct = true;
                    work.push((*target, scope));
                }
            }
        }
        // What a development group asks for is no dependency of what is built.
        list[at].depends = runtime.into_iter().chain(optional).collect();
        list[at].depends.sort_unstable();
        list[at].depends.dedup();
    }
    let own: Vec<bool> = lock.package.iter().map(is_own).collect();
    super::tables::spread(&mut list, work, &own);
    Ok(list)
}

fn is_own(package: &Package) -> bool {
    ["virtual", "editable", "directory"].iter().any(|kind| package.source.contains_key(*kind))
}

fn component(lockfile: &RelPath, text: &str, package: &Package, loose: &mut Tally) -> Component {
    let name = package.name.get_ref();
    let line = line_at(text, package.name.span().start);
    let mut component = Component::new(Adapter::Pypi, lockfile, name, package.version.as_deref());
    component.line = line;
    let source = |kind: &str| package.source.get(kind).and_then(Value::as_str);
    let fault = |what: &str, expected: &str, found: &str| {
        Problem::new(lockfile, format!("`{name}` {what}"), expected, found, AGAIN).at(line)
    };
    component.origin = if let Some(git) = source("git") {
        let (url, commit) = git.rsplit_once('#').unwrap_or((git, ""));
        if commit.len() != 40 {
            loose.add(fault("is from git and not at a commit", "`#` and 40 hexadecimal digits", git));
        }
        let url = url.split('?').next().unwrap_or_default().to_owned();
        Origin::Git { url, commit: commit.to_owned() }
    } else if let Some(url) = source("url") {
        Origin::Url(url.to_owned())
    } else if let Some(base) = source("registry") {
        Origin::Registry(Some(base.to_owned()))
    } else {
        let kinds = ["virtual", "editable", "directory", "path"];
        Origin::Path(kinds.iter().find_map(|kind| source(kind)).unwrap_or_default().to_owned())
    };
    if matches!(component.origin, Origin::Path(_) | Origin::Git { .. }) {
        return component;
    }
    for file in package.sdist.iter().chain(&package.wheels) {
        let place = file.url.as_ref().or(file.path.as_ref()).map_or("", String::as_str);
        let last = place.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).unwrap_or_default();
        match file.hash.as_deref().and_then(Checksum::named) {
            Some(sum) => {
                component.files.push(LockedFile { ends: vec![format!("/{last}")], accepted: vec![sum] });
            }
            None => loose.add(fault("has a file without hash", "`hash = \"sha256:…\"`", place)),
        }
    }
    if component.files.is_empty() {
        loose.add(fault("has no file", "an `sdist` or `wheels`", "none"));
    }
    component
}

/// `requires-dist` repeats what the project asked for when it was locked.
fn compare(
    lockfile: &RelPath,
    text: &str,
    lock: &Lock,
    manifest: &RelPath,
    pyproject: &Table,
) -> Result<(), EcosystemError> {
    let Some(name) = dig(pyproject, "project.name").and_then(Value::as_str) else { return Ok(()) };
    let Some(own) = lock.package.iter().find(|p| *p.name.get_ref() == python_name(name)) else {
        let expected = format!("an entry for `{}` of {manifest}", python_name(name));
        let problem = Problem::new(lockfile, "is not up to date", expected, "none", AGAIN);
        return Err(EcosystemError::Stale(Box::new(problem)));
    };
    let line = line_at(text, own.name.span().start);
    // What is computed by the backend is not known here.
    let dynamic = texts(dig(pyproject, "project.dynamic"));
    if dynamic.iter().any(|d| d == "dependencies") {
        return Ok(());
    }
    let locked: Vec<(String, BTreeSet<String>)> = own
        .metadata
        .iter()
        .flat_map(|m| &m.requires_dist)
        .map(|r| (python_name(&r.name), clauses(r.specifier.as_deref().unwrap_or_default())))
        .collect();
    for requirement in texts(dig(pyproject, "project.dependencies")) {
        let name = requirement_name(&requirement);
        let rest = requirement.split(';').next().unwrap_or_default();
        let range = rest.find(['<', '>', '=', '!', '~']).map_or("", |at| &rest[at..]);
        // A place instead of a range is no specifier.
        let range = if rest.contains(" @ ") { "" } else { range.trim_end_matches(')') };
        let wanted = clauses(range);
        if locked.iter().any(|(n, c)| *n == name && *c == wanted) {
            continue;
        }
        let expected = format!("`{requirement}`, as {manifest} says");
        let found = locked.iter().find(|(n, _)| *n == name).map_or("none".to_owned(), |(_, c)| {
            format!("`{name}{}`", c.iter().cloned().collect::<Vec<_>>().join(","))
        });
        let problem = Problem::new(lockfile, "is not up to date", expected, found, AGAIN).at(line);
        return Err(EcosystemError::Stale(Box::new(problem)));
    }
    Ok(())
}

fn clauses(specifier: &str) -> BTreeSet<String> {
    let plain = specifier.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    plain.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect()
}
