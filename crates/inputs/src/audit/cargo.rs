//! Cargo's manifest, lock and configuration, and build scripts.

use super::command::{Facts, is_channel, is_commit};
use super::finding::Page;
use super::locks::{beside_or_above, folder_of};
use super::read::node::Node;
use super::read::toml;
use super::rule::{Id, Severity};

/// Tables that hold dependencies.
const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn manifest(page: &mut Page<'_>, facts: &Facts, lock: Option<&str>) {
    let Some(root) = toml::read(page.text) else { return };
    let mut dependencies: Vec<(Node, Node, bool)> = Vec::new();
    root.walk(&mut |path, key, value| {
        let above = path.last().copied().unwrap_or_default();
        if TABLES.contains(&above) {
            dependencies.push((key.clone(), value.clone(), path.len() <= 2 && above != "dev-dependencies"));
        }
    });
    if !dependencies.is_empty() && beside_or_above(facts, page.path, &["Cargo.lock"]).is_none() {
        let library = root.get("lib").is_some() && root.get("bin").is_none();
        let finding = page.whole(
            Id::Lock01,
            "no Cargo.lock beside it or above",
            "run `cargo generate-lockfile` and commit Cargo.lock",
        );
        if library {
            finding.at(Severity::Warn);
        }
    }
    let depth = folder_of(page.path).split('/').filter(|p| !p.is_empty()).count();
    for (key, value, _) in &dependencies {
        let name = value.text(&["package"]).or(key.str()).unwrap_or_default();
        if value.get("git").is_some() {
            let pinned = value.text(&["rev"]).is_some_and(|r| is_commit(r) || r.len() >= 7);
            // Cargo.lock has the commit.
            if !pinned && lock.is_none() {
                page.add(
                    Id::Lock08,
                    value.span.clone(),
                    format!("`{name}` follows a branch or tag"),
                    "add `rev` and the commit's 40 digits",
                );
            }
        }
        if let Some(path) = value.get("path") {
            let up = path.str().unwrap_or_default().split('/').take_while(|p| *p == "..").count();
            if up > depth || path.str().is_some_and(|p| p.starts_with('/')) {
                page.add(
                    Id::Lock11,
                    path.span.clone(),
                    format!("`{name}` lies outside the repository"),
                    "take it from a registry, or by git and commit",
                );
            }
        }
        let version = value.text(&["version"]).or(value.str());
        if version.is_some_and(|v| v == "*") && lock.is_none() {
            page.add(
                Id::Lock14,
                value.span.clone(),
                format!("`{name}`: any version"),
                "name a version and commit Cargo.lock",
            );
        }
        let named = |lock: &str| lock.contains(&format!("name = \"{name}\""));
        if lock.is_some_and(|lock| !named(lock))
            && value.get("workspace").is_none()
            && value.text(&["optional"]) != Some("true")
        {
            page.add(
                Id::Lock02,
                key.span.clone(),
                format!("Cargo.lock does not know `{name}`"),
                "run `cargo update --workspace` and commit Cargo.lock",
            );
        }
    }
}

pub(crate) fn lock(page: &mut Page<'_>) {
    let Some(root) = toml::read(page.text) else { return };
    for package in root.get("package").map(Node::items).unwrap_or_default() {
        let Some(source) = package.get("source") else { continue };
        let text = source.str().unwrap_or_default();
        if text.starts_with("registry+") || text.starts_with("sparse+") {
            let old = root.get("metadata").is_some();
            if package.get("checksum").is_none() && !old {
                let name = package.text(&["name"]).unwrap_or_default();
                page.add(
                    Id::Lock06,
                    package.span.clone(),
                    format!("`{name}` has no checksum"),
                    "run `cargo generate-lockfile` with a registry that gives checksums",
                );
            }
        } else if text.starts_with("git+http://") {
            page.add(Id::Lock09, source.span.clone(), "over plain http", "use https");
        }
    }
}

/// `rust-toolchain` and `rust-toolchain.toml`.
pub(crate) fn toolchain(page: &mut Page<'_>) {
    let (span, channel) = if let Some(root) = toml::read(page.text).filter(|r| r.get("toolchain").is_some()) {
        let Some(node) = root.at(&["toolchain", "channel"]) else { return };
        (node.inner(page.text), node.str().unwrap_or_default().to_owned())
    } else {
        let line = page.text.lines().next().unwrap_or_default();
        (0..line.len(), line.trim().to_owned())
    };
    if !channel.is_empty() && is_channel(&channel) {
        let message = format!("`{channel}` is another compiler next time");
        page.add(
            Id::Tool01,
            span,
            message,
            "name a version, as in `1.90.0`, or a day, as in `nightly-2026-01-31`",
        );
    }
}
