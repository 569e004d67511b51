//! `yarn.lock` of yarn 1, a format of its own, and of later ones, which is YAML.
//!
//! Each entry has as its key all the requests that it answers: `name@range, name@range`.

use std::collections::HashMap;

use model::RelPath;

use super::{Asked, path_of, tarball};
use crate::ecosystem::error::Tally;
use crate::ecosystem::yaml;
use crate::ecosystem::{
    Adapter, Algorithm, Checksum, Component, EcosystemError, LockedFile, Origin, Problem, Scope,
};

const AGAIN: &str = "run `yarn install`, and commit yarn.lock";

/// An entry, whichever yarn wrote it.
#[derive(Default)]
struct Entry {
    line: usize,
    requests: Vec<String>,
    version: String,
    resolved: String,
    integrity: Option<String>,
    checksum: Option<String>,
    depends: Vec<(String, String)>,
    is_link: bool,
}

/// Reads the lock of yarn 1.
pub(super) fn classic(
    lockfile: &RelPath,
    text: &str,
    manifests: &[(RelPath, Asked)],
) -> Result<Vec<Component>, EcosystemError> {
    let entries = parse_classic(lockfile, text)?;
    let mut loose = Tally::default();
    let mut list = Vec::new();
    for entry in &entries {
        let Some(name) = entry.requests.first().and_then(|r| split(r)).map(|(n, spec)| real_name(n, spec))
        else {
            let found = entry.requests.join(", ");
            return Err(Problem::form(lockfile, entry.line, "`name@range`", found, AGAIN));
        };
        let mut component = Component::new(Adapter::Npm, lockfile, &name, Some(&entry.version));
        component.line = entry.line;
        let (url, fragment) = entry.resolved.split_once('#').unwrap_or((&entry.resolved, ""));
        let end = tarball(&name, &entry.version);
        let mut accepted: Vec<Checksum> =
            entry.integrity.as_deref().and_then(Checksum::integrity).into_iter().collect();
        accepted.extend(Checksum::hex(Algorithm::Sha1, fragment));
        let is_git = url.starts_with("git") || url.ends_with(".git");
        if is_git && fragment.len() == 40 {
            component.origin = Origin::Git { url: url.to_owned(), commit: fragment.to_owned() };
        } else if entry.resolved.is_empty() {
            component.origin = Origin::Path(entry.requests.join(", "));
        } else {
            let path = path_of(url).unwrap_or(&end).to_owned();
            component.origin = match url.strip_suffix(&end) {
                Some(base) => Origin::Registry(Some(base.to_owned())),
                None => Origin::Url(url.to_owned()),
            };
            if accepted.is_empty() {
                let what = format!("`{name}` {} has no hash", entry.version);
                let fix = format!(
                    "remove the entry and run `yarn install`; found in `resolved`: {}",
                    entry.resolved
                );
                loose.add(
                    Problem::new(lockfile, what, "`integrity` with a SHA-512", "none", fix).at(entry.line),
                );
            }
            let ends = if matches!(component.origin, Origin::Registry(_)) { end } else { path };
            component.files.push(LockedFile { ends: vec![ends], accepted });
        }
        list.push(component);
    }
    loose.finish(EcosystemError::Loose)?;
    finish(lockfile, &entries, list, manifests, "")
}

/// Reads the lock of later ones.
pub(super) fn berry(
    lockfile: &RelPath,
    text: &str,
    manifests: &[(RelPath, Asked)],
) -> Result<Vec<Component>, EcosystemError> {
    let lock = yaml::parse(lockfile, text, AGAIN)?;
    let mut entries = Vec::new();
    let mut list = Vec::new();
    for (key, value) in lock.entries().filter(|(key, _)| *key != "__metadata") {
        let field = |name: &str| value.get(name).text().unwrap_or_default().to_owned();
        let entry = Entry {
            line: value.line.saturating_sub(1),
            requests: key.split(", ").map(str::to_owned).collect(),
            version: field("version"),
            resolved: field("resolution"),
            integrity: None,
            checksum: value.get("checksum").text().map(str::to_owned),
            depends: value
                .get("dependencies")
                .entries()
                .filter_map(|(name, spec)| Some((name.to_owned(), spec.text()?.to_owned())))
                .collect(),
            is_link: field("linkType") == "soft",
        };
        let Some((name, source)) = split(&entry.resolved) else {
            return Err(Problem::form(
                lockfile,
                entry.line,
                "`resolution: name@source`",
                entry.resolved,
                AGAIN,
            ));
        };
        let mut component = Component::new(Adapter::Npm, lockfile, name, Some(&entry.version));
        component.line = entry.line;
        component.origin = match source.split_once(':') {
            _ if entry.is_link => Origin::Path(source.to_owned()),
            Some(("npm", _)) => Origin::Registry(None),
            _ => match source.split_once("#commit=") {
                Some((url, commit)) => Origin::Git { url: url.to_owned(), commit: commit.to_owned() },
                None => Origin::Url(source.to_owned()),
            },
        };
        if let (Some(sum), false) = (&entry.checksum, entry.is_link) {
            let hex = sum.rsplit('/').next().unwrap_or_default();
            component.files.push(LockedFile {
                ends: vec![tarball(name, &entry.version)],
                accepted: Checksum::hex(Algorithm::YarnArchive, hex).into_iter().collect(),
            });
        }
        list.push(component);
        entries.push(entry);
    }
    finish(lockfile, &entries, list, manifests, "npm:")
}

/// Edges, scopes and whether the manifests are answered.
fn finish(
    lockfile: &RelPath,
    entries: &[Entry],
    mut list: Vec<Component>,
    manifests: &[(RelPath, Asked)],
    prefix: &str,
) -> Result<Vec<Component>, EcosystemError> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        places.extend(entry.requests.iter().map(|request| (request.as_str(), at)));
    }
    let find = |name: &str, spec: &str| {
        let plain = places.get(format!("{name}@{spec}").as_str());
        plain.or_else(|| places.get(format!("{name}@{prefix}{spec}").as_str())).copied()
    };
    for (component, entry) in list.iter_mut().zip(entries) {
        component.depends = entry.depends.iter().filter_map(|(name, spec)| find(name, spec)).collect();
        component.depends.sort_unstable();
        component.depends.dedup();
    }
    let mut stale = Tally::default();
    let mut work: Vec<(usize, Scope)> = Vec::new();
    for (dir, asked) in manifests {
        for ((table, name), spec) in asked {
            let scope = match *table {
                "devDependencies" => Scope::Dev,
                "optionalDependencies" => Scope::Optional,
                "peerDependencies" => continue,
                _ => Scope::Runtime,
            };
            if let Some(at) = find(name, spec) {
                list[at].direct = true;
                work.push((at, scope));
            } else if spec.starts_with(|c: char| c.is_ascii_digit() || "^~<>=*".contains(c))
                && !is_own(&list, name)
            {
                let manifest = dir.join(&"package.json".parse().expect("a plain name"));
                let expected = format!("an entry for `{name}@{spec}`, as `{table}` in {manifest} says");
                stale.add(Problem::new(lockfile, "is not up to date", expected, "none", AGAIN));
            }
        }
    }
    stale.finish(EcosystemError::Stale)?;
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
    Ok(list)
}

/// Whether it is a folder of the workspace.
fn is_own(list: &[Component], name: &str) -> bool {
    list.iter().any(|c| c.name == name && matches!(c.origin, Origin::Path(_)))
}

/// `@scope/name@range` at its second `@`.
fn split(request: &str) -> Option<(&str, &str)> {
    let at = request.get(1..)?.find('@')? + 1;
    Some((&request[..at], &request[at + 1..]))
}

/// Of an alias, `name@npm:other@range`, the other.
fn real_name(name: &str, spec: &str) -> String {
    let other = spec.strip_prefix("npm:").and_then(split).map(|(other, _)| other);
    other.unwrap_or(name).to_owned()
}

/// The format of yarn 1: blocks of indented `key value`, with quotes where needed.
fn parse_classic(lockfile: &RelPath, text: &str) -> Result<Vec<Entry>, EcosystemError> {
    let unquote = |word: &str| word.trim().trim_matches('"').to_owned();
    let mut entries: Vec<Entry> = Vec::new();
    let mut in_depends = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let depth = line.len() - line.trim_start_matches(' ').len();
        let wrong = || Problem::form(lockfile, number, "an entry of a lockfile of yarn 1", line, AGAIN);
        if depth == 0 {
            let requests = line.strip_suffix(':').ok_or_else(wrong)?;
            let requests = requests.split(", ").map(unquote).collect();
            entries.push(Entry { line: number, requests, ..Entry::default() });
            in_depends = false;
            continue;
        }
        let entry = entries.last_mut().ok_or_else(wrong)?;
        let line = line.trim();
        if depth == 2 {
            in_depends = matches!(line, "dependencies:" | "optionalDependencies:");
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "version" => entry.version = unquote(value),
                "resolved" => entry.resolved = unquote(value),
                "integrity" => entry.integrity = Some(unquote(value)),
                _ => {}
            }
        } else if in_depends {
            let quoted = line.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            let (name, spec) = quoted.or_else(|| line.split_once(' ')).ok_or_else(wrong)?;
            entry.depends.push((unquote(name), unquote(spec)));
        }
    }
    Ok(entries)
}
