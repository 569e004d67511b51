//! What the packages that a step fetched say of themselves, and what lockfiles say of them: licences and edges, for SBOMs.
//!
//! Edges are the lockfile's, where one has an entry for a package and knows edges. Where none does (`requirements.txt`,
//! `go.sum`, Maven), they are the package's own word, as far as it names what was fetched. Licences are always the
//! package's own word. All of it is hostile text in hostile archives: what cannot be read within bounds says nothing, and
//! no lock fails for it.

mod cargo;
mod golang;
mod maven;
mod member;
mod npm;
mod pypi;

use std::collections::{BTreeMap, BTreeSet};

use model::Digest;
use model::lock::{Declared, licence_text};
use model::sbom::purl_of;
use model::transcript::{Place, Transcript};
use store::Store;

use crate::ecosystem::{Adapter, Component};

/// What a package says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Word {
    licence: Option<String>,
    /// Of what it needs, the names; what a name is, is its ecosystem's matter. `None`: it says nothing.
    needs: Option<BTreeSet<String>>,
}

/// One package, and the files of it that were fetched, by locator.
struct Package<'a> {
    purl: model::Purl,
    files: BTreeMap<&'a Place, &'a Digest>,
}

/// Everything that is known of each package among the answers, sorted by purl. `pinned` are the lockfiles of the step's
/// sources, each a list whose edges are places in itself.
pub(crate) fn declared(store: &Store, pinned: &[Vec<Component>], transcript: &Transcript) -> Vec<Declared> {
    let mut packages: BTreeMap<String, Package<'_>> = BTreeMap::new();
    let whole = transcript.0.iter().filter(|(asked, a)| asked.method == "GET" && a.status == 200);
    for (asked, answered) in whole {
        if let Some(purl) = purl_of(&asked.place) {
            let package =
                packages.entry(purl.to_string()).or_insert_with(|| Package { purl, files: BTreeMap::new() });
            package.files.insert(&asked.place, &answered.body);
        }
    }
    let index = Index::new(packages.values());
    let lockfiles = Lockfiles::new(pinned, &index);
    let word = |package: &Package<'_>| match package.purl.kind() {
        "cargo" => cargo::word(store, package),
        "golang" => golang::word(store, package, transcript),
        "npm" => npm::word(store, package),
        "pypi" => pypi::word(store, package),
        "maven" => maven::word(store, package, transcript),
        _ => Word::default(),
    };
    let one = |(text, package): (&String, &Package<'_>)| {
        let word = word(package);
        let key = key(&package.purl);
        let own = || word.needs.map(|names| index.found(&package.purl, &names));
        let mut needs = lockfiles.needs.get(&key).cloned().or_else(own);
        if let Some(needs) = &mut needs {
            needs.remove(text);
        }
        let licence = word.licence.as_deref().and_then(licence_text);
        Declared { purl: package.purl.clone(), direct: lockfiles.direct.get(&key).copied(), licence, needs }
    };
    packages.iter().map(one).collect()
}

/// A package as every tool writes it: versions of Python have several spellings.
fn key(purl: &model::Purl) -> String {
    if purl.kind() == "pypi" {
        let version = purl.version().to_ascii_lowercase().replace(['_', '+'], "-");
        return format!("pypi {} {version}", purl.name());
    }
    purl.to_string()
}

/// The name of a package as others of its ecosystem ask for it.
fn name(purl: &model::Purl) -> String {
    match (purl.kind(), purl.namespace()) {
        ("maven", Some(group)) => format!("{group}:{}", purl.name()),
        (_, Some(namespace)) => format!("{namespace}/{}", purl.name()),
        (_, None) => purl.name().to_owned(),
    }
}

/// What was fetched, by what one may ask for.
struct Index {
    by_key: BTreeMap<String, String>,
    by_name: BTreeMap<(String, String), Vec<String>>,
}

impl Index {
    fn new<'a>(packages: impl Iterator<Item = &'a Package<'a>>) -> Self {
        let mut index = Self { by_key: BTreeMap::new(), by_name: BTreeMap::new() };
        for Package { purl, .. } in packages {
            index.by_key.insert(key(purl), purl.to_string());
            let kind = purl.kind().to_owned();
            index.by_name.entry((kind, name(purl))).or_default().push(purl.to_string());
        }
        index
    }

    /// The purls that `names` mean beside `purl`. Several versions of one name are told apart by nobody: all are meant.
    fn found(&self, purl: &model::Purl, names: &BTreeSet<String>) -> BTreeSet<String> {
        let named = names.iter().filter_map(|n| self.by_name.get(&(purl.kind().to_owned(), n.clone())));
        named.flatten().cloned().collect()
    }
}

/// What lockfiles say, by [`key`].
#[derive(Default)]
struct Lockfiles {
    /// Of packages whose lockfile knows edges.
    needs: BTreeMap<String, BTreeSet<String>>,
    direct: BTreeMap<String, bool>,
}

impl Lockfiles {
    fn new(pinned: &[Vec<Component>], index: &Index) -> Self {
        let mut all = Self::default();
        for list in pinned {
            // Some lockfiles are a flat list, and some do not say what the project itself asks for.
            let is_graph =
                |c: &Component| matches!(c.adapter, Adapter::Cargo | Adapter::Npm) || !c.depends.is_empty();
            let has_edges = list.iter().any(is_graph);
            let has_direct = list.iter().any(|c| c.direct);
            for component in list {
                let Some(key) = component.purl.as_ref().map(key) else { continue };
                if has_edges {
                    let purl = |at: &usize| list.get(*at)?.purl.as_ref();
                    let fetched = component.depends.iter().filter_map(purl).map(self::key);
                    let needs = fetched.filter_map(|k| index.by_key.get(&k).cloned());
                    all.needs.entry(key.clone()).or_default().extend(needs);
                }
                if has_direct {
                    *all.direct.entry(key).or_default() |= component.direct;
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
