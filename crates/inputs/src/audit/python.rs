//! Python's manifests and lockfiles.

use super::command::{Facts, is_commit};
use super::finding::Page;
use super::locks::{beside_or_above, folder_of};
use super::read::node::Node;
use super::read::toml;
use super::rule::{Id, Severity};

/// Lines of a requirements file, continued ones joined: where each begins, and its text without its comment.
fn entries(text: &str) -> Vec<(usize, String)> {
    let mut list: Vec<(usize, String)> = Vec::new();
    let mut at = 0;
    let mut open = false;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let code = bare.find(" #").map_or(bare, |cut| &bare[..cut]);
        let code = if code.trim_start().starts_with('#') { "" } else { code };
        let more = code.ends_with('\\');
        let part = code.trim_end_matches('\\').trim();
        if open {
            if let Some((_, last)) = list.last_mut() {
                last.push(' ');
                last.push_str(part);
            }
        } else if !part.is_empty() {
            list.push((at + (line.len() - line.trim_start().len()), part.to_owned()));
        }
        open = more;
        at += line.len();
    }
    list
}

/// True if every package of a requirements file has a hash.
pub(crate) fn is_hashed(text: &str) -> bool {
    let list = entries(text);
    let mut packages = list.iter().filter(|(_, line)| !line.starts_with('-')).peekable();
    packages.peek().is_some() && packages.all(|(_, line)| line.contains("--hash="))
}

pub(crate) fn requirements(page: &mut Page<'_>) {
    // What pip-tools compiles from is not what is installed.
    if page.path.ends_with(".in") {
        return;
    }
    let list = entries(page.text);
    let hashed = list.iter().any(|(_, line)| line.contains("--hash="));
    let mut floating = Vec::new();
    let mut bare = Vec::new();
    for (at, line) in &list {
        let span = *at..at + line.split_whitespace().next().unwrap_or_default().len();
        if line.starts_with("--extra-index-url") {
            page.add(
                Id::Lock18,
                span,
                "the same name on the other index may win",
                "use one index that serves both",
            );
        } else if line.contains("http://") {
            page.add(Id::Lock09, span, "over plain http", "use https");
        } else if line.contains("git+") {
            let at = line
                .rsplit_once('@')
                .map_or("", |(_, r)| r.split(['#', ' ', ';']).next().unwrap_or_default());
            if !is_commit(at) {
                page.add(
                    Id::Lock08,
                    span,
                    "a git repository by branch or tag",
                    "add `@` and the commit's 40 digits",
                );
            }
        } else if !line.starts_with(['-', '.', '/']) && !line.contains("file:") {
            let name = line.split([' ', ';']).next().unwrap_or_default().to_owned();
            if !line.contains("==") && !line.contains(" @ ") && !line.contains("===") {
                floating.push((span.clone(), name.clone()));
            }
            if !line.contains("--hash=") {
                bare.push((span, name));
            }
        }
    }
    let more = |count: usize| if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let fix = "compile it with hashes: `pip-compile --generate-hashes` or `uv pip compile --generate-hashes`";
    if let Some((span, name)) = floating.first() {
        let message = format!("`{name}`{}: no version is named", more(floating.len()));
        page.add(Id::Lock14, span.clone(), message, fix);
    } else if let Some((span, name)) = bare.first() {
        let message = format!("`{name}`{}: no hash", more(bare.len()));
        let finding = page.add(Id::Lock06, span.clone(), message, fix);
        if !hashed {
            finding.at(Severity::Warn);
        }
    }
}

pub(crate) fn pyproject(page: &mut Page<'_>, facts: &Facts) {
    let Some(root) = toml::read(page.text) else { return };
    const LOCKS: &[&str] = &["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"];
    let lock = beside_or_above(facts, page.path, LOCKS);
    let folder = folder_of(page.path);
    let hashed = facts.hashed.iter().any(|file| folder_of(file).starts_with(folder));
    let dependencies = root.at(&["project", "dependencies"]).map(Node::items).unwrap_or_default();
    let poetry = root.at(&["tool", "poetry", "dependencies"]).map(Node::entries).unwrap_or_default();
    let wants = !dependencies.is_empty() || poetry.iter().any(|(k, _)| k.str() != Some("python"));
    if wants && lock.is_none() && !hashed {
        let span = root.at(&["project", "dependencies"]).map_or(0..0, |n| n.span.start..n.span.start);
        page.add(
            Id::Lock01,
            span,
            "no lock beside it: what it depends on floats",
            "run `uv lock` or `poetry lock` and commit the file",
        );
    }
    if folder.is_empty() && facts.paths.contains("uv.lock") && facts.paths.contains("poetry.lock") {
        page.whole(
            Id::Lock04,
            "uv.lock and poetry.lock lie side by side",
            "keep the one of the tool that builds",
        );
    }
    for item in root.at(&["build-system", "requires"]).map(Node::items).unwrap_or_default() {
        let Some(text) = item.str() else { continue };
        if !text.contains("==") && !text.contains(" @ ") {
            let message = format!("`{text}`: the build takes whichever is newest, and no lockfile has it");
            let fix = "name a version (`==`), or lock it with the recipe";
            page.add(Id::Lock12, item.inner(page.text), message, fix).at(Severity::Warn);
        }
    }
    for node in dependencies {
        git(page, node);
    }
    for (key, value) in poetry {
        if value.get("git").is_some() && !value.text(&["rev"]).is_some_and(is_commit) && lock.is_none() {
            let name = key.str().unwrap_or_default();
            page.add(
                Id::Lock08,
                value.span.clone(),
                format!("`{name}` follows a branch or tag"),
                "add `rev` and the commit's 40 digits",
            );
        }
    }
}

fn git(page: &mut Page<'_>, node: &Node) {
    let Some(text) = node.str().filter(|t| t.contains("git+")) else { return };
    let at = text.rsplit_once('@').map_or("", |(_, r)| r.split(['#', ' ', ';']).next().unwrap_or_default());
    if !is_commit(at) {
        page.add(
            Id::Lock08,
            node.inner(page.text),
            "a git repository by branch or tag",
            "add `@` and the commit's 40 digits",
        );
    }
}

/// uv.lock, poetry.lock, Pipfile.lock: entries without hashes.
pub(crate) fn lock(page: &mut Page<'_>) {
    let Some(root) = toml::read(page.text) else { return };
    for package in root.get("package").map(Node::items).unwrap_or_default() {
        let files =
            ["wheels", "files"].iter().flat_map(|key| package.get(key).map(Node::items).unwrap_or_default());
        let sdist = package.get("sdist").into_iter();
        for file in files.chain(sdist) {
            let remote = file.get("url").is_some() || file.get("file").is_some();
            if remote && file.get("hash").is_none() {
                let name = package.text(&["name"]).unwrap_or_default();
                page.add(
                    Id::Lock06,
                    file.span.clone(),
                    format!("a file of `{name}` has no hash"),
                    "lock anew with an index that gives hashes",
                );
                break;
            }
        }
    }
}

pub(crate) fn pipfile(page: &mut Page<'_>, facts: &Facts) {
    let folder = folder_of(page.path);
    if !facts.paths.contains(&format!("{folder}Pipfile.lock")) {
        page.whole(Id::Lock01, "no Pipfile.lock beside it", "run `pipenv lock` and commit Pipfile.lock");
    }
}
