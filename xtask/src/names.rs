//! Names that name nothing, and paths that mean something on one machine only.

use crate::{Report, tree};

/// What no file, folder or module is called: everything fits under it, so nothing is found there.
const NOTHING: &[&str] =
    &["util", "utils", "common", "core", "misc", "helpers", "helper", "types", "manager"];

/// Where work trees of build machines lie. In parts, so that this file does not name them.
const MACHINES: &[&str] = &[concat!("/", "work", "/"), concat!("/", "root", "/"), concat!("/", "farm", "/")];

/// A line that says this means a path inside a sandbox or an example.
const MEANT: &str = "names: path in a sandbox";

pub(crate) fn run() -> Result<Report, String> {
    let files = tree::files()?;
    let mut complaints: Vec<String> = files.iter().filter_map(|file| nothing(file)).collect();
    for file in files.iter().filter(|file| !is_foreign(file)) {
        if let Some(text) = tree::text(file)? {
            complaints.extend(machines(file, &text));
        }
    }
    for (file, text) in tree::sources()? {
        complaints.extend(modules(&file, &text));
    }
    Ok(Report { complaints, note: format!("{} files", files.len()) })
}

/// Fixtures are what the world made, byte by byte.
fn is_foreign(file: &str) -> bool {
    file == "Cargo.lock" || file.split('/').any(|folder| folder == "fixtures" || folder == "golden")
}

fn nothing(file: &str) -> Option<String> {
    if is_foreign(file) {
        return None;
    }
    let part = file.split('/').find(|part| {
        let stem = part.split('.').next().unwrap_or(part);
        NOTHING.contains(&stem)
    })?;
    Some(format!("{file}: `{part}` names nothing: call it after what is in it"))
}

/// Modules written inside another file.
fn modules(file: &str, source: &str) -> Vec<String> {
    let code = crate::scan::code_only(source);
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let named = words.windows(2).find(|pair| pair[0] == "mod").map(|pair| pair[1]);
        if let Some(name) =
            named.map(|name| name.trim_end_matches([';', '{'])).filter(|name| NOTHING.contains(name))
        {
            complaints
                .push(format!("{file}:{number}: module `{name}` names nothing: call it after what is in it"));
        }
    }
    complaints
}

fn machines(file: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.contains(MEANT) {
            continue;
        }
        for path in MACHINES {
            // Only at the beginning of a path: `https://host/…` and `a/b/…` hold other folders of that name.
            let begins = |place: usize| {
                let before = line[..place].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/' | '~'))
            };
            if line.match_indices(path).any(|(place, _)| begins(place)) {
                complaints.push(format!("{file}:{number}: `{path}` is a place on some build machine"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_modules_that_name_nothing_are_found() {
        for file in
            ["crates/a/src/util.rs", "crates/common/src/lib.rs", "crates/a/tests/helpers/mod.rs", "core.md"]
        {
            assert!(nothing(file).is_some(), "{file}");
        }
        for file in
            ["crates/a/src/utility_bill.rs", "crates/a/src/score.rs", "crates/a/tests/fixtures/core.c"]
        {
            assert_eq!(nothing(file), None, "{file}");
        }
        assert_eq!(modules("a.rs", "mod a;\npub mod types;\n  mod manager {\n// mod util;\n").len(), 2);
    }

    #[test]
    fn paths_of_machines_are_found_at_their_beginning() {
        for place in MACHINES {
            for line in [
                format!("see {place}main"),
                format!("\"{place}x\""),
                format!("`{place}`"),
                (*place).to_owned(),
            ] {
                assert_eq!(machines("a.md", &format!("\n{line}\n")).len(), 1, "{line}");
            }
            for line in [
                format!("https://example.org{place}x"),
                format!("target{place}x"),
                format!("{place}x // {MEANT}"),
                "nothing".to_owned(),
            ] {
                assert_eq!(machines("a.md", &line), [""; 0], "{line}");
            }
        }
    }
}
