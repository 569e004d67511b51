//! No bundle that was made without the key is accepted, and none breaks the reader.

#![no_main]

use std::sync::OnceLock;

use attest::verify::{Expectations, Subject, verify};
use attest::{Bundle, PublicKey, SecretKey};
use libfuzzer_sys::fuzz_target;
use model::Digest;

/// Of a key that nobody has kept.
fn key() -> &'static PublicKey {
    static KEY: OnceLock<PublicKey> = OnceLock::new();
    KEY.get_or_init(|| SecretKey::generate().expect("there is randomness").public().clone())
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::parse(bytes) {
        bundle.signed_bytes();
    }
    let subject = Subject { name: "a".into(), digest: Digest::of(b"a") };
    let answer = verify(&subject, Some(bytes), std::slice::from_ref(key()), &Expectations::default());
    assert!(!answer.ok && answer.failures().next().is_some());
});
