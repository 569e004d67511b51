//! What git says of a work tree: its commit, its remote, and what differs.
//!
//! `git status` is not asked: it looks into files through the filters that the repository's own configuration names. The
//! index is compared with the commit by ids, the files with the index by the scan, and only names tell what is untracked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::Timestamp;
use model::sbom::public_url;

use crate::GitError;
use crate::git::{ask, commit_time};

/// What git says without looking into a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// What is checked out; `None` before the first commit.
    pub commit: Option<String>,
    /// When it was made.
    pub time: Option<Timestamp>,
    /// In which way the index differs from the commit, by path in the repository.
    pub index: BTreeMap<String, char>,
    /// Paths of files that are in no index.
    pub untracked: Vec<String>,
}

impl Status {
    /// True if index and commit are the same, and every file is tracked.
    pub(super) fn is_clean(&self) -> bool {
        self.index.is_empty() && self.untracked.is_empty()
    }
}

/// Reads what git says of `folder`, which is in a work tree.
pub(super) fn read(env: &BTreeMap<String, String>, folder: &Path) -> Result<Status, GitError> {
    std::thread::scope(|scope| {
        let loose = ["ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", "."];
        let untracked = scope.spawn(move || ask(env, folder, &loose));
        let difference = scope.spawn(|| {
            let arguments = [
                "diff-index",
                "--cached",
                "--raw",
                "-z",
                "--no-abbrev",
                "--no-renames",
                "--ignore-submodules=none",
                "--ita-visible-in-index",
                "HEAD",
                "--",
                ".",
            ];
            ask(env, folder, &arguments)
        });
        let commit = match ask(env, folder, &["rev-parse", "--verify", "--quiet", "HEAD"]) {
            Ok(id) => Some(String::from_utf8_lossy(&id).trim().to_owned()),
            // There is none yet.
            Err(GitError::Failed { message, .. }) if message.is_empty() => None,
            Err(error) => return Err(error),
        };
        let (time, all) = match &commit {
            Some(id) => (commit_time(&ask(env, folder, &["cat-file", "commit", id])?), None),
            None => (None, Some(ask(env, folder, &["ls-files", "--full-name", "-z", "--", "."])?)),
        };
        let difference = difference.join().expect("the thread does not panic");
        let index = match all {
            Some(all) => names(&all).map(|path| (path, 'A')).collect(),
            None => parse(&difference?),
        };
        let untracked = untracked.join().expect("the thread does not panic")?;
        Ok(Status { commit, time, index, untracked: names(&untracked).collect() })
    })
}

/// Paths, each ended by a zero byte.
fn names(bytes: &[u8]) -> impl Iterator<Item = String> {
    let names = bytes.split(|b| *b == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned())
}

/// Reads the raw format (git-diff-index(1)): `:MODE MODE ID ID LETTER`, and the path. What came with the very content of
/// something that went is renamed.
fn parse(bytes: &[u8]) -> BTreeMap<String, char> {
    let mut index = BTreeMap::new();
    let mut gone: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut new = Vec::new();
    let mut fields = names(bytes);
    while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
        let words: Vec<&str> = head.split(' ').collect();
        let [_, _, before, after, letter] = words[..] else { continue };
        match letter {
            "A" => new.push((after.to_owned(), path.clone())),
            "D" => gone.entry(before.to_owned()).or_default().push(path.clone()),
            _ => {}
        }
        index.insert(path, letter.chars().next().unwrap_or('M'));
    }
    for (id, path) in new {
        if let Some(old) = gone.get_mut(&id).and_then(Vec::pop) {
            index.remove(&old);
            index.insert(path, 'R');
        }
    }
    index
}

/// All that differs, sorted by path: of the index, of the `changed` submodules, and what was `found` in the files
/// themselves, which counts more. A submodule is reported as a whole.
pub(super) fn merge(
    status: Status,
    changed: &BTreeSet<String>,
    found: impl IntoIterator<Item = (String, char)>,
) -> Vec<String> {
    let mut tracked = status.index;
    tracked.extend(changed.iter().map(|path| (path.clone(), 'M')));
    for (path, letter) in found {
        if path.match_indices('/').any(|(at, _)| changed.contains(&path[..at])) {
            continue;
        }
        if letter == 'H' {
            tracked.entry(path).or_insert(letter);
        } else {
            tracked.insert(path, letter);
        }
    }
    let mut all: Vec<(String, char)> = tracked.into_iter().collect();
    all.extend(status.untracked.into_iter().map(|path| (path, '?')));
    all.sort();
    all.into_iter().map(|(path, letter)| format!("{letter} {path}")).collect()
}

/// URL of the remote `origin`, else of the one whose name sorts first, as [`public_url`] has it; `None` without any.
#[must_use]
pub fn remote(env: &BTreeMap<String, String>, folder: &Path) -> Option<String> {
    // Fails if there is none.
    let bytes = ask(env, folder, &["config", "-z", "--get-regexp", r"^remote\..*\.url$"]).ok()?;
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
        let id = |digit: &str| digit.repeat(40);
        let line = |before: &str, after: &str, letter: &str, path: &str| {
            format!(":100644 100644 {} {} {letter}\0{path}\0", id(before), id(after))
        };
        let lines = [
            line("1", "2", "M", "z a"),
            line("3", "0", "D", "old name"),
            line("3", "0", "D", "gone"),
            line("0", "3", "A", "new name"),
            line("0", "4", "A", "added"),
            line("5", "5", "T", "type"),
            line("5", "0", "U", "both"),
        ];
        let index = parse(lines.concat().as_bytes());
        let status = Status { index, untracked: vec!["loose".into()], ..Status::default() };
        assert!(!status.is_clean() && Status::default().is_clean());
        let found = [("a z", 'H'), ("added", 'M'), ("z a", 'H'), ("both.c", 'D'), ("m/x", 'M'), ("m.c", 'M')];
        let found = found.map(|(path, letter)| (path.to_owned(), letter));
        let all = [
            "H a z",
            "M added",
            "U both",
            "D both.c",
            "? loose",
            "M m",
            "M m.c",
            "R new name",
            "D old name",
            "T type",
            "M z a",
        ];
        assert_eq!(merge(status, &BTreeSet::from(["m".to_owned()]), found), all);
        assert_eq!(parse(b""), BTreeMap::new());
    }
}
