//! Keys: ECDSA on P-256 with SHA-256, the one algorithm that every verifier of the field takes for a key file.
//!
//! The only module that draws random numbers: for a key, for the salt and nonce of its file, for a signature.

mod file;
mod public;

#[allow(clippy::disallowed_types, reason = "keys, salts and signature nonces must be unpredictable")]
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use zeroize::Zeroizing;

pub use public::PublicKey;

/// Why a key cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no PEM, or one with another label.
    #[error("not a key file: expected PEM `{expected}`, found {found}")]
    Pem {
        /// The label that is needed.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The encrypted body is not what cosign writes.
    #[error("the key file is damaged: {0}")]
    Damaged(String),
    /// A cost that would be too weak, or take unreasonable time or memory.
    #[error(
        "the key file asks for scrypt N={n} r={r} p={p}: expected N 32768, 65536 or 131072 with r=8, p=1"
    )]
    Cost {
        /// CPU and memory cost.
        n: u64,
        /// Block size.
        r: u64,
        /// Parallelism.
        p: u64,
    },
    /// The password is wrong, or the file was changed.
    #[error("the key file does not open: the password is wrong, or the file was changed")]
    Password,
    /// A key of another kind.
    #[error("the key is {found}: expected ECDSA on the curve P-256")]
    Algorithm {
        /// What it is.
        found: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The signer failed: the operating system gave no random bytes, a device is gone, a service refused.
    #[error("the signer failed: {0}")]
    Failed(String),
    /// The signer gave something that its own public key does not verify. Nothing was written.
    #[error("the signer's signature does not verify with its own public key {0}")]
    Useless(String),
}

/// Something that signs: a key file now; a token, a service or an identity later.
pub trait Signer {
    /// Signs `pae` ([`crate::dsse::pae`]) with SHA-256; the signature is ASN.1 DER.
    ///
    /// # Errors
    /// If the signer cannot sign now.
    fn sign(&self, pae: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The key that verifies what [`Signer::sign`] gives.
    fn public_key(&self) -> &PublicKey;
}

/// A private key. Its encoded bytes are wiped when it is dropped; what `ring` keeps for signing is not.
pub struct SecretKey {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SecretKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random())
            .map_err(|_| KeyError::Random)?;
        Self::from_pkcs8(Zeroizing::new(pkcs8.as_ref().to_vec()))
    }

    /// Reads a key file that [`SecretKey::to_pem`] or `cosign generate-key-pair` wrote.
    ///
    /// # Errors
    /// If the text is no such file, asks for another scrypt cost than cosign's, does not open with `password`,
    /// or holds a key of another kind.
    pub fn from_pem(pem: &str, password: &[u8]) -> Result<Self, KeyError> {
        Self::from_pkcs8(file::open(pem, password)?)
    }

    /// Writes the key as cosign does: PEM `ENCRYPTED SIGSTORE PRIVATE KEY`, scrypt and XSalsa20-Poly1305 over
    /// PKCS#8. The password may be empty; then whoever has the file has the key, and scrypt's cost is the least that
    /// cosign accepts. Each call gives another text, since salt and nonce are random.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn to_pem(&self, password: &[u8]) -> Result<String, KeyError> {
        file::seal(&self.pkcs8, password, &random())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random())
            .map_err(|e| KeyError::Algorithm { found: format!("something else ({e})") })?;
        let public = PublicKey::from_point(pair.public_key().as_ref())?;
        Ok(Self { pkcs8, pair, public })
    }
}

impl Signer for SecretKey {
    fn sign(&self, pae: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self
            .pair
            .sign(&random(), pae)
            .map_err(|_| SignError::Failed("the operating system gave no random bytes".into()))?;
        Ok(signature.as_ref().to_vec())
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

impl std::fmt::Debug for SecretKey {
    /// Shows the public half only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.public.fingerprint())
    }
}

#[allow(clippy::disallowed_types, reason = "keys, salts and signature nonces must be unpredictable")]
fn random() -> SystemRandom {
    SystemRandom::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file() {
        for password in [b"".as_slice(), b"correct horse"] {
            let key = SecretKey::generate().unwrap();
            let pem = key.to_pem(password).unwrap();
            assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"), "{pem}");
            let again = SecretKey::from_pem(&pem, password).unwrap();
            assert_eq!(again.public(), key.public());
            let signature = again.sign(b"message").unwrap();
            assert!(key.public().verifies(b"message", &signature));
            assert!(!key.public().verifies(b"Message", &signature));
            assert_eq!(SecretKey::from_pem(&pem, b"other").unwrap_err(), KeyError::Password);
            let legacy = pem.replace("SIGSTORE", "COSIGN");
            assert_eq!(SecretKey::from_pem(&legacy, password).unwrap().public(), key.public());
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SecretKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.public().fingerprint()));
    }
}
