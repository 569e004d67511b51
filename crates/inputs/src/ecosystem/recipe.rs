//! `init`: a recipe for what was found in a repository.
//!
//! Each adapter plans steps ([`Step`]); what belongs together is then joined: a front that is bundled goes into the
//! program that embeds it, a crate that is the inside of a wheel is built by the wheel. The suite is the oldest one whose
//! tools are new enough. What cannot be known is said in a comment and not guessed; what is missing, such as a lockfile,
//! is told with the command that makes it.

mod c;
mod cargo;
mod go;
mod java;
mod node;
mod packages;
mod python;
mod suite;
mod write;

use std::collections::BTreeSet;

use model::RelPath;

use super::{Adapter, Files, Found, Problem, Product, Tool, Wanted};

/// What the person who asks has said.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The folder's name, for a project without one.
    pub folder: &'a str,
    /// The suite, if one was asked for: then it is taken, whatever is in it.
    pub suite: Option<&'a str>,
}

/// A recipe, and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The recipe.
    pub text: String,
    /// What was found, a line each.
    pub found: Vec<String>,
    /// What has to be done before it can be locked, a sentence each.
    pub missing: Vec<String>,
    /// Whether something was recognised. If not, the recipe's step fails until it is filled in.
    pub is_known: bool,
}

/// A step that an adapter plans.
#[derive(Debug, Default)]
struct Step {
    name: String,
    dir: RelPath,
    /// Comments before it, sentences.
    comments: Vec<String>,
    uses: BTreeSet<&'static str>,
    packages: BTreeSet<String>,
    /// Where the source lies, if not in the build directory itself.
    place: Option<String>,
    /// Place to reference, besides the source.
    inputs: Vec<(String, String)>,
    /// Name, value, why.
    env: Vec<(&'static str, String, &'static str)>,
    run: Vec<String>,
    /// What is run at lock time, if what the ecosystem would run at the root does not fetch it.
    record: Vec<String>,
    outputs: Vec<String>,
    artifacts: Vec<Artifact>,
    wants: Vec<Wanted>,
    /// Stricter conditions that it needs, as lines of the recipe, each with the reason in a sentence.
    conditions: Vec<(&'static str, String)>,
    /// The folder that a bundler makes, if that is all that the step makes.
    bundle: Option<RelPath>,
}

/// Something to be packed.
#[derive(Debug)]
struct Artifact {
    name: String,
    format: &'static str,
    /// An output of the step, or a place below one.
    output: String,
}

impl Step {
    fn new(found: &Found, fallback: &str) -> Self {
        let folder = found.dir.file_name().map(word);
        Self {
            name: folder.unwrap_or_else(|| fallback.to_owned()),
            dir: found.dir.clone(),
            uses: found.adapter.uses().into_iter().collect(),
            wants: found.wants.clone(),
            ..Self::default()
        }
    }

    fn need(&mut self, packages: &[&str]) {
        self.packages.extend(packages.iter().map(|p| (*p).to_owned()));
    }

    /// A path of the project's folder, seen from the build directory.
    fn place(&self, below: &str) -> String {
        if self.dir.is_root() { below.to_owned() } else { format!("{}/{below}", self.dir) }
    }

    /// Says that commands run in the project's folder.
    fn enter(&mut self) {
        if !self.dir.is_root() {
            self.run.push(format!("cd {}", shell(self.dir.as_str())));
        }
    }

    /// Records with a command in the project's folder; at the root, every ecosystem knows it itself.
    fn record_below(&mut self, command: &str) {
        if !self.dir.is_root() {
            self.record = vec![format!("cd {}", shell(self.dir.as_str())), command.to_owned()];
        }
    }

    /// Packs one folder of the project as a whole.
    fn pack(&mut self, below: &str, name: &str, format: &'static str) {
        let output = self.place(below);
        self.outputs.push(output.clone());
        self.artifacts.push(Artifact { name: name.to_owned(), format, output });
    }
}

/// Writes a recipe for what [`super::detect`] found.
#[must_use]
pub fn propose(files: &Files<'_>, found: &[Found], wish: &Wish<'_>) -> Proposal {
    let mut left_out: Vec<String> = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut planned: Vec<&Found> = Vec::new();
    for project in found {
        if let Some(reason) = absorbed(files, found, project) {
            left_out.push(format!("{} in `{}` {reason}", project.tool.name(), project.dir));
            continue;
        }
        let step = match project.adapter {
            Adapter::Cargo => cargo::step(files, project),
            Adapter::Go => go::step(project),
            Adapter::Npm => node::step(files, project),
            Adapter::Pypi => python::step(files, project),
            Adapter::Maven => Some(java::maven(files, project)),
            Adapter::Gradle => Some(java::gradle(files, project)),
            Adapter::C => Some(c::step(files, project)),
            Adapter::Debian => Some(c::debian(files, project)),
        };
        match step {
            Some(step) => {
                steps.push(step);
                planned.push(project);
            }
            None => {
                left_out.push(format!("{} in `{}` makes nothing to ship", project.tool.name(), project.dir));
            }
        }
    }
    name_apart(&mut steps, &planned);
    join(files, &mut steps, &planned);
    // What another step gives comes before the step that takes it.
    steps.sort_by_key(|step| !step.inputs.is_empty());
    // A crate inside a wheel is locked by its own lockfile.
    let inside = found.iter().filter(|f| f.adapter == Adapter::Cargo && absorbed(files, found, f).is_some());
    let mut missing: Vec<String> =
        planned.iter().copied().chain(inside).filter_map(|f| missing(files, f)).collect();
    let wants: Vec<Wanted> = steps.iter().flat_map(|s| s.wants.iter().cloned()).collect();
    let choice = suite::choose(wish.suite.unwrap_or("bookworm"), wish.suite.is_some(), &wants);
    missing.extend(choice.unmet.iter().map(|(wanted, has)| {
        format!(
            "{} asks for {} {}, and {} has {has}: fill in the [[toolchain.archive]] of the recipe",
            wanted.said_by, wanted.tool, wanted.at_least, choice.suite
        )
    }));
    let is_known = !steps.is_empty();
    if !is_known {
        steps.push(unknown());
    }
    let lines: Vec<String> = found.iter().map(Found::line).collect();
    let page = write::Page {
        wish,
        found: &planned,
        lines: &lines,
        left_out: &left_out,
        missing: &missing,
        choice,
        steps: &steps,
    };
    Proposal { text: page.text(), found: lines.clone(), missing, is_known }
}

/// What a person has to do about a project's lockfile first.
fn missing(files: &Files<'_>, found: &Found) -> Option<String> {
    if found.lockfile.is_none() {
        let command = found.lock_command.as_ref()?;
        let place = if found.dir.is_root() { String::new() } else { format!(" in `{}`", found.dir) };
        let manifest = &found.manifest;
        return Some(format!(
            "{manifest} has no lockfile: run `{command}`{place}, and commit what it writes"
        ));
    }
    match super::components(files, found) {
        Ok(_) => None,
        Err(error) => Some(error.problem().map_or_else(|| error.to_string(), Problem::line)),
    }
}

/// Why a project is part of another one's step; `None` if it stands for itself.
fn absorbed(files: &Files<'_>, all: &[Found], one: &Found) -> Option<&'static str> {
    let wheels = || all.iter().filter(|f| f.adapter == Adapter::Pypi);
    let requires = |found: &Found, names: &[&str]| {
        found.makes.iter().any(|m| {
            let Product::Wheel { requires, .. } = m else { return false };
            requires
                .iter()
                .any(|r| names.iter().any(|n| r.to_ascii_lowercase().replace('_', "-").starts_with(n)))
        })
    };
    let same_root = |adapter: Adapter| all.iter().any(|f| f.adapter == adapter && f.dir == one.dir);
    match one.adapter {
        Adapter::Cargo if !one.makes.iter().any(|m| matches!(m, Product::Program(_))) => wheels()
            .any(|w| {
                requires(w, &["maturin", "setuptools-rust"])
                    && (one.dir.is_within(&w.dir) || w.dir.is_within(&one.dir))
            })
            .then_some("is compiled by the wheel's step"),
        Adapter::C => {
            if wheels().any(|w| requires(w, &["scikit-build", "meson-python", "cmake"])) {
                return Some("is compiled by the wheel's step");
            }
            if same_root(Adapter::Debian) && !others(all) {
                return Some("is built by the Debian package's rules");
            }
            // A Makefile is often nothing but a list of other people's commands.
            let language = |f: &&Found| !matches!(f.adapter, Adapter::C | Adapter::Debian);
            let beside = all.iter().filter(language).any(|f| f.dir == one.dir);
            let helper = beside || (all.iter().any(|f| language(&f)) && !super::c::has_source(files));
            (one.tool == Tool::Make && helper)
                .then_some("stands beside another build and is taken for its helper")
        }
        Adapter::Debian => others(all).then_some("packages what another step builds, and is left to Debian"),
        Adapter::Gradle => {
            same_root(Adapter::Maven).then_some("stands beside Maven's pom.xml, which is taken")
        }
        _ => None,
    }
}

/// Whether a language's own tool is there.
fn others(all: &[Found]) -> bool {
    all.iter().any(|f| !matches!(f.adapter, Adapter::C | Adapter::Debian) && f.dir.is_root())
}

/// Steps at one place have the same name: then each takes its ecosystem's.
fn name_apart(steps: &mut [Step], found: &[&Found]) {
    let names: Vec<String> = steps.iter().map(|s| s.name.clone()).collect();
    for (at, step) in steps.iter_mut().enumerate() {
        if names.iter().filter(|n| **n == step.name).count() > 1 {
            let kind = found[at].adapter.uses().unwrap_or("c");
            step.name = if step.dir.is_root() {
                kind.to_owned()
            } else {
                format!("{}-{kind}", word(step.dir.as_str()))
            };
        }
        if names[..at].contains(&step.name) {
            step.name = format!("{}-{at}", step.name);
        }
    }
}

/// A bundled front goes into the step that embeds it.
fn join(files: &Files<'_>, steps: &mut [Step], found: &[&Found]) {
    for front in 0..steps.len() {
        let Some(bundle) = steps[front].bundle.clone() else { continue };
        let into = (0..steps.len()).find(|at| *at != front && embeds(files, found[*at], &bundle));
        let Some(into) = into else { continue };
        let reference = format!("step:{}/{bundle}", steps[front].name);
        let name = steps[front].name.clone();
        steps[front].artifacts.clear();
        steps[into].inputs.push((bundle.to_string(), reference));
        steps[into].comments.push(format!("It embeds `{bundle}`, which the step `{name}` makes."));
    }
}

fn embeds(files: &Files<'_>, found: &Found, bundle: &RelPath) -> bool {
    match found.adapter {
        Adapter::Go => super::go::embeds(files, &found.dir, bundle),
        Adapter::Cargo => cargo::embeds(files, found, bundle),
        // What lies in a package's own folder is meant to be in the wheel or jar.
        Adapter::Pypi => {
            bundle.components().count() > 0
                && std::iter::successors(bundle.parent(), RelPath::parent)
                    .any(|dir| dir.is_within(&found.dir) && files.at(&dir, "__init__.py").is_some())
        }
        Adapter::Maven | Adapter::Gradle => bundle.as_str().contains("src/main/resources"),
        _ => false,
    }
}

/// What is written where nothing is recognised: it fails until somebody says how this is built.
fn unknown() -> Step {
    Step {
        name: "build".to_owned(),
        comments: vec!["Nothing here was recognised: say how it is built.".to_owned()],
        packages: ["gcc", "libc6-dev", "make"].map(str::to_owned).into(),
        run: vec!["echo 'say here how this is built' >&2; exit 1".to_owned()],
        outputs: vec!["out".to_owned()],
        artifacts: vec![Artifact { name: String::new(), format: "tar.gz", output: "out".to_owned() }],
        ..Step::default()
    }
}

/// A text as a word of a recipe: what cannot stand in one becomes `-`.
fn word(text: &str) -> String {
    let text = text.trim_start_matches('@');
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' };
    let word: String = text.chars().take(100).map(plain).collect();
    let word = word.trim_start_matches(['.', '-', '~']).to_owned();
    if word.is_empty() { "project".to_owned() } else { word }
}

/// A text as one word of the shell.
fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-/@=:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
#[path = "recipe/tests.rs"]
mod tests;
