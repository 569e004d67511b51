//! C and C++, and Debian's source packages.

use super::{Artifact, Step, packages, word};
use crate::ecosystem::{Files, Found, Origin, Product, Tool, c, debian};

pub(super) fn step(files: &Files<'_>, found: &Found) -> Step {
    let mut step = Step::new(found, "build");
    step.need(&["gcc", "libc6-dev", "make"]);
    if files.paths().any(|p| [".cc", ".cpp", ".cxx", ".hpp"].iter().any(|e| p.as_str().ends_with(e))) {
        step.need(&["g++"]);
    }
    let libraries = c::libraries(files, found);
    let unknown: Vec<&String> = libraries
        .iter()
        .filter(|l| packages::of(packages::OF_LIBRARIES, l).is_empty() && !is_own(l))
        .collect();
    for library in &libraries {
        step.need(packages::of(packages::OF_LIBRARIES, library));
    }
    if !libraries.is_empty() {
        step.need(&["pkg-config"]);
    }
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().map(|n| n.as_str()).collect();
        step.comments.push(format!(
            "It also looks for {}: add their -dev packages if they are needed.",
            names.join(", ")
        ));
    }
    fetches(files, found, &mut step);
    let (need, run): (&[&str], &[&str]) = match found.tool {
        Tool::Configure => {
            (&[], &["./configure --prefix=/usr", "make -j$(nproc)", "make install DESTDIR=\"$PWD/out\""])
        }
        Tool::Autotools => (
            &["autoconf", "automake", "libtool", "pkg-config"],
            &[
                "autoreconf --install --force",
                "./configure --prefix=/usr",
                "make -j$(nproc)",
                "make install DESTDIR=\"$PWD/out\"",
            ],
        ),
        Tool::CMake => (
            &["cmake", "g++", "ninja-build"],
            &[
                "cmake -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_SKIP_BUILD_RPATH=ON",
                "cmake --build build -j$(nproc)",
                "DESTDIR=\"$PWD/out\" cmake --install build",
            ],
        ),
        Tool::Meson => (
            &["meson", "ninja-build", "pkg-config"],
            &[
                "meson setup build --prefix=/usr --buildtype=release",
                "ninja -C build",
                "DESTDIR=\"$PWD/out\" ninja -C build install",
            ],
        ),
        _ => (&[], &["make -j$(nproc)", "make install PREFIX=/usr DESTDIR=\"$PWD/out\""]),
    };
    step.need(need);
    step.run.extend(run.iter().map(|c| (*c).to_owned()));
    let value = "-O2 -g -ffile-prefix-map=/build/src=.".to_owned();
    step.env.push((
        "CFLAGS",
        value.clone(),
        "`__FILE__` and debug information name files without the build directory.",
    ));
    if step.packages.contains("g++") {
        step.env.push(("CXXFLAGS", value, "The same for C++."));
    }
    step.pack("out", "", "tar.gz");
    step
}

/// What CMake's own modules answer without a package.
fn is_own(library: &str) -> bool {
    let own = ["ctest", "doxygen", "openmp", "package", "pkgconfig", "threads"];
    own.contains(&library.to_ascii_lowercase().as_str())
}

/// A build that downloads by itself is recorded as well.
fn fetches(files: &Files<'_>, found: &Found, step: &mut Step) {
    let list = match c::components(files, found) {
        Ok(list) => list,
        Err(error) => {
            let text = error.to_string();
            step.comments.push(format!(
                "It fetches something that nothing pins: {}.",
                text.lines().next().unwrap_or_default()
            ));
            step.uses.insert("web");
            return;
        }
    };
    for component in list {
        match component.origin {
            Origin::Git { url, .. } => step.comments.push(format!(
                "It fetches {} from {url}: make it a source of this recipe, and an input of this step.",
                component.name
            )),
            _ => drop(step.uses.insert("web")),
        }
    }
}

/// A binary package from its source package.
pub(super) fn debian(files: &Files<'_>, found: &Found) -> Step {
    let mut step = Step::new(found, "build");
    step.need(&["build-essential", "debhelper", "dpkg-dev"]);
    step.packages.extend(debian::build_depends(files, found));
    step.comments
        .push("Packages are written beside the source, so that is copied to a folder of its own.".to_owned());
    step.run.extend(
        [
            "cp -a . /tmp/package",
            "cd /tmp/package",
            "dpkg-source --before-build .",
            "debian/rules build",
            "debian/rules binary",
            "mkdir -p /build/src/out",
            "cp /tmp/*.deb /build/src/out/",
        ]
        .map(str::to_owned),
    );
    step.comments.push(
        "The rules are run as dpkg-buildpackage runs them; that itself asks dpkg's database, and there is none here.".to_owned(),
    );
    step.env.push((
        "DEB_RULES_REQUIRES_ROOT",
        "no".into(),
        "An ordinary user, and no fakeroot: it does not run in a step.",
    ));
    step.env.push(("DEB_BUILD_OPTIONS", "nocheck".into(), "Tests are no part of the package."));
    step.env.push(("DEB_BUILD_MAINT_OPTIONS", "reproducible=+all".into(), "Paths and times stay out."));
    let count = found.makes.iter().filter(|m| matches!(m, Product::Program(_))).count();
    let name = if count > 1 {
        "packages".to_owned()
    } else {
        found.name.as_deref().map_or_else(|| "package".into(), word)
    };
    step.outputs.push("out".to_owned());
    step.artifacts.push(Artifact { name: format!("{name}-deb"), format: "dir", output: "out".to_owned() });
    step
}
