//! JavaScript: `package.json`, and the lockfile of npm, pnpm or yarn.
//!
//! npm and pnpm name the SHA-512 of each tarball. Yarn 1 has that and a SHA-1 behind the URL; later ones hash an archive
//! that they make themselves, which says nothing about the bytes that are fetched: these are pinned by the recording
//! alone.

mod first;
mod lock;
mod pnpm;
mod yarn;

use std::collections::BTreeMap;

use model::RelPath;
use serde_json::Value;

use super::cargo::{beside, fits};
use super::{Adapter, Component, EcosystemError, Files, Found, Problem, Product, Tool};

/// The scripts that compile or bundle, the first that is there.
const BUILDS: &[&str] = &["build", "compile", "dist", "bundle"];

/// What a `package.json` asks for: by table and name, what it says.
pub(super) type Asked = BTreeMap<(&'static str, String), String>;

const TABLES: &[&str] = &["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

/// Packages, and the roots of workspaces.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let folders = files.folders_with("package.json");
    let mut members: Vec<RelPath> = Vec::new();
    let mut list = Vec::new();
    for dir in &folders {
        if members.contains(dir) {
            continue;
        }
        let own: Vec<RelPath> = members_of(files, dir, &folders);
        members.extend(own.iter().cloned());
        list.extend(found(files, dir, own));
    }
    list
}

fn manifest(files: &Files<'_>, dir: &RelPath) -> Value {
    let path = files.at(dir, "package.json");
    path.and_then(|path| serde_json::from_str(&files.glance(&path)).ok()).unwrap_or(Value::Null)
}

/// The folders of a workspace's packages.
fn members_of(files: &Files<'_>, dir: &RelPath, all: &[RelPath]) -> Vec<RelPath> {
    let json = manifest(files, dir);
    let list = json.get("workspaces").and_then(|w| w.as_array().or_else(|| w.get("packages")?.as_array()));
    let mut globs: Vec<String> =
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if let Some(path) = files.at(dir, "pnpm-workspace.yaml")
        && let Ok(yaml) = super::yaml::parse(&path, &files.glance(&path), "")
    {
        globs.extend(yaml.get("packages").items().filter_map(|item| item.text()).map(str::to_owned));
    }
    let is_member = |folder: &&RelPath| {
        let below = folder.below(dir);
        let parts: Vec<&str> = below.components().collect();
        let meant = |glob: &str| {
            let wanted: Vec<&str> = glob.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
            let deep = wanted.last() == Some(&"**");
            let wanted = if deep { &wanted[..wanted.len() - 1] } else { &wanted[..] };
            (parts.len() == wanted.len() || (deep && parts.len() > wanted.len()))
                && wanted.iter().zip(&parts).all(|(glob, part)| fits(glob, part))
        };
        *folder != dir
            && folder.is_within(dir)
            && globs.iter().any(|g| !g.starts_with('!') && meant(g))
            && !globs.iter().any(|g| g.strip_prefix('!').is_some_and(meant))
    };
    all.iter().filter(is_member).cloned().collect()
}

/// `None` for a `package.json` that names nothing, such as one that only says `"type": "module"`.
fn found(files: &Files<'_>, dir: &RelPath, members: Vec<RelPath>) -> Option<Found> {
    let json = manifest(files, dir);
    let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    let asked = asked(&json);
    let scripts = json.get("scripts").and_then(Value::as_object);
    if text("name").is_none() && scripts.is_none() && asked.is_empty() && json != Value::Null {
        return None;
    }
    let path = dir.join(&"package.json".parse().expect("a plain name"));
    let (tool, lockfile) = tool(files, dir, text("packageManager").as_deref());
    let mut found = Found::new(Adapter::Npm, tool, dir, path);
    if json == Value::Null {
        found.notes.push(format!("{} cannot be read as JSON", found.manifest));
    }
    found.lockfile = lockfile;
    found.name = text("name");
    found.version = text("version");
    found.licence = text("license");
    let needed = asked.keys().any(|(table, _)| *table != "peerDependencies");
    found.lock_command = (needed || !members.is_empty()).then(|| lock_command(tool).to_owned());
    found.members = members;
    if let Some(script) = BUILDS.iter().find(|name| scripts.is_some_and(|s| s.contains_key(**name))) {
        found.makes.push(Product::Bundle((*script).to_owned()));
    }
    let private = json.get("private").and_then(Value::as_bool).unwrap_or(false);
    if let Some(name) = found.name.clone().filter(|_| !private && found.version.is_some()) {
        found.makes.push(Product::Package(name));
    }
    let engine = json.get("engines").and_then(|e| e.get("node")).and_then(Value::as_str);
    if let Some(range) = engine {
        // The least of the first alternative is what would do: `^18.12 || >= 20`.
        found.want(
            "node",
            range.split("||").next().unwrap_or_default(),
            format!("`engines` in {}", found.manifest),
        );
    }
    if let Some(path) = found.lockfile.clone() {
        let engines = match tool {
            Tool::Npm => lock::engines(&files.glance(&path)),
            Tool::Pnpm => pnpm::engines(&path, &files.glance(&path)),
            _ => Vec::new(),
        };
        for (name, range) in engines {
            found.want(
                "node",
                range.split("||").next().unwrap_or_default(),
                format!("`engines` of {name} in {path}"),
            );
        }
    }
    for name in [".nvmrc", ".node-version"] {
        let Some(path) = files.at(dir, name) else { continue };
        let version = files.glance(&path).trim().trim_start_matches('v').to_owned();
        if version.starts_with(|c: char| c.is_ascii_digit()) {
            found.want("node", &version, path.to_string());
        } else {
            found.notes.push(format!("{path} asks for `{version}`, which names no version"));
        }
    }
    let hooks = ["preinstall", "install", "postinstall", "prepare"];
    let hooks: Vec<&str> =
        hooks.into_iter().filter(|h| scripts.is_some_and(|s| s.contains_key(*h))).collect();
    if !hooks.is_empty() {
        found.notes.push(format!(
            "{} has scripts that an install runs ({}); they are left out, for they often set up hooks or browsers",
            found.manifest,
            hooks.join(", ")
        ));
    }
    Some(found)
}

/// `packageManager` decides, then the lockfile that is there.
fn tool(files: &Files<'_>, dir: &RelPath, manager: Option<&str>) -> (Tool, Option<RelPath>) {
    let npm = files.at(dir, "npm-shrinkwrap.json").or_else(|| files.at(dir, "package-lock.json"));
    let pnpm = files.at(dir, "pnpm-lock.yaml");
    let yarn = files.at(dir, "yarn.lock");
    let is_berry = |path: &RelPath| files.glance(path).lines().any(|line| line == "__metadata:");
    let yarn_tool = match &yarn {
        Some(path) if is_berry(path) => Tool::YarnBerry,
        Some(_) => Tool::YarnClassic,
        None if files.at(dir, ".yarnrc.yml").is_some() => Tool::YarnBerry,
        None => Tool::YarnClassic,
    };
    match manager.and_then(|m| m.split('@').next()) {
        Some("pnpm") => (Tool::Pnpm, pnpm),
        Some("yarn") if manager.is_some_and(|m| m.starts_with("yarn@1.")) => (Tool::YarnClassic, yarn),
        Some("yarn") => (Tool::YarnBerry, yarn),
        Some("npm") => (Tool::Npm, npm),
        _ if npm.is_some() => (Tool::Npm, npm),
        _ if pnpm.is_some() => (Tool::Pnpm, pnpm),
        _ if yarn.is_some() => (yarn_tool, yarn),
        _ => (Tool::Npm, None),
    }
}

fn lock_command(tool: Tool) -> &'static str {
    match tool {
        Tool::Pnpm => "pnpm install --lockfile-only",
        Tool::YarnClassic => "yarn install --ignore-scripts",
        Tool::YarnBerry => "yarn install --mode=update-lockfile",
        _ => "npm install --package-lock-only",
    }
}

/// Everything that a manifest asks for.
pub(super) fn asked(json: &Value) -> Asked {
    let mut asked = Asked::new();
    for table in TABLES {
        for (name, spec) in json.get(*table).and_then(Value::as_object).into_iter().flatten() {
            if let Some(spec) = spec.as_str() {
                asked.insert((table, name.clone()), spec.to_owned());
            }
        }
    }
    // npm writes what is optional and required as optional alone.
    let optional: Vec<String> =
        asked.keys().filter(|(t, _)| *t == "optionalDependencies").map(|(_, name)| name.clone()).collect();
    for name in optional {
        asked.remove(&("dependencies", name));
    }
    asked
}

/// The entries of the lockfile.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let Some(lockfile) = &found.lockfile else {
        let Some(command) = &found.lock_command else { return Ok(Vec::new()) };
        let expected = match found.tool {
            Tool::Pnpm => "pnpm-lock.yaml",
            Tool::YarnClassic | Tool::YarnBerry => "yarn.lock",
            _ => "package-lock.json",
        };
        return Err(Problem::no_lockfile(&found.manifest, expected, command));
    };
    let text = files.text(lockfile)?;
    let folders = std::iter::once(&found.dir).chain(&found.members);
    let manifests: Vec<(RelPath, Asked)> =
        folders.map(|dir| (dir.below(&found.dir), asked(&manifest(files, dir)))).collect();
    match found.tool {
        Tool::Pnpm => pnpm::components(lockfile, &text, &manifests),
        Tool::YarnClassic => yarn::classic(lockfile, &text, &manifests),
        Tool::YarnBerry => yarn::berry(lockfile, &text, &manifests),
        _ => lock::components(lockfile, &text, &manifests),
    }
}

/// The end of a tarball's address in a registry.
fn tarball(name: &str, version: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    format!("/{name}/-/{last}-{version}.tgz")
}

/// The path of a URL, with its `/`.
fn path_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map(|at| rest[at..].split(['?', '#']).next().unwrap_or_default()).filter(|p| p.len() > 1)
}

/// A folder that `link:` or `file:` names, seen from `dir`.
fn linked(dir: &RelPath, spec: &str) -> Option<RelPath> {
    beside(dir, spec.strip_prefix("link:").or_else(|| spec.strip_prefix("file:"))?)
}

#[cfg(test)]
#[path = "npm/tests.rs"]
mod tests;
