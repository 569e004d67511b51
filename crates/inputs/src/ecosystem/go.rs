//! Go modules: `go.mod` and `go.sum`.
//!
//! `go.sum` has two lines for each module: `h1:` of its zip, and of its `go.mod` alone. A module with the second only was
//! read to choose versions; none of its code is used. `go.mod` lists all modules that are built since Go 1.17.

use std::collections::BTreeMap;

use model::RelPath;

use super::cargo::beside;
use super::error::Tally;
use super::{
    Adapter, Algorithm, Checksum, Component, EcosystemError, Files, Found, LockedFile, Origin, Problem,
    Product, Scope, Tool,
};

const TIDY: &str = "run `go mod tidy`, and commit go.mod and go.sum";

/// What a `go.mod` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct GoMod {
    module: String,
    go: Option<String>,
    toolchain: Option<String>,
    /// Path, version, whether indirect, line.
    require: Vec<(String, String, bool, usize)>,
    /// Old path and version, if one is said, to new path and version; without a version it is a folder.
    replace: Vec<(String, Option<String>, String, Option<String>)>,
}

/// Modules, with the folders of their main packages.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let folders = files.folders_with("go.mod");
    folders.iter().map(|dir| found(files, dir, &folders)).collect()
}

fn found(files: &Files<'_>, dir: &RelPath, all: &[RelPath]) -> Found {
    let manifest = dir.join(&"go.mod".parse().expect("a plain name"));
    let module = parse(&files.glance(&manifest));
    let mut found = Found::new(Adapter::Go, Tool::Go, dir, manifest);
    found.lockfile = files.at(dir, "go.sum");
    let fetches = module.require.iter().any(|(path, version, ..)| module.replaced(path, version).1.is_some());
    found.lock_command = fetches.then(|| "go mod tidy".to_owned());
    found.name = Some(module.module.clone()).filter(|m| !m.is_empty());
    if let Some(go) = &module.go {
        found.want("go", go, format!("`go` in {}", found.manifest));
    }
    if let Some(toolchain) = module.toolchain.as_deref().and_then(|t| t.strip_prefix("go")) {
        // Not needed to build, and so no more than a wish.
        found.notes.push(format!("{} suggests the toolchain go{toolchain}", found.manifest));
    }
    let inner = |path: &RelPath| all.iter().any(|d| d != dir && d.is_within(dir) && path.is_within(d));
    let mut mains: Vec<RelPath> = Vec::new();
    let mut others = false;
    let mut uses_c = false;
    for path in files.below(dir).filter(|p| !inner(p)) {
        let name = path.file_name().unwrap_or_default();
        let below = path.below(dir);
        let aside = below.components().any(|c| {
            matches!(c, "vendor" | "testdata" | "examples" | "example" | "_examples" | "third_party")
                || (c.starts_with(['.', '_']) && c != ".")
        });
        if aside || !name.ends_with(".go") || name.ends_with("_test.go") {
            continue;
        }
        let text = files.glance(path);
        uses_c |= text.contains("\nimport \"C\"");
        let package = text.lines().find_map(|l| l.strip_prefix("package "));
        let package = package.and_then(|p| p.split_whitespace().next());
        // `//go:build ignore` marks a program that only `go run` is meant for.
        if package == Some("main") && !text.lines().any(|l| l.trim() == "//go:build ignore") {
            mains.extend(below.parent());
        } else {
            others |= package != Some("main");
        }
    }
    mains.dedup();
    mains.sort();
    mains.dedup();
    found.makes.extend(mains.iter().map(|m| Product::Main(m.to_string())));
    if mains.is_empty() && others {
        found.makes.push(Product::Library(module.module));
    }
    if uses_c {
        found.notes.push("some of its packages use cgo, so a C compiler is needed".to_owned());
    }
    if files.at(dir, "vendor/modules.txt").is_some() {
        found.notes.push("its dependencies are vendored: nothing is fetched".to_owned());
    }
    found
}

impl GoMod {
    /// What is built in place of a requirement; without a version it is a folder.
    fn replaced(&self, path: &str, version: &str) -> (String, Option<String>) {
        let fits = |r: &&(String, Option<String>, String, Option<String>)| {
            r.0 == path && r.1.as_deref().is_none_or(|v| v == version)
        };
        match self.replace.iter().find(fits) {
            Some((_, _, new, version)) => (new.clone(), version.clone()),
            None => (path.to_owned(), Some(version.to_owned())),
        }
    }

    /// Whether `go.mod` lists everything that is built.
    fn is_complete(&self) -> bool {
        let mut numbers = self.go.as_deref().unwrap_or("1.16").split('.');
        let major = numbers.next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
        let minor = numbers.next().map(|n| n.chars().take_while(char::is_ascii_digit).collect::<String>());
        major > 1 || minor.and_then(|n| n.parse::<u32>().ok()).unwrap_or(0) >= 17
    }
}

/// Reads `go.mod`; lines that mean nothing here are passed over.
fn parse(text: &str) -> GoMod {
    let mut module = GoMod::default();
    let mut block: Option<String> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let (line, comment) = line.split_once("//").unwrap_or((line, ""));
        let words: Vec<String> = line.split_whitespace().map(unquote).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (&block, words.as_slice()) {
            (Some(_), [")"]) => {
                block = None;
                continue;
            }
            (None, [verb, "("]) => {
                block = Some((*verb).to_owned());
                continue;
            }
            _ => {}
        }
        let verb = match &block {
            Some(verb) => verb.clone(),
            None if words.is_empty() => continue,
            None => words.remove(0).to_owned(),
        };
        match (verb.as_str(), words.as_slice()) {
            ("module", [path]) => module.module = (*path).to_owned(),
            ("go", [version]) => module.go = Some((*version).to_owned()),
            ("toolchain", [name]) => module.toolchain = Some((*name).to_owned()),
            ("require", [path, version]) => {
                let indirect = comment.trim() == "indirect" || comment.trim().starts_with("indirect;");
                module.require.push(((*path).to_owned(), (*version).to_owned(), indirect, number));
            }
            ("replace", [old, rest @ ..]) => {
                let arrow = rest.iter().position(|w| *w == "=>");
                let Some(arrow) = arrow.filter(|at| *at <= 1) else { continue };
                let version = rest.first().filter(|_| arrow == 1).map(|v| (*v).to_owned());
                if let Some(new) = rest.get(arrow + 1) {
                    let new_version = rest.get(arrow + 2).map(|v| (*v).to_owned());
                    module.replace.push(((*old).to_owned(), version, (*new).to_owned(), new_version));
                }
            }
            _ => {}
        }
    }
    module
}

/// The modules that a `go.mod` asks for itself, without those that only others need.
pub(crate) fn requires(text: &str) -> impl Iterator<Item = String> {
    parse(text).require.into_iter().filter(|(.., indirect, _)| !indirect).map(|(path, ..)| path)
}

fn unquote(word: &str) -> String {
    word.trim_matches(['"', '`']).to_owned()
}

/// What `go.sum` says of one module.
#[derive(Default)]
struct Sums {
    zip: Option<Checksum>,
    go_mod: Option<Checksum>,
    line: usize,
}

/// The modules of `go.sum`, sorted by path and version as it is.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let module = parse(&files.text(&found.manifest)?);
    let Some(lockfile) = &found.lockfile else {
        if found.lock_command.is_none() {
            return Ok(Vec::new());
        }
        return Err(Problem::no_lockfile(&found.manifest, "go.sum", "go mod tidy"));
    };
    let sums = sums(lockfile, &files.text(lockfile)?)?;
    let mut stale = Tally::default();
    let mut used: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (path, version, indirect, line) in &module.require {
        let (path, Some(version)) = module.replaced(path, version) else { continue };
        let key = (path, version);
        if !sums.contains_key(&key) {
            let expected = format!("`{} {}/go.mod h1:…` in {lockfile}", key.0, key.1);
            let there = "no line of this module and version";
            let what = "asks for what the lockfile does not have";
            stale.add(Problem::new(&found.manifest, what, expected, there, TIDY).at(*line));
        }
        used.insert(key, !indirect);
    }
    stale.finish(EcosystemError::Stale)?;
    let complete = module.is_complete();
    let component = |((path, version), sums): ((String, String), Sums)| {
        let mut component = Component::new(Adapter::Go, lockfile, &path, Some(&version));
        component.line = sums.line;
        component.origin = Origin::Registry(None);
        let place = format!("/{}/@v/{}", escaped(&path), escaped(&version));
        let is_built = if complete { used.contains_key(&(path.clone(), version.clone())) } else { true };
        component.scope = if sums.zip.is_some() && is_built { Scope::Runtime } else { Scope::Resolution };
        component.direct = used.get(&(path, version)).copied().unwrap_or(false);
        let file = |end: &str, sum: Checksum| LockedFile {
            ends: vec![format!("{place}.{end}")],
            accepted: vec![sum],
        };
        component.files.extend(sums.zip.map(|sum| file("zip", sum)));
        component.files.extend(sums.go_mod.map(|sum| file("mod", sum)));
        component
    };
    Ok(sums.into_iter().map(component).collect())
}

fn sums(lockfile: &RelPath, text: &str) -> Result<BTreeMap<(String, String), Sums>, EcosystemError> {
    let mut sums: BTreeMap<(String, String), Sums> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [path, version, sum] = words.as_slice() else {
            if words.is_empty() {
                continue;
            }
            return Err(Problem::form(lockfile, number, "`MODULE VERSION HASH`", line, TIDY));
        };
        // A hash of a kind to come is passed over, as Go does it.
        let Some(value) = sum.strip_prefix("h1:") else { continue };
        let (version, algorithm) = match version.strip_suffix("/go.mod") {
            Some(version) => (version, Algorithm::GoMod),
            None => (*version, Algorithm::GoZip),
        };
        let Some(checksum) = Checksum::base64(algorithm, value) else {
            return Err(Problem::form(lockfile, number, "`h1:` and 32 bytes in Base64", *sum, TIDY));
        };
        let entry = sums.entry(((*path).to_owned(), version.to_owned())).or_default();
        entry.line = if entry.line == 0 { number } else { entry.line };
        match algorithm {
            Algorithm::GoMod => entry.go_mod = Some(checksum),
            _ => entry.zip = Some(checksum),
        }
    }
    Ok(sums)
}

/// A path as the module proxy has it: `!a` for `A`.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            out.push('!');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Whether a folder of the module is reached by a directive `//go:embed`.
pub(super) fn embeds(files: &Files<'_>, dir: &RelPath, folder: &RelPath) -> bool {
    files.below(dir).filter(|p| p.as_str().ends_with(".go")).any(|path| {
        let text = files.glance(path);
        let at = path.parent().unwrap_or_default();
        let patterns =
            text.lines().filter_map(|l| l.strip_prefix("//go:embed ")).flat_map(str::split_whitespace);
        let mut folders = patterns.filter_map(|pattern| {
            let pattern = pattern.trim_matches('"').trim_start_matches("all:");
            beside(&at, pattern.split(['*', '?']).next().unwrap_or_default())
        });
        folders.any(|place| {
            !place.is_root() && (place.is_within(folder) || (folder.is_within(&place) && place != at))
        })
    })
}

#[cfg(test)]
#[path = "go/tests.rs"]
mod tests;
