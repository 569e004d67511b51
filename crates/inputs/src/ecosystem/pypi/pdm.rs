//! `pdm.lock`: packages with hashes and their requirements as texts. One package may stand there several times, with
//! other extras.

use std::collections::HashMap;

use model::RelPath;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::tables::spread;
use super::{dig, python_name, requirement_name, texts};
use crate::ecosystem::error::Tally;
use crate::ecosystem::place::{line_at, toml};
use crate::ecosystem::{Adapter, Checksum, Component, EcosystemError, LockedFile, Origin, Problem, Scope};

const AGAIN: &str = "run `pdm lock`, and commit pdm.lock";

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: Spanned<String>,
    version: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    files: Vec<File>,
    git: Option<String>,
    revision: Option<String>,
    url: Option<String>,
    path: Option<String>,
}

/// A file by its name, or by the address it was found at.
#[derive(Deserialize)]
struct File {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    hash: String,
}

pub(super) fn components(
    lockfile: &RelPath,
    text: &str,
    manifest: &RelPath,
    pyproject: &Table,
) -> Result<Vec<Component>, EcosystemError> {
    let lock: Lock = toml(lockfile, text, AGAIN)?;
    let mut loose = Tally::default();
    let mut list: Vec<Component> = Vec::new();
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for package in &lock.package {
        let at = &mut places.entry(python_name(package.name.get_ref())).or_default();
        at.push(list.len());
        list.push(component(lockfile, text, package, &mut loose));
    }
    loose.finish(EcosystemError::Loose)?;
    for (component, package) in list.iter_mut().zip(&lock.package) {
        let names = package.dependencies.iter().map(|r| requirement_name(r));
        component.depends = names.filter_map(|n| places.get(&n)).flatten().copied().collect();
        component.depends.sort_unstable();
        component.depends.dedup();
    }
    let mut stale = Tally::default();
    let mut work = Vec::new();
    for (name, scope) in asked(pyproject) {
        let targets = places.get(&name).cloned().unwrap_or_default();
        if targets.is_empty() && scope == Scope::Runtime {
            let expected = format!("an entry for `{name}`, as {manifest} says");
            stale.add(Problem::new(lockfile, "is not up to date", expected, "none", AGAIN));
        }
        for at in targets {
            list[at].direct = true;
            work.push((at, scope));
        }
    }
    stale.finish(EcosystemError::Stale)?;
    spread(&mut list, work, &[]);
    Ok(list)
}

/// What the manifest asks for. Only groups that were chosen are in the lock, and so only the first table must be.
fn asked(pyproject: &Table) -> Vec<(String, Scope)> {
    let named = |value: Option<&Value>, scope: Scope| {
        texts(value).iter().map(|r| (requirement_name(r), scope)).collect::<Vec<_>>()
    };
    let mut asked = named(dig(pyproject, "project.dependencies"), Scope::Runtime);
    for (table, scope) in [
        ("project.optional-dependencies", Scope::Optional),
        ("dependency-groups", Scope::Dev),
        ("tool.pdm.dev-dependencies", Scope::Dev),
    ] {
        for group in dig(pyproject, table).and_then(Value::as_table).into_iter().flat_map(Table::values) {
            asked.extend(named(Some(group), scope));
        }
    }
    asked
}

fn component(lockfile: &RelPath, text: &str, package: &Package, loose: &mut Tally) -> Component {
    let name = package.name.get_ref();
    let line = line_at(text, package.name.span().start);
    let mut component = Component::new(Adapter::Pypi, lockfile, name, package.version.as_deref());
    component.line = line;
    if let Some(url) = &package.git {
        let commit = package.revision.clone().unwrap_or_default();
        if commit.len() != 40 {
            let what = format!("`{name}` is from git and not at a commit");
            let expected = "`revision` with 40 hexadecimal digits";
            loose.add(Problem::new(lockfile, what, expected, &commit, AGAIN).at(line));
        }
        component.origin = Origin::Git { url: url.clone(), commit };
        return component;
    }
    if let Some(path) = &package.path {
        component.origin = Origin::Path(path.clone());
        return component;
    }
    component.origin = package.url.clone().map_or(Origin::Registry(None), Origin::Url);
    for file in &package.files {
        let place = file.file.as_deref().or(file.url.as_deref()).unwrap_or_default();
        let end = place.split(['?', '#']).next().and_then(|p| p.rsplit('/').next()).unwrap_or_default();
        if let Some(sum) = Checksum::named(&file.hash).filter(|_| !end.is_empty()) {
            component.files.push(LockedFile { ends: vec![format!("/{end}")], accepted: vec![sum] });
        }
    }
    if component.files.is_empty() {
        let what = format!("`{name}` has no hash");
        loose.add(Problem::new(lockfile, what, "`files` with a sha256 each", "none", AGAIN).at(line));
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str, pyproject: &str) -> Result<Vec<Component>, EcosystemError> {
        let file = |name: &str| name.parse::<RelPath>().unwrap();
        let table = toml::from_str(pyproject).unwrap();
        components(&file("pdm.lock"), text, &file("pyproject.toml"), &table)
    }

    #[test]
    fn what_pdm_writes_is_read() {
        let lock = format!(
            "[metadata]\nlock_version = \"4.5.0\"\n\n[[package]]\nname = \"annotated-types\"\nversion = \"0.7.0\"\n\
             dependencies = [\n    \"typing-extensions>=4.0.0; python_version < \\\"3.9\\\"\",\n]\n\
             files = [\n    {{file = \"annotated_types-0.7.0.tar.gz\", hash = \"{SUM}\"}},\n]\n\n\
             [[package]]\nname = \"typing_extensions\"\nversion = \"4.1\"\n\
             files = [{{url = \"https://example.org/t/typing_extensions-4.1.tar.gz#x\", hash = \"{SUM}\"}}]\n\n\
             [[package]]\nname = \"iniconfig\"\nversion = \"2.0\"\nfiles = [{{file = \"iniconfig-2.0.tar.gz\", hash = \"{SUM}\"}}]\n\n\
             [[package]]\nname = \"left\"\nversion = \"1\"\ngit = \"https://example.org/left.git\"\n\
             revision = \"0123456789abcdef0123456789abcdef01234567\"\n"
        );
        let project = "[project]\ndependencies = [\"annotated_types>=0.6\", \"left\"]\n[dependency-groups]\ndev = [\"iniconfig\", \"other\"]\n";
        let list = read(&lock, project).unwrap();
        let told: Vec<_> = list.iter().map(|c| (c.line, c.scope, c.direct, c.depends.clone())).collect();
        let expected = [
            (5, Scope::Runtime, true, vec![1]),
            (15, Scope::Runtime, false, vec![]),
            (20, Scope::Dev, true, vec![]),
            (25, Scope::Runtime, true, vec![]),
        ];
        assert_eq!(told, expected);
        assert_eq!(list[0].files[0].ends, ["/annotated_types-0.7.0.tar.gz"]);
        assert_eq!(list[1].files[0].ends, ["/typing_extensions-4.1.tar.gz"]);
        assert!(matches!(list[3].origin, Origin::Git { .. }));

        let error = read(&lock, "[project]\ndependencies = [\"right\"]\n").unwrap_err().to_string();
        assert!(error.contains("an entry for `right`") && error.contains("`pdm lock`"), "{error}");
        let error = read(&lock.replace(SUM, "none"), project).unwrap_err().to_string();
        assert!(error.contains("pdm.lock:5: `annotated-types` has no hash, and so have 2 more"), "{error}");
        let error = read(&lock.replace("\"0123456789abcdef0123456789abcdef01234567\"", "\"main\""), project)
            .unwrap_err()
            .to_string();
        assert!(error.contains("pdm.lock:25: `left` is from git and not at a commit"), "{error}");
        assert!(read("[[package]]\n", project).is_err());
    }
}
