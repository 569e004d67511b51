//! OCI images: references, and the JSON of indexes, manifests and configurations
//! (<https://github.com/opencontainers/image-spec>), with Docker's media types, which mean the same.
//!
//! Everything here comes from others. What selfsame needs is read and typed; the rest is let be.

mod name;
mod reference;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Digest, Sha256};

pub use name::{repository, tag};
pub use reference::{Place, Reference, ReferenceError};

/// Media types of a list of manifests.
pub const INDEX: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// Media types of a manifest.
pub const MANIFEST: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// Media type of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media types of layers that can be unpacked: OCI's, then Docker's, which mean the same in the same order.
pub const LAYER: [&str; 6] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// Architectures: as Debian calls them, and as images do, with their variant.
pub const ARCHITECTURES: [(&str, &str, &str); 8] = [
    ("amd64", "amd64", ""),
    ("arm64", "arm64", "v8"),
    ("armhf", "arm", "v7"),
    ("armel", "arm", "v5"),
    ("i386", "386", ""),
    ("ppc64el", "ppc64le", ""),
    ("riscv64", "riscv64", ""),
    ("s390x", "s390x", ""),
];

/// What an image is for. Compared with [`Platform::fits`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    #[serde(default)]
    pub architecture: String,
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `v7`, …
    #[serde(default)]
    pub variant: String,
}

/// What names a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of blob.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:HEX`.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// In an index: what it is for.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// In an index of a layout: `org.opencontainers.image.ref.name`, and more.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// An index or a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// Manifests for several platforms.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest(Manifest),
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// The configuration.
    pub config: Descriptor,
    /// The lowest first.
    pub layers: Vec<Descriptor>,
}

/// What an image says of itself, as far as it is of use here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// What it is for.
    #[serde(flatten)]
    pub platform: Platform,
    /// How it is run.
    #[serde(default)]
    pub config: Option<Run>,
    /// What its layers are when they are decompressed.
    pub rootfs: RootFs,
}

/// How an image is run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Run {
    /// `NAME=VALUE`.
    #[serde(default, rename = "Env")]
    pub env: Option<Vec<String>>,
}

/// Hashes of decompressed layers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RootFs {
    /// `sha256:HEX`, the lowest first.
    pub diff_ids: Vec<String>,
}

/// Why a document of an image cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// Not the JSON that it should be.
    #[error("the {what} cannot be read: {reason}")]
    Json {
        /// Index, manifest, configuration.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// Of a version or media type that is not known.
    #[error("the {what} is of type `{found}`: expected {expected}")]
    Type {
        /// What.
        what: &'static str,
        /// Known ones.
        expected: String,
        /// Its own word.
        found: String,
    },
    /// A digest of another algorithm or form.
    #[error("`{0}` is not a digest that can be checked: expected `sha256:` and 64 hexadecimal digits")]
    Digest(String),
    /// An index has no image for the platform.
    #[error("the index has no image for `{wanted}`\n  expected {wanted}\n  found    {found}")]
    Platform {
        /// `linux/amd64`.
        wanted: String,
        /// What it has.
        found: String,
    },
    /// Configuration and manifest do not go together.
    #[error("the manifest has {layers} layers and the configuration {diff_ids}: the image is damaged")]
    Layers {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
}

impl Platform {
    /// The platform of an architecture as Debian calls it.
    #[must_use]
    pub fn of(arch: &str) -> Option<Self> {
        let (_, architecture, variant) = ARCHITECTURES.into_iter().find(|(debian, ..)| *debian == arch)?;
        Some(Self { architecture: architecture.into(), os: "linux".into(), variant: variant.into() })
    }

    /// As images of an architecture name it. `arm64` has one variant, which is not said: some tools write it and others do
    /// not, and one platform must not be two.
    #[must_use]
    pub fn of_image(arch: &str) -> Option<Self> {
        let mut platform = Self::of(arch)?;
        if platform.architecture == "arm64" {
            platform.variant.clear();
        }
        Some(platform)
    }

    /// Whether what is for `other` runs here. A variant that is not said is any.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        let variant = self.variant.is_empty() || other.variant.is_empty() || self.variant == other.variant;
        self.os == other.os && self.architecture == other.architecture && variant
    }
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a platform: expected `linux/ARCHITECTURE` or `linux/ARCHITECTURE/VARIANT`, such as `linux/arm64`"
)]
pub struct PlatformError(String);

impl std::str::FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let word = |part: &&str| {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            !part.is_empty() && part.len() <= 32 && part.bytes().all(fits)
        };
        let parts: Vec<&str> = text.split('/').collect();
        let ("linux", architecture, variant) = (match parts.as_slice() {
            [os, architecture] => (*os, *architecture, ""),
            [os, architecture, variant] if !variant.is_empty() => (*os, *architecture, *variant),
            _ => ("", "", ""),
        }) else {
            return Err(PlatformError(text.to_owned()));
        };
        if !word(&architecture) || !(variant.is_empty() || word(&variant)) {
            return Err(PlatformError(text.to_owned()));
        }
        Ok(Self { architecture: architecture.into(), os: "linux".into(), variant: variant.into() })
    }
}

/// A platform as one text, where it stands in a lock.
pub(crate) mod platform_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Platform;

    pub(crate) fn serialize<S: Serializer>(platform: &Platform, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(platform)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Platform, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

/// Reads `sha256:HEX`.
///
/// # Errors
/// If it is another algorithm or form.
pub fn sha256(text: &str) -> Result<Sha256, OciError> {
    let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && *hex == hex.to_ascii_lowercase());
    hex.and_then(|hex| hex.parse().ok()).ok_or_else(|| OciError::Digest(text.to_owned()))
}

impl Descriptor {
    /// The digest and size of the blob.
    ///
    /// # Errors
    /// If its digest is of another algorithm.
    pub fn digest(&self) -> Result<Digest, OciError> {
        Ok(Digest { sha256: sha256(&self.digest)?, size: self.size })
    }
}

impl Document {
    /// Reads an index or a manifest; `media_type` is what the registry or the descriptor calls it, if anything.
    ///
    /// # Errors
    /// If it is neither.
    pub fn read(bytes: &[u8], media_type: &str) -> Result<Self, OciError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            #[serde(default)]
            schema_version: i64,
            #[serde(default)]
            media_type: String,
            #[serde(default)]
            manifests: Option<Vec<Descriptor>>,
            #[serde(default)]
            config: Option<Descriptor>,
            #[serde(default)]
            layers: Option<Vec<Descriptor>>,
        }
        let head: Head = json("manifest", bytes)?;
        let own = if head.media_type.is_empty() { media_type } else { &head.media_type };
        let wrong = |found: String| OciError::Type {
            what: "manifest",
            expected: "an OCI index or manifest, or Docker's of version 2".into(),
            found,
        };
        if head.schema_version != 2 {
            return Err(wrong(format!("schema version {}", head.schema_version)));
        }
        // A document that could be read both ways would be two things under one digest.
        match (head.manifests, head.config, head.layers) {
            (Some(manifests), None, None) if !MANIFEST.contains(&own) => Ok(Self::Index(manifests)),
            (None, Some(config), Some(layers)) if !INDEX.contains(&own) => {
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            _ => Err(wrong(own.to_owned())),
        }
    }
}

impl Manifest {
    /// That all layers are of a kind that can be unpacked.
    ///
    /// # Errors
    /// If one is not.
    pub fn check(&self) -> Result<(), OciError> {
        for layer in &self.layers {
            if !LAYER.contains(&layer.media_type.as_str()) {
                return Err(OciError::Type {
                    what: "layer",
                    expected: "a tar archive, plain or in gzip or zstd".into(),
                    found: layer.media_type.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Configuration {
    /// Reads the configuration of an image with so many layers.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(bytes: &[u8], layers: usize) -> Result<Self, OciError> {
        let found: Self = json("configuration", bytes)?;
        let diff_ids = found.rootfs.diff_ids.len();
        if diff_ids != layers {
            return Err(OciError::Layers { layers, diff_ids });
        }
        Ok(found)
    }

    /// The variables that the image gives its processes. A line that is no variable is passed over.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let lines = self.config.iter().flat_map(|c| c.env.iter().flatten());
        let plain = |line: &String| {
            let (name, value) = line.split_once('=')?;
            let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let name_fits = !name.is_empty() && name.bytes().all(fits);
            (name_fits && !value.contains('\0')).then(|| (name.to_owned(), value.to_owned()))
        };
        lines.filter_map(plain).collect()
    }
}

/// The one manifest of an index for `platform`: the first that fits, a variant that is the same before others.
///
/// # Errors
/// If there is none.
pub fn choose<'a>(index: &'a [Descriptor], platform: &Platform) -> Result<&'a Descriptor, OciError> {
    let fits = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| platform.fits(p));
    let same = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p == platform);
    index.iter().find(same).or_else(|| index.iter().find(fits)).ok_or_else(|| {
        let list: Vec<_> =
            index.iter().filter_map(|d| d.platform.as_ref()).map(ToString::to_string).collect();
        let found = if list.is_empty() { "no platform at all".to_owned() } else { list.join(", ") };
        OciError::Platform { wanted: platform.to_string(), found }
    })
}

fn json<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|e| OciError::Json { what, reason: e.to_string() })
}
