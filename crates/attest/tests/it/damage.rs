//! Every flipped bit of a bundle: no panic, and never accepted.

use attest::bundle::sign_statement;
use attest::provenance::build;
use attest::verify::{Class, Expectations, Subject, verify};
use attest::{Bundle, SecretKey};
use model::Digest;
use model::statement::{SLSA_PROVENANCE, Statement};

use crate::example;

/// There is no exception: no byte of a bundle of ours is free. The payload and its type are signed; media type, field
/// names and the key's hint are compared; base64 has one spelling; one flip makes no other white space of the line end.
#[test]
fn no_flipped_bit_is_accepted() {
    let key = SecretKey::generate().unwrap();
    let keys = [key.public().clone()];
    // The whole provenance is long: its flips would only repeat those of the payload's base64.
    let mut statement = build(&example::record());
    statement.predicate = serde_json::json!({ "some": "claim" });
    let bundle = sign_statement(&statement, &key).unwrap();
    let subject = Subject { name: "zlib.tar.gz".into(), digest: Digest::of(example::ARTIFACT) };
    let expect = Expectations { predicate_types: vec![SLSA_PROVENANCE.into()], ..Expectations::default() };
    let mut accepted = Vec::new();
    for position in 0..bundle.len() {
        for bit in 0..8 {
            let mut flipped = bundle.clone();
            flipped[position] ^= 1 << bit;
            let answer = verify(&subject, Some(&flipped), &keys, &expect);
            match answer.class {
                Class::Accepted => accepted.push((position, bit)),
                Class::NoneAcceptable => assert!(answer.failures().next().is_some()),
                other => panic!("byte {position}, bit {bit}: {other:?}"),
            }
        }
    }
    assert_eq!(accepted, [], "of {} bytes", bundle.len());
}

#[test]
fn no_flipped_bit_of_a_whole_provenance_is_accepted() {
    let key = SecretKey::generate().unwrap();
    let keys = [key.public().clone()];
    let statement = build(&example::record());
    let bundle = sign_statement(&statement, &key).unwrap();
    let subject = Subject { name: "zlib.tar.gz".into(), digest: Digest::of(example::ARTIFACT) };
    for position in (0..bundle.len()).step_by(7) {
        let mut flipped = bundle.clone();
        flipped[position] ^= 1 << (position % 8);
        let answer = verify(&subject, Some(&flipped), &keys, &Expectations::default());
        assert!(!answer.ok, "byte {position}");
    }
}

#[test]
fn cut_and_hostile_bytes_do_not_panic() {
    let key = SecretKey::generate().unwrap();
    let bundle = sign_statement(&build(&example::record()), &key).unwrap();
    for end in (0..bundle.len()).step_by(11) {
        assert!(end == bundle.len() - 1 || Bundle::parse(&bundle[..end]).is_err(), "cut at {end}");
    }
    let deep = "[".repeat(100_000);
    assert!(Bundle::parse(deep.as_bytes()).is_err());
    for payload in ["", "null", "[]", "{}", r#"{"_type":1}"#, &deep] {
        assert!(serde_json::from_str::<Statement>(payload).is_err(), "{}", &payload[..payload.len().min(20)]);
    }
    // Flips inside the signed statement, as a signer with a bug could make them: reading must not panic.
    let bytes = build(&example::record()).to_json();
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 7);
        if let Ok(statement) = serde_json::from_slice::<Statement>(&flipped) {
            let _ = attest::provenance::read(&statement);
        }
    }
}
