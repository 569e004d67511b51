//! package.json and the lockfiles of npm, yarn and pnpm.

use std::collections::BTreeMap;

use super::command::{self, Facts, Place, is_commit};
use super::finding::Page;
use super::locks::{beside_or_above, folder_of};
use super::read::node::Node;
use super::read::{json, yaml};
use super::rule::{Id, Severity};

const LOCKS: &[&str] =
    &["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];

/// Packages that fetch something else while they are installed.
const FETCHERS: &[&str] = &[
    "puppeteer",
    "playwright",
    "playwright-chromium",
    "cypress",
    "electron",
    "chromedriver",
    "geckodriver",
    "node-sass",
    "phantomjs-prebuilt",
    "selenium-standalone",
    "ngrok",
    "mongodb-memory-server",
    "protoc-gen-grpc-web",
    "grpc-tools",
];

pub(crate) fn manifest(page: &mut Page<'_>, facts: &Facts, lock: Option<&str>) {
    let Some(root) = json::read(page.text) else { return };
    let kinds = ["dependencies", "devDependencies", "optionalDependencies"];
    let all: Vec<(&str, &Node, &Node)> = kinds
        .iter()
        .flat_map(|kind| {
            root.get(kind).map(Node::entries).unwrap_or_default().iter().map(move |(k, v)| (*kind, k, v))
        })
        .collect();
    let found = beside_or_above(facts, page.path, LOCKS);
    if !all.is_empty() && found.is_none() {
        page.whole(
            Id::Lock01,
            "no lockfile beside it or above",
            "run `npm install --package-lock-only` and commit package-lock.json",
        );
    }
    let here: Vec<&str> = LOCKS
        .iter()
        .copied()
        .filter(|name| facts.paths.contains(&format!("{}{name}", folder_of(page.path))))
        .collect();
    // `npm-shrinkwrap.json` goes before, and both bun files are one.
    let tools = ["npm-shrinkwrap.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"];
    if here.iter().filter(|name| tools[1..].contains(name)).count() > 1 {
        page.whole(
            Id::Lock04,
            format!("{} lie side by side", here.join(" and ")),
            "keep the one of the tool that builds",
        );
    }
    for (_, key, value) in &all {
        let (name, text) = (key.str().unwrap_or_default(), value.str().unwrap_or_default());
        let git = text.contains("git+")
            || text.starts_with("git:")
            || text.starts_with("github:")
            || is_shorthand(text);
        if git {
            let at = text.rsplit_once('#').map_or("", |(_, r)| r);
            if !is_commit(at) && lock.is_none() {
                page.add(
                    Id::Lock08,
                    value.inner(page.text),
                    format!("`{name}` follows a branch or tag"),
                    "write `#` and the commit's 40 digits",
                );
            }
        } else if text.starts_with("http://") {
            page.add(Id::Lock09, value.inner(page.text), "over plain http", "use https");
        } else if let Some(path) = text.strip_prefix("file:").or(text.strip_prefix("link:")) {
            let depth = folder_of(page.path).matches('/').count();
            if path.split('/').filter(|p| *p == "..").count() > depth || path.starts_with('/') {
                page.add(
                    Id::Lock11,
                    value.inner(page.text),
                    format!("`{name}` lies outside the repository"),
                    "take it from a registry",
                );
            }
        } else if matches!(text, "*" | "latest" | "next" | "") && found.is_none() {
            page.add(
                Id::Lock14,
                value.span.clone(),
                format!("`{name}`: whichever version is newest"),
                "name a version and commit the lockfile",
            );
        }
        if FETCHERS.contains(&name) {
            let message = format!("`{name}` downloads more while it is installed, which no lockfile has");
            page.add(
                Id::Net03,
                key.inner(page.text),
                message,
                "install with --ignore-scripts and bring what it needs as a source of the recipe",
            );
        }
    }
    scripts(page, &root, facts);
    if let Some(lock) = lock {
        in_step(page, &all, lock);
    }
}

/// `owner/name` or `owner/name#ref`.
fn is_shorthand(text: &str) -> bool {
    let name = text.split('#').next().unwrap_or_default();
    let mut parts = name.split('/');
    let fine = |p: Option<&str>| {
        p.is_some_and(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
    };
    fine(parts.next()) && fine(parts.next()) && parts.next().is_none() && !name.starts_with(['.', '@'])
}

fn scripts(page: &mut Page<'_>, root: &Node, facts: &Facts) {
    const AT_INSTALL: &[&str] = &["preinstall", "install", "postinstall", "prepare", "prepublish"];
    for (key, value) in root.get("scripts").map(Node::entries).unwrap_or_default() {
        let name = key.str().unwrap_or_default();
        let Some((text, at)) = value.script(page.text) else { continue };
        let network = [
            "curl ",
            "wget ",
            "playwright install",
            "puppeteer browsers install",
            "cypress install",
            "git clone",
        ];
        if AT_INSTALL.contains(&name) {
            if let Some(what) = network.iter().find(|word| text.contains(**word)) {
                let message = format!("`{}` runs at every install", what.trim());
                page.add(
                    Id::Net05,
                    value.inner(page.text),
                    message,
                    "bring what it needs as a source of the recipe",
                );
                continue;
            }
        }
        command::commands(page, &text, at, Place::Package, facts, &BTreeMap::new());
    }
}

/// What package.json wants and the lock does not know.
fn in_step(page: &mut Page<'_>, all: &[(&str, &Node, &Node)], lock: &str) {
    let Some(root) = json::read(lock) else { return };
    let Some(top) = root.get("packages").and_then(|p| p.get("")) else { return };
    for (kind, key, value) in all {
        let (Some(name), Some(wanted)) = (key.str(), value.str()) else { continue };
        let known = top.get(kind).and_then(|k| k.get(name)).and_then(Node::str);
        if known != Some(wanted) {
            let found = known.map_or_else(|| "nothing".to_owned(), |k| format!("`{k}`"));
            let message = format!("`{name}`: package.json wants `{wanted}`, the lock has {found}");
            page.add(
                Id::Lock02,
                value.inner(page.text),
                message,
                "run `npm install --package-lock-only` and commit the lock",
            );
        }
    }
}

/// package-lock.json.
pub(crate) fn lock(page: &mut Page<'_>) {
    let Some(root) = json::read(page.text) else { return };
    if root.text(&["lockfileVersion"]) == Some("1") {
        let span = root.get("lockfileVersion").map_or(0..0, |n| n.span.clone());
        page.add(
            Id::Lock05,
            span,
            "format 1 does not hold all that is installed",
            "run `npm install --package-lock-only` with npm 7 or newer",
        )
        .at(Severity::Warn);
    }
    let packages = root.get("packages").or_else(|| root.get("dependencies"));
    let (mut bare, mut weak, mut plain, mut homeless) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (key, value) in packages.map(Node::entries).unwrap_or_default() {
        let name = key.str().unwrap_or_default();
        let inside = value.text(&["link"]) == Some("true")
            || value.text(&["inBundle"]) == Some("true")
            || value.text(&["bundled"]) == Some("true");
        let local = !name.contains("node_modules/") && root.get("packages").is_some();
        if inside || local || name.is_empty() || value.get("version").is_none() {
            continue;
        }
        let from = value.text(&["resolved"]).or(value.text(&["version"])).unwrap_or_default();
        let git = from.starts_with("git") || from.starts_with("file:");
        match value.text(&["integrity"]) {
            None if !git => bare.push((key, name)),
            Some(hash) if hash.starts_with("sha1-") || hash.starts_with("md5-") => weak.push((key, name)),
            _ => {}
        }
        if value.get("resolved").is_none() && !git {
            homeless.push((key, name));
        } else if from.starts_with("http://") {
            plain.push((key, name));
        }
    }
    let mut say = |id, list: &[(&Node, &str)], what: &str, fix: &str| {
        if let Some((first, name)) = list.first() {
            let more = if list.len() > 1 { format!(" and {} more", list.len() - 1) } else { String::new() };
            page.add(id, first.span.clone(), format!("`{name}`{more}: {what}"), fix);
        }
    };
    let anew = "remove node_modules and the lock, run `npm install`, and commit the lock";
    say(Id::Lock06, &bare, "no integrity", anew);
    say(Id::Lock10, &weak, "a SHA-1 or MD5 hash", anew);
    say(Id::Lock07, &homeless, "no address", anew);
    say(Id::Lock09, &plain, "over plain http", "use a registry with https, and lock anew");
}

/// yarn.lock, of either format.
pub(crate) fn yarn(page: &mut Page<'_>) {
    let text = page.text;
    if text.contains("__metadata:") {
        return;
    }
    let mut at = 0;
    let mut entry: Option<(usize, &str, bool, bool)> = None;
    let mut bare = Vec::new();
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_end();
        if !trimmed.starts_with([' ', '#']) && trimmed.ends_with(':') {
            if let Some((start, name, true, false)) = entry {
                bare.push((start, name));
            }
            entry = Some((at, trimmed.trim_end_matches(':'), false, false));
        } else if let Some(it) = &mut entry {
            let inner = trimmed.trim();
            if let Some(address) = inner.strip_prefix("resolved ") {
                let address = address.trim_matches('"');
                // The hash of old is behind `#`, and SHA-1.
                it.2 = !address.contains("git") || address.contains(".tgz");
                if address.starts_with("http://") {
                    page.add(
                        Id::Lock09,
                        at..at + trimmed.len(),
                        "over plain http",
                        "use a registry with https, and lock anew",
                    );
                }
            }
            it.3 |= inner.starts_with("integrity ");
        }
        at += line.len();
    }
    if let Some((start, name, true, false)) = entry {
        bare.push((start, name));
    }
    if let Some((start, name)) = bare.first() {
        let more = if bare.len() > 1 { format!(" and {} more", bare.len() - 1) } else { String::new() };
        let message = format!("{name}{more}: only a SHA-1 in the address");
        page.add(
            Id::Lock05,
            *start..start + name.len(),
            message,
            "run `yarn install` with yarn 1.10 or newer and commit yarn.lock",
        );
    }
}

/// pnpm-lock.yaml.
pub(crate) fn pnpm(page: &mut Page<'_>) {
    for root in yaml::read(page.text) {
        for (key, value) in root.get("packages").map(Node::entries).unwrap_or_default() {
            let resolution = value.get("resolution");
            let safe = resolution
                .is_some_and(|r| ["integrity", "commit", "directory"].iter().any(|k| r.get(k).is_some()));
            if resolution.is_some() && !safe {
                let name = key.str().unwrap_or_default();
                page.add(
                    Id::Lock06,
                    key.span.clone(),
                    format!("`{name}` has no integrity"),
                    "run `pnpm install --lockfile-only` and commit the lock",
                );
            }
        }
    }
}
