//! dpkg's database of what is installed, as dpkg itself would have written it: `dpkg-query`, `dpkg-shlibdeps`,
//! `dpkg-checkbuilddeps` and `dpkg-genbuildinfo` read it in a step.
//!
//! | below `/var/lib/dpkg` | |
//! |---|---|
//! | `status` | each package's control file in dpkg's order of fields, installed, with the MD5 of its configuration files |
//! | `info/NAME.list` | its paths as its archive has them, symbolic links last, without files that another package replaced |
//! | `info/NAME.md5sums` | that of the package; if it has none, made from its files |
//! | `info/NAME.*` | whatever else is beside the control file. Scripts are there to be read; nobody runs them |
//! | `info/format` | `1`: names of `Multi-Arch: same` packages have `:ARCH` |
//! | `diversions`, `statoverride` | empty |
//!
//! Documentation is listed though it is not in the tree, as with dpkg's own `path-exclude`.

use std::collections::{BTreeMap, BTreeSet};

use md5::{Digest as _, Md5};
use model::RelPath;
use model::tree::{Node, Tree};
use store::Store;

use super::assemble::FixError;
use super::stanza;
use super::unpack::merged;
use crate::ArchiveError;
use crate::toolchain::links;
use model::deb822::paragraphs;

/// What dpkg remembers of one package.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Its control file.
    pub control: String,
    /// What lies beside that, by name; each is a file.
    pub members: BTreeMap<String, Node>,
    /// Its configuration files, in its order.
    pub conffiles: Vec<RelPath>,
    /// Its paths in the order in which dpkg unpacks: that of its archive, but for symbolic links, which come last.
    pub paths: Vec<RelPath>,
    /// MD5 of the files that [`Record::wants_sum`] asks for.
    pub sums: BTreeMap<RelPath, String>,
}

/// The member with the files' MD5.
const SUMS: &str = "md5sums";
/// dpkg writes it itself, whatever a package brings.
const LIST: &str = "list";

impl Record {
    /// Takes the names of configuration files from the member of that name. Those that a package says to remove are not its.
    pub(crate) fn read_conffiles(&mut self, text: &str) {
        let paths = text.lines().filter_map(|line| line.trim_end().strip_prefix('/'));
        self.conffiles = paths.filter_map(|path| path.parse().ok()).collect();
    }

    /// Whether the MD5 of a file is needed.
    pub(crate) fn wants_sum(&self, path: &RelPath) -> bool {
        !self.members.contains_key(SUMS) || self.conffiles.contains(path)
    }

    /// Name and architecture, and what files of the database are called after.
    ///
    /// # Errors
    /// If the control file does not say them, or what it says cannot be the name of a file.
    pub(crate) fn name(&self) -> Result<Name, ArchiveError> {
        let paragraph = paragraphs(&self.control).next();
        let get = |field| paragraph.and_then(|p| p.get(field)).unwrap_or_default();
        let (package, arch) = (get("Package"), get("Architecture"));
        let plain = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        if !plain(package) || !plain(arch) || get("Version").is_empty() {
            let expected = "a control file with Package, Version and Architecture";
            return Err(ArchiveError::Form { expected, found: format!("`{package}`, `{arch}`") });
        }
        let file = match get("Multi-Arch") {
            "same" => format!("{package}:{arch}"),
            _ => package.to_owned(),
        };
        Ok(Name { package: package.to_owned(), arch: arch.to_owned(), file })
    }

    fn stanza(&self) -> String {
        let sum = |path: &RelPath| Some((format!("/{path}"), self.sums.get(path)?.clone()));
        let conffiles: Vec<_> = self.conffiles.iter().filter_map(sum).collect();
        paragraphs(&self.control).next().map(|p| stanza::installed(p, &conffiles)).unwrap_or_default()
    }

    /// As dpkg writes it for a package without: a line for each file, in the order of the archive.
    fn made_sums(&self) -> String {
        let line = |path: &RelPath| Some(format!("{}  {path}\n", self.sums.get(path)?));
        self.paths.iter().filter_map(line).collect()
    }
}

/// How a package is called in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    package: String,
    arch: String,
    file: String,
}

/// MD5 of what is read through it.
pub(crate) struct Summing<R> {
    inner: R,
    hasher: Md5,
}

impl<R> Summing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Md5::new() }
    }

    /// In hexadecimal.
    pub(crate) fn finish(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<R: std::io::Read> std::io::Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Writes the database of `packages` into the tree that they were laid into. `lost` are files, by the nth package and their
/// place in the tree, which another package replaced.
pub(super) fn write(
    store: &Store,
    tree: &mut Tree,
    packages: &[(&Name, &Record)],
    lost: &BTreeSet<(usize, RelPath)>,
) -> Result<(), FixError> {
    let mut files: BTreeMap<String, Node> = BTreeMap::new();
    let file = |text: &str| -> Result<Node, FixError> {
        Ok(Node::File { digest: store.put(text.as_bytes())?, executable: false })
    };
    let mut stanzas = BTreeMap::new();
    for (nth, (name, record)) in packages.iter().enumerate() {
        for (member, node) in record.members.iter().filter(|(member, _)| *member != LIST) {
            files.insert(format!("info/{}.{member}", name.file), node.clone());
        }
        let stays = |path: &&RelPath| {
            lost.is_empty() || !lost.contains(&(nth, links::through(tree, &merged(path), merged)))
        };
        let line = |path: &RelPath| if path.is_root() { "/.\n".to_owned() } else { format!("/{path}\n") };
        let list: String = record.paths.iter().filter(stays).map(line).collect();
        files.insert(format!("info/{}.{LIST}", name.file), file(&list)?);
        if !record.members.contains_key(SUMS) {
            files.insert(format!("info/{}.{SUMS}", name.file), file(&record.made_sums())?);
        }
        stanzas.insert(name, record.stanza());
    }
    // Sorted by name, an empty line after each.
    let status: String = stanzas.into_values().map(|stanza| stanza + "\n").collect();
    files.insert("status".to_owned(), file(&status)?);
    files.insert("info/format".to_owned(), file("1\n")?);
    files.insert("diversions".to_owned(), file("")?);
    files.insert("statoverride".to_owned(), file("")?);
    let below: RelPath = "var/lib/dpkg".parse().expect("a plain path");
    // What dpkg's own package has as well.
    for folder in ["alternatives", "parts", "triggers", "updates"] {
        let folder = below.join(&folder.parse().expect("a plain path"));
        if tree.leaf(&folder).is_none() {
            tree.make_directory(&folder)?;
        }
    }
    for (place, node) in files {
        let place = place.parse().expect("names of packages and of members are plain");
        tree.replace(&below.join(&place), node)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(control: &str) -> Option<String> {
        let record = Record { control: control.into(), ..Record::default() };
        record.name().ok().map(|name| name.file)
    }

    #[test]
    fn what_would_be_no_name_of_a_file_is_refused() {
        let rest = "Version: 1\nArchitecture: amd64\n";
        for (package, file) in [("libc6", Some("libc6")), ("g++-12", Some("g++-12"))] {
            assert_eq!(name(&format!("Package: {package}\n{rest}")).as_deref(), file);
            let same = format!("Package: {package}\nMulti-Arch: same\n{rest}");
            assert_eq!(name(&same), file.map(|f| format!("{f}:amd64")));
        }
        for control in [
            String::new(),
            rest.to_owned(),
            "Package: a\nArchitecture: amd64\n".to_owned(),
            format!("Package: ../../etc/passwd\n{rest}"),
            format!("Package: ..\n{rest}"),
            format!("Package: a b\n{rest}"),
            "Package: a\nVersion: 1\nArchitecture: ../x\n".to_owned(),
        ] {
            assert_eq!(name(&control), None, "{control}");
        }
    }

    #[test]
    fn configuration_files_are_those_that_a_package_has() {
        let mut record = Record::default();
        record.read_conffiles("/etc/a \n\nremove-on-upgrade /etc/b\n/../c\nrelative\n/etc/d");
        assert_eq!(record.conffiles.iter().map(RelPath::as_str).collect::<Vec<_>>(), ["etc/a", "etc/d"]);
    }
}
