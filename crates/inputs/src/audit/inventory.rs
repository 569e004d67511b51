//! What an SBOM of a repository could tell, and what it could not.

use std::collections::BTreeMap;

use model::lock::Lock;

use super::finding::Page;
use super::is_aside;
use super::rule::Id;

/// Crates that compile a C library which they bring, whatever is asked of them, and what it is.
const BRINGS: &[(&str, &str)] = &[
    ("aws-lc-sys", "AWS-LC"),
    ("librocksdb-sys", "RocksDB"),
    ("libmimalloc-sys", "mimalloc"),
    ("lua-src", "Lua"),
    ("luajit-src", "LuaJIT"),
    ("openssl-src", "OpenSSL"),
    ("protobuf-src", "protobuf"),
    ("tikv-jemalloc-sys", "jemalloc"),
    ("jemalloc-sys", "jemalloc"),
    ("zstd-sys", "zstd"),
];

/// Words of tools that write an SBOM.
const SBOM: &[&str] = &["sbom", "cyclonedx", "spdx", "syft", "selfsame build", "selfsame reproduce"];
/// What gives something to others.
const PUBLISHES: &[&str] = &[
    "npm publish",
    "cargo publish",
    "twine upload",
    "gh release ",
    "action-gh-release",
    "pypi-publish",
    "docker push",
    "goreleaser",
];

/// `Cargo.lock`: crates with a library of others in them.
pub(crate) fn crates(page: &mut Page<'_>) {
    let mut at = 0;
    for line in page.text.split_inclusive('\n') {
        let name = line.trim().strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'));
        if let Some((_, library)) = BRINGS.iter().find(|(brings, _)| Some(*brings) == name) {
            let message =
                format!("it compiles {library}, which it brings, and whose version no lockfile says");
            let fix = "link the system's, which the toolchain locks, or add it to the SBOM by hand";
            page.add(Id::Sbom05, at..at + line.trim_end().len(), message, fix);
        }
        at += line.len();
    }
}

/// `selfsame.lock`: packages that a step fetched and that say no licence.
pub(crate) fn locked(page: &mut Page<'_>) {
    let Ok(lock) = Lock::parse(page.path, page.text) else { return };
    for (name, step) in &lock.steps {
        // No field of a Go module says its licence.
        let all: Vec<_> = step.packages.iter().filter(|p| p.purl.kind() != "golang").collect();
        let silent: Vec<&str> = all.iter().filter(|p| p.licence.is_none()).map(|p| p.purl.name()).collect();
        if silent.is_empty() {
            continue;
        }
        let shown = silent.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let more = if silent.len() > 5 { ", …" } else { "" };
        let message = format!(
            "{} of {} packages that step `{name}` fetches declare no licence: {shown}{more}",
            silent.len(),
            all.len()
        );
        let table = format!("[step.\"{name}\"]");
        let span = page.text.find(&table).map_or(0..0, |at| at..at + table.len());
        page.add(Id::Sbom02, span, message, "ask their makers, or say it in what you publish");
    }
}

/// Workflows that give something to others, where none says a word of an SBOM.
pub(crate) fn released(texts: &BTreeMap<&str, &str>) -> Vec<super::Finding> {
    let is_ci = |path: &str| path.contains(".github/workflows/") || path.contains("gitlab-ci");
    let ci = || texts.iter().filter(|(path, _)| is_ci(path) && !is_aside(path));
    let says = |text: &str| {
        let text = text.to_ascii_lowercase();
        SBOM.iter().any(|word| text.contains(word))
    };
    let told = |name: &str| matches!(name.rsplit('/').next(), Some(".goreleaser.yml" | ".goreleaser.yaml"));
    let anywhere = ci().any(|(_, text)| says(text))
        || texts.iter().any(|(path, text)| *path == "selfsame.toml" || (told(path) && says(text)));
    if anywhere {
        return Vec::new();
    }
    let mut list = Vec::new();
    for (path, text) in ci() {
        let published = text.lines().scan(0, |at, line| {
            let start = *at;
            *at += line.len() + 1;
            Some((start, line))
        });
        // What stands in a comment is not run.
        let mut published = published.filter(|(_, line)| {
            let run = line.split(" #").next().unwrap_or(line);
            let really = !run.trim_start().starts_with('#') && !run.contains("--dry-run");
            really && PUBLISHES.iter().any(|word| run.contains(word))
        });
        if let Some((at, line)) = published.next() {
            let mut page = Page::new(path, text);
            let start = at + line.len() - line.trim_start().len();
            let message = "what is released here has no SBOM";
            page.add(
                Id::Sbom01,
                start..at + line.trim_end().len(),
                message,
                "write one beside it, and sign it",
            );
            list.append(&mut page.findings);
        }
    }
    list
}
