//! dpkg's record of what is installed on a machine: who owns a file, what a package needs, what it brought.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use model::lock::Installed;

use super::super::image::dpkg;
use crate::toolchain::debian;
use model::deb822::paragraphs;

/// What is installed. Empty where there is no such record.
pub(super) struct Record {
    root: PathBuf,
    packages: BTreeMap<String, Package>,
    /// Virtual packages, by who provides them.
    provides: BTreeMap<String, String>,
    owners: BTreeMap<String, String>,
}

struct Package {
    installed: Installed,
    needs: Vec<Vec<String>>,
    recommends: Vec<Vec<String>>,
    essential: bool,
    files: Vec<String>,
    /// Path to MD5.
    conffiles: Vec<(String, String)>,
}

impl Record {
    pub(super) fn read(root: &Path) -> Self {
        let folder = root.join("var/lib/dpkg");
        let status = std::fs::read(folder.join("status")).unwrap_or_default();
        let status = String::from_utf8_lossy(&status).into_owned();
        let mut record = Self {
            root: root.to_owned(),
            packages: BTreeMap::new(),
            provides: BTreeMap::new(),
            owners: BTreeMap::new(),
        };
        let list = dpkg(&status);
        for paragraph in paragraphs(&status) {
            let field = |name: &str| paragraph.get(name).unwrap_or_default();
            let (name, arch) = (field("Package"), field("Architecture"));
            // Of several architectures, the first: the machine's own comes before foreign ones in few cases only, and a
            // foreign one has the name of its architecture in its file list.
            let Some(installed) = list.iter().find(|i| i.name == name && i.arch == arch) else { continue };
            if record.packages.contains_key(name) || !field("Status").ends_with(" installed") {
                continue;
            }
            let needs = [field("Pre-Depends"), field("Depends")].join(",");
            for virtual_name in names(field("Provides")).into_iter().flatten() {
                record.provides.entry(virtual_name).or_insert_with(|| name.to_owned());
            }
            let files = files(&folder, name, arch);
            for file in &files {
                record.owners.entry(file.clone()).or_insert_with(|| name.to_owned());
            }
            let conffile = |line: &str| {
                let mut words = line.split_whitespace();
                Some((words.next()?.to_owned(), words.next()?.to_owned()))
            };
            let package = Package {
                installed: installed.clone(),
                needs: names(&needs),
                recommends: names(field("Recommends")),
                essential: field("Essential") == "yes",
                files,
                conffiles: field("Conffiles").lines().filter_map(conffile).collect(),
            };
            record.packages.insert(name.to_owned(), package);
        }
        record
    }

    /// The package that brought a file, which may be recorded where it lay before `/usr` was merged.
    pub(super) fn owner(&self, path: &str) -> Option<String> {
        let unmerged = path.strip_prefix("/usr").unwrap_or(path);
        let merged = format!("/usr{path}");
        [path, unmerged, &merged].iter().find_map(|p| self.owners.get(*p)).cloned()
    }

    /// Packages without which no system is.
    fn essential(&self) -> BTreeSet<String> {
        self.packages.iter().filter(|(_, p)| p.essential).map(|(name, _)| name.clone()).collect()
    }

    /// Packages of programs and all that they need, with what those recommend, as far as it is installed: a compiler
    /// without the headers that it recommends is of no use. Essential packages come along. Sorted.
    pub(super) fn closure(&self, wanted: BTreeSet<String>) -> BTreeSet<String> {
        let needed = self.needed(wanted);
        let recommended = needed
            .iter()
            .filter_map(|name| self.packages.get(name))
            .flat_map(|package| package.recommends.iter().filter_map(|r| self.first(r)))
            .collect();
        let mut all = self.needed(recommended);
        all.extend(needed);
        all.extend(self.needed(self.essential()));
        all
    }

    /// These packages and all that they depend on.
    fn needed(&self, wanted: BTreeSet<String>) -> BTreeSet<String> {
        let mut queue: Vec<String> = wanted.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(name) = queue.pop() {
            let Some(package) = self.packages.get(&name) else { continue };
            if found.insert(name) {
                queue.extend(package.needs.iter().filter_map(|alternatives| self.first(alternatives)));
            }
        }
        found
    }

    /// The first of some alternatives that is installed.
    fn first(&self, alternatives: &[String]) -> Option<String> {
        let installed = alternatives.iter().find(|n| self.packages.contains_key(*n));
        installed.or_else(|| alternatives.iter().find_map(|n| self.provides.get(n))).cloned()
    }

    /// What a package brought, absolute.
    pub(super) fn files(&self, package: &str) -> Vec<String> {
        self.packages.get(package).map(|p| p.files.clone()).unwrap_or_default()
    }

    /// What the packages' own configuration files are as they brought them: MD5 by path.
    pub(super) fn conffiles(&self) -> BTreeMap<String, String> {
        self.packages.values().flat_map(|p| p.conffiles.iter().cloned()).collect()
    }

    /// The packages as a lock names them.
    pub(super) fn installed(&self, names: &BTreeSet<String>) -> Vec<Installed> {
        let one = |name: &String| {
            let mut installed = self.packages.get(name)?.installed.clone();
            let copyright = self.root.join("usr/share/doc").join(name).join("copyright");
            let text = std::fs::read(copyright).ok();
            installed.licence = text.and_then(|text| debian::licence(&String::from_utf8_lossy(&text)));
            Some(installed)
        };
        names.iter().filter_map(one).collect()
    }
}

/// Names in a field of relations: a list of alternatives each, without versions and architectures.
fn names(field: &str) -> Vec<Vec<String>> {
    let name = |text: &str| {
        let name = text.split([' ', '(', '[', ':']).find(|w| !w.is_empty())?;
        Some(name.to_owned())
    };
    let clause = |clause: &str| clause.split('|').filter_map(|t| name(t.trim())).collect::<Vec<_>>();
    field.split(',').map(clause).filter(|c| !c.is_empty()).collect()
}

/// The list of a package's files.
fn files(folder: &Path, name: &str, arch: &str) -> Vec<String> {
    let read = |list: String| std::fs::read(folder.join("info").join(list)).ok();
    let text =
        read(format!("{name}:{arch}.list")).or_else(|| read(format!("{name}.list"))).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(|l| l.starts_with('/') && *l != "/.").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn relations_are_names() {
        let list = super::names("libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, python3:any, ");
        assert_eq!(list, [vec!["libc6"], vec!["debconf", "debconf-2.0"], vec!["python3"]]);
    }
}
