//! Go: the main packages of a module.

use super::{Artifact, Step, shell, word};
use crate::ecosystem::{Found, Product};

const MAX_FILES: usize = 8;

/// `None` for a library: it is compiled where it is used, and shipped as source by its repository.
pub(super) fn step(found: &Found) -> Option<Step> {
    let mains: Vec<&str> = found
        .makes
        .iter()
        .filter_map(|m| if let Product::Main(dir) = m { Some(dir.as_str()) } else { None })
        .collect();
    if mains.is_empty() {
        return None;
    }
    let mut step = Step::new(found, "build");
    step.need(&["golang-go"]);
    step.enter();
    step.record_below("go mod download");
    step.run.push("mkdir -p out".to_owned());
    let module = program(found.name.as_deref().unwrap_or("program"));
    let name = |dir: &str| if dir == "." { module.clone() } else { program(dir) };
    let mut names: Vec<String> = Vec::new();
    for dir in &mains {
        // Two programs of one name get the name of their folder's parent before it.
        let plain = name(dir);
        let name = if names.contains(&plain) { word(dir) } else { plain };
        let package = if *dir == "." { ".".to_owned() } else { format!("./{dir}") };
        step.run.push(format!(
            "go build -trimpath -buildvcs=false -ldflags=-buildid= -o {} {}",
            shell(&format!("out/{name}")),
            shell(&package)
        ));
        names.push(name);
    }
    let output = step.place("out");
    step.outputs.push(output.clone());
    if names.len() > MAX_FILES {
        step.artifacts.push(Artifact { name: String::new(), format: "tar.gz", output });
    } else {
        let artifact =
            |name: &String| Artifact { name: word(name), format: "file", output: format!("{output}/{name}") };
        step.artifacts.extend(names.iter().map(artifact));
    }
    if found.notes.iter().any(|n| n.contains("cgo")) {
        step.need(&["gcc", "libc6-dev"]);
        step.env.push(("CGO_ENABLED", "1".into(), "Some of its packages are C."));
        let value = "-O2 -g -ffile-prefix-map=/build/src=.".to_owned();
        step.env.push(("CGO_CFLAGS", value, "Debug information names files without the build directory."));
    } else {
        step.env.push((
            "CGO_ENABLED",
            "0".into(),
            "A static program, which needs no C compiler: set 1 for the C library's resolver.",
        ));
    }
    if found.notes.iter().any(|n| n.contains("vendored")) {
        step.uses.clear();
        step.record.clear();
    }
    Some(step)
}

/// What Go calls the program of a package: the last part of its path, without a major version.
pub(super) fn program(path: &str) -> String {
    let is_major = |part: &&str| {
        part.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut parts = path.rsplit('/').skip_while(is_major);
    word(parts.next().unwrap_or(path))
}
