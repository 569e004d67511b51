//! The Sigstore bundle: a signed statement with all that is needed to check it.
//!
//! Written: v0.3, with a public key. Read: v0.1 to v0.3 (sigstore/protobuf-specs, `sigstore_bundle.proto`).
//! A bundle holds exactly one signature; k signers are k bundles. Fields that the schema does not name are
//! refused, as the Go verifiers do, so that two readers never see two different bundles.

use model::statement::{PAYLOAD_TYPE, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dsse::{self, Envelope, Signature, base64, unbase64};
use crate::key::{SignError, Signer};

/// The media type that is written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MEDIA_TYPES: [&str; 4] = [
    MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
/// Bundles above this size are not looked at. Provenance carries a recipe and a lock, an SBOM every component.
pub const MAX_SIZE: usize = 64 * 1024 * 1024;

/// Why bytes are no bundle that can be judged.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Too big to look at.
    #[error("the bundle has {size} bytes: expected at most {MAX_SIZE}")]
    Size {
        /// How many bytes.
        size: usize,
    },
    /// No JSON, or not the JSON of a bundle.
    #[error("the bundle is damaged")]
    Json(#[source] serde_json::Error),
    /// A version that is not known.
    #[error("the bundle's media type is `{found}`: expected `{MEDIA_TYPE}` or an older version")]
    MediaType {
        /// What it says.
        found: String,
    },
    /// A signature over a message instead of a statement.
    #[error("the bundle signs a bare message: expected a DSSE envelope with a statement")]
    NoEnvelope,
    /// Zero signatures, or several.
    #[error("the bundle's envelope has {found} signatures: expected exactly 1")]
    Signatures {
        /// How many.
        found: usize,
    },
    /// No key, no certificate, or both.
    #[error("the bundle's verification material names {found}: expected a public key or a certificate")]
    Material {
        /// What is there.
        found: &'static str,
    },
    /// Not base64.
    #[error("the bundle's {what} is not base64")]
    Base64 {
        /// Which field.
        what: &'static str,
        /// Where and why.
        #[source]
        source: base64::DecodeError,
    },
}

/// A bundle whose form is right. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What the payload claims to be.
    pub payload_type: String,
    /// The bytes that are signed, with their type, as [`dsse::pae`].
    pub payload: Vec<u8>,
    /// The one signature.
    pub signature: Vec<u8>,
    /// Who is said to have signed. An unauthenticated hint.
    pub signer: ClaimedSigner,
    /// How many entries of a transparency log it carries. They are not checked yet.
    pub log_entries: usize,
    /// How many RFC 3161 timestamps it carries. They are not checked yet.
    pub timestamps: usize,
}

/// Who is said to have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimedSigner {
    /// A key with this hint, which may be empty. Ours: [`PublicKey::hint`](crate::PublicKey::hint).
    Key {
        /// As it stands.
        hint: String,
    },
    /// An identity, by certificate.
    Certificate,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    media_type: String,
    verification_material: Material,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Envelope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_signature: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tlog_entries: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<Timestamps>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<Value>,
}

impl Bundle {
    /// Reads a bundle. The bytes may be hostile.
    ///
    /// # Errors
    /// If the bytes are no bundle of a known version with exactly one signature over a DSSE envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_SIZE {
            return Err(BundleError::Size { size: bytes.len() });
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(BundleError::Json)?;
        if !MEDIA_TYPES.contains(&raw.media_type.as_str()) {
            return Err(BundleError::MediaType { found: raw.media_type });
        }
        let (Some(envelope), None) = (raw.dsse_envelope, raw.message_signature) else {
            return Err(BundleError::NoEnvelope);
        };
        let [signature] = envelope.signatures.as_slice() else {
            return Err(BundleError::Signatures { found: envelope.signatures.len() });
        };
        let material = raw.verification_material;
        let certificate = material.certificate.is_some() || material.x509_certificate_chain.is_some();
        let signer = match (material.public_key, certificate) {
            (Some(key), false) => ClaimedSigner::Key { hint: key.hint },
            (None, true) => ClaimedSigner::Certificate,
            (Some(_), true) => return Err(BundleError::Material { found: "a key and a certificate" }),
            (None, false) => return Err(BundleError::Material { found: "neither" }),
        };
        let bytes = |what, text: &str| unbase64(text).map_err(|source| BundleError::Base64 { what, source });
        Ok(Self {
            payload: bytes("payload", &envelope.payload)?,
            signature: bytes("signature", &signature.sig)?,
            payload_type: envelope.payload_type,
            signer,
            log_entries: material.tlog_entries.len(),
            timestamps: material.timestamp_verification_data.map_or(0, |t| t.rfc3161_timestamps.len()),
        })
    }

    /// The bytes that the signature is over.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        dsse::pae(&self.payload_type, &self.payload)
    }
}

/// Signs `statement` and gives the bundle: JSON with a line end, everything but the signature deterministic.
///
/// # Errors
/// If the signer fails, or gives a signature that its own public key does not verify.
pub fn sign_statement(statement: &Statement, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let payload = statement.to_json();
    let signed = dsse::pae(PAYLOAD_TYPE, &payload);
    let signature = signer.sign(&signed)?;
    let key = signer.public_key();
    if !key.verifies(&signed, &signature) {
        return Err(SignError::Useless(key.fingerprint()));
    }
    let raw = Raw {
        media_type: MEDIA_TYPE.into(),
        verification_material: Material {
            public_key: Some(Hint { hint: key.hint() }),
            ..Material::default()
        },
        dsse_envelope: Some(Envelope {
            payload: base64(&payload),
            payload_type: PAYLOAD_TYPE.into(),
            signatures: vec![Signature { keyid: String::new(), sig: base64(&signature) }],
        }),
        message_signature: None,
    };
    let mut bytes = serde_json::to_vec(&raw).expect("strings and lists are JSON");
    bytes.push(b'\n');
    Ok(bytes)
}
