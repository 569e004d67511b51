//! `requirements.txt` with hashes: `name==version ; marker --hash=sha256:… \`, other files by `-r` and `-c`.

use std::collections::BTreeSet;

use model::RelPath;

use super::requirement_name;
use crate::ecosystem::cargo::beside;
use crate::ecosystem::error::Tally;
use crate::ecosystem::{
    Adapter, Checksum, Component, EcosystemError, Files, LockedFile, Origin, Problem, Scope,
};

const AGAIN: &str = "run `uv pip compile --generate-hashes requirements.in -o requirements.txt`";

pub(super) fn components(files: &Files<'_>, file: &RelPath) -> Result<Vec<Component>, EcosystemError> {
    let mut list = Vec::new();
    let mut seen = BTreeSet::new();
    let mut loose = Tally::default();
    read(files, file, &mut seen, &mut list, &mut loose)?;
    loose.finish(EcosystemError::Loose)?;
    Ok(list)
}

fn read(
    files: &Files<'_>,
    file: &RelPath,
    seen: &mut BTreeSet<RelPath>,
    list: &mut Vec<Component>,
    loose: &mut Tally,
) -> Result<(), EcosystemError> {
    if !seen.insert(file.clone()) {
        return Ok(());
    }
    for (line, text) in logical_lines(&files.text(file)?) {
        let text = text.trim();
        if text.starts_with('-') {
            let (option, value) = text.split_once([' ', '=']).unwrap_or((text, ""));
            // `-rfile` is written together, too.
            let (option, value) = match text.get(..2) {
                Some(short @ ("-r" | "-e")) if !text.starts_with("--") => (short, &text[2..]),
                _ => (option, value),
            };
            match option {
                "-r" | "--requirement" => {
                    let dir = file.parent().unwrap_or_default();
                    let Some(other) = beside(&dir, value.trim()).filter(|p| files.has(p)) else {
                        let fix = "add the file to the repository";
                        return Err(Problem::form(file, line, "a file of the repository", value.trim(), fix));
                    };
                    read(files, &other, seen, list, loose)?;
                }
                "-e" | "--editable" => {
                    let mut own = Component::new(Adapter::Pypi, file, value.trim(), None);
                    own.origin = Origin::Path(value.trim().to_owned());
                    own.line = line;
                    list.push(own);
                }
                _ => {}
            }
            continue;
        }
        if let Some(component) = component(file, line, text, loose) {
            list.push(component);
        }
    }
    Ok(())
}

/// Lines with their continuations joined and their comments gone.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = line.starts_with('#').then_some(0).or_else(|| line.find(" #"));
        let line = comment.map_or(line, |at| &line[..at]);
        let (line, continues) = line.strip_suffix('\\').map_or((line, false), |l| (l, true));
        match lines.last_mut().filter(|_| open) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(line);
            }
            None => lines.push((number, line.to_owned())),
        }
        open = continues;
    }
    lines.retain(|(_, text)| !text.trim().is_empty());
    lines
}

fn component(file: &RelPath, line: usize, text: &str, loose: &mut Tally) -> Option<Component> {
    let (requirement, options) = text.split_once(" --").unwrap_or((text, ""));
    let (requirement, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    let requirement = requirement.trim();
    let sums: Vec<Checksum> = options
        .split_whitespace()
        .filter_map(|w| Checksum::named(w.trim_start_matches("--").strip_prefix("hash=")?))
        .collect();
    let name = requirement_name(requirement);
    let (url, version) = match requirement.split_once(" @ ") {
        Some((_, url)) => (Some(url.trim()), None),
        None if requirement.contains("://") => (Some(requirement), None),
        None => (None, requirement.split_once("==").map(|(_, v)| v.trim().trim_start_matches('='))),
    };
    if requirement.starts_with('.') || requirement.starts_with('/') {
        let mut own = Component::new(Adapter::Pypi, file, requirement, None);
        (own.origin, own.line) = (Origin::Path(requirement.to_owned()), line);
        return Some(own);
    }
    let mut component = Component::new(Adapter::Pypi, file, &name, version);
    component.line = line;
    component.scope = if marker.contains("extra") { Scope::Optional } else { Scope::Runtime };
    let fault = |what: &str, expected: &str, found: &str| {
        Problem::new(file, format!("`{name}` {what}"), expected, found, AGAIN).at(line)
    };
    if let Some(git) = url.and_then(|u| u.strip_prefix("git+")) {
        let plain = git.split('#').next().unwrap_or_default();
        let (repository, commit) =
            plain.rsplit_once('@').filter(|(r, _)| r.contains("://")).unwrap_or((plain, ""));
        if commit.len() != 40 || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            loose.add(fault("is from git and not at a commit", "`@` and 40 hexadecimal digits", git));
        }
        component.origin = Origin::Git { url: repository.to_owned(), commit: commit.to_owned() };
        return Some(component);
    }
    let mut ends = Vec::new();
    if let Some(url) = url {
        component.origin = Origin::Url(url.to_owned());
        let last = url.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).unwrap_or_default();
        ends.push(format!("/{last}"));
    } else if version.is_none_or(|v| v.contains(['*', ',', '<', '>'])) {
        loose.add(fault("is a range", "`==` and one version", requirement));
    }
    if sums.is_empty() {
        loose.add(fault("has no hash", "`--hash=sha256:…`", "none"));
    }
    component.files.push(LockedFile { ends, accepted: sums });
    Some(component)
}
