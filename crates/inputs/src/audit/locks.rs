//! Manifests and lockfiles that belong together, whatever the ecosystem.

use super::command::Facts;
use super::finding::Page;
use super::rule::Id;

/// The folder of a path, with its slash; empty at the top.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

/// The first of `names` that is tracked in the folder of `path` or one above it.
pub(crate) fn beside_or_above(facts: &Facts, path: &str, names: &[&str]) -> Option<String> {
    let mut folder = folder_of(path);
    loop {
        for name in names {
            let candidate = format!("{folder}{name}");
            if facts.paths.contains(&candidate) {
                return Some(candidate);
            }
        }
        if folder.is_empty() {
            return None;
        }
        folder = folder_of(&folder[..folder.len() - 1]);
    }
}

/// Lockfiles that git is told to leave out.
pub(crate) fn ignored(page: &mut Page<'_>) {
    const LOCKS: &[&str] = &[
        "Cargo.lock",
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "uv.lock",
        "poetry.lock",
        "Pipfile.lock",
        "go.sum",
        "Gemfile.lock",
        "composer.lock",
        "bun.lock",
        "bun.lockb",
        "npm-shrinkwrap.json",
        "selfsame.lock",
        "gradle.lockfile",
        "pdm.lock",
        "*.lock",
    ];
    let mut at = 0;
    for line in page.text.split_inclusive('\n') {
        let rule = line.trim();
        let name = rule.trim_start_matches('/').trim_start_matches("**/");
        if LOCKS.contains(&name) {
            let message = format!("git leaves `{name}` out, so nobody else has it");
            page.add(
                Id::Lock03,
                at..at + line.trim_end().len(),
                message,
                "remove the line and commit the lockfile",
            );
        }
        at += line.len();
    }
}

/// `.gitmodules`: a branch that an update follows.
pub(crate) fn modules(page: &mut Page<'_>) {
    let mut at = 0;
    for line in page.text.split_inclusive('\n') {
        if let Some((key, value)) = line.split_once('=') {
            let span = at..at + line.trim_end().len();
            if key.trim() == "branch" {
                page.add(
                    Id::Tool09,
                    span,
                    "an update moves it along a branch",
                    "remove the line: the commit that is recorded counts",
                );
            } else if key.trim() == "url"
                && (value.trim().starts_with("http://") || value.trim().starts_with("git://"))
            {
                page.add(Id::Lock09, span, "anyone on the way can change it", "use https or ssh");
            }
        }
        at += line.len();
    }
}

/// One file that names the version of a language: `.nvmrc`, `.python-version`, `.tool-versions` and the like.
pub(crate) fn versions(page: &mut Page<'_>) {
    let table = page.path.ends_with(".tool-versions");
    let mut at = 0;
    for line in page.text.split_inclusive('\n') {
        let bare = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = bare.split_whitespace().collect();
        let version = if table { words.get(1) } else { words.first() };
        if let Some(version) = version {
            let digits = version.trim_start_matches('v').split(['-', '@']).next_back().unwrap_or_default();
            let floats = !super::command::is_exact(digits)
                && !version.starts_with("ref:")
                && !version.starts_with("path:");
            // Java and Erlang count in twos.
            let two = digits.split('.').count() >= 2
                && (version.contains("temurin")
                    || version.contains("corretto")
                    || page.path.ends_with(".tool-versions"));
            if floats && !two {
                let start = at + line.find(version).unwrap_or(0);
                let message = format!("`{version}` is another version next time");
                page.add(Id::Tool01, start..start + version.len(), message, "name the whole version");
            }
        }
        at += line.len();
    }
}
