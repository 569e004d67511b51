//! The public half of a key: SPKI.

use std::fmt;

use model::Sha256;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::KeyError;
use crate::dsse::base64;

const LABEL: &str = "PUBLIC KEY";
/// DER of a `SubjectPublicKeyInfo` (RFC 5480) up to the point: `id-ecPublicKey`, `prime256v1`, 66 bits-and-bytes.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: `0x04`, x, y.
const POINT: usize = 65;
const MAX_FILE: usize = 64 * 1024;
/// Object identifiers (DER) by which a key of another kind is named in the error.
const OTHERS: &[(&[u8], &str)] = &[
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "ECDSA on P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "ECDSA on P-521"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01], "RSA"),
];

/// A public key: ECDSA on P-256. Ordered and compared by its DER.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey {
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads PEM `PUBLIC KEY` (SPKI).
    ///
    /// # Errors
    /// If the text is something else, or the key of another kind than ECDSA P-256.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let wrong = |found: String| KeyError::Pem { expected: LABEL, found };
        if text.len() > MAX_FILE {
            return Err(wrong(format!("{} bytes, more than {MAX_FILE}", text.len())));
        }
        let pem = pem::parse(text).map_err(|e| wrong(e.to_string()))?;
        match pem.tag() {
            LABEL => Self::from_der(pem.contents()),
            other => Err(wrong(format!("`{other}`"))),
        }
    }

    /// Reads the DER of a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// If the key is of another kind than ECDSA P-256.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        match der.strip_prefix(&P256) {
            Some(point) => Self::from_point(point),
            None => {
                let known = |(oid, _): &&(&[u8], &str)| {
                    der.get(..64.min(der.len()))
                        .is_some_and(|head| head.windows(oid.len()).any(|w| w == *oid))
                };
                let found = OTHERS.iter().find(known).map_or("of an unknown kind", |(_, name)| name);
                Err(KeyError::Algorithm { found: found.to_owned() })
            }
        }
    }

    pub(super) fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != POINT || point[0] != 0x04 {
            return Err(KeyError::Algorithm { found: "not an uncompressed point".into() });
        }
        Ok(Self { der: [&P256, point].concat() })
    }

    /// Writes PEM `PUBLIC KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new(LABEL, self.der.clone()), config)
    }

    /// The DER of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// The key's name: SHA-256 of its DER.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        Sha256::of(&self.der)
    }

    /// The key's name as people see it: `sha256:HEX`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("sha256:{}", self.id())
    }

    /// What a bundle names the key by: base64 of [`PublicKey::id`], as cosign writes it.
    #[must_use]
    pub fn hint(&self) -> String {
        base64(self.id().as_bytes())
    }

    /// Whether `signature` over `message` is of this key. DER, or the 64 bytes r and s.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let point = &self.der[P256.len()..];
        let der = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
        let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        der.verify(message, signature).is_ok()
            || (signature.len() == 64 && fixed.verify(message, signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{SecretKey, Signer};

    #[test]
    fn pem_comes_back() {
        let key = SecretKey::generate().unwrap();
        let pem = key.public_key().to_pem();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"), "{pem}");
        assert_eq!(PublicKey::from_pem(&pem).as_ref(), Ok(key.public()));
        assert_eq!(PublicKey::from_pem(&pem.replace('\n', "\r\n")).as_ref(), Ok(key.public()));
    }

    #[test]
    fn other_keys_are_named() {
        let ed25519 =
            [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &[0; 32]]
                .concat();
        let error = PublicKey::from_der(&ed25519).unwrap_err();
        assert_eq!(error.to_string(), "the key is Ed25519: expected ECDSA on the curve P-256");
        assert!(PublicKey::from_der(&[]).is_err());
        assert!(PublicKey::from_der(&P256).is_err());
        let secret = SecretKey::generate().unwrap().to_pem(b"").unwrap();
        assert!(PublicKey::from_pem(&secret).unwrap_err().to_string().contains("ENCRYPTED"));
    }
}
