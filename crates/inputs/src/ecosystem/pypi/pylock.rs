//! `pylock.toml`, PEP 751, version 1.

use std::collections::HashMap;

use model::RelPath;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use crate::ecosystem::error::Tally;
use crate::ecosystem::place::{line_at, line_of, toml};
use crate::ecosystem::{
    Adapter, Algorithm, Checksum, Component, EcosystemError, LockedFile, Origin, Problem,
};

const AGAIN: &str = "run `pip lock -o pylock.toml .` or `uv export --format pylock.toml`";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lock {
    lock_version: String,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: Spanned<String>,
    version: Option<String>,
    index: Option<String>,
    vcs: Option<Table>,
    directory: Option<Table>,
    archive: Option<File>,
    sdist: Option<File>,
    #[serde(default)]
    wheels: Vec<File>,
    #[serde(default)]
    dependencies: Vec<Table>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    #[serde(default)]
    hashes: Table,
}

pub(super) fn components(lockfile: &RelPath, text: &str) -> Result<Vec<Component>, EcosystemError> {
    let lock: Lock = toml(lockfile, text, AGAIN)?;
    if lock.lock_version.split('.').next() != Some("1") {
        let line = line_of(text, "lock-version");
        return Err(Problem::form(
            lockfile,
            line,
            "`lock-version` 1",
            lock.lock_version,
            "use a newer selfsame",
        ));
    }
    let mut loose = Tally::default();
    let mut list: Vec<Component> =
        lock.packages.iter().map(|package| component(lockfile, text, package, &mut loose)).collect();
    loose.finish(EcosystemError::Loose)?;
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, package) in lock.packages.iter().enumerate() {
        places.entry(package.name.get_ref()).or_default().push(at);
    }
    for (component, package) in list.iter_mut().zip(&lock.packages) {
        for dependency in &package.dependencies {
            let text = |key: &str| dependency.get(key).and_then(Value::as_str);
            let same = |at: &&usize| {
                text("version").is_none_or(|v| lock.packages[**at].version.as_deref() == Some(v))
            };
            let all = text("name").and_then(|name| places.get(name));
            component.depends.extend(all.and_then(|all| all.iter().find(same)));
        }
        component.depends.sort_unstable();
        component.depends.dedup();
    }
    Ok(list)
}

fn component(lockfile: &RelPath, text: &str, package: &Package, loose: &mut Tally) -> Component {
    let name = package.name.get_ref();
    let line = line_at(text, package.name.span().start);
    let mut component = Component::new(Adapter::Pypi, lockfile, name, package.version.as_deref());
    component.line = line;
    let fault = |what: &str, expected: &str, found: &str| {
        Problem::new(lockfile, format!("`{name}` {what}"), expected, found, AGAIN).at(line)
    };
    if let Some(directory) = &package.directory {
        let path = directory.get("path").and_then(Value::as_str).unwrap_or_default();
        component.origin = Origin::Path(path.to_owned());
        return component;
    }
    if let Some(vcs) = &package.vcs {
        let get = |key: &str| vcs.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let commit = get("commit-id");
        if commit.len() != 40 {
            loose.add(fault(
                "is from git and not at a commit",
                "`commit-id` with 40 hexadecimal digits",
                &commit,
            ));
        }
        component.origin = Origin::Git { url: get("url"), commit };
        return component;
    }
    component.origin = match &package.archive {
        Some(archive) => {
            Origin::Url(archive.url.clone().or_else(|| archive.path.clone()).unwrap_or_default())
        }
        None => Origin::Registry(package.index.clone()),
    };
    for file in package.archive.iter().chain(&package.sdist).chain(&package.wheels) {
        let place =
            file.name.as_ref().or(file.url.as_ref()).or(file.path.as_ref()).map_or("", String::as_str);
        let last = place.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).unwrap_or_default();
        let sums =
            [("sha256", Algorithm::Sha256), ("sha384", Algorithm::Sha384), ("sha512", Algorithm::Sha512)];
        let of =
            |(key, algorithm): (&str, Algorithm)| Checksum::hex(algorithm, file.hashes.get(key)?.as_str()?);
        let accepted: Vec<Checksum> = sums.into_iter().filter_map(of).collect();
        if accepted.is_empty() {
            loose.add(fault("has a file without hash", "`hashes` with sha256", place));
        }
        component.files.push(LockedFile { ends: vec![format!("/{last}")], accepted });
    }
    if component.files.is_empty() {
        loose.add(fault("has no file", "an `sdist`, `wheels` or `archive`", "none"));
    }
    component
}
