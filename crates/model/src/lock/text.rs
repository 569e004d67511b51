//! The table `[toolchain]` of a lock as it is written: one list of keys, of which each kind has its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::toolchain::{
    Installed, LockedArchive, LockedBase, LockedDebian, LockedHost, LockedImage, LockedToolchain,
};
use super::{LockedFile, LockedPackage};
use crate::oci::Reference;
use crate::recipe::Locator;
use crate::{Digest, Purl, RelPath, Sha256};

/// In the order of the text, which must not change: a lock is committed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ToolchainText {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suite: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<Reference>,
    arch: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_by: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distro: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Digest>,
    assembler: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Digest>,
    tree: Digest,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(default, rename = "package", skip_serializing_if = "Option::is_none")]
    packages: Option<Vec<LockedPackage>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    installed: Vec<Installed>,
    #[serde(default, rename = "archive", skip_serializing_if = "Vec::is_empty")]
    archives: Vec<ArchiveText>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ArchiveText {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Sha256>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purl: Option<Purl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strip: Option<u32>,
    at: RelPath,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<RelPath>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
    tree: Digest,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    link: BTreeMap<String, RelPath>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(rename = "file")]
    files: Vec<LockedFile>,
}

impl From<LockedToolchain> for ToolchainText {
    fn from(from: LockedToolchain) -> Self {
        let kind = from.base.kind().to_owned();
        let mut text = Self {
            kind,
            suite: None,
            components: None,
            image: None,
            arch: from.arch,
            snapshot: None,
            requested: None,
            signed_by: None,
            machine: None,
            distro: None,
            files: Vec::new(),
            index: None,
            manifest: None,
            config: None,
            layers: Vec::new(),
            assembler: from.assembler,
            base: (!from.archives.is_empty()).then_some(from.base_tree),
            tree: from.tree,
            env: BTreeMap::new(),
            packages: None,
            installed: Vec::new(),
            archives: from.archives.into_iter().map(ArchiveText::from).collect(),
        };
        match from.base {
            LockedBase::Debian(mut debian) => {
                debian.packages.sort_by(|a, b| a.name.cmp(&b.name));
                debian.signed_by.sort();
                text.suite = Some(debian.suite);
                text.components = Some(debian.components);
                text.snapshot = debian.snapshot;
                text.requested = Some(debian.requested);
                text.signed_by = Some(debian.signed_by);
                text.packages = Some(debian.packages);
            }
            LockedBase::Image(mut image) => {
                image.installed.sort();
                text.image = Some(image.image);
                text.index = image.index;
                text.manifest = image.manifest;
                text.config = Some(image.config);
                text.layers = image.layers;
                text.env = image.env;
                text.distro = image.distro;
                text.installed = image.installed;
            }
            LockedBase::Host(mut host) => {
                host.installed.sort();
                host.files.sort();
                text.requested = Some(host.requested);
                text.machine = Some(host.machine);
                text.distro = host.distro;
                text.installed = host.installed;
                text.files = host.files;
            }
            LockedBase::Empty => {}
        }
        text
    }
}

impl TryFrom<ToolchainText> for LockedToolchain {
    type Error = String;

    fn try_from(text: ToolchainText) -> Result<Self, String> {
        fn need<T>(kind: &str, key: &str, value: Option<T>) -> Result<T, String> {
            value.ok_or_else(|| format!("missing field `{key}` of a toolchain of kind `{kind}`"))
        }
        let kind = text.kind.as_str();
        let mine: &[&str] = match kind {
            "debian" => &["suite", "components", "snapshot", "requested", "signed-by", "package"],
            "image" => &["image", "distro", "index", "manifest", "config", "layers", "env", "installed"],
            "host" => &["requested", "machine", "distro", "files", "installed"],
            "archive" => &[],
            other => return Err(format!("unknown kind of toolchain `{other}`")),
        };
        for (key, there) in [
            ("suite", text.suite.is_some()),
            ("components", text.components.is_some()),
            ("image", text.image.is_some()),
            ("snapshot", text.snapshot.is_some()),
            ("requested", text.requested.is_some()),
            ("signed-by", text.signed_by.is_some()),
            ("machine", text.machine.is_some()),
            ("distro", text.distro.is_some()),
            ("files", !text.files.is_empty()),
            ("index", text.index.is_some()),
            ("manifest", text.manifest.is_some()),
            ("config", text.config.is_some()),
            ("layers", !text.layers.is_empty()),
            ("env", !text.env.is_empty()),
            ("package", text.packages.is_some()),
            ("installed", !text.installed.is_empty()),
        ] {
            if there && !mine.contains(&key) {
                return Err(format!("`{key}` does not belong to a toolchain of kind `{kind}`"));
            }
        }
        let base = match kind {
            "debian" => LockedBase::Debian(LockedDebian {
                suite: need(kind, "suite", text.suite)?,
                components: need(kind, "components", text.components)?,
                snapshot: text.snapshot,
                requested: need(kind, "requested", text.requested)?,
                signed_by: need(kind, "signed-by", text.signed_by)?,
                packages: need(kind, "package", text.packages)?,
            }),
            "image" => LockedBase::Image(LockedImage {
                image: need(kind, "image", text.image)?,
                index: text.index,
                manifest: text.manifest,
                config: need(kind, "config", text.config)?,
                layers: text.layers,
                env: text.env,
                distro: text.distro,
                installed: text.installed,
            }),
            "host" => LockedBase::Host(LockedHost {
                requested: need(kind, "requested", text.requested)?,
                machine: need(kind, "machine", text.machine)?,
                distro: text.distro,
                installed: text.installed,
                files: text.files,
            }),
            _ => LockedBase::Empty,
        };
        let archives: Vec<LockedArchive> =
            text.archives.into_iter().map(LockedArchive::try_from).collect::<Result<_, _>>()?;
        let base_tree = match (archives.is_empty(), text.base) {
            (true, None) => text.tree,
            (false, Some(base)) => base,
            (true, Some(_)) => return Err("`base` does not belong to a toolchain without archives".into()),
            (false, None) => return Err("missing field `base` of a toolchain with archives".into()),
        };
        Ok(Self { arch: text.arch, assembler: text.assembler, tree: text.tree, base, base_tree, archives })
    }
}

impl From<LockedArchive> for ArchiveText {
    fn from(from: LockedArchive) -> Self {
        let mut text = Self {
            name: from.name,
            version: from.version,
            url: None,
            sha256: None,
            purl: from.purl,
            strip: from.strip,
            at: from.at,
            path: from.path,
            licence: from.licence,
            tree: from.tree,
            link: from.link,
            env: from.env,
            files: from.files,
        };
        text.files.sort_by(|a, b| a.path.cmp(&b.path));
        match from.origin {
            Locator::Url { url, sha256, strip } => {
                text.url = Some(url);
                text.sha256 = Some(sha256);
                text.strip = Some(strip);
            }
            Locator::Package { purl, .. } => text.purl = Some(purl),
            Locator::Git { url, .. } => text.url = Some(url),
            // An archive is never an image.
            Locator::Image { image, .. } => text.url = Some(image.to_string()),
        }
        text
    }
}

impl TryFrom<ArchiveText> for LockedArchive {
    type Error = String;

    fn try_from(text: ArchiveText) -> Result<Self, String> {
        let (origin, purl, strip) = match (text.url, text.sha256, text.purl) {
            (Some(url), Some(sha256), purl) => {
                let strip = text.strip.ok_or("missing field `strip` of an archive with `url`")?;
                (Locator::Url { url, sha256, strip }, purl, None)
            }
            (None, None, Some(purl)) => (Locator::Package { purl, packed: false }, None, text.strip),
            _ => return Err(format!("archive `{}` has neither `url` and `sha256` nor `purl`", text.name)),
        };
        Ok(Self {
            name: text.name,
            version: text.version,
            origin,
            purl,
            strip,
            at: text.at,
            path: text.path,
            link: text.link,
            env: text.env,
            licence: text.licence,
            tree: text.tree,
            files: text.files,
        })
    }
}
