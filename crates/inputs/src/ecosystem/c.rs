//! C and C++: `configure`, autotools, CMake, Meson, make.
//!
//! There is no lockfile. Libraries come from the toolchain; what a build would fetch by itself (CMake's FetchContent and
//! ExternalProject, Meson's wraps) is listed here, and must have a hash or a commit.

use model::RelPath;

use super::error::Tally;
use super::place::line_at;
use super::{
    Adapter, Checksum, Component, EcosystemError, Files, Found, LockedFile, Origin, Problem, Product, Scope,
    Tool,
};

/// What tells a build system, the first that is there.
const SIGNS: &[(&str, Tool)] = &[
    ("configure", Tool::Configure),
    ("configure.ac", Tool::Autotools),
    ("configure.in", Tool::Autotools),
    ("CMakeLists.txt", Tool::CMake),
    ("meson.build", Tool::Meson),
    ("GNUmakefile", Tool::Make),
    ("Makefile", Tool::Make),
    ("makefile", Tool::Make),
];

/// Whether there is something to compile.
pub(super) fn has_source(files: &Files<'_>) -> bool {
    files.paths().any(|p| [".c", ".cc", ".cpp", ".cxx"].iter().any(|end| p.as_str().ends_with(end)))
}

/// At most one project, at the root.
pub(super) fn detect(files: &Files<'_>) -> Vec<Found> {
    found(files, &RelPath::root()).into_iter().collect()
}

fn found(files: &Files<'_>, dir: &RelPath) -> Option<Found> {
    let (manifest, tool) = SIGNS.iter().find_map(|(sign, tool)| Some((files.at(dir, sign)?, *tool)))?;
    let mut found = Found::new(Adapter::C, tool, dir, manifest);
    found.makes.push(Product::Installed);
    let text = script(files, &found.manifest);
    match tool {
        Tool::CMake => {
            let words = call(&text, "project", 0).map(|(words, _)| words).unwrap_or_default();
            found.name = words.first().filter(|n| is_plain(n)).cloned();
            let version = words.iter().position(|w| w == "VERSION").and_then(|at| words.get(at + 1));
            found.version = version.filter(|v| is_plain(v)).cloned();
            if let Some((words, _)) = call(&text, "cmake_minimum_required", 0)
                && let Some(version) = words.get(1)
            {
                found.want("cmake", version, format!("`cmake_minimum_required` in {}", found.manifest));
            }
        }
        Tool::Meson => {
            let head = text.split("project(").nth(1).unwrap_or_default();
            found.name = head.split(['\'', '"']).nth(1).filter(|n| is_plain(n)).map(str::to_owned);
            let field = |name: &str| {
                let at = head.find(&format!("{name}:")).or_else(|| head.find(&format!("{name} :")))?;
                head[at..].split(['\'', '"']).nth(1).map(str::to_owned)
            };
            found.version = field("version").filter(|v| is_plain(v));
            found.licence = field("license");
            if let Some(version) = field("meson_version") {
                found.want("meson", &version, format!("`meson_version` in {}", found.manifest));
            }
        }
        Tool::Autotools | Tool::Configure => {
            let text = files.at(dir, "configure.ac").map(|p| files.glance(&p)).unwrap_or_default();
            let inside = text.split("AC_INIT(").nth(1).and_then(|t| t.split(')').next()).unwrap_or_default();
            let words: Vec<&str> = inside.split(',').map(|w| w.trim().trim_matches(['[', ']'])).collect();
            found.name = words.first().filter(|n| is_plain(n)).map(|n| (*n).to_owned());
            found.version = words.get(1).filter(|n| is_plain(n)).map(|n| (*n).to_owned());
        }
        _ => {}
    }
    Some(found)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

/// The text of a build file. Those that people write are small, and a larger one would take its time.
fn script(files: &Files<'_>, path: &RelPath) -> String {
    let text = files.glance(path);
    if text.len() > 1 << 20 { String::new() } else { text }
}

/// The words between the brackets of the first call of a CMake command at or after `from`, and where it stands.
fn call(text: &str, name: &str, from: usize) -> Option<(Vec<String>, usize)> {
    let lower = text.to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let mut at = from;
    loop {
        let start = lower.get(at..)?.find(&name)? + at;
        at = start + name.len();
        let line = text[..start].rsplit('\n').next().unwrap_or_default();
        let rest = text[at..].trim_start();
        if line.contains('#')
            || !rest.starts_with('(')
            || line.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        {
            continue;
        }
        let inside = rest[1..].split(')').next().unwrap_or_default();
        let words = inside.lines().map(|l| l.split('#').next().unwrap_or_default());
        let words = words.flat_map(str::split_whitespace).map(|w| w.trim_matches('"').to_owned());
        return Some((words.collect(), start));
    }
}

/// What the build would fetch.
pub(super) fn components(files: &Files<'_>, found: &Found) -> Result<Vec<Component>, EcosystemError> {
    let mut list = Vec::new();
    let mut loose = Tally::default();
    for path in files.below(&found.dir) {
        let name = path.file_name().unwrap_or_default();
        if found.tool == Tool::CMake && (name == "CMakeLists.txt" || name.ends_with(".cmake")) {
            cmake(path, &script(files, path), &mut list, &mut loose);
        }
        if found.tool == Tool::Meson && name.ends_with(".wrap") && path.as_str().contains("subprojects/") {
            list.extend(wrap(path, &script(files, path), &mut loose));
        }
    }
    loose.finish(EcosystemError::Loose)?;
    Ok(list)
}

fn cmake(path: &RelPath, text: &str, list: &mut Vec<Component>, loose: &mut Tally) {
    for command in ["FetchContent_Declare", "ExternalProject_Add"] {
        let mut from = 0;
        while let Some((words, at)) = call(text, command, from) {
            from = at + command.len();
            let Some(name) = words.first() else { continue };
            let after = |key: &str| words.iter().position(|w| w == key).and_then(|at| words.get(at + 1));
            let mut component = Component::new(Adapter::C, path, name, None);
            component.line = line_at(text, at);
            component.scope = Scope::Build;
            let fault = |what: &str, expected: &str, found: &str, fix: &str| {
                Problem::new(path, format!("`{name}` {what}"), expected, found, fix).at(line_at(text, at))
            };
            if let Some(url) = after("GIT_REPOSITORY") {
                let tag = after("GIT_TAG").map_or("none", String::as_str);
                if tag.len() != 40 || !tag.bytes().all(|b| b.is_ascii_hexdigit()) {
                    let fix = "give the commit that the tag names";
                    loose.add(fault(
                        "is from git and not at a commit",
                        "`GIT_TAG` with 40 hexadecimal digits",
                        tag,
                        fix,
                    ));
                }
                component.origin = Origin::Git { url: url.clone(), commit: tag.to_owned() };
            } else if let Some(url) = after("URL") {
                let sum = after("URL_HASH").and_then(|h| Checksum::named(&h.replacen("SHA", "sha", 1)));
                if sum.is_none() {
                    let found = after("URL_HASH").map_or("none", String::as_str);
                    loose.add(fault(
                        "is a download without hash",
                        "`URL_HASH SHA256=…`",
                        found,
                        "add the hash",
                    ));
                }
                let last = url.rsplit('/').next().unwrap_or_default();
                component.origin = Origin::Url(url.clone());
                component
                    .files
                    .push(LockedFile { ends: vec![format!("/{last}")], accepted: sum.into_iter().collect() });
            } else {
                continue;
            }
            list.push(component);
        }
    }
}

fn wrap(path: &RelPath, text: &str, loose: &mut Tally) -> Option<Component> {
    let get = |key: &str| {
        let line = text.lines().find(|l| l.split('=').next().is_some_and(|k| k.trim() == key))?;
        line.split_once('=').map(|(_, value)| value.trim().to_owned())
    };
    let name = path.file_name()?.strip_suffix(".wrap")?;
    let mut component = Component::new(Adapter::C, path, name, None);
    component.line = 1;
    component.scope = Scope::Optional;
    if let Some(url) = get("source_url") {
        let sum = get("source_hash").and_then(|h| Checksum::named(&format!("sha256:{h}")));
        if sum.is_none() {
            let what = format!("`{name}` is a download without hash");
            loose.add(Problem::new(path, what, "`source_hash` with a SHA-256", "none", "add the hash").at(1));
        }
        let last = url.rsplit('/').next().unwrap_or_default().to_owned();
        component.origin = Origin::Url(url);
        component
            .files
            .push(LockedFile { ends: vec![format!("/{last}")], accepted: sum.into_iter().collect() });
    } else if let Some(url) = get("url") {
        let commit = get("revision").unwrap_or_default();
        if commit.len() != 40 {
            let what = format!("`{name}` is from git and not at a commit");
            let expected = "`revision` with 40 hexadecimal digits";
            loose.add(Problem::new(path, what, expected, &commit, "give the commit").at(1));
        }
        component.origin = Origin::Git { url, commit };
    } else {
        return None;
    }
    Some(component)
}

/// Names of libraries that the build looks for, by pkg-config or `find_package`, sorted.
pub(super) fn libraries(files: &Files<'_>, found: &Found) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for path in files.below(&found.dir) {
        let name = path.file_name().unwrap_or_default();
        let text = match name {
            "CMakeLists.txt" | "meson.build" | "configure.ac" | "configure.in" => script(files, path),
            _ => continue,
        };
        for command in ["find_package", "pkg_check_modules", "pkg_search_module"] {
            let mut at = 0;
            while let Some((words, place)) = call(&text, command, at) {
                at = place + command.len();
                let skip = usize::from(command != "find_package");
                let words = words.iter().skip(skip).filter(|w| is_plain(w));
                let plain = words.filter(|w| {
                    !matches!(w.as_str(), "REQUIRED" | "QUIET" | "IMPORTED_TARGET" | "COMPONENTS")
                });
                if command == "find_package" {
                    names.extend(plain.take(1).cloned());
                } else {
                    names.extend(plain.cloned());
                }
            }
        }
        for piece in text.split("dependency(").skip(1).filter(|_| name == "meson.build") {
            names.extend(piece.split(['\'', '"']).nth(1).filter(|n| is_plain(n)).map(str::to_owned));
        }
        for piece in text.split("PKG_CHECK_MODULES").skip(1) {
            let inside = piece.split(')').next().unwrap_or_default();
            let words = inside.split(',').nth(1).unwrap_or_default();
            let words = words.split_whitespace().map(|w| w.trim_matches(['[', ']']));
            names.extend(
                words
                    .filter(|w| is_plain(w) && w.starts_with(|c: char| c.is_alphabetic()))
                    .map(str::to_owned),
            );
        }
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::files::tests::files;

    #[test]
    fn what_cmake_and_meson_say_and_fetch() {
        let cmake = "cmake_minimum_required(VERSION 3.20)\nproject(tool VERSION 1.2 LANGUAGES C)\n# find_package(No)\n\
                     find_package(ZLIB 1.2 REQUIRED)\npkg_check_modules(X REQUIRED libfoo)\nFetchContent_Declare(fmt\n  \
                     GIT_REPOSITORY https://example.org/fmt.git\n  GIT_TAG v10) # moves\n";
        let list = files(&[("CMakeLists.txt", cmake), ("a.c", "")]);
        let found = detect(&list).remove(0);
        assert_eq!((found.name.as_deref(), found.version.as_deref()), (Some("tool"), Some("1.2")));
        assert_eq!(libraries(&list, &found), ["ZLIB", "libfoo"]);
        let error = components(&list, &found).unwrap_err().to_string();
        assert!(error.starts_with("CMakeLists.txt:6: `fmt` is from git and not at a commit"), "{error}");
        let meson = "project('prog', 'c', version: '3.1', license : 'MIT', meson_version: '>=0.60')\ndependency('glib-2.0')\n";
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let wrap = format!("[wrap-file]\nsource_url = https://example.org/a.tar.gz\nsource_hash = {hash}\n");
        let list = files(&[("meson.build", meson), ("subprojects/a.wrap", &wrap)]);
        let found = detect(&list).remove(0);
        assert_eq!((found.name.as_deref(), found.wants[0].at_least.as_str()), (Some("prog"), "0.60"));
        assert_eq!(libraries(&list, &found), ["glib-2.0"]);
        assert_eq!(components(&list, &found).unwrap()[0].files[0].accepted[0].hex, hash);
    }

    #[test]
    fn autotools_say_their_name() {
        let list = files(&[
            ("configure", ""),
            ("configure.ac", "AC_INIT([hello], [2.10])\nPKG_CHECK_MODULES([A], [zlib >= 1])\n"),
        ]);
        let found = detect(&list).remove(0);
        assert_eq!((found.tool, found.name.as_deref()), (Tool::Configure, Some("hello")));
        assert_eq!(libraries(&list, &found), ["zlib"]);
    }
}
