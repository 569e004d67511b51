//! Java with Maven: `pom.xml`.
//!
//! Maven has no lockfile. What is read here is what the project asks for: properties, parents in the same repository and
//! `dependencyManagement` are followed, and a version that comes from elsewhere (a parent or a bill of materials in a
//! registry) is said to be unknown. What a build really gets, transitive dependencies and plugins, is pinned by the
//! recording alone; there is no hash here that it could be compared with.

mod pom;

use model::RelPath;
use pom::Pom;

use super::cargo::beside;
use super::error::Tally;
use super::{Adapter, Component, EcosystemError, Files, Found, Origin, Problem, Product, Scope, Tool};

/// Projects that are no module of another.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let folders = files.folders_with("pom.xml");
    let mut modules: Vec<RelPath> = Vec::new();
    let mut list = Vec::new();
    for dir in folders {
        if modules.contains(&dir) {
            continue;
        }
        let manifest = dir.join(&"pom.xml".parse().expect("a plain name"));
        let mut found = Found::new(Adapter::Maven, Tool::Maven, &dir, manifest);
        match Pom::read(files, &found.manifest) {
            Ok(pom) => describe(files, &pom, &mut found),
            Err(error) => found.notes.push(format!("{error}")),
        }
        modules.extend(found.members.iter().cloned());
        list.push(found);
    }
    list
}

fn describe(files: &Files<'_>, pom: &Pom, found: &mut Found) {
    found.name.clone_from(&pom.artifact);
    found.version = pom.version();
    found.licence = pom.licence.clone();
    let mut open = vec![(found.dir.clone(), pom.modules.clone())];
    let mut poms = vec![];
    // A module may be a folder of modules.
    while let Some((dir, modules)) = open.pop() {
        for module in modules {
            let folder = beside(&dir, module.trim_end_matches("/pom.xml"));
            let Some(folder) = folder.filter(|f| !found.members.contains(f) && *f != found.dir) else {
                continue;
            };
            let Some(path) = files.at(&folder, "pom.xml") else { continue };
            let Ok(pom) = Pom::read(files, &path) else { continue };
            found.members.push(folder.clone());
            open.push((folder, pom.modules.clone()));
            poms.push(pom);
        }
    }
    found.members.sort();
    for pom in std::iter::once(pom).chain(&poms) {
        let Some(name) = pom.artifact.clone() else { continue };
        match pom.packaging.as_str() {
            "pom" => {}
            "war" => found.makes.push(Product::War(name)),
            _ => found.makes.push(Product::Jar(name)),
        }
        if let Some(release) = pom.java_release() {
            found.notes.extend(too_old(&release, &pom.file));
            found.want(
                "java",
                release.trim_start_matches("1."),
                format!("the compiler's release in {}", pom.file),
            );
        }
    }
    if pom.property("project.build.outputTimestamp").is_none() {
        found.notes.push(
            "`project.build.outputTimestamp` is not set, so it is given on the command line; plugins that are too old to \
             know it (maven-jar-plugin before 3.2.0) embed the time all the same"
                .to_owned(),
        );
    }
}

/// What to know of a release of Java that no compiler of today makes classes for.
pub(super) fn too_old(release: &str, said_by: &RelPath) -> Option<String> {
    let number = release.strip_prefix("1.").unwrap_or(release).parse::<u32>().ok()?;
    (number < 7).then(|| {
        format!(
            "{said_by} asks for Java {number}, and the compilers of JDK 12 and later refuse what is older than 7 (of JDK 20 \
             and later, than 8): take an older JDK as a [[toolchain.archive]], or ask for a later Java"
        )
    })
}

/// What the project and its modules ask for, plugins included.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let folders = std::iter::once(&found.dir).chain(&found.members);
    let mut poms = Vec::new();
    for dir in folders {
        let Some(path) = files.at(dir, "pom.xml") else { continue };
        poms.push(Pom::read(files, &path)?);
    }
    let own: Vec<String> = poms.iter().filter_map(Pom::id).collect();
    let mut loose = Tally::default();
    let mut list: Vec<Component> = Vec::new();
    for pom in &poms {
        for dependency in &pom.dependencies {
            let id = pom.fill(&dependency.id);
            let version = pom.version_of(dependency);
            if list.iter().any(|c| c.name == id && c.version == version) {
                continue;
            }
            let mut component = Component::new(Adapter::Maven, &pom.file, &id, version.as_deref());
            component.line = dependency.line;
            component.direct = true;
            component.scope = match dependency.scope.as_str() {
                "test" => Scope::Dev,
                "provided" | "plugin" => Scope::Build,
                _ if dependency.optional => Scope::Optional,
                _ => Scope::Runtime,
            };
            if own.contains(&id) {
                component.origin = Origin::Path(id.clone());
            } else if let Some(version) = version.as_deref().filter(|v| is_floating(v)) {
                let what = format!("`{id}` has a version that moves");
                let fix = "name one released version";
                loose.add(
                    Problem::new(&pom.file, what, "one released version", version, fix).at(dependency.line),
                );
            }
            list.push(component);
        }
    }
    loose.finish(EcosystemError::Loose)?;
    Ok(list)
}

/// The first plugin that packs what a project ships and cannot be known to leave the time out: it is too old for
/// `project.build.outputTimestamp`, or Maven picks its version.
pub(super) fn stamps(files: &Files<'_>, found: &Found) -> Option<&'static str> {
    let list = components(files, found).unwrap_or_default();
    let packs = |what: &Product| match what {
        Product::Jar(_) => Some(("maven-jar-plugin", [3, 2])),
        Product::War(_) => Some(("maven-war-plugin", [3, 3])),
        _ => None,
    };
    found.makes.iter().filter_map(packs).find_map(|(plugin, since)| {
        let id = format!("org.apache.maven.plugins:{plugin}");
        let mut all = list.iter().filter(|c| c.name == id).peekable();
        let knows =
            all.peek().is_some() && all.all(|c| c.version.as_deref().is_some_and(|v| is_since(v, since)));
        (!knows).then_some(plugin)
    })
}

fn is_since(version: &str, since: [u32; 2]) -> bool {
    let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)] >= since
}

fn is_floating(version: &str) -> bool {
    version.starts_with(['[', '(']) && version.contains(',')
        || matches!(version, "LATEST" | "RELEASE")
        || version.ends_with("-SNAPSHOT")
}

#[cfg(test)]
#[path = "maven/tests.rs"]
mod tests;
