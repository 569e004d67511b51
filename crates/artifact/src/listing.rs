//! Members in canonical order: sorted, below the prefix, every directory before what is in it, nothing twice.

use model::tree::Node;
use model::{Digest, RelPath};

use crate::{Member, PackError};

/// A path or link target of so many bytes is too long: with the `/` behind a directory's name, zip could not hold
/// it. One limit for all formats, so that a tree which packs as one packs as all.
const LONGEST: usize = 65_535;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The whole path, prefix included; never the root.
    pub(crate) path: RelPath,
    /// What it is.
    pub(crate) kind: Kind<'a>,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    Directory,
    File { digest: &'a Digest, executable: bool },
    Symlink(&'a str),
}

impl Entry<'_> {
    /// The name as archives write it: directories end in `/`.
    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Directory => format!("{}/", self.path),
            Kind::File { .. } | Kind::Symlink(_) => self.path.to_string(),
        }
    }

    /// The permission bits: of the many that a machine knows, those that git keeps.
    pub(crate) fn mode(&self) -> u32 {
        match self.kind {
            Kind::Directory | Kind::File { executable: true, .. } => 0o755,
            Kind::File { executable: false, .. } => 0o644,
            Kind::Symlink(_) => 0o777,
        }
    }
}

/// Sorts `members` below `prefix` and adds the directories that were not given: an archive must not depend on
/// whether a caller lists them.
///
/// # Errors
/// If two members have one path, something lies below what is no directory, or a name cannot be written.
pub(crate) fn listing<'a>(members: &'a [Member], prefix: &RelPath) -> Result<Vec<Entry<'a>>, PackError> {
    let mut given = Vec::with_capacity(members.len() + 1);
    for member in members {
        let path = prefix.join(&member.path);
        let kind = match &member.node {
            Node::Directory(_) => Kind::Directory,
            Node::File { digest, executable } => Kind::File { digest, executable: *executable },
            Node::Symlink(target) => {
                check_target(&path, target)?;
                Kind::Symlink(target)
            }
        };
        if member.path.is_root() && kind != Kind::Directory {
            return Err(PackError::Unwritable { path, what: "it has no name below the prefix".into() });
        }
        given.push(Entry { path, kind });
    }
    // The prefix is there even when nothing is in it. As it may be given too, it goes first and is dropped below.
    if !prefix.is_root() && !members.iter().any(|m| m.path.is_root()) {
        given.push(Entry { path: prefix.clone(), kind: Kind::Directory });
    }
    given.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(pair) = given.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(PackError::Twice(pair[0].path.clone()));
    }

    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(given.len() + 8);
    let mut above: Vec<RelPath> = Vec::new(); // directories written that hold the entry at hand, outermost first
    for entry in given {
        if entry.path.is_root() {
            continue; // an archive's own root needs no entry
        }
        while above.last().is_some_and(|directory| !entry.path.is_within(directory)) {
            above.pop();
        }
        let mut missing = Vec::new();
        let mut parent = entry.path.parent();
        while let Some(path) = parent.filter(|p| !p.is_root() && above.last() != Some(p)) {
            parent = path.parent();
            missing.push(path);
        }
        for path in missing.into_iter().rev() {
            // Sorted, so a file at this path can only be the entry just written.
            if entries.last().is_some_and(|last| last.path == path) {
                return Err(PackError::NotADirectory { path, below: entry.path });
            }
            above.push(path.clone());
            entries.push(Entry { path, kind: Kind::Directory });
        }
        if entry.kind == Kind::Directory {
            above.push(entry.path.clone());
        }
        if entry.path.as_str().len() >= LONGEST {
            let what = format!("its name has {} bytes, {LONGEST} is too many", entry.path.as_str().len());
            return Err(PackError::Unwritable { path: entry.path, what });
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn check_target(path: &RelPath, target: &str) -> Result<(), PackError> {
    let what = if target.is_empty() {
        "its link target is empty".to_owned()
    } else if target.contains('\0') {
        "its link target has a NUL byte".to_owned()
    } else if target.len() >= LONGEST {
        format!("its link target has {} bytes, {LONGEST} is too many", target.len())
    } else {
        return Ok(());
    };
    Err(PackError::Unwritable { path: path.clone(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> RelPath {
        text.parse().unwrap()
    }

    fn file(path: &str) -> Member {
        Member { path: p(path), node: Node::File { digest: Digest::of(b""), executable: false } }
    }

    fn directory(path: &str) -> Member {
        Member { path: p(path), node: Node::Directory(Digest::of(b"")) }
    }

    fn names(members: &[Member], prefix: &str) -> Vec<String> {
        listing(members, &p(prefix)).unwrap().iter().map(Entry::name).collect()
    }

    #[test]
    fn parents_come_first_whether_given_or_not() {
        let sparse = [file("b/c/d"), file("a.txt"), file("a/x"), file("b-1")];
        let expected = ["a/", "a/x", "a.txt", "b/", "b/c/", "b/c/d", "b-1"];
        assert_eq!(names(&sparse, "."), expected);
        let mut full = sparse.to_vec();
        full.extend([directory("."), directory("b"), directory("b/c"), directory("a")]);
        assert_eq!(names(&full, "."), expected);
    }

    #[test]
    fn the_prefix_and_its_parents_are_entries_even_when_empty() {
        assert_eq!(names(&[file("f")], "x/y"), ["x/", "x/y/", "x/y/f"]);
        assert_eq!(names(&[], "x/y"), ["x/", "x/y/"]);
        assert_eq!(names(&[directory(".")], "x"), ["x/"]);
        assert_eq!(names(&[], "."), [""; 0]);
    }

    #[test]
    fn clashes_are_refused() {
        let refused = |members: &[Member]| listing(members, &RelPath::root()).unwrap_err().to_string();
        assert_eq!(refused(&[file("a"), file("b"), file("a")]), PackError::Twice(p("a")).to_string());
        let below = PackError::NotADirectory { path: p("a"), below: p("a/b/c") }.to_string();
        assert_eq!(refused(&[file("a/b/c"), file("a")]), below);
        assert!(refused(&[file(".")]).contains("no name"));
        assert!(refused(&[file(&"x/".repeat(40_000))]).contains("too many"));
    }

    #[test]
    fn targets_that_name_nothing_are_refused() {
        for target in [String::new(), "a\0b".into(), "x".repeat(65_535)] {
            let members = [Member { path: p("l"), node: Node::Symlink(target) }];
            let error = listing(&members, &RelPath::root()).unwrap_err().to_string();
            assert!(error.contains("link target"), "{error}");
        }
    }
}
