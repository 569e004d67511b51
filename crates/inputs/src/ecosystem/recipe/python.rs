//! Python: a wheel, or a folder with everything that a program needs.

use super::Step;
use crate::ecosystem::component::python_name;
use crate::ecosystem::{Files, Found, Product, Tool};

/// Backends that ask git for the version.
const FROM_GIT: &[&str] = &[
    "setuptools-scm",
    "hatch-vcs",
    "setuptools-git-versioning",
    "versioningit",
    "pdm-backend",
    "poetry-dynamic-versioning",
];

/// `None` for a project that makes no wheel and locks nothing.
pub(super) fn step(files: &Files<'_>, found: &Found) -> Option<Step> {
    let mut step = Step::new(found, "build");
    step.need(&["python3", "python3-pip", "python3-setuptools", "python3-venv", "python3-wheel"]);
    step.enter();
    let wheel = found.makes.iter().find_map(|m| match m {
        Product::Wheel { requires, compiled, .. } => Some((requires, *compiled)),
        _ => None,
    });
    let Some((requires, compiled)) = wheel else { return program(found, step) };
    let names: Vec<String> = requires
        .iter()
        .map(|r| {
            python_name(
                r.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
                    .next()
                    .unwrap_or_default(),
            )
        })
        .collect();
    let has = |wanted: &[&str]| names.iter().any(|n| wanted.contains(&n.as_str()));
    if compiled {
        step.need(&["gcc", "libc6-dev", "python3-dev"]);
        let value = "-O2 -g0 -ffile-prefix-map=/build/src=.".to_owned();
        step.env.push(("CFLAGS", value.clone(), "No paths and no debug information in the extension."));
        if has(&["pybind11", "nanobind", "scikit-build", "scikit-build-core", "meson-python"]) {
            step.need(&["g++", "ninja-build"]);
            step.env.push(("CXXFLAGS", value, "The same for C++."));
        }
        if has(&["scikit-build", "scikit-build-core", "nanobind"]) {
            step.need(&["cmake"]);
        }
    }
    if has(&["maturin", "setuptools-rust"]) {
        step.need(&["cargo", "rustc"]);
        step.uses.insert("cargo");
        step.wants.extend(rust_wants(files, found));
    }
    step.comments.push(
        "No lockfile of Python names what a wheel is built with; the lock of selfsame does, as recorded."
            .to_owned(),
    );
    step.run.push("python3 -m pip wheel --no-deps --no-cache-dir -w dist .".to_owned());
    step.env.push(("PYTHONHASHSEED", "0".into(), "Sets are in the same order in every run."));
    step.env.push(("PYTHONDONTWRITEBYTECODE", "1".into(), "Bytecode names paths and times."));
    if has(FROM_GIT) {
        let info = files.at(&found.dir, "PKG-INFO").map(|p| files.glance(&p)).unwrap_or_default();
        let known = info.lines().find_map(|l| l.strip_prefix("Version:")).map(|v| v.trim().to_owned());
        let version = known.or_else(|| found.version.clone()).unwrap_or_else(|| "0.1.0".to_owned());
        let why = "The backend asks git for the version, and there is no git here: say it.";
        step.env.push(("SETUPTOOLS_SCM_PRETEND_VERSION", version, why));
    }
    step.pack("dist", "wheels", "dir");
    Some(step)
}

/// What the crate inside a wheel asks for.
fn rust_wants(files: &Files<'_>, found: &Found) -> Vec<crate::ecosystem::Wanted> {
    let crates = crate::ecosystem::cargo::detect(files);
    let inside = crates.into_iter().filter(|c| c.dir.is_within(&found.dir) || found.dir.is_within(&c.dir));
    inside.flat_map(|c| c.wants).collect()
}

/// A program that is no wheel: its dependencies by hash, in a folder beside its own files.
fn program(found: &Found, mut step: Step) -> Option<Step> {
    if found.lockfile.is_none() && found.lock_command.is_none() {
        return None;
    }
    let tool = |name: &str, export: &str| {
        vec![
            "python3 -m venv /tmp/env".to_owned(),
            format!("/tmp/env/bin/pip install --no-cache-dir {name}"),
            format!("/tmp/env/bin/{export}"),
        ]
    };
    let (before, requirements) = match found.tool {
        Tool::Uv => (
            tool(
                "uv",
                "uv export --frozen --no-dev --no-emit-project --format requirements-txt -o /tmp/requirements.txt",
            ),
            "/tmp/requirements.txt",
        ),
        Tool::Poetry => (
            tool("poetry poetry-plugin-export", "poetry export --only main -o /tmp/requirements.txt"),
            "/tmp/requirements.txt",
        ),
        Tool::Pdm => (
            tool("pdm", "pdm export --prod --format requirements -o /tmp/requirements.txt"),
            "/tmp/requirements.txt",
        ),
        Tool::Pipenv => {
            (tool("pipenv", "pipenv requirements --hash > /tmp/requirements.txt"), "/tmp/requirements.txt")
        }
        _ => (Vec::new(), "requirements.txt"),
    };
    step.run.extend(before);
    step.run.push("mkdir -p out".to_owned());
    step.run.push(format!(
        "python3 -m pip install --require-hashes --no-deps --no-compile --no-cache-dir --target out/lib -r {requirements}"
    ));
    step.comments.push(
        "It makes no wheel: its dependencies are put into a folder. Add its own files as it needs them."
            .to_owned(),
    );
    step.env.push(("PYTHONDONTWRITEBYTECODE", "1".into(), "Bytecode names paths and times."));
    step.pack("out", "", "tar.gz");
    Some(step)
}
