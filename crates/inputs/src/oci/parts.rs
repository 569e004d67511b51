//! What one image consists of: resolved for a platform, and brought blob by blob.

use model::Digest;
use model::oci::{Document, Manifest, OciError, Platform, Reference, choose};

use super::archive::document;
use super::{Found, Origin, unreadable};
use crate::{Context, InputError};

/// What an image consists of.
pub(crate) struct Parts {
    /// The index that led to it.
    pub(crate) index: Option<Digest>,
    /// Its manifest; nothing if it comes from where none is.
    pub(crate) manifest: Option<Digest>,
    pub(crate) config: Digest,
    /// The lowest first.
    pub(crate) layers: Vec<Digest>,
}

impl Parts {
    /// What a reference leads to, for `platform`; also the bytes of the manifest.
    pub(crate) fn resolve(
        origin: &Origin<'_>,
        image: &Reference,
        platform: &Platform,
    ) -> Result<(Self, Vec<u8>), InputError> {
        let wrong = unreadable(image);
        let Found { bytes, digest } = origin.resolve(image)?;
        match document(image, &bytes)? {
            Document::Manifest(manifest) => Ok((Self::of(image, None, digest, &manifest)?, bytes)),
            Document::Index(list) => {
                let chosen = choose(&list, platform).map_err(&wrong)?.digest().map_err(&wrong)?;
                let bytes = origin.manifest(image, &chosen)?;
                match document(image, &bytes)? {
                    Document::Manifest(manifest) => {
                        Ok((Self::of(image, Some(digest), chosen, &manifest)?, bytes))
                    }
                    Document::Index(_) => {
                        let found = "an index inside an index".to_owned();
                        let expected = "a manifest".to_owned();
                        Err(wrong(OciError::Type { what: "manifest", expected, found }))
                    }
                }
            }
        }
    }

    /// What a manifest names.
    pub(crate) fn of(
        image: &Reference,
        index: Option<Digest>,
        digest: Digest,
        manifest: &Manifest,
    ) -> Result<Self, InputError> {
        let wrong = unreadable(image);
        let Manifest { config, layers } = manifest;
        manifest.check().map_err(&wrong)?;
        Ok(Self {
            index,
            manifest: Some(digest),
            config: config.digest().map_err(&wrong)?,
            layers: layers.iter().map(|l| l.digest().map_err(&wrong)).collect::<Result<_, _>>()?,
        })
    }

    /// Brings configuration and layers, as far as the store lacks them.
    pub(crate) fn bring(
        &self,
        cx: &Context<'_>,
        origin: &Origin<'_>,
        image: &Reference,
    ) -> Result<(), InputError> {
        std::iter::once(&self.config).chain(&self.layers).try_for_each(|d| origin.bring(cx, image, d))
    }
}
