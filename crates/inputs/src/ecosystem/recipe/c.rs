//! C and C++, and Debian's source packages.

use super::{Artifact, Step, packages};
use crate::ecosystem::{Files, Found, Origin, Tool, c, debian};

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

/// Binary packages from their source package, as Debian builds them.
pub(super) fn debian(files: &Files<'_>, found: &Found) -> Step {
    let mut step = Step::new(found, "build");
    step.need(&["build-essential"]);
    step.packages.extend(debian::build_depends(files, found));
    step.place = Some("package".to_owned());
    step.comments
        .push("Packages are written beside the source, so that lies in a folder of its own.".to_owned());
    step.comments
        .push("The moment of the build is taken out of the .buildinfo; provenance has it.".to_owned());
    if debian::requires_root(files, found) {
        step.need(&["fakeroot"]);
        step.comments.push(
            "The control file does not say `Rules-Requires-Root: no`: dpkg-buildpackage runs a part with fakeroot."
                .to_owned(),
        );
    }
    step.run.extend(
        [
            "cd package",
            "export SOURCE_DATE_EPOCH=$(dpkg-parsechangelog --show-field Timestamp)",
            "dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary --hook-changes='sed -i /^Build-Date:/d ../*.buildinfo'",
            "mkdir ../out",
            "find .. -maxdepth 1 -type f -exec mv -t ../out {} +",
        ]
        .map(str::to_owned),
    );
    step.env.push(("DEB_BUILD_OPTIONS", "nocheck".into(), "Tests are no part of the package."));
    step.env.push(("DEB_BUILD_PROFILES", "nocheck".into(), "Nor is what they need part of the toolchain."));
    step.outputs.push("out".to_owned());
    for name in debian::makes(files, found) {
        let output = format!("out/{name}");
        step.artifacts.push(Artifact { name, format: "file", output });
    }
    if step.artifacts.is_empty() {
        step.artifacts.push(Artifact {
            name: "packages".to_owned(),
            format: "dir",
            output: "out".to_owned(),
        });
    }
    step
}
