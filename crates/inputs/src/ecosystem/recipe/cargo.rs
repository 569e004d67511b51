//! Rust: the programs of the workspace, or else its package.

use model::RelPath;

use super::{Artifact, Step, packages, shell, word};
use crate::ecosystem::cargo::Workspace;
use crate::ecosystem::{Files, Found, Origin, Product, Scope, cargo};

/// More programs than these are packed together.
const MAX_FILES: usize = 8;

pub(super) fn step(files: &Files<'_>, found: &Found) -> Option<Step> {
    let mut step = Step::new(found, "build");
    step.need(&["cargo", "gcc", "libc6-dev", "rustc"]);
    let list = cargo::components(files, found).unwrap_or_default();
    let mut from_git = false;
    let bundled = list.iter().any(|c| c.name == "openssl-src");
    for component in list.iter().filter(|c| c.scope != Scope::Dev) {
        if !(bundled && component.name == "openssl-sys") {
            step.need(packages::of(packages::OF_CRATES, &component.name));
        }
        if matches!(component.origin, Origin::Git { .. }) {
            from_git = true;
        }
    }
    if from_git {
        step.need(&["ca-certificates", "git"]);
        step.comments.push(
            "Some crates come from git and from no registry: if they cannot be recorded, commit what `cargo vendor` writes."
                .to_owned(),
        );
    }
    let mut programs: Vec<&String> = Vec::new();
    for product in &found.makes {
        if let Product::Program(name) = product {
            programs.push(name);
        }
    }
    programs.sort();
    programs.dedup();
    let workspace = Workspace::read(files, &found.dir)?;
    let loaded: Vec<String> = workspace
        .built()
        .iter()
        .filter(|m| m.is_loaded)
        .filter_map(|m| m.library.as_ref().map(|l| format!("lib{l}.so")))
        .collect();
    if workspace.members.is_empty() {
        return None;
    }
    step.enter();
    step.record_below("cargo fetch --locked");
    let made: Vec<String> = programs.iter().map(|p| (*p).clone()).chain(loaded).collect();
    if made.is_empty() {
        // A library for others is shipped as source.
        step.run.push("cargo build --release --locked".to_owned());
        step.run.push("cargo package --locked --no-verify --allow-dirty".to_owned());
        step.run.push("mkdir -p out".to_owned());
        step.run.push("cp target/package/*.crate out/".to_owned());
        step.comments.push("A library: what is shipped is its source package.".to_owned());
        step.pack("out", "crates", "dir");
    } else {
        step.run.push("cargo build --release --locked".to_owned());
        step.run.push("mkdir -p out".to_owned());
        let paths: Vec<String> = made.iter().map(|m| shell(&format!("target/release/{m}"))).collect();
        step.run.push(format!("cp {} out/", paths.join(" ")));
        let output = step.place("out");
        step.outputs.push(output.clone());
        if made.len() > MAX_FILES {
            step.artifacts.push(Artifact { name: String::new(), format: "tar.gz", output });
        } else {
            let artifact = |name: &String| Artifact {
                name: word(name),
                format: "file",
                output: format!("{output}/{name}"),
            };
            step.artifacts.extend(made.iter().map(artifact));
        }
    }
    flags(files, &mut step);
    Some(step)
}

/// The build path in binaries does no harm, for it is always the same; but it says nothing to those who get them.
fn flags(files: &Files<'_>, step: &mut Step) {
    let configured = [".cargo/config.toml", ".cargo/config"].iter().any(|name| {
        let path = files.at(&step.dir, name).or_else(|| files.at(&RelPath::root(), name));
        path.is_some_and(|path| files.glance(&path).contains("rustflags"))
    });
    if !configured {
        let value = "--remap-path-prefix=/build/src=.".to_owned();
        step.env.push(("RUSTFLAGS", value, "Panic messages name files without the build directory."));
    }
    let value = "-ffile-prefix-map=/build/src=.".to_owned();
    step.env.push((
        "CFLAGS",
        value.clone(),
        "The same for C that crates compile; RUSTFLAGS do not reach it.",
    ));
    step.env.push(("CXXFLAGS", value, "And C++."));
}

/// Whether some crate puts a folder into its binary.
pub(super) fn embeds(files: &Files<'_>, found: &Found, bundle: &RelPath) -> bool {
    const EMBEDS: &[&str] =
        &["rust-embed", "include_dir", "include-dir", "tauri", "tauri-build", "memory-serve", "static-files"];
    let Some(workspace) = Workspace::read(files, &found.dir) else { return false };
    let last = bundle.file_name().unwrap_or_default().to_owned();
    let parent = bundle.parent().and_then(|p| p.file_name().map(str::to_owned));
    // As the source names it, from wherever it is: the last two components.
    let named = parent.map_or(last.clone(), |parent| format!("{parent}/{last}"));
    let says = |path: &RelPath| path.as_str().ends_with(".rs") && files.glance(path).contains(&named);
    workspace.members.iter().any(|m| {
        EMBEDS.iter().any(|name| m.needs(name)) || {
            let src = m.dir.join(&"src".parse().expect("a plain name"));
            files.below(&src).any(says)
        }
    })
}
