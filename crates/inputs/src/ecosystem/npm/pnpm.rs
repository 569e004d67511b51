//! `pnpm-lock.yaml`, versions 5, 6 and 9.
//!
//! Version 5 has one table, with keys `/name/version_peers`, and what was asked for in `specifiers`. Version 6 has keys
//! `/name@version(peer@version)`. Version 9 has what is fetched in `packages` and who needs whom in `snapshots`. One package
//! in several surroundings of peers is one component here.

use std::collections::HashMap;

use model::RelPath;

use super::{Asked, linked, path_of, tarball};
use crate::ecosystem::error::Tally;
use crate::ecosystem::yaml::{self, Yaml};
use crate::ecosystem::{Adapter, Checksum, Component, EcosystemError, LockedFile, Origin, Problem, Scope};

const AGAIN: &str = "run `pnpm install --lockfile-only`, and commit pnpm-lock.yaml";

pub(super) fn components(
    lockfile: &RelPath,
    text: &str,
    manifests: &[(RelPath, Asked)],
) -> Result<Vec<Component>, EcosystemError> {
    let lock = yaml::parse(lockfile, text, AGAIN)?;
    let version = lock.get("lockfileVersion");
    let said = version.text().unwrap_or("none");
    let Some(keys) = Keys::of(said) else {
        let fix = "run `pnpm install --lockfile-only` with pnpm 6 or later";
        return Err(Problem::form(lockfile, version.line, "`lockfileVersion` 5, 6 or 9", said, fix));
    };
    compare(lockfile, &lock, manifests)?;
    let mut list: Vec<Component> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut loose = Tally::default();
    for (key, entry) in lock.get("packages").entries() {
        let id = keys.plain(key);
        let Some((name, version)) = split(&id) else { continue };
        if places.contains_key(&id) {
            continue;
        }
        places.insert(id.clone(), list.len());
        list.push(component(lockfile, name, version, entry, &mut loose));
    }
    loose.finish(EcosystemError::Loose)?;
    for table in ["packages", "snapshots"] {
        for (key, entry) in lock.get(table).entries() {
            let Some(own) = places.get(&keys.plain(key)).copied() else { continue };
            for kind in ["dependencies", "optionalDependencies"] {
                let targets =
                    entry.get(kind).entries().filter_map(|(n, v)| target(keys, &places, n, v.text()?));
                list[own].depends.extend(targets);
            }
        }
    }
    for component in &mut list {
        component.depends.sort_unstable();
        component.depends.dedup();
    }
    scopes(keys, &lock, &places, &mut list);
    Ok(list)
}

/// Which Node each package asks for, of those that every installation has.
pub(super) fn engines(file: &RelPath, text: &str) -> Vec<(String, String)> {
    let Ok(lock) = yaml::parse(file, text, "") else { return Vec::new() };
    let said = lock.get("lockfileVersion").text().unwrap_or_default();
    let Some(keys) = Keys::of(said) else { return Vec::new() };
    let asks = |(key, entry): (&str, &Yaml)| {
        let always = entry.get("optional").text() != Some("true");
        let range = entry.get("engines").get("node").text().filter(|_| always)?;
        Some((split(&keys.plain(key))?.0.to_owned(), range.to_owned()))
    };
    lock.get("packages").entries().filter_map(asks).collect()
}

/// How packages are called in a lockfile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// `/name/version_peers`
    Slash,
    /// `/name@version(peer@version)`, later without the `/`.
    At,
}

impl Keys {
    fn of(version: &str) -> Option<Self> {
        match version.split('.').next()? {
            "5" => Some(Self::Slash),
            "6" | "9" => Some(Self::At),
            _ => None,
        }
    }

    /// `name@version`: without `/` in front and peers behind.
    fn plain(self, key: &str) -> String {
        let key = key.trim_start_matches('/');
        if self == Self::At {
            return key.split('(').next().unwrap_or_default().to_owned();
        }
        match key.rsplit_once('/') {
            Some((name, version)) => format!("{name}@{}", version.split('_').next().unwrap_or_default()),
            None => key.split('_').next().unwrap_or_default().to_owned(),
        }
    }
}

fn split(id: &str) -> Option<(&str, &str)> {
    let at = id.get(1..)?.find('@')? + 1;
    Some((&id[..at], &id[at + 1..]))
}

/// What a dependency's version means: a version, or the whole id of what an alias stands for.
fn target(keys: Keys, places: &HashMap<String, usize>, name: &str, version: &str) -> Option<usize> {
    let version = keys.plain(version);
    places.get(&format!("{name}@{version}")).or_else(|| places.get(&version)).copied()
}

fn component(lockfile: &RelPath, name: &str, version: &str, entry: &Yaml, loose: &mut Tally) -> Component {
    let real = entry.get("version").text().unwrap_or(version);
    let mut component = Component::new(Adapter::Npm, lockfile, name, Some(real));
    component.line = entry.line.saturating_sub(1);
    let resolution = entry.get("resolution");
    let url = resolution.get("tarball").text();
    if let (Some(repo), Some(commit)) = (resolution.get("repo").text(), resolution.get("commit").text()) {
        component.origin = Origin::Git { url: repo.to_owned(), commit: commit.to_owned() };
        return component;
    }
    if let Some(folder) = resolution.get("directory").text() {
        component.origin = Origin::Path(folder.to_owned());
        return component;
    }
    let path = url.and_then(path_of);
    let end = path.map_or_else(|| tarball(name, real), str::to_owned);
    component.origin = url.map_or(Origin::Registry(None), |url| Origin::Url(url.to_owned()));
    match resolution.get("integrity").text().and_then(Checksum::integrity) {
        Some(sum) => component.files.push(LockedFile { ends: vec![end], accepted: vec![sum] }),
        None => {
            let what = format!("`{name}` {version} has no hash");
            let found = resolution.get("integrity").text().unwrap_or("none");
            let fix = "ask for a release of a registry; a tarball by URL is pinned by the recording alone";
            loose.add(
                Problem::new(lockfile, what, "`integrity` with a SHA-512", found, fix).at(component.line),
            );
        }
    }
    component
}

/// The tables of dependencies of each folder; one of before version 9 for one folder has them at the top.
fn importers(lock: &Yaml) -> Vec<(RelPath, &Yaml)> {
    let list: Vec<(RelPath, &Yaml)> =
        lock.get("importers").entries().filter_map(|(dir, value)| Some((dir.parse().ok()?, value))).collect();
    if list.is_empty() { vec![(RelPath::root(), lock)] } else { list }
}

const TABLES: &[(&str, Scope)] = &[
    ("dependencies", Scope::Runtime),
    ("optionalDependencies", Scope::Optional),
    ("devDependencies", Scope::Dev),
];

fn scopes(keys: Keys, lock: &Yaml, places: &HashMap<String, usize>, list: &mut [Component]) {
    let mut work: Vec<(usize, Scope)> = Vec::new();
    for (_, importer) in importers(lock) {
        for (table, scope) in TABLES {
            for (name, entry) in importer.get(table).entries() {
                let version = entry.get("version").text().or(entry.text()).unwrap_or_default();
                let Some(at) = target(keys, places, name, version) else { continue };
                list[at].direct = true;
                work.push((at, *scope));
            }
        }
    }
    let mut best: Vec<Option<Scope>> = vec![None; list.len()];
    while let Some((at, scope)) = work.pop() {
        if best[at].is_some_and(|known| known <= scope) {
            continue;
        }
        best[at] = Some(scope);
        work.extend(list[at].depends.iter().map(|next| (*next, scope)));
    }
    for (component, scope) in list.iter_mut().zip(best) {
        component.scope = scope.unwrap_or(Scope::Runtime);
    }
}

/// `specifier` repeats what each manifest asked for.
fn compare(lockfile: &RelPath, lock: &Yaml, manifests: &[(RelPath, Asked)]) -> Result<(), EcosystemError> {
    let importers = importers(lock);
    let mut stale = Tally::default();
    for (dir, asked) in manifests {
        let manifest = dir.join(&"package.json".parse().expect("a plain name"));
        let Some((_, importer)) = importers.iter().find(|(d, _)| d == dir) else {
            let expected = format!("an importer for {manifest}");
            stale.add(Problem::new(lockfile, "is not up to date", expected, "none", AGAIN));
            continue;
        };
        for ((table, name), spec) in asked.iter().filter(|((t, _), _)| *t != "peerDependencies") {
            // A folder that is linked need not be locked.
            if linked(dir, spec).is_some() || spec.starts_with("workspace:") || spec.starts_with("catalog:") {
                continue;
            }
            let entry = TABLES.iter().map(|(t, _)| importer.get(t).get(name)).find(|e| e.line > 0);
            // Version 5 has them all in a table beside.
            let beside = Some(importer.get("specifiers").get(name)).filter(|s| s.line > 0);
            let locked = beside.or_else(|| entry.map(|e| e.get("specifier")));
            if locked.is_none_or(|s| s.text().is_some_and(|s| s != spec)) {
                let expected = format!("`{name}` {spec}, as `{table}` in {manifest} says");
                let found = locked.and_then(Yaml::text).unwrap_or("none");
                let line = locked.map_or(importer.line, |s| s.line);
                stale.add(Problem::new(lockfile, "is not up to date", expected, found, AGAIN).at(line));
            }
        }
    }
    stale.finish(EcosystemError::Stale)
}
