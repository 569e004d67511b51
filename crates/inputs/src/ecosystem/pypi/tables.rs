//! `poetry.lock` and `Pipfile.lock`: tables of packages with hashes, without addresses.

use std::collections::{BTreeMap, HashMap};

use model::RelPath;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::{dig, python_name, requirement_name, texts};
use crate::ecosystem::error::Tally;
use crate::ecosystem::place::{json, line_at, line_of, toml};
use crate::ecosystem::{
    Adapter, Checksum, Component, EcosystemError, Files, Found, LockedFile, Origin, Problem, Scope,
};

const POETRY: &str = "run `poetry lock`, and commit poetry.lock";
const PIPENV: &str = "run `pipenv lock`, and commit Pipfile.lock";

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
    /// Until lock version 1.1 the files stand here, by name.
    #[serde(default)]
    metadata: Table,
}

#[derive(Deserialize)]
struct Package {
    name: Spanned<String>,
    version: String,
    #[serde(default)]
    optional: bool,
    category: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    dependencies: Table,
    source: Option<Table>,
}

#[derive(Deserialize)]
struct File {
    file: String,
    hash: String,
}

/// Reads `poetry.lock`.
pub(super) fn poetry(
    lockfile: &RelPath,
    text: &str,
    manifest: &RelPath,
    pyproject: &Table,
) -> Result<Vec<Component>, EcosystemError> {
    let lock: Lock = toml(lockfile, text, POETRY)?;
    let mut loose = Tally::default();
    let mut list = Vec::new();
    for package in &lock.package {
        list.push(of_poetry(lockfile, text, package, &lock.metadata, &mut loose));
    }
    loose.finish(EcosystemError::Loose)?;
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, component) in list.iter().enumerate() {
        places.entry(python_name(&component.name)).or_default().push(at);
    }
    for (component, package) in list.iter_mut().zip(&lock.package) {
        let names = package.dependencies.keys().map(|n| python_name(n));
        component.depends = names.filter_map(|n| places.get(&n)).flatten().copied().collect();
        component.depends.sort_unstable();
        component.depends.dedup();
    }
    let mut asked: Vec<(String, Scope)> = texts(dig(pyproject, "project.dependencies"))
        .iter()
        .map(|r| (requirement_name(r), Scope::Runtime))
        .collect();
    let mut table = |path: &str, scope: Scope| {
        let names = dig(pyproject, path).and_then(Value::as_table).into_iter().flat_map(Table::keys);
        asked.extend(names.filter(|n| *n != "python").map(|n| (python_name(n), scope)));
    };
    table("tool.poetry.dependencies", Scope::Runtime);
    table("tool.poetry.dev-dependencies", Scope::Dev);
    for group in
        dig(pyproject, "tool.poetry.group").and_then(Value::as_table).into_iter().flat_map(Table::keys)
    {
        table(&format!("tool.poetry.group.{group}.dependencies"), Scope::Dev);
    }
    let mut stale = Tally::default();
    let mut work = Vec::new();
    for (name, scope) in asked {
        let targets = places.get(&name).cloned().unwrap_or_default();
        if targets.is_empty() {
            let expected = format!("an entry for `{name}`, as {manifest} says");
            stale.add(Problem::new(lockfile, "is not up to date", expected, "none", POETRY));
        }
        for at in targets {
            list[at].direct = true;
            work.push((at, scope));
        }
    }
    stale.finish(EcosystemError::Stale)?;
    let optional: Vec<bool> = lock.package.iter().map(|p| p.optional).collect();
    let dev: Vec<bool> = lock.package.iter().map(is_dev).collect();
    spread(&mut list, work, &[]);
    for ((component, optional), dev) in list.iter_mut().zip(optional).zip(dev) {
        if dev {
            component.scope = Scope::Dev;
        } else if optional && component.scope == Scope::Runtime {
            component.scope = Scope::Optional;
        }
    }
    Ok(list)
}

/// Lock version 1 says a category, 2.1 the groups.
fn is_dev(package: &Package) -> bool {
    let in_main = package.groups.iter().any(|g| g == "main");
    package.category.as_deref() == Some("dev") || (!package.groups.is_empty() && !in_main)
}

fn of_poetry(
    lockfile: &RelPath,
    text: &str,
    package: &Package,
    metadata: &Table,
    loose: &mut Tally,
) -> Component {
    let name = package.name.get_ref();
    let line = line_at(text, package.name.span().start);
    let mut component = Component::new(Adapter::Pypi, lockfile, name, Some(&package.version));
    component.line = line;
    let get = |key: &str| package.source.as_ref().and_then(|s| s.get(key)).and_then(Value::as_str);
    let url = get("url").unwrap_or_default().to_owned();
    match get("type") {
        Some("git") => {
            let commit = get("resolved_reference").unwrap_or_default().to_owned();
            if commit.len() != 40 {
                let what = format!("`{name}` is from git and not at a commit");
                let expected = "`resolved_reference` with 40 hexadecimal digits";
                loose.add(Problem::new(lockfile, what, expected, &commit, POETRY).at(line));
            }
            component.origin = Origin::Git { url, commit };
            return component;
        }
        Some("directory" | "file") => {
            component.origin = Origin::Path(url);
            return component;
        }
        Some("url") => component.origin = Origin::Url(url),
        _ => component.origin = Origin::Registry(get("url").map(str::to_owned)),
    }
    let old: Vec<(String, String)> = metadata
        .get("files")
        .and_then(|f| f.get(name))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|f| Some((f.get("file")?.as_str()?.to_owned(), f.get("hash")?.as_str()?.to_owned())))
        .collect();
    let files = package.files.iter().map(|f| (f.file.clone(), f.hash.clone())).chain(old);
    for (file, hash) in files {
        if let Some(sum) = Checksum::named(&hash) {
            component.files.push(LockedFile { ends: vec![format!("/{file}")], accepted: vec![sum] });
        }
    }
    if component.files.is_empty() {
        let what = format!("`{name}` has no hash");
        loose.add(Problem::new(lockfile, what, "`files` with a sha256 each", "none", POETRY).at(line));
    }
    component
}

#[derive(Deserialize)]
struct Pipfile {
    #[serde(default)]
    default: BTreeMap<String, Piped>,
    #[serde(default)]
    develop: BTreeMap<String, Piped>,
}

#[derive(Deserialize)]
struct Piped {
    version: Option<String>,
    #[serde(default)]
    hashes: Vec<String>,
    git: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    path: Option<String>,
    file: Option<String>,
}

/// Reads `Pipfile.lock`. It has no edges.
pub(super) fn pipfile(
    files: &Files<'_>,
    found: &Found,
    lockfile: &RelPath,
    text: &str,
) -> Result<Vec<Component>, EcosystemError> {
    let lock: Pipfile = json(lockfile, text, PIPENV)?;
    let asked: Table = files
        .at(&found.dir, "Pipfile")
        .and_then(|path| toml::from_str(&files.glance(&path)).ok())
        .unwrap_or_default();
    let mut loose = Tally::default();
    let mut stale = Tally::default();
    let mut list = Vec::new();
    let tables = [("packages", &lock.default, Scope::Runtime), ("dev-packages", &lock.develop, Scope::Dev)];
    for (table, entries, scope) in tables {
        let names = asked.get(table).and_then(Value::as_table).into_iter().flat_map(Table::keys);
        let names: Vec<String> = names.map(|n| python_name(n)).collect();
        for name in &names {
            if !entries.keys().any(|n| python_name(n) == *name) {
                let expected = format!("an entry for `{name}`, as `{table}` in Pipfile says");
                stale.add(Problem::new(lockfile, "is not up to date", expected, "none", PIPENV));
            }
        }
        for (name, entry) in entries {
            let version = entry.version.as_deref().map(|v| v.trim_start_matches('='));
            let mut component = Component::new(Adapter::Pypi, lockfile, name, version);
            component.line = line_of(text, &format!("\"{name}\": {{"));
            component.scope = scope;
            component.direct = names.contains(&python_name(name));
            if let Some(url) = &entry.git {
                let commit = entry.reference.clone().unwrap_or_default();
                if commit.len() != 40 {
                    let what = format!("`{name}` is from git and not at a commit");
                    let expected = "`ref` with 40 hexadecimal digits";
                    loose.add(Problem::new(lockfile, what, expected, &commit, PIPENV).at(component.line));
                }
                component.origin = Origin::Git { url: url.clone(), commit };
            } else if let Some(path) = &entry.path {
                component.origin = Origin::Path(path.clone());
            } else {
                component.origin = entry.file.clone().map_or(Origin::Registry(None), Origin::Url);
                let accepted: Vec<Checksum> =
                    entry.hashes.iter().filter_map(|h| Checksum::named(h)).collect();
                if accepted.is_empty() {
                    let what = format!("`{name}` has no hash");
                    loose.add(Problem::new(lockfile, what, "`hashes`", "none", PIPENV).at(component.line));
                }
                component.files.push(LockedFile { ends: Vec::new(), accepted });
            }
            list.push(component);
        }
    }
    stale.finish(EcosystemError::Stale)?;
    loose.finish(EcosystemError::Loose)?;
    Ok(list)
}

/// Scopes spread along the edges; those that are marked are the project's own and pass nothing on.
pub(super) fn spread(list: &mut [Component], mut work: Vec<(usize, Scope)>, own: &[bool]) {
    let mut best: Vec<Option<Scope>> = vec![None; list.len()];
    while let Some((at, scope)) = work.pop() {
        if best[at].is_some_and(|known| known <= scope) {
            continue;
        }
        best[at] = Some(scope);
        if !own.get(at).copied().unwrap_or(false) {
            work.extend(list[at].depends.iter().map(|next| (*next, scope)));
        }
    }
    for (component, scope) in list.iter_mut().zip(best) {
        component.scope = scope.unwrap_or(Scope::Runtime);
    }
}
