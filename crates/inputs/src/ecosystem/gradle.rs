//! Java with Gradle: `build.gradle`, `gradle.lockfile` and `gradle/verification-metadata.xml`.
//!
//! Both of the latter are optional in Gradle; without them the recording alone pins what is fetched.

use std::collections::BTreeMap;

use model::RelPath;
use roxmltree::Document;

use super::error::Tally;
use super::{
    Adapter, Algorithm, Checksum, Component, EcosystemError, Files, Found, LockedFile, Problem, Product,
    Scope, Tool,
};

const AGAIN: &str = "run `./gradlew dependencies --write-locks`";

/// Builds that are no subproject of another.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let signs = ["settings.gradle", "settings.gradle.kts", "build.gradle", "build.gradle.kts"];
    let mut folders: Vec<RelPath> = signs.iter().flat_map(|sign| files.folders_with(sign)).collect();
    folders.sort();
    folders.dedup();
    let mut roots: Vec<RelPath> = Vec::new();
    for dir in folders {
        if !roots.iter().any(|root| dir.is_within(root)) {
            roots.push(dir);
        }
    }
    roots.iter().filter_map(|dir| found(files, dir, &signs)).collect()
}

fn found(files: &Files<'_>, dir: &RelPath, signs: &[&str]) -> Option<Found> {
    // The build itself says more than the list of its parts.
    let manifest = signs.iter().rev().find_map(|sign| files.at(dir, sign))?;
    let settings = signs[..2].iter().find_map(|sign| files.at(dir, sign));
    let mut found = Found::new(Adapter::Gradle, Tool::Gradle, dir, manifest);
    found.lockfile = files.at(dir, "gradle.lockfile");
    let text = settings.map(|path| files.glance(&path)).unwrap_or_default();
    let quoted = |line: &str| line.split(['"', '\'']).nth(1).map(str::to_owned);
    found.name = text.lines().filter(|l| l.trim().starts_with("rootProject.name")).find_map(quoted);
    found.makes.push(Product::Jar(found.name.clone().unwrap_or_else(|| "build".to_owned())));
    match files.at(dir, "gradle/wrapper/gradle-wrapper.properties") {
        Some(path) => {
            let text = files.glance(&path);
            if !text.lines().any(|l| l.trim().starts_with("distributionSha256Sum")) {
                found.notes.push(format!(
                    "{path} has no `distributionSha256Sum`: what it downloads is pinned by the recording alone"
                ));
            }
        }
        None => {
            found.notes.push("there is no Gradle wrapper, so nothing says which Gradle is meant".to_owned());
        }
    }
    let builds = files.paths().filter(|p| p.is_within(dir) && p.file_name() == Some("build.gradle"));
    let old =
        builds.filter_map(|path| super::maven::too_old(&compatibility(&files.glance(path))?, path)).next();
    found.notes.extend(old);
    if found.lockfile.is_none() {
        found.notes.push(
            "Gradle locks no versions here: what is fetched is pinned by the recording alone".to_owned(),
        );
    }
    Some(found)
}

/// The number in `sourceCompatibility = 1.6`, or in `JavaVersion.VERSION_1_6`.
fn compatibility(text: &str) -> Option<String> {
    let line = text.lines().find_map(|l| l.trim().strip_prefix("sourceCompatibility"))?;
    let value =
        line.trim_matches([' ', '=', '\'', '"', '\t']).replace("JavaVersion.VERSION_", "").replace('_', ".");
    Some(value)
}

/// The entries of `gradle.lockfile`, with the hashes of `verification-metadata.xml`.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let Some(lockfile) = &found.lockfile else { return Ok(Vec::new()) };
    let hashes = match files.at(&found.dir, "gradle/verification-metadata.xml") {
        Some(path) => verification(files, &path)?,
        None => BTreeMap::new(),
    };
    let mut list = Vec::new();
    let mut loose = Tally::default();
    for (number, line) in (1..).zip(files.text(lockfile)?.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("empty=") {
            continue;
        }
        let (id, uses) = line.split_once('=').unwrap_or((line, ""));
        let parts: Vec<&str> = id.split(':').collect();
        let [group, artifact, version] = parts.as_slice() else {
            return Err(Problem::form(
                lockfile,
                number,
                "`group:artifact:version=configurations`",
                line,
                AGAIN,
            ));
        };
        let mut component =
            Component::new(Adapter::Gradle, lockfile, &format!("{group}:{artifact}"), Some(version));
        component.line = number;
        let uses: Vec<&str> = uses.split(',').collect();
        component.scope = match uses.as_slice() {
            all if all.iter().all(|c| c.starts_with("test")) => Scope::Dev,
            all if all.contains(&"runtimeClasspath") => Scope::Runtime,
            _ => Scope::Build,
        };
        if version.ends_with("-SNAPSHOT") {
            let what = format!("`{group}:{artifact}` has a version that moves");
            loose.add(Problem::new(lockfile, what, "one released version", *version, "name one").at(number));
        }
        let folder = group.replace('.', "/");
        for (file, sums) in hashes.get(id).into_iter().flatten() {
            component.files.push(LockedFile {
                ends: vec![format!("/{folder}/{artifact}/{version}/{file}")],
                accepted: sums.clone(),
            });
        }
        list.push(component);
    }
    loose.finish(EcosystemError::Loose)?;
    Ok(list)
}

/// Files of each `group:artifact:version`, with their hashes.
type Verified = BTreeMap<String, Vec<(String, Vec<Checksum>)>>;

fn verification(files: &Files<'_>, path: &RelPath) -> Result<Verified, EcosystemError> {
    let text = files.text(path)?;
    let fix = "run `./gradlew --write-verification-metadata sha256`";
    let document = Document::parse(&text).map_err(|e| {
        let line = usize::try_from(e.pos().row).unwrap_or(0);
        Problem::form(path, line, "XML of Gradle's dependency verification", e.to_string(), fix)
    })?;
    let mut verified = Verified::new();
    for component in document.descendants().filter(|n| n.tag_name().name() == "component") {
        let get = |name: &str| component.attribute(name).unwrap_or_default();
        let id = format!("{}:{}:{}", get("group"), get("name"), get("version"));
        for artifact in component.children().filter(|n| n.tag_name().name() == "artifact") {
            let sum = |node: roxmltree::Node<'_, '_>| {
                let algorithm = match node.tag_name().name() {
                    "sha256" => Algorithm::Sha256,
                    "sha512" => Algorithm::Sha512,
                    "sha1" => Algorithm::Sha1,
                    _ => return None,
                };
                Checksum::hex(algorithm, node.attribute("value")?)
            };
            let sums: Vec<Checksum> = artifact.children().filter_map(sum).collect();
            if let Some(name) = artifact.attribute("name").filter(|_| !sums.is_empty()) {
                verified.entry(id.clone()).or_default().push((name.to_owned(), sums));
            }
        }
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::files::tests::files;

    #[test]
    fn a_java_that_nothing_compiles_for_is_told() {
        for (line, old) in [
            ("    sourceCompatibility = 1.6", true),
            ("sourceCompatibility='1.5'", true),
            ("sourceCompatibility = JavaVersion.VERSION_1_6", true),
            ("sourceCompatibility = 1.8", false),
            ("sourceCompatibility = JavaVersion.VERSION_17", false),
            ("sourceCompatibility = jdkVersion", false),
        ] {
            let list = files(&[("build.gradle", "\n"), ("a/build.gradle", line)]);
            let notes = detect(&list)[0].notes.join("\n");
            assert_eq!(notes.contains("a/build.gradle asks for Java"), old, "{line}: {notes}");
        }
    }

    #[test]
    fn locked_versions_get_the_hashes_that_are_verified() {
        let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let lock = "# made by Gradle\norg.a:b:1.0=compileClasspath,runtimeClasspath\norg.t:t:2=testRuntimeClasspath\nempty=x\n";
        let xml = format!(
            "<verification-metadata><components><component group=\"org.a\" name=\"b\" version=\"1.0\"><artifact name=\"b-1.0.jar\">\
             <sha256 value=\"{sum}\"/></artifact></component></components></verification-metadata>"
        );
        let list = files(&[
            ("build.gradle", ""),
            ("settings.gradle", "rootProject.name = 'app'\n"),
            ("sub/build.gradle", ""),
            ("gradle.lockfile", lock),
            ("gradle/verification-metadata.xml", &xml),
        ]);
        let found = detect(&list);
        assert_eq!((found.len(), found[0].name.as_deref()), (1, Some("app")));
        let entries = components(&list, &found[0]).unwrap();
        assert_eq!((entries[0].scope, entries[1].scope), (Scope::Runtime, Scope::Dev));
        assert_eq!(entries[0].files[0].ends, ["/org/a/b/1.0/b-1.0.jar"]);
        let list = files(&[("build.gradle", ""), ("gradle.lockfile", "what\n")]);
        assert!(
            components(&list, &detect(&list)[0]).unwrap_err().to_string().starts_with("gradle.lockfile:1:")
        );
    }
}
