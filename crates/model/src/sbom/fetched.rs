//! What a step fetched, as components: read off the locators of its transcript, so that only what really came is listed.

use std::collections::{BTreeMap, BTreeSet};

use packageurl::PackageUrl;

use super::{Component, Role};
use crate::Purl;
use crate::ecosystem::Ecosystem;
use crate::lock::{Declared, LockedStep};
use crate::transcript::{Answered, Asked, Place};

impl Component {
    /// Every package and file that a step fetched, in the order of the locators. Pages that list versions, files of
    /// sums and metadata are no components. A package needs every file that came of another.
    #[must_use]
    pub fn fetched(step: &LockedStep) -> Vec<Self> {
        let answers = step.requests.0.iter();
        let mut list: Vec<Self> =
            answers.filter_map(|(asked, answered)| Self::answer(asked, answered)).collect();
        let declared: BTreeMap<String, &Declared> =
            step.packages.iter().map(|d| (d.purl.to_string(), d)).collect();
        let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for component in &list {
            if let Some(purl) = &component.purl {
                files.entry(purl.to_string()).or_default().insert(component.id.clone());
            }
        }
        for component in &mut list {
            let Some(known) = component.purl.as_ref().and_then(|p| declared.get(&p.to_string())) else {
                continue;
            };
            component.direct = known.direct;
            component.licence.clone_from(&known.licence);
            let needs = known.needs.iter().flatten().filter_map(|need| files.get(need));
            component.depends = needs.flatten().cloned().collect();
        }
        list
    }

    /// The package or file that one answer brought, without what its step knows of it. `None`: it brought none.
    #[must_use]
    pub fn answer(asked: &Asked, answered: &Answered) -> Option<Self> {
        let whole = asked.method == "GET" && answered.status == 200;
        whole.then(|| component(&asked.place, answered))?
    }
}

/// The package that a fetched file is of; `None` for pages, sums and metadata, and for what no registry served.
#[must_use]
pub fn purl_of(place: &Place) -> Option<Purl> {
    let Place::Registry(ecosystem, path) = place else { return None };
    package(*ecosystem, path)?.purl()
}

fn component(place: &Place, answered: &Answered) -> Option<Component> {
    let (purl, name, version, producer, location) = match place {
        Place::Registry(ecosystem, path) => {
            let package = package(*ecosystem, path)?;
            let purl = package.purl()?;
            let Package { namespace, name, version, .. } = package;
            let producer = Some(format!("{ecosystem} registry"));
            let name = namespace.map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
            (Some(purl), name, version, producer, None)
        }
        Place::Url(url) => {
            let path = url.split(['?', '#']).next().unwrap_or(url);
            let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(url).to_owned();
            (None, name, answered.body.hex()[..12].to_owned(), super::host(url), Some(url.clone()))
        }
    };
    let id = match (&purl, place) {
        // A version may have several files: a wheel for each platform.
        (Some(purl), Place::Registry(_, path)) => {
            format!("{purl}#{}", path.rsplit('/').next().unwrap_or_default())
        }
        _ => place.to_string(),
    };
    Some(Component {
        id,
        role: Role::Dependency,
        name,
        version,
        purl,
        location,
        hashes: BTreeMap::from([("sha256".to_owned(), answered.body.hex())]),
        tree: None,
        licence: None,
        producer,
        built_from: None,
        depends: Vec::new(),
        direct: None,
    })
}

/// What a path of a registry is a file of.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    /// Type of purl.
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    version: String,
}

impl Package {
    fn purl(&self) -> Option<Purl> {
        // The type's own rule; of the namespace, the library sees to it.
        let name = if self.kind == "golang" { self.name.to_ascii_lowercase() } else { self.name.clone() };
        let mut purl = PackageUrl::new(self.kind, name).ok()?;
        if let Some(namespace) = &self.namespace {
            purl.with_namespace(namespace.clone()).ok()?;
        }
        purl.with_version(self.version.clone()).ok()?;
        purl.to_string().parse().ok()
    }
}

fn package(ecosystem: Ecosystem, path: &str) -> Option<Package> {
    let made = |kind, namespace: Option<&str>, name: &str, version: &str| {
        let some = !name.is_empty() && !version.is_empty();
        let (namespace, name, version) = (namespace.map(str::to_owned), name.to_owned(), version.to_owned());
        some.then_some(Package { kind, namespace, name, version })
    };
    match ecosystem {
        Ecosystem::Cargo => {
            let (name, version) =
                path.strip_prefix("/crates/")?.strip_suffix("/download")?.split_once('/')?;
            made("cargo", None, name, version)
        }
        Ecosystem::Go => {
            let (module, file) = path.strip_prefix('/')?.split_once("/@v/")?;
            let (module, version) = (unescape(module), unescape(file.strip_suffix(".zip")?));
            let (namespace, name) =
                module.rsplit_once('/').map_or((None, module.as_str()), |(n, m)| (Some(n), m));
            made("golang", namespace, name, &version)
        }
        Ecosystem::Npm => {
            let path = path.replace("%2f", "/").replace("%2F", "/");
            let (name, file) = path.strip_prefix('/')?.split_once("/-/")?;
            let (namespace, name) = name.rsplit_once('/').map_or((None, name), |(n, m)| (Some(n), m));
            let version = file.strip_suffix(".tgz")?.strip_prefix(name)?.strip_prefix('-')?;
            made("npm", namespace, name, version)
        }
        Ecosystem::Pypi => {
            let (name, file) = path.strip_prefix("/files/")?.split_once('/')?;
            let stem =
                [".tar.gz", ".tar.bz2", ".tar.xz", ".zip"].iter().find_map(|end| file.strip_suffix(end));
            // A wheel's name has its parts between dashes, and none in them; a source's version comes last.
            let version = match (file.strip_suffix(".whl"), stem) {
                (Some(wheel), _) => wheel.split('-').nth(1)?,
                (None, Some(source)) => source.rsplit_once('-')?.1,
                (None, None) => return None,
            };
            made("pypi", None, name, version)
        }
        Ecosystem::Maven => {
            let file = path.rsplit('/').next()?;
            let mut parts = path.rsplit('/').skip(1);
            let (version, artifact) = (parts.next()?, parts.next()?);
            let mut group: Vec<&str> = parts.filter(|p| !p.is_empty()).collect();
            group.reverse();
            let group = group.join(".");
            let code = [".jar", ".war", ".aar"].iter().any(|end| file.ends_with(end));
            (code && file.starts_with(&format!("{artifact}-{version}")))
                .then(|| made("maven", Some(&group), artifact, version))?
        }
        Ecosystem::Web => None,
    }
}

/// A module path or version as people write it: `!x` is a capital (<https://go.dev/ref/mod#goproxy-protocol>).
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => out.extend(chars.next().map(|c| c.to_ascii_uppercase())),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Transcript;

    #[test]
    fn files_are_packages_and_pages_are_not() {
        let empty = crate::Digest::of(b"");
        let line = |locator: &str| format!("GET {locator} 200 {empty}");
        for (locator, expected) in [
            ("cargo:/crates/serde/1.0.0/download", Some("pkg:cargo/serde@1.0.0")),
            ("cargo:/index/se/rd/serde", None),
            (
                "go:/github.com/!burnt!sushi/toml/@v/v1.0.0.zip",
                Some("pkg:golang/github.com/burntsushi/toml@v1.0.0"),
            ),
            ("go:/github.com/x/y/@v/v1.0.0.mod", None),
            ("npm:/@a/b/-/b-1.0.0-rc.1.tgz", Some("pkg:npm/%40a/b@1.0.0-rc.1")),
            ("npm:/left-pad", None),
            (
                "pypi:/files/markupsafe/MarkupSafe-3.0.2-cp311-cp311-linux_x86_64.whl",
                Some("pkg:pypi/markupsafe@3.0.2"),
            ),
            ("pypi:/files/a-b/a-b-1.0.tar.gz", Some("pkg:pypi/a-b@1.0")),
            ("pypi:/files/a/a-1.0-py3-none-any.whl.metadata", None),
            ("maven:/org/a/b/1.0/b-1.0.jar", Some("pkg:maven/org.a/b@1.0")),
            ("maven:/org/a/b/1.0/b-1.0.jar.sha1", None),
            ("maven:/org/a/b/1.0/b-1.0.pom", None),
        ] {
            let line = line(locator);
            let requests = Transcript::from_lines([line.as_str()]).unwrap();
            let step = LockedStep { uses: Vec::new(), record: Vec::new(), requests, packages: Vec::new() };
            let found = Component::fetched(&step);
            let purl = found.first().and_then(|c| c.purl.as_ref()).map(ToString::to_string);
            assert_eq!(purl.as_deref(), expected, "{locator}");
        }
    }

    #[test]
    fn a_package_needs_every_file_of_another() {
        let empty = crate::Digest::of(b"");
        let lines = [
            format!("GET pypi:/files/a/a-1.0-py3-none-any.whl 200 {empty}"),
            format!("GET pypi:/files/b/b-2.0-py3-none-any.whl 200 {empty}"),
            format!("GET pypi:/files/b/b-2.0.tar.gz 200 {empty}"),
        ];
        let requests = Transcript::from_lines(lines.iter().map(String::as_str)).unwrap();
        let packages = ["pkg:pypi/a@1.0 direct=true licence=MIT needs=pkg:pypi/b@2.0 needs=pkg:pypi/c@3"]
            .map(|line| line.parse().unwrap());
        let step = LockedStep { uses: Vec::new(), record: Vec::new(), requests, packages: packages.to_vec() };
        let list = Component::fetched(&step);
        assert_eq!(list[0].depends, ["pkg:pypi/b@2.0#b-2.0-py3-none-any.whl", "pkg:pypi/b@2.0#b-2.0.tar.gz"]);
        assert_eq!((list[0].direct, list[0].licence.as_deref()), (Some(true), Some("MIT")));
        assert_eq!((list[1].direct, list[1].licence.as_deref()), (None, None));
    }
}
