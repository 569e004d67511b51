//! What a tag of an image is, asked of its registry ([`crate::oci`]).

use super::PinError;
use crate::audit::image::parse;
use crate::error::chain;
use crate::http::Client;
use crate::{Host, ImageError, InputError, oci};

/// Registries as this host is configured for them.
pub struct Registries<'a> {
    client: Client<'a>,
    host: &'a Host,
    default: Option<String>,
}

impl<'a> Registries<'a> {
    /// `default` is the registry of names without one; else the host's own.
    #[must_use]
    pub fn new(host: &'a Host, default: Option<String>) -> Self {
        Self { client: Client::new(host), host, default }
    }

    /// The digest of an image's tag, as `sha256:…`.
    ///
    /// # Errors
    /// If no registry is known, it does not answer, refuses, or has no such tag.
    pub fn resolve(&self, image: &str) -> Result<String, PinError> {
        let fail = |reason: String| PinError::Registry { image: image.to_owned(), reason };
        let reference = parse(image).ok_or_else(|| fail("it is no reference to an image".to_owned()))?;
        let named = reference.host.or(self.default.as_deref());
        if named.is_none() && self.host.registry("oci").is_err() {
            return Err(PinError::NoRegistry { image: image.to_owned() });
        }
        let tag = reference.tag.unwrap_or("latest");
        let digest = |path: &str| -> Result<String, InputError> {
            let shown = format!("{path}:{tag}");
            let repository = oci::Registry::open(self.host, &self.client, named, path)?;
            Ok(format!("sha256:{}", repository.digest(&shown, tag)?))
        };
        // A name without registry and folder lies in `library`, where the registry has that folder.
        let answer = if reference.host.is_none() && !reference.path.contains('/') {
            match digest(&format!("library/{}", reference.path)) {
                Err(InputError::Image(ImageError::Missing { .. })) => digest(reference.path),
                answer => answer,
            }
        } else {
            digest(reference.path)
        };
        answer.map_err(|error| fail(chain(&error)))
    }
}
