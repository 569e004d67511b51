//! `Cargo.lock`, versions 1 to 4.

use std::collections::{BTreeMap, HashMap};

use model::RelPath;
use serde::Deserialize;
use toml::Spanned;

use super::Workspace;
use super::manifest::{Kind, Manifest};
use crate::ecosystem::error::Tally;
use crate::ecosystem::place::{line_at, line_of, toml};
use crate::ecosystem::{
    Adapter, Algorithm, Checksum, Component, EcosystemError, Files, Found, LockedFile, Origin, Problem, Scope,
};

const AGAIN: &str = "run `cargo generate-lockfile`, or `cargo update --workspace` to keep the versions";
const FIX: &str = "run `cargo update --workspace`, and commit Cargo.lock";

#[derive(Deserialize)]
struct Lock {
    version: Option<u32>,
    #[serde(default)]
    package: Vec<Package>,
    /// Version 1 has the checksums here, and the root package apart.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    root: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: Spanned<String>,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let Some(lockfile) = &found.lockfile else {
        return Err(Problem::no_lockfile(&found.manifest, "Cargo.lock", "cargo generate-lockfile"));
    };
    let text = files.text(lockfile)?;
    let mut lock: Lock = toml(lockfile, &text, AGAIN)?;
    if let Some(version) = lock.version.filter(|v| *v > 4) {
        let found = format!("version {version}");
        let line = line_of(&text, "version");
        return Err(Problem::form(lockfile, line, "version 1, 2, 3 or 4", found, "use a newer selfsame"));
    }
    lock.package.extend(lock.root.take());
    let mut list = Vec::new();
    let mut loose = Tally::default();
    for package in &lock.package {
        list.push(component(lockfile, &text, package, &lock.metadata, &mut loose));
    }
    loose.finish(EcosystemError::Loose)?;
    edges(&lock.package, &mut list);
    let workspace = Workspace::read(files, &found.dir);
    let members = workspace.map_or_else(Vec::new, |w| w.members);
    compare(&members, lockfile, &list)?;
    scopes(&members, &mut list);
    Ok(list)
}

fn component(
    lockfile: &RelPath,
    text: &str,
    package: &Package,
    metadata: &BTreeMap<String, String>,
    loose: &mut Tally,
) -> Component {
    let name = package.name.get_ref();
    let line = line_at(text, package.name.span().start);
    let version = &package.version;
    let mut component = Component::new(Adapter::Cargo, lockfile, name, Some(version));
    component.line = line;
    let Some(source) = &package.source else {
        component.origin = Origin::Path(String::new());
        return component;
    };
    if let Some(git) = source.strip_prefix("git+") {
        let (url, commit) = git.rsplit_once('#').unwrap_or((git, ""));
        let url = url.split('?').next().unwrap_or_default().to_owned();
        component.origin = Origin::Git { url, commit: commit.to_owned() };
        if !is_commit(commit) {
            let what = format!("`{name}` {version} is from git and not at a commit");
            loose.add(Problem::new(lockfile, what, "`#` and 40 hexadecimal digits", source, AGAIN).at(line));
        }
        return component;
    }
    let base = source.strip_prefix("registry+").or_else(|| source.strip_prefix("sparse+"));
    component.origin = Origin::Registry(base.map(str::to_owned));
    let old = || metadata.get(&format!("checksum {name} {version} ({source})"));
    let checksum = package.checksum.as_ref().or_else(old);
    match checksum.and_then(|hex| Checksum::hex(Algorithm::Sha256, hex)) {
        Some(sum) => component.files.push(LockedFile {
            ends: vec![format!("/{name}-{version}.crate"), format!("/{name}/{version}/download")],
            accepted: vec![sum],
        }),
        None => {
            let what = format!("`{name}` {version} has no checksum that can be used");
            let found = checksum.map_or("none", String::as_str);
            loose.add(Problem::new(lockfile, what, "a SHA-256 in `checksum`", found, AGAIN).at(line));
        }
    }
    component
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `dependencies` say as much as makes them unique: a name, a version, a source.
fn edges(packages: &[Package], list: &mut [Component]) {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, package) in packages.iter().enumerate() {
        by_name.entry(package.name.get_ref()).or_default().push(at);
    }
    for (component, package) in list.iter_mut().zip(packages) {
        for dependency in &package.dependencies {
            let mut words = dependency.split(' ');
            let name = words.next().unwrap_or_default();
            let version = words.next();
            let source = words.next().map(|s| s.trim_matches(['(', ')']));
            let fits = |at: &&usize| {
                let other = &packages[**at];
                version.is_none_or(|v| other.version == v)
                    && source.is_none_or(|s| other.source.as_deref().is_some_and(|o| o.starts_with(s)))
            };
            component.depends.extend(by_name.get(name).and_then(|list| list.iter().find(fits)));
        }
        component.depends.sort_unstable();
        component.depends.dedup();
    }
}

/// What the manifests ask for must be in the lock, in a version that they allow.
fn compare(members: &[Manifest], lockfile: &RelPath, list: &[Component]) -> Result<(), EcosystemError> {
    let mut stale = Tally::default();
    for member in members {
        let (Some(name), Some(version)) = (&member.name, &member.version) else { continue };
        let own = list
            .iter()
            .find(|c| c.name == *name && c.files.is_empty() && matches!(c.origin, Origin::Path(_)));
        let Some(own) = own else {
            let expected = format!("an entry for `{name}` of {}", member.file);
            stale.add(Problem::new(lockfile, "is not up to date", expected, "none", FIX));
            continue;
        };
        if own.version.as_ref() != Some(version) {
            let expected = format!("`{name}` {version}, as {} says", member.file);
            let found = own.version.clone().unwrap_or_default();
            stale.add(Problem::new(lockfile, "is not up to date", expected, found, FIX).at(own.line));
        }
        for dependency in &member.depends {
            let versions: Vec<&str> = own
                .depends
                .iter()
                .map(|at| &list[*at])
                .filter(|c| c.name == dependency.name)
                .filter_map(|c| c.version.as_deref())
                .collect();
            let wanted = dependency.version.as_deref();
            let requirement = wanted.and_then(|v| semver::VersionReq::parse(v).ok());
            let allowed = |version: &&str| match (&requirement, semver::Version::parse(version)) {
                (Some(requirement), Ok(version)) => requirement.matches(&version),
                _ => true,
            };
            if versions.iter().any(allowed) {
                continue;
            }
            let expected =
                format!("`{}` {} for {}", dependency.name, wanted.unwrap_or("(any version)"), member.file);
            let found = if versions.is_empty() { "none".to_owned() } else { versions.join(", ") };
            stale.add(Problem::new(lockfile, "is not up to date", expected, found, FIX).at(own.line));
        }
    }
    stale.finish(EcosystemError::Stale)
}

/// Scopes spread from the members' own dependencies; what only development asks for is last.
fn scopes(members: &[Manifest], list: &mut [Component]) {
    let mut best: Vec<Option<Scope>> = vec![None; list.len()];
    let mut work: Vec<(usize, Scope)> = Vec::new();
    for member in members {
        let is_own =
            |c: &Component| Some(&c.name) == member.name.as_ref() && matches!(c.origin, Origin::Path(_));
        let Some(own) = list.iter().position(is_own) else { continue };
        best[own] = Some(Scope::Runtime);
        for at in list[own].depends.clone() {
            list[at].direct = true;
            let asked = member.depends.iter().filter(|d| d.name == list[at].name);
            let scope = asked.map(|d| match d.kind {
                Kind::Normal if d.optional => Scope::Optional,
                Kind::Normal => Scope::Runtime,
                Kind::Build => Scope::Build,
                Kind::Dev => Scope::Dev,
            });
            work.push((at, scope.min().unwrap_or(Scope::Runtime)));
        }
    }
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
