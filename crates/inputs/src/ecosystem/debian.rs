//! A Debian source package: `debian/control` and `debian/changelog`.
//!
//! What it builds with are packages of the toolchain, which the recipe's lock pins.

mod depends;

use model::RelPath;

use super::{Adapter, Component, EcosystemError, Files, Found, Product, Tool};
use model::deb822::{Paragraph, paragraphs};

pub(super) use depends::build_depends;

/// The machine that recipes are proposed for.
const ARCH: &str = "amd64";

/// A package at the root.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    let root = RelPath::root();
    let Some(control) = files.at(&root, "debian/control") else { return Vec::new() };
    let mut found = Found::new(Adapter::Debian, Tool::Dpkg, &root, control);
    let changelog = files.at(&root, "debian/changelog").map(|p| files.glance(&p)).unwrap_or_default();
    let head = changelog.lines().next().unwrap_or_default();
    let mut words = head.split_whitespace();
    found.name = words.next().map(str::to_owned);
    found.version = words.next().map(|w| w.trim_matches(['(', ')']).to_owned());
    let text = files.glance(&found.manifest);
    let packages = text.lines().filter_map(|l| l.strip_prefix("Package:"));
    found.makes.extend(packages.map(|p| Product::Program(p.trim().to_owned())));
    if found.name.is_none() {
        found.notes.push("debian/changelog names no version".to_owned());
    }
    vec![found]
}

/// Nothing: the toolchain's lock pins it.
pub(super) fn components(_: &Files<'_>, _: &Found) -> Result<Vec<Component>, EcosystemError> {
    Ok(Vec::new())
}

/// The control file without its comments, which may stand within a field.
fn control(files: &Files<'_>, found: &Found) -> String {
    let text = files.glance(&found.manifest);
    text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect()
}

/// Whether a part of the build has to run as root, or as what fakeroot makes of a user.
pub(super) fn requires_root(files: &Files<'_>, found: &Found) -> bool {
    let control = control(files, found);
    let said = paragraphs(&control).next().and_then(|p| p.get("Rules-Requires-Root"));
    // Nothing said is `no` for newer versions of dpkg only.
    said.is_none_or(|word| word.trim() != "no")
}

/// The names of the files that the build makes: each package, the `.buildinfo` and the `.changes`.
pub(super) fn makes(files: &Files<'_>, found: &Found) -> Vec<String> {
    let (Some(source), Some(version)) = (&found.name, &found.version) else { return Vec::new() };
    // An epoch is no part of a file's name.
    let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    if !is_plain(source) || !is_plain(version) {
        return Vec::new();
    }
    let control = control(files, found);
    let list = paragraphs(&control).skip(1);
    let mut names: Vec<String> = list.filter_map(|p| file_name(p, version)).collect();
    names.extend(["buildinfo", "changes"].map(|end| format!("{source}_{version}_{ARCH}.{end}")));
    names
}

/// Whether it can be a part of a file's name here.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.~".contains(c))
}

/// `None` for a package that is not made here: of other machines, or of a profile that nobody asked for.
fn file_name(package: Paragraph<'_>, version: &str) -> Option<String> {
    let name = package.get("Package").filter(|name| is_plain(name))?;
    let arch = package.get("Architecture")?;
    let arch = match arch {
        "all" => "all",
        list if depends::any_fits(list) => ARCH,
        _ => return None,
    };
    let profiles = package.get("Build-Profiles").unwrap_or_default();
    let end = if package.get("Package-Type") == Some("udeb") { "udeb" } else { "deb" };
    depends::profiles_fit(profiles).then(|| format!("{name}_{version}_{arch}.{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::files::tests::files;

    #[test]
    fn a_source_package() {
        let control = "Source: hello\n\nPackage: hello\nArchitecture: any\n\nPackage: hello-doc\nArchitecture: all\n\n\
                       Package: hello-other\nArchitecture: arm64 armhf\n\nPackage: hello-udeb\nPackage-Type: udeb\n# why\n\
                       Architecture: linux-any\nBuild-Profiles: <!noudeb>\n\nPackage: hello-stage\nArchitecture: any\n\
                       Build-Profiles: <stage1>\n";
        let list = files(&[
            ("debian/control", control),
            ("debian/changelog", "hello (1:2.10-3) unstable; urgency=low\n"),
        ]);
        let found = &detect(&list)[0];
        assert_eq!((found.name.as_deref(), found.version.as_deref()), (Some("hello"), Some("1:2.10-3")));
        assert_eq!(found.makes.len(), 5);
        assert_eq!(
            makes(&list, found),
            [
                "hello_2.10-3_amd64.deb",
                "hello-doc_2.10-3_all.deb",
                "hello-udeb_2.10-3_amd64.udeb",
                "hello_2.10-3_amd64.buildinfo",
                "hello_2.10-3_amd64.changes",
            ]
        );
        assert!(requires_root(&list, found));
        let list = files(&[("debian/control", "Source: a\nRules-Requires-Root: no\n")]);
        assert!(!requires_root(&list, &detect(&list)[0]));
    }
}
