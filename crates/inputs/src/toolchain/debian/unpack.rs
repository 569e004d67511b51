//! One package file, decoded: its files into the store, and what the assembler must know of its control data.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};

use model::RelPath;
use model::tree::Node;
use store::Store;

use super::database::{Name, Record, Summing};
use super::packages::Relation;
use crate::archive::ar::Ar;
use crate::archive::builder::keep;
use crate::archive::{ArchiveError, LIMIT, member_path, tar};
use model::deb822::paragraphs;

/// What a package puts into the tree.
#[derive(Debug)]
pub(crate) struct Contents {
    /// In the order of the package, at their places in a merged `/usr`.
    pub entries: Vec<(RelPath, Entry)>,
    /// The script that dpkg would run after unpacking. Read, never run.
    pub postinst: String,
    /// Name, version and provisions are unused; whose files it may overwrite.
    pub replaces: Vec<Relation>,
    /// Text of its copyright file.
    pub copyright: Option<String>,
    /// The package whose documentation it shares, by a link.
    pub shares_copyright_of: Option<String>,
    /// What was left out and is worth a word.
    pub notes: Vec<String>,
    /// What dpkg's database calls it.
    pub name: Name,
    /// What it says of it.
    pub record: Record,
}

/// One thing at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory,
    Leaf(Node),
}

/// Folders of the root that are links into `/usr`, and have been since Debian 12 on every system.
pub(crate) const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// What no build reads, and what is most of a package's files: documentation and translations.
const DROPPED: [&str; 8] = [
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/linda",
    "usr/share/locale",
    "usr/share/man",
];

const CONTROL_LIMIT: u64 = 16 << 20;

/// Where a path of a package lies in a merged `/usr`.
pub(crate) fn merged(path: &RelPath) -> RelPath {
    if path.components().next().is_some_and(|first| MERGED.contains(&first)) {
        return "usr".parse::<RelPath>().expect("`usr` is a path").join(path);
    }
    path.clone()
}

/// Whether a path is left out of the tree.
pub(crate) fn dropped(path: &RelPath) -> bool {
    let text = path.as_str();
    DROPPED.iter().any(|d| text.strip_prefix(d).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Decodes the package `name`.
pub(crate) fn unpack(store: &Store, name: &str, file: File) -> Result<Contents, ArchiveError> {
    let mut ar = Ar::new(BufReader::with_capacity(1 << 16, file))?;
    let mut contents = Contents {
        entries: Vec::new(),
        postinst: String::new(),
        replaces: Vec::new(),
        copyright: None,
        shares_copyright_of: None,
        notes: Vec::new(),
        name: Name::default(),
        record: Record::default(),
    };
    let mut seen: Vec<String> = Vec::new();
    while let Some((member, content)) = ar.next()? {
        let content = BufReader::with_capacity(1 << 16, content);
        if member.starts_with("control.tar") {
            // dpkg asks for this order too; which files' MD5 are wanted is said by the first.
            if seen.iter().any(|m| m.starts_with("data.tar")) {
                return Err(ArchiveError::Form {
                    expected: "control.tar before data.tar",
                    found: seen.join(", "),
                });
            }
            control(store, content, &mut contents)?;
        } else if member.starts_with("data.tar") {
            data(store, name, content, &mut contents)?;
        } else if member != "debian-binary" && !member.starts_with('_') {
            return Err(ArchiveError::Form { expected: "control.tar and data.tar", found: member });
        }
        seen.push(member);
    }
    if !seen.iter().any(|m| m.starts_with("data.tar")) {
        return Err(ArchiveError::Form { expected: "a member data.tar", found: seen.join(", ") });
    }
    contents.name = contents.record.name()?;
    Ok(contents)
}

fn control(
    store: &Store,
    reader: impl std::io::BufRead + Send,
    contents: &mut Contents,
) -> Result<(), ArchiveError> {
    tar::read(reader, |member, content| {
        let path = member_path(&member.name)?;
        // dpkg's database has no folders.
        if member.kind != tar::Kind::File || path.components().count() != 1 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        content
            .take(CONTROL_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|cause| ArchiveError::Damaged { doing: "reading its control data", cause })?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match path.as_str() {
            "postinst" => contents.postinst = text(),
            "conffiles" => contents.record.read_conffiles(&text()),
            "control" => {
                let text = text();
                if let Some(paragraph) = paragraphs(&text).next() {
                    let arch = paragraph.get("Architecture").unwrap_or_default();
                    let list = paragraph.get("Replaces").unwrap_or_default().split(',');
                    contents.replaces = list.filter_map(|r| Relation::parse(r, arch)).collect();
                }
                contents.record.control = text;
                return Ok(());
            }
            _ => {}
        }
        let node = Node::File { digest: store.put(&bytes)?, executable: member.mode & 0o100 != 0 };
        contents.record.members.insert(path.to_string(), node);
        Ok(())
    })
}

fn data(
    store: &Store,
    name: &str,
    reader: impl std::io::BufRead + Send,
    contents: &mut Contents,
) -> Result<(), ArchiveError> {
    let copyright = format!("usr/share/doc/{name}/copyright");
    let documentation = format!("usr/share/doc/{name}");
    let mut bytes = 0;
    let mut files: BTreeMap<RelPath, Node> = BTreeMap::new();
    let mut symlinks = Vec::new();
    tar::read(reader, |member, content| {
        let raw = member_path(&member.name)?;
        let path = merged(&raw);
        if member.kind == tar::Kind::Symlink { &mut symlinks } else { &mut contents.record.paths }
            .push(raw.clone());
        let wants_sum = member.kind == tar::Kind::File && contents.record.wants_sum(&raw);
        let lossy = || String::from_utf8_lossy(&member.name).into_owned();
        let target = || {
            let text = std::str::from_utf8(&member.link).ok().filter(|t| !t.is_empty());
            text.map(str::to_owned)
                .ok_or_else(|| ArchiveError::Kind { member: lossy(), kind: "a link to no readable name" })
        };
        if path.as_str() == copyright && member.kind == tar::Kind::File {
            let mut text = Vec::new();
            let mut summing = Summing::new(content.take(CONTROL_LIMIT));
            summing
                .read_to_end(&mut text)
                .map_err(|cause| ArchiveError::Damaged { doing: "reading its copyright file", cause })?;
            contents.copyright = Some(String::from_utf8_lossy(&text).into_owned());
            if wants_sum {
                contents.record.sums.insert(raw, summing.finish());
            }
            return Ok(());
        }
        if path.as_str() == documentation && member.kind == tar::Kind::Symlink {
            contents.shares_copyright_of = target()?.rsplit('/').next().map(str::to_owned);
        }
        if path.as_str() == copyright && member.kind == tar::Kind::Symlink {
            // `../gcc-12-base/copyright`
            contents.shares_copyright_of = target()?.rsplit('/').nth(1).map(str::to_owned);
        }
        // A merged system's own links are made by the assembler.
        let alias = raw != path && raw.components().count() == 1 && member.kind == tar::Kind::Symlink;
        if path.is_root() || dropped(&path) || alias {
            if wants_sum {
                let mut summing = Summing::new(content);
                std::io::copy(&mut summing, &mut std::io::sink())
                    .map_err(|cause| ArchiveError::Damaged { doing: "reading its members", cause })?;
                contents.record.sums.insert(raw, summing.finish());
            }
            return Ok(());
        }
        let entry = match member.kind {
            tar::Kind::Directory => Entry::Directory,
            tar::Kind::File => {
                let digest = if wants_sum {
                    let mut summing = Summing::new(content);
                    let digest = keep(store, &mut summing, LIMIT - bytes)?;
                    contents.record.sums.insert(raw, summing.finish());
                    digest
                } else {
                    keep(store, content, LIMIT - bytes)?
                };
                bytes += digest.size;
                Entry::Leaf(Node::File { digest, executable: member.mode & 0o100 != 0 })
            }
            tar::Kind::Symlink => Entry::Leaf(Node::Symlink(target()?)),
            tar::Kind::HardLink => {
                let raw_to = member_path(&member.link)?;
                if let Some(sum) = contents.record.sums.get(&raw_to).cloned() {
                    contents.record.sums.insert(raw, sum);
                }
                let to = merged(&raw_to);
                let found = files.get(&to).cloned().ok_or_else(|| ArchiveError::Escapes {
                    member: lossy(),
                    reason: format!("it is a link to `{to}`, which is not in it"),
                })?;
                Entry::Leaf(found)
            }
            tar::Kind::Other(kind) => {
                contents.notes.push(format!("package `{name}`: `{path}` is {kind} and is left out"));
                return Ok(());
            }
        };
        if let Entry::Leaf(node) = &entry {
            files.insert(path.clone(), node.clone());
        }
        contents.entries.push((path, entry));
        Ok(())
    })?;
    contents.record.paths.extend(symlinks);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_folders_lie_in_usr() {
        for (path, place) in [
            ("bin/sh", "usr/bin/sh"),
            ("lib64", "usr/lib64"),
            ("libexec/x", "libexec/x"),
            ("usr/bin", "usr/bin"),
        ] {
            assert_eq!(merged(&path.parse().unwrap()).as_str(), place);
        }
    }

    #[test]
    fn documentation_is_dropped_and_nothing_that_looks_like_it() {
        for (path, out) in [
            ("usr/share/doc", true),
            ("usr/share/doc/x/y", true),
            ("usr/share/docbook", false),
            ("usr/share/man/man1", true),
            ("usr/lib/locale/C.utf8", false),
        ] {
            assert_eq!(dropped(&path.parse().unwrap()), out, "{path}");
        }
    }
}
