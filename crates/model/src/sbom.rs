//! What a build is made of: the one noun that every SBOM encoder takes.
//!
//! An [`Inventory`] says what was built and lists everything the sealed build could see. Its encodings, CycloneDX
//! and SPDX, are in the crate `attest`; their fields are documented in `docs/formats/sbom.md`.

mod fetched;

pub use fetched::purl_of;

use std::collections::BTreeMap;

use crate::lock::{ImageContents, Installed, LockedBase, LockedSource, LockedToolchain, MANIFEST};
use crate::purl::PurlError;
use crate::recipe::Format;
use crate::recipe::Locator;
use crate::{Digest, Purl, Timestamp};

/// What was built, and from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Name of what was built, as the recipe says it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence expression, if the recipe says it.
    pub licence: Option<String>,
    /// Who makes it; `None` when nobody said.
    pub producer: Option<String>,
    /// What came out. At least one.
    pub artifacts: Vec<InventoryArtifact>,
    /// What went in: sources, packages of the toolchain, dependencies. Any order.
    pub components: Vec<Component>,
    /// The root filesystem that the steps ran in.
    pub toolchain_tree: Digest,
    /// The time of the source; the only time in an SBOM.
    pub source_date_epoch: Timestamp,
    /// Version of selfsame.
    pub tool_version: String,
}

/// One packed output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryArtifact {
    /// File name.
    pub name: String,
    /// How it is packed.
    pub format: Format,
    /// Of its bytes; of its tree for [`Format::Dir`].
    pub digest: Digest,
    /// The container image in it.
    pub image: Option<InventoryImage>,
}

/// A container image in an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryImage {
    /// `NAME:TAG`.
    pub name: String,
    /// Of its manifest or index.
    pub digest: Digest,
}

impl InventoryImage {
    /// Its package URL: the last part of its name, and its digest.
    #[must_use]
    pub fn purl(&self) -> String {
        let last = self.name.rsplit('/').next().unwrap_or(&self.name);
        let name = last.split(':').next().unwrap_or(last);
        format!("pkg:oci/{name}@sha256%3A{}", self.digest.hex())
    }
}

/// What part a component plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Source code that the build was given.
    Source,
    /// A package of the toolchain: used to build, not shipped.
    Toolchain,
    /// A package or file that a step fetched by a transcript: of what is shipped, or used on the way; nobody says which.
    Dependency,
}

/// One thing that went in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Unique in the inventory: the purl, or else a locator (`git+URL@COMMIT`, a URL).
    pub id: String,
    /// What part it plays.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its version: a release, or a commit.
    pub version: String,
    /// Its package URL, if it has one.
    pub purl: Option<Purl>,
    /// Where it is from, if that is a URL.
    pub location: Option<String>,
    /// Of the file it came as, lower-case algorithm (`sha256`, `sha512`, …) to hexadecimal.
    pub hashes: BTreeMap<String, String>,
    /// Of its tree after unpacking, if known.
    pub tree: Option<Digest>,
    /// Licence expression, as it declares it; not checked.
    pub licence: Option<String>,
    /// Who makes or distributes it.
    pub producer: Option<String>,
    /// Name and version of the source package that it was built from.
    pub built_from: Option<(String, String)>,
    /// `id`s of the components that it needs. Others are ignored.
    pub depends: Vec<String>,
    /// Of a dependency: whether the project asks for it itself. `None`: nobody says it.
    pub direct: Option<bool>,
}

impl Component {
    /// The packages of a locked toolchain, with their relations.
    ///
    /// # Errors
    /// If a name or version cannot stand in a purl.
    pub fn toolchain(toolchain: &LockedToolchain) -> Result<Vec<Self>, PurlError> {
        let suite = toolchain.debian().map_or("", |d| d.suite.as_str());
        let purl = |name: &str, version: &str, arch: &str| Purl::debian(name, version, arch, suite);
        let mut ids = BTreeMap::new();
        for p in toolchain.packages() {
            ids.insert(p.name.as_str(), purl(&p.name, &p.version, &p.arch)?);
        }
        let component = |p: &crate::lock::LockedPackage| {
            let purl = ids[p.name.as_str()].clone();
            Self {
                id: purl.to_string(),
                role: Role::Toolchain,
                name: p.name.clone(),
                version: p.version.clone(),
                purl: Some(purl),
                location: None,
                hashes: BTreeMap::from([("sha256".to_owned(), p.digest.hex())]),
                tree: None,
                licence: p.licence.clone(),
                producer: Some("Debian".into()),
                built_from: Some((p.source.clone(), p.source_version.clone())),
                depends: p
                    .depends
                    .iter()
                    .filter_map(|d| ids.get(d.as_str()))
                    .map(ToString::to_string)
                    .collect(),
                direct: None,
            }
        };
        let mut list: Vec<Self> = toolchain.packages().iter().map(component).collect();
        list.extend(Self::image(toolchain));
        for installed in toolchain.installed() {
            list.push(Self::installed(installed, toolchain.distro())?);
        }
        list.extend(toolchain.archives.iter().map(Self::archive));
        Ok(list)
    }

    /// The image that a toolchain is, as one component.
    fn image(toolchain: &LockedToolchain) -> Option<Self> {
        let LockedBase::Image(image) = &toolchain.base else { return None };
        let digest = image.manifest.unwrap_or(image.config);
        let last = image.image.last_name();
        let version = format!("sha256:{}", digest.hex());
        Some(Self {
            id: format!("pkg:oci/{last}@sha256%3A{}", digest.hex()),
            role: Role::Toolchain,
            purl: format!("pkg:oci/{last}@sha256:{}", digest.hex()).parse().ok(),
            name: last,
            version,
            location: None,
            hashes: BTreeMap::from([("sha256".to_owned(), digest.hex())]),
            tree: Some(toolchain.base_tree),
            licence: None,
            producer: image.image.host().map(str::to_owned),
            built_from: None,
            depends: Vec::new(),
            direct: None,
        })
    }

    /// A package that an image or a machine had already, of a toolchain. It has no hash: nobody saw its file.
    fn installed(installed: &Installed, distro: Option<&str>) -> Result<Self, PurlError> {
        let purl = installed.purl(distro)?;
        Ok(Self {
            id: purl.to_string(),
            role: Role::Toolchain,
            name: installed.name.clone(),
            version: installed.version.clone(),
            purl: Some(purl),
            location: None,
            hashes: BTreeMap::new(),
            tree: None,
            licence: installed.licence.clone(),
            producer: distro.and_then(|d| d.split('-').next()).map(str::to_owned),
            built_from: installed.source.clone().map(|source| {
                let version = installed.source_version.as_ref().unwrap_or(&installed.version);
                (source, version.clone())
            }),
            depends: Vec::new(),
            direct: None,
        })
    }

    /// An archive that was laid over a toolchain.
    fn archive(archive: &crate::lock::LockedArchive) -> Self {
        let mut component = Self::source(&archive.name, &archive.source());
        component.role = Role::Toolchain;
        if let Some(purl) = &archive.purl {
            component.id = purl.to_string();
            component.purl = Some(purl.clone());
        }
        component.name.clone_from(&archive.name);
        if let Some(version) = &archive.version {
            component.version.clone_from(version);
        }
        component
    }

    /// A locked source. Its version is that of the purl, the commit, or for a URL the first 12 digits of its hash.
    #[must_use]
    pub fn source(name: &str, source: &LockedSource) -> Self {
        let mut hashes = BTreeMap::new();
        if let [file] = source.files.as_slice() {
            hashes.insert("sha256".to_owned(), file.digest.hex());
            // A Go module's `h1` is a hash of hashes, which SBOMs have no name for.
            let other = file.registry_hash.as_ref().and_then(|h| h.split_once(':'));
            if let Some((algorithm, hex)) = other.filter(|(algorithm, _)| *algorithm != "h1") {
                hashes.insert(algorithm.to_ascii_lowercase(), hex.to_owned());
            }
        }
        let of_image;
        let (name, version, purl, location) = match &source.origin {
            Locator::Git { url, commit } => (name, commit.clone(), None, Some(format!("git+{url}@{commit}"))),
            Locator::Url { url, sha256, .. } => {
                hashes.insert("sha256".to_owned(), sha256.hex());
                (name, sha256.hex()[..12].to_owned(), None, Some(url.clone()))
            }
            Locator::Package { purl, .. } => {
                (purl.name(), purl.version().to_owned(), Some(purl.clone()), None)
            }
            Locator::Image { image, .. } => {
                of_image = image.last_name();
                let manifest = source.file(MANIFEST).map_or(source.tree, |file| file.digest);
                hashes.insert("sha256".to_owned(), manifest.hex());
                let version = format!("sha256:{}", manifest.hex());
                let purl = format!("pkg:oci/{of_image}@{version}").parse().ok();
                (of_image.as_str(), version, purl, None)
            }
        };
        let producer = match &source.origin {
            Locator::Package { purl, .. } => Some(match purl.kind() {
                "deb" => "Debian".to_owned(),
                "cargo" => "Rust crate registry".to_owned(),
                "golang" => "Go module proxy".to_owned(),
                "npm" => "npm registry".to_owned(),
                "pypi" => "Python Package Index".to_owned(),
                other => format!("{other} registry"),
            }),
            Locator::Git { url, .. } | Locator::Url { url, .. } => host(url),
            Locator::Image { image, .. } => image.host().map(str::to_owned),
        };
        let id = match (&source.origin, &purl) {
            (Locator::Image { .. }, Some(purl)) => purl.to_string(),
            _ => source.origin.to_string(),
        };
        Self {
            id,
            role: Role::Source,
            name: name.to_owned(),
            version,
            purl,
            location,
            hashes,
            tree: Some(source.tree),
            licence: source.licence.clone(),
            producer,
            built_from: None,
            depends: Vec::new(),
            direct: None,
        }
    }

    /// The packages of a source that is an image: shipped with what is laid over it.
    ///
    /// # Errors
    /// If a name or version cannot stand in a purl.
    pub fn contents(name: &str, source: &LockedSource) -> Result<Vec<Self>, PurlError> {
        source.contents.as_ref().map_or(Ok(Vec::new()), |contents| Self::within(name, contents))
    }

    /// What is in an image called `name` by its own package databases.
    ///
    /// # Errors
    /// If a package cannot be named.
    pub fn within(name: &str, contents: &ImageContents) -> Result<Vec<Self>, PurlError> {
        let of_image = |installed: &Installed| {
            let mut component = Self::installed(installed, contents.distro.as_deref())?;
            // Another component than the same package of the toolchain, which is not shipped.
            component.id = format!("{}#{name}", component.id);
            component.role = Role::Dependency;
            Ok(component)
        };
        contents.packages.iter().map(of_image).collect()
    }

    /// The work tree around the recipe: its commit if there is one, else the first 12 digits of its tree.
    #[must_use]
    pub fn worktree(name: &str, git: Option<(&str, &str)>, tree: Digest, licence: Option<String>) -> Self {
        let public = git.map(|(url, commit)| (public_url(url), commit));
        let git = public.as_ref().map(|(url, commit)| (url.as_str(), *commit));
        let (id, version, location) = match git {
            Some((url, commit)) if !url.is_empty() => {
                let locator = format!("git+{url}@{commit}");
                (locator.clone(), commit.to_owned(), Some(locator))
            }
            Some((_, commit)) => (format!("worktree:{name}@{commit}"), commit.to_owned(), None),
            None => (format!("worktree:{name}@{}", tree.hex()), tree.hex()[..12].to_owned(), None),
        };
        Self {
            id,
            role: Role::Source,
            name: name.to_owned(),
            version,
            purl: None,
            location,
            hashes: BTreeMap::new(),
            tree: Some(tree),
            licence,
            producer: git.and_then(|(url, _)| host(url)),
            built_from: None,
            depends: Vec::new(),
            direct: None,
        }
    }
}

/// A repository's URL without the credentials that a clone's configuration may hold.
///
/// For `http` and `https` everything before the host goes, since a token can stand as a user name, and query and
/// fragment go, where one can stand as well; elsewhere (`ssh://git@…`) only a password.
#[must_use]
pub fn public_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.split(':').next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        format!("{scheme}://{host}{path}")
    } else if user.is_empty() {
        format!("{scheme}://{host}{path}")
    } else {
        format!("{scheme}://{user}@{host}{path}")
    }
}

/// The host of a URL: the one party that is known to have handed out what lies there.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_reach_what_is_published() {
        for (url, public) in [
            ("https://me:token@example.org:8443/a@b.git", "https://example.org:8443/a@b.git"),
            ("https://token@example.org/a.git", "https://example.org/a.git"),
            ("https://a@b:c@example.org", "https://example.org"),
            ("ssh://git:secret@example.org/a.git", "ssh://git@example.org/a.git"),
            ("ssh://git@example.org/a.git", "ssh://git@example.org/a.git"),
            ("git@example.org:a.git", "git@example.org:a.git"),
            ("https://example.org/a@b", "https://example.org/a@b"),
            ("https://example.org/a.git?access_token=x#y", "https://example.org/a.git"),
            ("http://me:x@example.org?private_token=/x", "http://example.org"),
            ("", ""),
        ] {
            assert_eq!(public_url(url), public);
        }
        let tree = Digest::of(b"");
        let component = Component::worktree("w", Some(("https://t@example.org/a", "12")), tree, None);
        assert_eq!(component.id, "git+https://example.org/a@12");
        assert_eq!(component.producer.as_deref(), Some("example.org"));
    }
}
