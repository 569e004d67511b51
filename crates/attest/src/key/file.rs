//! The encrypted key file, as cosign reads and writes it.
//!
//! PEM whose body is JSON: `{"kdf":{"name":"scrypt","params":{"N","r","p"},"salt"},"cipher":{"name":
//! "nacl/secretbox","nonce"},"ciphertext"}`, byte strings in base64. The cipher's key is scrypt of the password;
//! the plain text is PKCS#8 in DER. Source: sigstore/cosign, `pkg/cosign/keys.go`, and the package
//! `encrypted` of go-securesystemslib, whose three accepted costs are ours as well.

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyError;
use crate::dsse::{base64, unbase64};

const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const LEGACY_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
/// What cosign 2.2 and later writes.
const LOG_N: u8 = 16;
/// The least that cosign reads: an empty password is known to everybody, and stretching it hides nothing.
const LOG_N_EMPTY: u8 = 15;
const SALT: usize = 32;
const NONCE: usize = 24;
/// Far above the few hundred bytes of a real file.
const MAX_FILE: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Encrypts `pkcs8`.
pub(super) fn seal(pkcs8: &[u8], password: &[u8], random: &dyn SecureRandom) -> Result<String, KeyError> {
    let mut salt = [0; SALT];
    let mut nonce = [0; NONCE];
    random.fill(&mut salt).map_err(|_| KeyError::Random)?;
    random.fill(&mut nonce).map_err(|_| KeyError::Random)?;
    let log_n = if password.is_empty() { LOG_N_EMPTY } else { LOG_N };
    let ciphertext = cipher(password, &salt, log_n)?
        .encrypt(Nonce::from_slice(&nonce), pkcs8)
        .map_err(|_| KeyError::Damaged("the key is too long to encrypt".into()))?;
    let sealed = Sealed {
        kdf: Kdf { name: "scrypt".into(), params: Params { n: 1 << log_n, r: 8, p: 1 }, salt: base64(&salt) },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: base64(&nonce) },
        ciphertext: base64(&ciphertext),
    };
    let body = serde_json::to_vec(&sealed).expect("strings and integers are JSON");
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    Ok(pem::encode_config(&pem::Pem::new(LABEL, body), config))
}

/// Decrypts a file; gives PKCS#8 in DER.
pub(super) fn open(text: &str, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let wrong = |found: String| KeyError::Pem { expected: LABEL, found };
    if text.len() > MAX_FILE {
        return Err(wrong(format!("{} bytes, more than {MAX_FILE}", text.len())));
    }
    let pem = pem::parse(text).map_err(|e| wrong(e.to_string()))?;
    if pem.tag() != LABEL && pem.tag() != LEGACY_LABEL {
        return Err(wrong(format!("`{}`", pem.tag())));
    }
    let sealed: Sealed =
        serde_json::from_slice(pem.contents()).map_err(|e| KeyError::Damaged(e.to_string()))?;
    let named = |what: &str, expected: &str, found: &str| match expected == found {
        true => Ok(()),
        false => Err(KeyError::Damaged(format!("{what}: expected `{expected}`, found `{found}`"))),
    };
    named("key derivation", "scrypt", &sealed.kdf.name)?;
    named("cipher", "nacl/secretbox", &sealed.cipher.name)?;
    let Params { n, r, p } = sealed.kdf.params;
    let log_n = match (n, r, p) {
        (32_768, 8, 1) => 15,
        (65_536, 8, 1) => 16,
        (131_072, 8, 1) => 17,
        _ => return Err(KeyError::Cost { n, r, p }),
    };
    let bytes =
        |what: &str, text: &str| unbase64(text).map_err(|e| KeyError::Damaged(format!("{what}: {e}")));
    let salt = bytes("salt", &sealed.kdf.salt)?;
    let nonce: [u8; NONCE] = bytes("nonce", &sealed.cipher.nonce)?.try_into().map_err(|n: Vec<u8>| {
        KeyError::Damaged(format!("nonce: expected {NONCE} bytes, found {}", n.len()))
    })?;
    let ciphertext = bytes("ciphertext", &sealed.ciphertext)?;
    cipher(password, &salt, log_n)?
        .decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Password)
}

fn cipher(password: &[u8], salt: &[u8], log_n: u8) -> Result<XSalsa20Poly1305, KeyError> {
    let params = scrypt::Params::new(log_n, 8, 1).expect("one of the three accepted costs");
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, key.as_mut())
        .map_err(|e| KeyError::Damaged(format!("scrypt: {e}")))?;
    Ok(XSalsa20Poly1305::new(Key::from_slice(key.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(change: impl Fn(&mut Sealed)) -> String {
        let mut sealed = Sealed {
            kdf: Kdf {
                name: "scrypt".into(),
                params: Params { n: 32_768, r: 8, p: 1 },
                salt: base64(&[1; 32]),
            },
            cipher: Cipher { name: "nacl/secretbox".into(), nonce: base64(&[2; 24]) },
            ciphertext: base64(&[3; 40]),
        };
        change(&mut sealed);
        pem::encode(&pem::Pem::new(LABEL, serde_json::to_vec(&sealed).unwrap()))
    }

    #[test]
    fn only_cosign_s_costs_are_paid() {
        for (n, r, p) in [(1 << 30, 8, 1), (65_536, 1 << 20, 1), (65_536, 8, 2), (2, 8, 1), (0, 0, 0)] {
            let text = file(|s| s.kdf.params = Params { n, r, p });
            assert_eq!(open(&text, b"").unwrap_err(), KeyError::Cost { n, r, p });
        }
    }

    #[test]
    fn damage_is_named() {
        type Change = fn(&mut Sealed);
        let cases: [(Change, &str); 5] = [
            (|s| s.kdf.name = "argon2".into(), "expected `scrypt`"),
            (|s| s.cipher.name = "aes".into(), "expected `nacl/secretbox`"),
            (|s| s.cipher.nonce = base64(&[0; 12]), "expected 24 bytes, found 12"),
            (|s| s.kdf.salt = "?".into(), "salt"),
            (|s| s.ciphertext = "?".into(), "ciphertext"),
        ];
        for (change, text) in cases {
            let error = open(&file(change), b"").unwrap_err();
            assert!(matches!(error, KeyError::Damaged(_)) && error.to_string().contains(text), "{error}");
        }
        assert_eq!(open(&file(|_| ()), b"").unwrap_err(), KeyError::Password);
        assert_eq!(open(&file(|s| s.ciphertext = String::new()), b"").unwrap_err(), KeyError::Password);
    }

    #[test]
    fn other_files_are_told_apart() {
        let other = pem::encode(&pem::Pem::new("PRIVATE KEY", vec![0]));
        assert!(open(&other, b"").unwrap_err().to_string().contains("found `PRIVATE KEY`"));
        assert!(matches!(open("", b""), Err(KeyError::Pem { .. })));
        assert!(matches!(open(&"x".repeat(MAX_FILE + 1), b""), Err(KeyError::Pem { .. })));
    }
}
