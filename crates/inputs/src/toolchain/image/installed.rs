//! What an image's own package databases say is in it: `dpkg` and `apk`. Read, never run; the word of whoever made the image.

use std::collections::BTreeMap;

use model::lock::Installed;
use model::tree::Node;
use model::{Digest, RelPath};
use store::{Store, StoreError};

use crate::deb822::paragraphs;
use crate::toolchain::links;

/// No database is larger.
const DATABASE_LIMIT: u64 = 64 << 20;

/// The distribution, and its packages, sorted.
pub(super) fn read(store: &Store, tree: &Digest) -> Result<(Option<String>, Vec<Installed>), StoreError> {
    let mut list = Vec::new();
    if let Some(text) = text(store, tree, "var/lib/dpkg/status")? {
        list.extend(dpkg(&text));
    }
    // Images without dpkg itself keep one file for each package.
    if let Some(Node::Directory(folder)) = node(store, tree, "var/lib/dpkg/status.d")? {
        for (name, node) in store.directory(&folder)?.0 {
            if let Node::File { digest, .. } = node
                && digest.size <= DATABASE_LIMIT
                && !name.as_str().ends_with(".md5sums")
            {
                list.extend(dpkg(&String::from_utf8_lossy(&store.read(&digest)?)));
            }
        }
    }
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(text) = text(store, tree, place)? {
            list.extend(apk(&text));
            break;
        }
    }
    list.sort();
    list.dedup();
    let mut release = None;
    for place in ["etc/os-release", "usr/lib/os-release"] {
        release = release.or(text(store, tree, place)?);
    }
    Ok((release.as_deref().and_then(distro), list))
}

/// `ID-VERSION` of an `os-release`.
pub(in crate::toolchain) fn distro(os_release: &str) -> Option<String> {
    let fields = fields(os_release);
    let word = |key: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
        fields.get(key).filter(|v| !v.is_empty() && v.chars().all(fits))
    };
    let id = word("ID")?;
    // A moving distribution has no version; Debian's has a name.
    let version = word("VERSION_ID").or_else(|| word("VERSION_CODENAME"));
    Some(version.map_or_else(|| id.clone(), |version| format!("{id}-{version}")))
}

/// The fields of an `os-release`, unquoted.
pub(in crate::toolchain) fn fields(os_release: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
    };
    os_release.lines().filter_map(line).collect()
}

/// Packages that are installed, of dpkg's record.
pub(in crate::toolchain) fn dpkg(status: &str) -> Vec<Installed> {
    let mut list = Vec::new();
    for paragraph in paragraphs(status) {
        let field = |name: &str| paragraph.get(name).filter(|v| !v.is_empty()).map(str::to_owned);
        let state = field("Status").unwrap_or_else(|| "ok installed".into());
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else { continue };
        if !state.ends_with(" installed") {
            continue;
        }
        let source = field("Source").unwrap_or_else(|| name.clone());
        let (source, source_version) = match source.split_once(" (") {
            Some((source, version)) => (source.to_owned(), Some(version.trim_end_matches(')').to_owned())),
            None => (source, None),
        };
        let arch = field("Architecture").unwrap_or_else(|| "all".into());
        let source = Some(source);
        list.push(Installed {
            kind: "deb".into(),
            name,
            version,
            arch,
            source,
            source_version,
            licence: None,
        });
    }
    list
}

/// Packages of apk's record: paragraphs of lines `LETTER:VALUE`.
fn apk(installed: &str) -> Vec<Installed> {
    let mut list = Vec::new();
    for paragraph in installed.split("\n\n") {
        let field = |letter: &str| {
            paragraph
                .lines()
                .find_map(|l| l.strip_prefix(letter)?.strip_prefix(':'))
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
        };
        let (Some(name), Some(version)) = (field("P"), field("V")) else { continue };
        let arch = field("A").unwrap_or_else(|| "noarch".into());
        let (source, licence) = (field("o"), field("L"));
        list.push(Installed {
            kind: "apk".into(),
            name,
            version,
            arch,
            source,
            source_version: None,
            licence,
        });
    }
    list
}

/// A file of a root; links on the way, and the last one, are followed within it.
fn text(store: &Store, tree: &Digest, path: &str) -> Result<Option<String>, StoreError> {
    match node(store, tree, path)? {
        Some(Node::File { digest, .. }) if digest.size <= DATABASE_LIMIT => {
            Ok(Some(String::from_utf8_lossy(&store.read(&digest)?).into_owned()))
        }
        _ => Ok(None),
    }
}

fn node(store: &Store, tree: &Digest, path: &str) -> Result<Option<Node>, StoreError> {
    let mut path: RelPath = path.parse().expect("the places are plain paths");
    for _ in 0..8 {
        let link = |place: &RelPath| match store.lookup(tree, place) {
            Ok(Some(Node::Symlink(target))) => Some(target),
            _ => None,
        };
        path = links::through_with(&path, Clone::clone, link);
        match store.lookup(tree, &path)? {
            Some(Node::Symlink(target)) => {
                let above = path.parent().unwrap_or_default();
                let Some(next) = links::follow(&above, &target) else { return Ok(None) };
                path = next;
            }
            found => return Ok(found),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_read() {
        let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-8)\nVersion: \
                      2.36-9\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n";
        let list = dpkg(status);
        assert_eq!(list.len(), 1);
        assert_eq!((list[0].name.as_str(), list[0].version.as_str()), ("libc6", "2.36-9"));
        assert_eq!(list[0].source.as_deref(), Some("glibc"));
        assert_eq!(list[0].source_version.as_deref(), Some("2.36-8"));
        let list = apk("C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\nF:lib\n\nP:broken\n\n");
        assert_eq!((list.len(), list[0].licence.as_deref()), (1, Some("MIT")));
    }

    #[test]
    fn a_distribution_is_named() {
        assert_eq!(distro("ID=debian\nVERSION_ID=\"12\"\n").as_deref(), Some("debian-12"));
        assert_eq!(distro("ID=debian\nVERSION_CODENAME=forky\n").as_deref(), Some("debian-forky"));
        assert_eq!(distro("ID=arch\n").as_deref(), Some("arch"));
        assert_eq!(distro("ID=\"a/b\"\n"), None);
        assert_eq!(distro(""), None);
    }
}
