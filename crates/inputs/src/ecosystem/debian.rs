//! A Debian source package: `debian/control` and `debian/changelog`.
//!
//! What it builds with are packages of the toolchain, which the recipe's lock pins.

use model::RelPath;

use super::{Adapter, Component, EcosystemError, Files, Found, Product, Tool};

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
    if text.lines().any(|l| l.starts_with("Architecture:") && !l.contains("all")) {
        found.notes.push(
            "`dpkg-shlibdeps` asks dpkg's database which package has a library, and a toolchain of selfsame has no such \
             database: a package of compiled programs does not build yet"
                .to_owned(),
        );
    }
    if found.name.is_none() {
        found.notes.push("debian/changelog names no version".to_owned());
    }
    vec![found]
}

/// Nothing: the toolchain's lock pins it.
pub(super) fn components(_: &Files<'_>, _: &Found) -> Result<Vec<Component>, EcosystemError> {
    Ok(Vec::new())
}

/// The packages of `Build-Depends` that every build on amd64 needs, first alternatives, sorted.
pub(super) fn build_depends(files: &Files<'_>, found: &Found) -> Vec<String> {
    let text = files.glance(&found.manifest);
    let mut fields = String::new();
    let mut inside = false;
    for line in text.lines().take_while(|l| !l.trim().is_empty()).filter(|l| !l.starts_with('#')) {
        if !line.starts_with([' ', '\t']) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            inside = matches!(name, "Build-Depends" | "Build-Depends-Arch" | "Build-Depends-Indep");
            fields.push_str(if inside { value } else { "" });
        } else if inside {
            fields.push_str(line);
        }
        fields.push_str(if inside { "," } else { "" });
    }
    let wanted = |clause: &str| {
        let first = clause.split('|').next()?.trim();
        // `<!nocheck>` is for tests alone; `[i386]` is another machine.
        if first.contains("<!")
            || (first.contains('[')
                && !first.contains("amd64")
                && !first.contains("any")
                && !first.contains('!'))
        {
            return None;
        }
        let end = first.find(|c: char| " (:[<".contains(c)).unwrap_or(first.len());
        let name = &first[..end];
        let plain = name.len() > 1
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
        // A compatibility level is a package that another one provides.
        Some(if name == "debhelper-compat" { "debhelper" } else { name }).filter(|_| plain).map(str::to_owned)
    };
    let mut names: Vec<String> = fields.split(',').filter_map(wanted).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::files::tests::files;

    #[test]
    fn a_source_package() {
        let control = "Source: hello\nBuild-Depends: debhelper-compat (= 13),\n libfoo-dev:any (>= 1) | libbar-dev,\n help2man <!nocheck>, x [i386],\nMaintainer: me\n\nPackage: hello\n";
        let list = files(&[
            ("debian/control", control),
            ("debian/changelog", "hello (2.10-3) unstable; urgency=low\n"),
        ]);
        let found = &detect(&list)[0];
        assert_eq!((found.name.as_deref(), found.version.as_deref()), (Some("hello"), Some("2.10-3")));
        assert_eq!(build_depends(&list, found), ["debhelper", "libfoo-dev"]);
        assert_eq!(found.makes, [Product::Program("hello".into())]);
    }
}
