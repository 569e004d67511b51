//! `selfsame.lock`: every external input by digest.
//!
//! Stable text: sorted, no times, locators relative to a registry, so that locking twice gives the same file
//! and a lock survives a change of mirror. The format is specified in `docs/formats/lock.md`.

mod declared;
pub mod installed;
mod parts;
mod stale;
mod text;
mod toolchain;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recipe::Locator;
use crate::{Diagnostic, Diagnostics, Digest, Ecosystem, RelPath, Timestamp, Transcript};

pub use declared::{Declared, DeclaredError, LONGEST_LICENCE, licence_text};
pub use parts::{Change, Part};
pub use stale::Stale;
pub use toolchain::{
    Installed, LockedArchive, LockedBase, LockedDebian, LockedHost, LockedImage, LockedToolchain,
};

/// The version of the format, the value of the key `selfsame-lock`.
pub const FORMAT: i64 = 1;

/// The file of a source that is an image which names all others.
pub const MANIFEST: &str = "manifest";

const HEADER: &str = "# Written by `selfsame lock`. Commit this file; do not edit it.\n";

/// Every external input of a recipe, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// [`FORMAT`].
    #[serde(rename = "selfsame-lock")]
    pub format: i64,
    /// The root filesystem of the steps.
    pub toolchain: LockedToolchain,
    /// Sources by name; the work tree is not among them, it is read at each build.
    #[serde(default, rename = "source", skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, LockedSource>,
    /// Steps that use a registry or the web, by name.
    #[serde(default, rename = "step", skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, LockedStep>,
}

/// What a step fetched when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedStep {
    /// As in the recipe, sorted.
    pub uses: Vec<Ecosystem>,
    /// The commands that were recorded.
    pub record: Vec<String>,
    /// Every request and its answer.
    pub requests: Transcript,
    /// What is known of the packages among the answers, sorted by purl.
    #[serde(default)]
    pub packages: Vec<Declared>,
}

/// One Debian binary package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedPackage {
    /// Package name.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Its own architecture, which may be `all`.
    pub arch: String,
    /// Name and version of its source package.
    pub source: String,
    /// Version of its source package.
    pub source_version: String,
    /// Licence expression (SPDX) read from its copyright file, if that could be read by a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Names of the packages of this toolchain that it depends on, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// Place below the archive's base URL.
    pub path: String,
    /// Digest of the package file.
    pub digest: Digest,
}

/// A source brought from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockedSource {
    /// Where it comes from; as the recipe says it.
    #[serde(flatten)]
    pub origin: Locator,
    /// Licence expression (SPDX) that the package declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Time of the source: of the commit, or the newest member of the archive. The default `SOURCE_DATE_EPOCH`.
    pub epoch: Timestamp,
    /// The source's tree after unpacking.
    pub tree: Digest,
    /// The files it was unpacked from, sorted by name. Empty for git.
    #[serde(default, rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LockedFile>,
    /// What an image says that is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<ImageContents>,
}

/// What the package databases of an image say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageContents {
    /// The distribution, `ID-VERSION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distro: Option<String>,
    /// Its packages, sorted.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Installed>,
}

/// One downloaded file of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedFile {
    /// File name, or for a registry its place relative to the registry's base.
    pub path: String,
    /// Its content.
    pub digest: Digest,
    /// The registry's own hash that was checked, `ALGORITHM:HEX`, if it is another one than SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_hash: Option<String>,
}

impl LockedSource {
    /// One of its files.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&LockedFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl LockedStep {
    /// Its table, with one line for each request, so that a change shows as what it is.
    fn to_text(&self, name: &str) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let uses: Vec<String> = self.uses.iter().map(|e| quoted(e.as_str())).collect();
        let list = |items: &[String]| -> String {
            let lines: String = items.iter().map(|item| format!("    {},\n", quoted(item))).collect();
            if lines.is_empty() { "[]".to_owned() } else { format!("[\n{lines}]") }
        };
        let mut text = format!(
            "\n[step.{}]\nuses = [{}]\nrecord = {}\nrequests = {}\n",
            quoted(name),
            uses.join(", "),
            list(&self.record),
            list(&self.requests.lines()),
        );
        let packages: Vec<String> = self.packages.iter().map(ToString::to_string).collect();
        if !packages.is_empty() {
            text.push_str(&format!("packages = {}\n", list(&packages)));
        }
        text
    }
}

impl Lock {
    /// The text of the file. The same lock gives the same text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut sorted = self.clone();
        for source in sorted.sources.values_mut() {
            source.files.sort_by(|a, b| a.path.cmp(&b.path));
            if let Some(contents) = &mut source.contents {
                contents.packages.sort();
            }
        }
        for step in sorted.steps.values_mut() {
            step.packages.sort_by_cached_key(ToString::to_string);
        }
        let steps = std::mem::take(&mut sorted.steps);
        let body = toml::to_string(&sorted).expect("a lock holds only strings, numbers and tables");
        let steps: String = steps.iter().map(|(name, step)| step.to_text(name)).collect();
        format!("{HEADER}{body}{steps}")
    }

    /// Reads a lock. `origin` names the text in diagnostics.
    ///
    /// # Errors
    /// If the text is no lock of a version that this program reads.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Diagnostics> {
        let fail = |title: String, span, label: String| Diagnostics {
            origin: origin.to_owned(),
            text: text.to_owned(),
            list: vec![Diagnostic {
                title,
                span,
                label,
                help: Some("run `selfsame lock` to write it anew".into()),
            }],
        };
        #[derive(Deserialize)]
        struct Version {
            #[serde(rename = "selfsame-lock")]
            format: toml::Spanned<i64>,
        }
        let version: Version = toml::from_str(text)
            .map_err(|e| fail("not a lock file".into(), e.span(), e.message().to_owned()))?;
        if *version.format.get_ref() != FORMAT {
            let label = format!("expected {FORMAT}, found {}", version.format.get_ref());
            return Err(fail(
                "unknown version of the lock format".into(),
                Some(version.format.span()),
                label,
            ));
        }
        let lock: Self = toml::from_str(text)
            .map_err(|e| fail("the lock is damaged".into(), e.span(), e.message().to_owned()))?;
        for package in lock.toolchain.packages() {
            if package.path.parse::<RelPath>().is_err() {
                let label = format!("`{}` leaves the archive", package.path);
                return Err(fail("the lock is damaged".into(), None, label));
            }
        }
        Ok(lock)
    }
}
