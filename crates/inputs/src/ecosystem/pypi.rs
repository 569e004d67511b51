//! Python: `pyproject.toml`, `setup.py`, requirements, and the lockfile of pip, uv, poetry, pdm, pipenv or PEP 751.
//!
//! No lockfile of Python locks `build-system.requires`, the packages that a wheel is built with: the recording alone pins
//! these. A wheel names its dependencies as ranges and holds none of them, so one is built without a lockfile; what
//! installs its dependencies is not.

mod pdm;
mod pylock;
mod requirements;
mod tables;
mod uv;

use model::RelPath;
use toml::{Table, Value};

use super::component::python_name;
use super::{Adapter, Component, EcosystemError, Files, Found, Problem, Product, Tool};

/// What says that a folder is a Python project, the first that is there.
const MANIFESTS: &[&str] = &["pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "requirements.txt"];

/// Lockfiles, the first that is there.
const LOCKS: &[(&str, Tool)] = &[
    ("uv.lock", Tool::Uv),
    ("poetry.lock", Tool::Poetry),
    ("pdm.lock", Tool::Pdm),
    ("pylock.toml", Tool::Pylock),
    ("Pipfile.lock", Tool::Pipenv),
    ("requirements.txt", Tool::Pip),
];

/// Python projects; the members of a uv workspace belong to its root.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let mut folders: Vec<RelPath> = MANIFESTS.iter().flat_map(|name| files.folders_with(name)).collect();
    folders.sort();
    folders.dedup();
    let found: Vec<Found> = folders.iter().filter_map(|dir| found(files, dir)).collect();
    let members: Vec<RelPath> = found.iter().flat_map(|f| f.members.iter().cloned()).collect();
    found.into_iter().filter(|f| !members.contains(&f.dir)).collect()
}

fn table(files: &Files<'_>, dir: &RelPath) -> Table {
    let path = files.at(dir, "pyproject.toml");
    path.and_then(|path| toml::from_str(&files.glance(&path)).ok()).unwrap_or_default()
}

/// The value under `a.b.c`.
fn dig<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let mut words = path.split('.');
    let mut value = table.get(words.next()?)?;
    for word in words {
        value = value.get(word)?;
    }
    Some(value)
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// `None` for a `pyproject.toml` that only configures tools, and for requirements of documents.
fn found(files: &Files<'_>, dir: &RelPath) -> Option<Found> {
    let name = MANIFESTS.iter().find(|name| files.at(dir, name).is_some())?;
    let manifest = files.at(dir, name)?;
    let pyproject = table(files, dir);
    let has_setup = files.at(dir, "setup.py").is_some() || files.at(dir, "setup.cfg").is_some();
    let is_project = pyproject.contains_key("project") || dig(&pyproject, "tool.poetry").is_some();
    let has_backend = pyproject.contains_key("build-system");
    if *name == "pyproject.toml"
        && !is_project
        && !has_backend
        && !has_setup
        && files.at(dir, "requirements.txt").is_none()
    {
        return None;
    }
    if !dir.is_root() && *name == "requirements.txt" && dir.components().any(|c| c.starts_with("doc")) {
        return None;
    }
    let lock = LOCKS.iter().find_map(|(name, tool)| Some((files.at(dir, name)?, *tool)));
    let mut found =
        Found::new(Adapter::Pypi, lock.as_ref().map_or(Tool::Pip, |(_, tool)| *tool), dir, manifest);
    let text = |paths: &[&str]| paths.iter().find_map(|p| dig(&pyproject, p)?.as_str().map(str::to_owned));
    let setup = files.at(dir, "setup.cfg").map(|p| files.glance(&p)).unwrap_or_default();
    let in_setup = |key: &str| {
        let line = setup.lines().find(|l| l.split('=').next().is_some_and(|k| k.trim() == key))?;
        let value = line.split_once('=')?.1.trim();
        (!value.is_empty() && !value.contains(':')).then(|| value.to_owned())
    };
    found.name = text(&["project.name", "tool.poetry.name"]).or_else(|| in_setup("name"));
    found.version = text(&["project.version", "tool.poetry.version"]).or_else(|| in_setup("version"));
    found.licence = text(&["project.license", "project.license.text", "tool.poetry.license"]);
    if let Some(range) = text(&["project.requires-python", "tool.poetry.dependencies.python"]) {
        found.want("python", &range, format!("`requires-python` in {}", found.manifest));
    }
    // How each tool says that nothing is packaged.
    let is_packaged = dig(&pyproject, "tool.poetry.package-mode").and_then(Value::as_bool).unwrap_or(true)
        && dig(&pyproject, "tool.uv.package").and_then(Value::as_bool).unwrap_or(true)
        && dig(&pyproject, "tool.pdm.distribution").and_then(Value::as_bool).unwrap_or(true);
    let makes_wheel = is_packaged && (has_backend || has_setup);
    if makes_wheel {
        found.makes.push(wheel(files, dir, &pyproject));
        for scripts in ["project.scripts", "project.gui-scripts", "tool.poetry.scripts"] {
            let names = dig(&pyproject, scripts).and_then(Value::as_table).into_iter().flat_map(Table::keys);
            found.makes.extend(names.cloned().map(Product::Command));
        }
    }
    for pattern in texts(dig(&pyproject, "tool.uv.workspace.members")) {
        let fits = |folder: &RelPath| {
            let below = folder.below(dir);
            let (parts, wanted): (Vec<&str>, Vec<&str>) =
                (below.components().collect(), pattern.split('/').collect());
            parts.len() == wanted.len() && parts.iter().zip(&wanted).all(|(p, w)| super::cargo::fits(w, p))
        };
        let folders = files.folders_with("pyproject.toml");
        found.members.extend(folders.into_iter().filter(|f| f != dir && f.is_within(dir) && fits(f)));
    }
    let asks = !texts(dig(&pyproject, "project.dependencies")).is_empty()
        || dig(&pyproject, "tool.poetry.dependencies").and_then(Value::as_table).is_some_and(|t| t.len() > 1);
    lockfile(files, &mut found, lock, makes_wheel, asks);
    Some(found)
}

/// Requirements lock something only if they have hashes.
fn lockfile(
    files: &Files<'_>,
    found: &mut Found,
    lock: Option<(RelPath, Tool)>,
    makes_wheel: bool,
    asks: bool,
) {
    let dir = found.dir.clone();
    match lock {
        Some((path, Tool::Pip)) => {
            if files.glance(&path).contains("--hash") {
                found.lockfile = Some(path);
            } else if makes_wheel {
                found.notes.push(format!("{path} has no hashes; a wheel is built without it"));
            } else {
                let from =
                    files.at(&dir, "requirements.in").map_or("requirements.txt", |_| "requirements.in");
                found.lock_command =
                    Some(format!("uv pip compile --generate-hashes {from} -o requirements.txt"));
            }
        }
        Some((path, tool)) => {
            found.lockfile = Some(path);
            found.lock_command = Some(
                match tool {
                    Tool::Uv => "uv lock",
                    Tool::Poetry => "poetry lock",
                    Tool::Pdm => "pdm lock",
                    Tool::Pipenv => "pipenv lock",
                    _ => "pip lock -o pylock.toml .",
                }
                .to_owned(),
            );
        }
        None if files.at(&dir, "Pipfile").is_some() => found.lock_command = Some("pipenv lock".to_owned()),
        None if !makes_wheel && asks => {
            let of_poetry = dig(&table(files, &dir), "tool.poetry.dependencies").is_some();
            found.lock_command = Some(if of_poetry { "poetry lock" } else { "uv lock" }.to_owned());
        }
        None => {
            if asks {
                found.notes.push(
                    "nothing locks its dependencies; a wheel names ranges of them and is built without"
                        .to_owned(),
                );
            }
        }
    }
}

fn wheel(files: &Files<'_>, dir: &RelPath, pyproject: &Table) -> Product {
    let requires = texts(dig(pyproject, "build-system.requires"));
    let backend = dig(pyproject, "build-system.build-backend").and_then(Value::as_str);
    // Without a backend it is setuptools, as it always was (PEP 517).
    let backend = backend.unwrap_or("setuptools.build_meta:__legacy__").to_owned();
    let setup = files.at(dir, "setup.py").map(|p| files.glance(&p)).unwrap_or_default();
    let signs = [
        "maturin",
        "setuptools-rust",
        "scikit-build",
        "meson-python",
        "cython",
        "cffi",
        "pybind11",
        "nanobind",
    ];
    let names: Vec<String> = requires.iter().map(|r| requirement_name(r)).collect();
    let compiled = signs.iter().any(|s| names.iter().any(|n| n.starts_with(s)))
        || ["Extension(", "ext_modules", "RustExtension"].iter().any(|s| setup.contains(s))
        || dig(pyproject, "tool.setuptools.ext-modules").is_some();
    let requires = if requires.is_empty() { vec!["setuptools".into(), "wheel".into()] } else { requires };
    Product::Wheel { backend, requires, compiled }
}

/// The normal name in a requirement (PEP 508).
fn requirement_name(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(text.len());
    python_name(&text[..end])
}

/// The entries of the lockfile.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let Some(lockfile) = &found.lockfile else {
        let Some(command) = &found.lock_command else { return Ok(Vec::new()) };
        let expected =
            if found.tool == Tool::Pip { "uv.lock, or requirements with `--hash`" } else { "a lockfile" };
        return Err(Problem::no_lockfile(&found.manifest, expected, command));
    };
    let text = files.text(lockfile)?;
    let pyproject = table(files, &found.dir);
    match found.tool {
        Tool::Uv => uv::components(lockfile, &text, &found.manifest, &pyproject),
        Tool::Poetry => tables::poetry(lockfile, &text, &found.manifest, &pyproject),
        Tool::Pdm => pdm::components(lockfile, &text, &found.manifest, &pyproject),
        Tool::Pipenv => tables::pipfile(files, found, lockfile, &text),
        Tool::Pylock => pylock::components(lockfile, &text),
        _ => requirements::components(files, lockfile),
    }
}

#[cfg(test)]
#[path = "pypi/tests.rs"]
mod tests;
