//! What git says of a work tree: its commit, its remote, and what differs.

use std::collections::BTreeMap;
use std::path::Path;

use model::Timestamp;
use model::sbom::public_url;

use crate::GitError;
use crate::git::run;

/// What `git status` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub commit: Option<String>,
    /// Path in the repository and letter.
    pub dirty: Vec<(String, char)>,
}

pub(super) fn read(env: &BTreeMap<String, String>, folder: &Path) -> Result<Status, GitError> {
    let arguments = [
        // What a repository's configuration would have git overlook.
        "-c",
        "core.fileMode=true",
        "-c",
        "core.autocrlf=false",
        "-c",
        "core.safecrlf=false",
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=all",
        "--ignore-submodules=none",
        "--",
        ".",
    ];
    Ok(parse(&run(env, folder, &arguments)?))
}

/// Reads the porcelain format, version 2 (git-status(1)).
fn parse(bytes: &[u8]) -> Status {
    let mut status = Status::default();
    let mut dirty = Vec::new();
    let mut lines = bytes.split(|b| *b == 0).map(String::from_utf8_lossy);
    while let Some(line) = lines.next() {
        let Some((kind, rest)) = line.split_once(' ') else { continue };
        match kind {
            "#" => {
                if let Some(oid) = rest.strip_prefix("branch.oid ").filter(|o| *o != "(initial)") {
                    status.commit = Some(oid.to_owned());
                }
            }
            // XY sub mH mI mW hH hI path; a rename has its score before the path, and the old path after.
            "1" | "2" => {
                let fields = if kind == "1" { 8 } else { 9 };
                let words: Vec<&str> = rest.splitn(fields, ' ').collect();
                let (letters, path) = (words[0], words[words.len() - 1].to_owned());
                let mut both = letters.chars();
                let (index, work) = (both.next().unwrap_or('.'), both.next().unwrap_or('.'));
                dirty.push((path, if work == '.' { index } else { work }));
                if kind == "2" {
                    lines.next();
                }
            }
            "u" => {
                if let Some(path) = rest.splitn(10, ' ').nth(9) {
                    dirty.push((path.to_owned(), 'U'));
                }
            }
            "?" => dirty.push((rest.to_owned(), '?')),
            _ => {}
        }
    }
    status.dirty = dirty;
    status
}

/// `reported` by git, and what was `found` in the files themselves that git did not report: sorted by path.
pub(super) fn merge(mut reported: Vec<(String, char)>, found: Vec<(String, char)>) -> Vec<String> {
    reported.sort();
    let known = |path: &str| {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        // A submodule is reported as a whole.
        above.chain([path]).any(|p| reported.binary_search_by(|(r, _)| r.as_str().cmp(p)).is_ok())
    };
    let new: Vec<_> = found.into_iter().filter(|(path, _)| !known(path)).collect();
    reported.extend(new);
    reported.sort();
    reported.into_iter().map(|(path, letter)| format!("{letter} {path}")).collect()
}

pub(super) fn commit_time(env: &BTreeMap<String, String>, folder: &Path) -> Option<Timestamp> {
    // Fails before the first commit. `show` would look at the files of the commit, too.
    let text = run(env, folder, &["rev-list", "--max-count=1", "--timestamp", "HEAD"]).ok()?;
    let text = String::from_utf8_lossy(&text);
    text.split(' ').next()?.parse().ok().map(Timestamp)
}

pub(super) fn remote(env: &BTreeMap<String, String>, folder: &Path) -> Option<String> {
    // Fails if there is none.
    let bytes = run(env, folder, &["config", "-z", "--get-regexp", r"^remote\..*\.url$"]).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut urls: Vec<(&str, &str)> = text.split('\0').filter_map(|e| e.split_once('\n')).collect();
    urls.sort_by_key(|(key, _)| (*key != "remote.origin.url", *key));
    urls.first().map(|(_, url)| public_url(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line() {
        let h = "0".repeat(40);
        let lines = [
            format!("# branch.oid {h}"),
            "# branch.head main".to_owned(),
            format!("1 .M N... 100644 100644 100644 {h} {h} z a"),
            format!("1 D. N... 100644 000000 000000 {h} {h} gone"),
            format!("1 AM N... 000000 100644 100644 {h} {h} added"),
            format!("2 R. N... 100644 100644 100644 {h} {h} R100 new name"),
            "old name".to_owned(),
            format!("u UU N... 100644 100644 100644 100644 {h} {h} {h} both"),
            "? loose".to_owned(),
            "! ignored".to_owned(),
        ];
        let status = parse(lines.join("\0").as_bytes());
        assert_eq!(status.commit, Some(h));
        let found = [("a z", 'H'), ("gone", 'H'), ("loose/x", 'M'), ("both.c", 'D')];
        let found = found.map(|(path, letter)| (path.to_owned(), letter)).to_vec();
        let all = ["H a z", "M added", "U both", "D both.c", "D gone", "? loose", "R new name", "M z a"];
        assert_eq!(merge(status.dirty, found), all);
        assert_eq!(parse(b"# branch.oid (initial)\0"), Status::default());
    }
}
