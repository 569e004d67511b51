//! A Java key store with one trusted certificate, in the format that every Java reads (JKS version 2).
//!
//! Layout: magic, version, count; one entry: tag 2 (trusted certificate), alias, time, kind, certificate; then SHA-1 over
//! the password in UTF-16, a fixed phrase, and all before. Numbers are big-endian, texts have a length of two bytes.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED: u32 = 2;
const PHRASE: &[u8] = b"Mighty Aphrodite";

/// A store with `certificate` (DER) under `alias`.
pub(crate) fn java(alias: &str, certificate: &[u8], password: &str) -> Vec<u8> {
    let mut store = Vec::new();
    let text = |store: &mut Vec<u8>, text: &str| {
        store.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
        store.extend(text.as_bytes());
    };
    for number in [MAGIC, VERSION, 1, TRUSTED] {
        store.extend(number.to_be_bytes());
    }
    text(&mut store, alias);
    store.extend(0_u64.to_be_bytes());
    text(&mut store, "X.509");
    store.extend(u32::try_from(certificate.len()).unwrap_or(0).to_be_bytes());
    store.extend(certificate);
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in password.encode_utf16() {
        hash.update(&unit.to_be_bytes());
    }
    hash.update(PHRASE);
    hash.update(&store);
    store.extend(hash.finish().as_ref());
    store
}
