//! What the package databases of a root say is in it: those of dpkg and apk, and which distribution it is. The word of
//! whoever made them.

use std::collections::BTreeMap;

use super::Installed;
use crate::deb822::paragraphs;

/// `ID-VERSION` of an `os-release`.
#[must_use]
pub fn distro(os_release: &str) -> Option<String> {
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
#[must_use]
pub fn fields(os_release: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
    };
    os_release.lines().filter_map(line).collect()
}

/// Packages that are installed, of dpkg's record.
#[must_use]
pub fn dpkg(status: &str) -> Vec<Installed> {
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
#[must_use]
pub fn apk(installed: &str) -> Vec<Installed> {
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
