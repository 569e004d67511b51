//! Which image: in a registry by name, or in a folder or file beside the recipe.

use std::fmt;
use std::str::FromStr;

use super::sha256;
use crate::{RelPath, Sha256};

/// An image, perhaps by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it is.
    pub place: Place,
    /// A name that may mean another image tomorrow.
    pub tag: Option<String>,
    /// Of the index or manifest.
    pub digest: Option<Sha256>,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `[HOST[:PORT]/]NAME`; without a host, the registry that this machine is configured for.
    Registry {
        /// Host and perhaps port.
        host: Option<String>,
        /// Name in the registry.
        name: String,
    },
    /// `oci-layout:PATH`: a folder, or a tar archive of one.
    Layout(RelPath),
    /// `docker-archive:PATH`: what `docker save` writes.
    DockerArchive(RelPath),
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The digest is of another form.
    #[error("`{0}` is not a digest: expected `sha256:` and 64 hexadecimal digits")]
    Digest(String),
    /// The name is of another form.
    #[error(
        "`{0}` is not a name: expected small letters and digits, with `.`, `_` or `-` between them, and `/`"
    )]
    Name(String),
    /// The host is of another form.
    #[error("`{0}` is not a host with perhaps a port")]
    Host(String),
    /// The tag is of another form.
    #[error("`{0}` is not a tag: expected letters, digits and `. _ -`, at most 128")]
    Tag(String),
    /// Not a path beside the recipe.
    #[error("{0}")]
    Path(#[from] crate::path::PathError),
    /// What has neither tags nor digests.
    #[error("`docker-archive:` takes neither tag nor digest: the file's one image is meant, and locked")]
    Archive,
}

impl Reference {
    /// The last part of its name, or of its path.
    #[must_use]
    pub fn last_name(&self) -> String {
        let name = match &self.place {
            Place::Registry { name, .. } => name.as_str(),
            Place::Layout(path) | Place::DockerArchive(path) => path.as_str(),
        };
        name.rsplit('/').next().unwrap_or(name).to_owned()
    }

    /// The host of its registry, if it names one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Registry { host, .. } => host.as_deref(),
            Place::Layout(_) | Place::DockerArchive(_) => None,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (text, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(sha256(digest).map_err(|_| ReferenceError::Digest(digest.to_owned()))?))
            }
            None => (text, None),
        };
        if let Some(path) = text.strip_prefix("docker-archive:") {
            if digest.is_some() || path.contains(':') {
                return Err(ReferenceError::Archive);
            }
            return Ok(Self { place: Place::DockerArchive(path.parse()?), tag: None, digest });
        }
        let layout = text.strip_prefix("oci-layout:");
        let rest = layout.unwrap_or(text);
        // A colon after the last slash begins a tag; one before it, a port.
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if let Some(tag) = &tag {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(fits) || tag.starts_with(['.', '-']) {
                return Err(ReferenceError::Tag(tag.clone()));
            }
        }
        if layout.is_some() {
            return Ok(Self { place: Place::Layout(rest.parse()?), tag, digest });
        }
        // As every client has it: the first component is a host if it has a dot or a port, or is `localhost`.
        let (host, name) = match rest.split_once('/') {
            Some((first, name)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), name),
            _ => (None, rest),
        };
        if let Some(host) = host {
            let (domain, port) = match host.rsplit_once(':') {
                Some((domain, port)) if !port.contains(']') => (domain, port),
                _ => (host, "1"),
            };
            let inner = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
            let plain = match inner {
                Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
                None => domain.split('.').all(|label| {
                    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                    !label.is_empty() && label.bytes().all(fits) && !label.starts_with('-')
                }),
            };
            if !plain || port.parse::<u16>().is_err() {
                return Err(ReferenceError::Host(host.to_owned()));
            }
        }
        let component = |c: &str| {
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
            edge(c.bytes().next()) && edge(c.bytes().last()) && c.bytes().all(fits)
        };
        if name.len() > 255 || !name.split('/').all(component) {
            return Err(ReferenceError::Name(name.to_owned()));
        }
        let place = Place::Registry { host: host.map(str::to_owned), name: name.to_owned() };
        Ok(Self { place, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Registry { host: Some(host), name } => write!(f, "{host}/{name}")?,
            Place::Registry { host: None, name } => f.write_str(name)?,
            Place::Layout(path) => write!(f, "oci-layout:{path}")?,
            Place::DockerArchive(path) => write!(f, "docker-archive:{path}")?,
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@sha256:{digest}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_back() {
        let hex = "0".repeat(64);
        for text in [
            "example.org/a/b:1.2".to_owned(),
            format!("127.0.0.1:5000/a@sha256:{hex}"),
            format!("[::1]:5000/a:x@sha256:{hex}"),
            "debian:12-slim".to_owned(),
            "library/debian".to_owned(),
            "localhost/a".to_owned(),
            "oci-layout:img/dir:latest".to_owned(),
            "docker-archive:image.tar".to_owned(),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        assert_eq!(
            "a.example.org:5000/b".parse::<Reference>().unwrap().place,
            Place::Registry { host: Some("a.example.org:5000".into()), name: "b".into() }
        );
    }

    #[test]
    fn what_is_no_reference() {
        for text in [
            "",
            "A/b",
            "a//b",
            "../a",
            "example.org/../x",
            "example.org:x/a",
            "user@example.org/a",
            "a@sha256:00",
            "a@sha512:00",
            "a:-x",
            "a b",
            "https://example.org/a",
            "example.org?/a",
            "[::g]/a",
            "oci-layout:/abs",
            "oci-layout:../x",
            "docker-archive:a.tar:tag",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
