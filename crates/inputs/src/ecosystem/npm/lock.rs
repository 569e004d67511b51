//! `package-lock.json` and `npm-shrinkwrap.json`, versions 1 ([`super::first`]) to 3.
//!
//! Entries are places: `node_modules/a/node_modules/b` is the `b` that `a` sees. A dependency is found as Node finds it:
//! in the own `node_modules`, then in that of each folder above.

use std::collections::{BTreeMap, HashMap};

use model::RelPath;
use serde::Deserialize;

use super::first::{self, Package};
use super::{Asked, path_of, tarball};
use crate::ecosystem::error::Tally;
use crate::ecosystem::place::{json, line_of};
use crate::ecosystem::{Adapter, Checksum, Component, EcosystemError, LockedFile, Origin, Problem, Scope};

const AGAIN: &str = "run `npm install --package-lock-only`, and commit the lockfile";
const WHOLE: &str = "remove the lockfile and `node_modules`, run `npm install --package-lock-only --no-omit-lockfile-registry-resolved`, \
                     and review what changed: npm does not complete a lockfile that lacks hashes";

#[derive(Deserialize)]
struct Lock {
    #[serde(default, rename = "lockfileVersion")]
    version: u64,
    #[serde(default)]
    packages: BTreeMap<String, Entry>,
    /// The tree of version 1; version 2 has both.
    #[serde(default)]
    dependencies: BTreeMap<String, Package>,
}

/// What lies at one place.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) resolved: Option<serde_json::Value>,
    pub(super) integrity: Option<String>,
    pub(super) license: Option<serde_json::Value>,
    pub(super) dev: bool,
    pub(super) optional: bool,
    pub(super) dev_optional: bool,
    pub(super) link: bool,
    pub(super) in_bundle: bool,
    /// A list in very old packages.
    pub(super) engines: Option<serde_json::Value>,
    pub(super) dependencies: BTreeMap<String, String>,
    pub(super) dev_dependencies: BTreeMap<String, String>,
    pub(super) optional_dependencies: BTreeMap<String, String>,
    pub(super) peer_dependencies: BTreeMap<String, String>,
}

impl Entry {
    fn resolved(&self) -> Option<&str> {
        self.resolved.as_ref().and_then(|r| r.as_str())
    }

    fn asked(&self) -> Asked {
        let tables = [
            ("dependencies", &self.dependencies),
            ("devDependencies", &self.dev_dependencies),
            ("optionalDependencies", &self.optional_dependencies),
            ("peerDependencies", &self.peer_dependencies),
        ];
        let each = |(table, list): (&'static str, &BTreeMap<String, String>)| {
            list.iter().map(move |(name, spec)| ((table, name.clone()), spec.clone())).collect::<Vec<_>>()
        };
        tables.into_iter().flat_map(each).collect()
    }
}

/// Which Node each package asks for, of those that every installation has.
pub(super) fn engines(text: &str) -> Vec<(String, String)> {
    let packages = serde_json::from_str(text).map_or_else(|_| BTreeMap::new(), |lock: Lock| lock.packages);
    let installed =
        packages.into_iter().filter(|(place, entry)| !place.is_empty() && !entry.optional && !entry.link);
    let asks = |(place, entry): (String, Entry)| {
        let range = entry.engines?.get("node")?.as_str()?.to_owned();
        Some((place.rsplit("node_modules/").next().unwrap_or(&place).to_owned(), range))
    };
    installed.filter_map(asks).collect()
}

pub(super) fn components(
    lockfile: &RelPath,
    text: &str,
    manifests: &[(RelPath, Asked)],
) -> Result<Vec<Component>, EcosystemError> {
    let mut lock: Lock = json(lockfile, text, AGAIN)?;
    if !matches!(lock.version, 1..=3) {
        let found = if lock.version == 0 { "none".to_owned() } else { format!("version {}", lock.version) };
        let fix = "run `npm install --package-lock-only --lockfile-version 3` with npm 7 or later";
        let line = line_of(text, "\"lockfileVersion\"");
        return Err(Problem::form(lockfile, line, "`lockfileVersion` 1 to 3", found, fix));
    }
    let lines = if lock.version == 1 {
        let nothing = Asked::new();
        let asked = manifests.first().map_or(&nothing, |(_, asked)| asked);
        lock.packages = first::places(std::mem::take(&mut lock.dependencies), asked);
        first::lines(text)
    } else {
        lines(text)
    };
    compare(lockfile, text, &lock, manifests)?;
    let mut loose = Tally::default();
    let mut list = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, entry) in &lock.packages {
        if place.is_empty() || entry.link {
            continue;
        }
        let line = lines.get(place.as_str()).copied().unwrap_or(0);
        places.insert(place, list.len());
        list.push(component(lockfile, place, entry, line, &mut loose));
    }
    loose.finish(EcosystemError::Loose)?;
    for (place, entry) in &lock.packages {
        let lists = [
            &entry.dependencies,
            &entry.optional_dependencies,
            &entry.peer_dependencies,
            &entry.dev_dependencies,
        ];
        // Of what is installed, what only its own developers need is not.
        let lists = if place.contains("node_modules/") { &lists[..3] } else { &lists[..] };
        let targets =
            lists.iter().flat_map(|l| l.keys()).filter_map(|name| find(&lock, &places, place, name));
        let targets: Vec<usize> = targets.collect();
        if place.is_empty() {
            targets.iter().for_each(|at| list[*at].direct = true);
        } else if let Some(own) = places.get(place.as_str()) {
            if !place.contains("node_modules/") {
                targets.iter().for_each(|at| list[*at].direct = true);
            }
            list[*own].depends = targets;
            list[*own].depends.sort_unstable();
            list[*own].depends.dedup();
        }
    }
    Ok(list)
}

/// The lines on which the entries begin.
fn lines(text: &str) -> HashMap<String, usize> {
    let key = |line: &str| serde_json::from_str::<String>(line.trim().strip_suffix(": {")?).ok();
    (1..).zip(text.lines()).filter_map(|(number, line)| Some((key(line)?, number))).collect()
}

fn component(lockfile: &RelPath, place: &str, entry: &Entry, line: usize, loose: &mut Tally) -> Component {
    let in_modules = place.rsplit_once("node_modules/").map(|(_, name)| name);
    // An alias keeps the name of what it stands for.
    let name =
        entry.name.as_deref().or(in_modules).unwrap_or_else(|| place.rsplit('/').next().unwrap_or(place));
    let mut component = Component::new(Adapter::Npm, lockfile, name, entry.version.as_deref());
    component.line = line;
    component.scope = match entry {
        Entry { dev: true, .. } => Scope::Dev,
        Entry { optional: true, .. } | Entry { dev_optional: true, .. } => Scope::Optional,
        _ => Scope::Runtime,
    };
    component.licence = entry.license.as_ref().and_then(|l| l.as_str()).map(str::to_owned);
    if in_modules.is_none() {
        component.origin = Origin::Path(place.to_owned());
        return component;
    }
    let resolved = entry.resolved().unwrap_or_default();
    let version = entry.version.as_deref().unwrap_or_default();
    let end = tarball(name, version);
    let is_git = ["git+", "git:", "git@"].iter().any(|p| resolved.starts_with(p));
    let fault = |what: &str, expected: &str, found: &str| {
        Problem::new(lockfile, format!("`{name}` {version} {what}"), expected, found, WHOLE).at(line)
    };
    if entry.in_bundle {
        // It comes inside the tarball of the package that it lies below.
        component.origin = Origin::Path(place.to_owned());
        return component;
    }
    if is_git {
        let (url, commit) = resolved.rsplit_once('#').unwrap_or((resolved, ""));
        if commit.len() != 40 || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            loose.add(fault("is from git and not at a commit", "`#` and 40 hexadecimal digits", resolved));
        }
        component.origin = Origin::Git { url: url.to_owned(), commit: commit.to_owned() };
        return component;
    }
    if let Some(path) = resolved.strip_prefix("file:") {
        component.origin = Origin::Path(path.to_owned());
        return component;
    }
    let path = path_of(resolved);
    component.origin = match path {
        None => Origin::Registry(None),
        Some(path) if path.ends_with(&end) => {
            let base = resolved.split(['?', '#']).next().and_then(|r| r.strip_suffix(&end));
            Origin::Registry(base.map(str::to_owned))
        }
        Some(_) => Origin::Url(resolved.to_owned()),
    };
    match entry.integrity.as_deref().map(|text| (text, Checksum::integrity(text))) {
        Some((_, Some(sum))) => {
            let ends = if let Origin::Url(_) = component.origin { path.unwrap_or_default() } else { &end };
            component.files.push(LockedFile { ends: vec![ends.to_owned()], accepted: vec![sum] });
        }
        Some((text, None)) => {
            loose.add(fault("has no hash that can be used", "`integrity` with a SHA-512", text));
        }
        None => loose.add(fault("has no hash", "`integrity` with a SHA-512", "none")),
    }
    component
}

/// What a package at `place` gets when it asks for `name`; through a link, the folder that is linked.
fn find(lock: &Lock, places: &HashMap<&str, usize>, place: &str, name: &str) -> Option<usize> {
    let mut at = place;
    loop {
        let candidate =
            if at.is_empty() { format!("node_modules/{name}") } else { format!("{at}/node_modules/{name}") };
        if let Some(entry) = lock.packages.get(&candidate) {
            let target = entry.resolved().filter(|_| entry.link).unwrap_or(&candidate);
            return places.get(target).copied();
        }
        at = match at.rsplit_once("/node_modules/") {
            _ if at.is_empty() => return None,
            Some((above, _)) => above,
            // The folder of a workspace sees the root's.
            None => "",
        };
    }
}

/// The lock repeats what each manifest asked for when it was made.
fn compare(
    lockfile: &RelPath,
    text: &str,
    lock: &Lock,
    manifests: &[(RelPath, Asked)],
) -> Result<(), EcosystemError> {
    let mut stale = Tally::default();
    let line = line_of(text, "\"packages\"");
    for (dir, asked) in manifests {
        let place = if dir.is_root() { "" } else { dir.as_str() };
        let manifest = dir.join(&"package.json".parse().expect("a plain name"));
        let Some(entry) = lock.packages.get(place) else {
            let expected = format!("an entry for {manifest}");
            stale.add(Problem::new(lockfile, "is not up to date", expected, "none", AGAIN).at(line));
            continue;
        };
        let locked = entry.asked();
        let differs = asked.iter().find(|(key, spec)| locked.get(key) != Some(spec));
        if let Some(((table, name), spec)) = differs {
            let expected = format!("`{name}` {spec}, as `{table}` in {manifest} says");
            let found = locked.get(&(*table, name.clone())).map_or("none", String::as_str);
            stale.add(Problem::new(lockfile, "is not up to date", expected, found, AGAIN).at(line));
        } else if let Some(((table, name), spec)) = locked.iter().find(|(key, _)| !asked.contains_key(key)) {
            let expected = format!("nothing called `{name}`, for `{table}` in {manifest} does not have it");
            stale.add(Problem::new(lockfile, "is not up to date", expected, spec, AGAIN).at(line));
        }
    }
    stale.finish(EcosystemError::Stale)
}
