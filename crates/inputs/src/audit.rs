//! Audit: what floats or leaks in a repository, with place, reason and fix.
//!
//! Reads the files that git tracks and builds nothing. Each subject has a file: what Dockerfiles, workflows, manifests,
//! lockfiles and scripts say is read by [`read`], with places, and judged by the rules of one table ([`RULES`]). A rule
//! speaks only of what a text decides; what needs a build comes as [`Observed`] attempts of one, and weighs more.
//!
//! The order of an answer depends on nothing but the files.

mod finding;
mod fix;
mod read;
mod readiness;
mod report;
mod rule;
mod sarif;
mod tree;

mod allow;
mod command;
mod image;
mod locks;
mod observed;
mod secret;

mod artifact;
mod expiry;
mod inventory;
mod noted;
mod online;

mod cargo;
mod deploy;
mod dockerfile;
mod go;
mod java;
mod makefile;
mod native;
mod npm;
mod python;
mod recipe;
mod workflow;

pub mod pin;

use std::collections::BTreeMap;

pub use artifact::{Made, artifact};
pub use expiry::expiring;
pub use finding::{Edit, Finding};
pub use fix::{apply, edits};
pub use noted::Noted;
pub use observed::Observed;
pub use online::{Online, ask};
pub use readiness::{Maturity, Point, State};
pub use report::Report;
pub use rule::{Bar, Id, RULES, Rule, Severity, by_name};
pub use sarif::sarif;
pub use tree::{Content, Sheet, sheets};

use command::Facts;
use finding::Page;
use locks::folder_of;

/// Looks at files, at what a build of them was seen to attempt, and at what was noted beside.
#[must_use]
pub fn audit(sheets: &[Sheet], observed: &[Observed], noted: &[Noted]) -> Report {
    let texts: BTreeMap<&str, &str> = sheets
        .iter()
        .filter_map(|sheet| match &sheet.content {
            Content::Text(text) => Some((sheet.path.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let facts = facts(sheets, &texts);
    let mut all = Vec::new();
    for sheet in sheets {
        let text = match &sheet.content {
            Content::Text(text) => text.as_str(),
            _ => "",
        };
        let mut page = Page::new(&sheet.path, text);
        match &sheet.content {
            Content::Text(_) => look(&mut page, &facts, &texts),
            Content::Compiled(kind) if !is_aside(&sheet.path) => compiled(&mut page, kind),
            _ => {}
        }
        all.append(&mut page.findings);
    }
    all.append(&mut observed::look(observed, &texts));
    all.append(&mut noted::look(noted, &texts));
    all.append(&mut inventory::released(&texts));
    all.sort_by(|a, b| {
        (&a.file, a.span.start, a.span.end, a.rule.id, &a.message).cmp(&(
            &b.file,
            b.span.start,
            b.span.end,
            b.rule.id,
            &b.message,
        ))
    });
    let (mut findings, mut allowed) = (Vec::new(), Vec::new());
    for mut finding in all {
        let text = texts.get(finding.file.as_str()).copied().unwrap_or_default();
        finding.allowed = allow::reason(text, &finding);
        if finding.allowed.is_some() { allowed.push(finding) } else { findings.push(finding) }
    }
    let (points, maturity) = readiness::points(&findings, evidence(&texts));
    Report { bars: report::bars(&findings), findings, allowed, files: sheets.len(), points, maturity }
}

/// The images and actions that a file names, and where.
fn named(path: &str, text: &str) -> Vec<(std::ops::Range<usize>, pin::Named)> {
    let mut page = Page::new(path, text);
    look(&mut page, &Facts::default(), &BTreeMap::new());
    page.named
}

fn facts(sheets: &[Sheet], texts: &BTreeMap<&str, &str>) -> Facts {
    let hashed = texts.iter().filter(|(path, text)| is_requirements(path) && python::is_hashed(text));
    Facts {
        paths: sheets.iter().map(|sheet| sheet.path.clone()).collect(),
        hashed: hashed.map(|(path, _)| (*path).to_owned()).collect(),
    }
}

/// What the files show of how things are built and released.
fn evidence(texts: &BTreeMap<&str, &str>) -> readiness::Evidence {
    let mut seen = readiness::Evidence { locked: true, ..Default::default() };
    for (path, text) in texts {
        let name = path.rsplit('/').next().unwrap_or_default();
        if name == "selfsame.toml" && !is_aside(path) {
            seen.recipe = true;
            seen.locked &= texts.contains_key(format!("{}selfsame.lock", folder_of(path)).as_str());
        }
        let ci = path.starts_with(".github/")
            || path.contains("gitlab-ci")
            || path.starts_with(".ci/")
            || path.starts_with(".circleci/");
        let builds = ci || matches!(name, "Makefile" | "Dockerfile") || name.ends_with(".sh");
        seen.epoch |= builds && text.contains("SOURCE_DATE_EPOCH");
        if ci {
            let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
            seen.rebuilds |= says(&["selfsame reproduce", "selfsame rebuild", "reprotest", "diffoscope"]);
            seen.signs |= says(&[
                "selfsame build",
                "selfsame reproduce",
                "cosign attest",
                "attest-build-provenance",
                "slsa-github-generator",
            ]);
            seen.gates |=
                says(&["selfsame verify", "cosign verify", "slsa-verifier", "gh attestation verify"]);
        }
    }
    seen
}

/// Folders whose files are examples of what is wrong, or other people's.
fn is_aside(path: &str) -> bool {
    path.split('/').rev().skip(1).any(|part| {
        matches!(
            part,
            "test"
                | "tests"
                | "testdata"
                | "test-data"
                | "fixtures"
                | "__tests__"
                | "node_modules"
                | "vendor"
                | "third_party"
                | "site-packages"
                | "testcases"
        )
    })
}

fn is_requirements(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    (name.starts_with("requirements") && name.ends_with(".txt"))
        || (folder_of(path).ends_with("requirements/") && name.ends_with(".txt"))
}

fn compiled(page: &mut Page<'_>, kind: &str) {
    let name = page.path.rsplit('/').next().unwrap_or_default();
    // Its source is beside every Gradle project: the jar has a known hash, which the wrapper check compares.
    if name == "gradle-wrapper.jar" || name == "maven-wrapper.jar" {
        return;
    }
    page.whole(
        Id::Sbom04,
        kind.to_string(),
        "build it from source in the recipe, or bring it as a source by its hash",
    );
}

/// Which subject a file is, and what is said of it.
fn look(page: &mut Page<'_>, facts: &Facts, texts: &BTreeMap<&str, &str>) {
    let path = page.path;
    let name = path.rsplit('/').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let aside = is_aside(path);
    secret::look(page, aside);
    if aside {
        return;
    }
    let beside = |file: &str| texts.get(format!("{}{file}", folder_of(path)).as_str()).copied();
    let above = |file: &str| {
        locks::beside_or_above(facts, path, &[file]).and_then(|p| texts.get(p.as_str()).copied())
    };
    let extension = lower.rsplit_once('.').map_or("", |(_, e)| e);
    let yaml = matches!(extension, "yml" | "yaml");
    match name {
        _ if lower == "dockerfile"
            || lower == "containerfile"
            || lower.starts_with("dockerfile.")
            || lower.starts_with("containerfile.")
            || lower.ends_with(".dockerfile")
            || lower.ends_with(".containerfile") =>
        {
            dockerfile::look(page, facts);
        }
        "action.yml" | "action.yaml" => workflow::look(page, facts),
        _ if yaml
            && [".github/workflows/", ".forgejo/workflows/", ".gitea/workflows/"]
                .iter()
                .any(|folder| path.contains(folder)) =>
        {
            workflow::look(page, facts);
        }
        ".gitlab-ci.yml"
        | ".travis.yml"
        | "azure-pipelines.yml"
        | "bitbucket-pipelines.yml"
        | ".drone.yml"
        | ".woodpecker.yml" => {
            workflow::other(page, facts);
        }
        _ if yaml
            && (path.contains(".circleci/")
                || path.contains(".gitlab/")
                || path.contains(".woodpecker/")
                || name.ends_with(".gitlab-ci.yml")) =>
        {
            workflow::other(page, facts);
        }
        _ if yaml && (lower.starts_with("docker-compose") || lower.starts_with("compose")) => {
            deploy::compose(page);
        }
        ".pre-commit-config.yaml" => recipe::hooks(page),
        "pnpm-lock.yaml" => npm::pnpm(page),
        _ if yaml => deploy::manifest(page, facts),
        "devcontainer.json" | ".devcontainer.json" => deploy::devcontainer(page, facts),
        "package.json" => npm::manifest(page, facts, beside("package-lock.json")),
        "package-lock.json" | "npm-shrinkwrap.json" => npm::lock(page),
        "yarn.lock" => npm::yarn(page),
        "Cargo.toml" => cargo::manifest(page, facts, above("Cargo.lock")),
        "Cargo.lock" => {
            cargo::lock(page);
            inventory::crates(page);
        }
        "selfsame.lock" => inventory::locked(page),
        "rust-toolchain" | "rust-toolchain.toml" => cargo::toolchain(page),
        "pyproject.toml" => python::pyproject(page, facts),
        "uv.lock" | "poetry.lock" | "pdm.lock" => python::lock(page),
        "Pipfile" => python::pipfile(page, facts),
        _ if is_requirements(path) => python::requirements(page),
        "go.mod" => go::module(page, beside("go.sum")),
        "pom.xml" => java::pom(page),
        _ if lower.ends_with(".gradle") || lower.ends_with(".gradle.kts") => java::gradle(page),
        "gradle-wrapper.properties" | "maven-wrapper.properties" => java::wrapper(page),
        "CMakeLists.txt" => native::cmake(page),
        "WORKSPACE" | "WORKSPACE.bazel" | "MODULE.bazel" => native::bazel(page),
        "configure.ac" | "configure.in" => native::autoconf(page),
        "build.rs" | "setup.py" => native::script(page),
        ".gitignore" => locks::ignored(page),
        ".gitmodules" => locks::modules(page),
        ".nvmrc" | ".node-version" | ".python-version" | ".ruby-version" | ".java-version"
        | ".go-version" | ".tool-versions" | ".terraform-version" => {
            locks::versions(page);
        }
        "selfsame.toml" => recipe::look(page, facts),
        _ if is_bundler(&lower) => native::script(page),
        _ if matches!(lower.as_str(), "makefile" | "gnumakefile") || extension == "mk" => {
            makefile::look(page, facts);
        }
        _ if matches!(extension, "sh" | "bash") || (extension.is_empty() && is_shell(page.text)) => {
            makefile::script(page, facts);
        }
        _ => by_extension(page, extension, &lower),
    }
}

fn by_extension(page: &mut Page<'_>, extension: &str, lower: &str) {
    match extension {
        "cmake" => native::cmake(page),
        "bzl" | "bazel" => native::bazel(page),
        "wrap" => native::wrap(page),
        "m4" => native::autoconf(page),
        "c" | "cc" | "cpp" | "cxx" | "h" | "hh" | "hpp" | "hxx" => native::c(page),
        "js" | "css" if lower.contains(".min.") => {
            page.whole(
                Id::Sbom03,
                "minified code of others",
                "take it from a registry, or build it from its source",
            );
        }
        _ => {}
    }
}

/// Configuration of a bundler that is a program.
fn is_bundler(name: &str) -> bool {
    ["webpack.", "rollup.", "vite.", "next.", "esbuild.", "gulpfile.", "gruntfile.", "nuxt."]
        .iter()
        .any(|start| name.starts_with(start))
        && [".js", ".ts", ".mjs", ".cjs", ".mts"].iter().any(|end| name.ends_with(end))
}

fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.starts_with("#!")
        && first.split(['/', ' ']).any(|w| matches!(w, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh"))
}
