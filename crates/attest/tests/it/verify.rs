//! Yes, or every reason why not.

use attest::bundle::sign_statement;
use attest::provenance::build;
use attest::verify::{Class, Expectations, Kind, Outcome, Subject, Verification, verify};
use attest::{Bundle, BundleError, PublicKey, SecretKey, SignError, Signer};
use model::Digest;
use model::statement::{SLSA_PROVENANCE, SPDX_DOCUMENT, Statement};
use serde_json::{Value, json};

use crate::example;

fn subject(bytes: &[u8]) -> Subject {
    Subject { name: "zlib.tar.gz".into(), digest: Digest::of(bytes) }
}

fn provenance() -> Expectations {
    Expectations { predicate_types: vec![SLSA_PROVENANCE.into()], ..Expectations::default() }
}

fn failed(verification: &Verification) -> Vec<&str> {
    verification.failures().map(|c| c.id).collect()
}

fn changed(bundle: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::from_slice(bundle).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn a_file_with_the_bytes_of_a_tree_is_not_the_directory() {
    let key = SecretKey::generate().unwrap();
    let keys = [key.public().clone()];
    let mut record = example::record();
    let ask = |statement: &Statement, bytes: &[u8], kind| {
        let bundle = sign_statement(statement, &key).unwrap();
        let subject = Subject { name: "headers".into(), digest: Digest::of(bytes) };
        verify(&subject, Some(&bundle), &keys, &Expectations { kind, ..provenance() })
    };
    let statement = build(&record);
    for (bytes, right, wrong) in [
        (&b"a tree"[..], (Kind::Directory, "a directory"), (Kind::File, "a file")),
        (example::ARTIFACT, (Kind::File, "a file"), (Kind::Directory, "a directory")),
    ] {
        assert!(ask(&statement, bytes, Some(right.0)).ok);
        let answer = ask(&statement, bytes, Some(wrong.0));
        assert_eq!((answer.class, failed(&answer)), (Class::DigestMismatch, vec!["subject"]));
        let check = answer.failures().next().unwrap();
        assert_eq!((check.expected.as_deref(), check.found.as_deref()), (Some(right.1), Some(wrong.1)));
    }
    // A build may ship both.
    let mut file = record.subjects[1].clone();
    (file.name, file.format) = ("encoding".into(), model::recipe::Format::File);
    record.subjects.push(file);
    let both = build(&record);
    assert!(ask(&both, b"a tree", Some(Kind::File)).ok && ask(&both, b"a tree", Some(Kind::Directory)).ok);
    // Provenance of ours that does not say it is none; another's need not.
    let mut silent = statement;
    silent.subject[1].annotations.clear();
    assert_eq!(ask(&silent, b"a tree", Some(Kind::Directory)).class, Class::DigestMismatch);
    silent.predicate["buildDefinition"]["buildType"] = json!("https://example.org/build");
    assert!(ask(&silent, b"a tree", Some(Kind::Directory)).ok);
}

#[test]
fn the_classes() {
    let key = SecretKey::generate().unwrap();
    let keys = [SecretKey::generate().unwrap().public().clone(), key.public().clone()];
    let bundle = sign_statement(&build(&example::record()), &key).unwrap();

    let yes = verify(&subject(example::ARTIFACT), Some(&bundle), &keys, &provenance());
    assert_eq!((yes.class, yes.ok, failed(&yes)), (Class::Accepted, true, vec![]));
    assert_eq!(yes.signed_by, Some(key.public().id()));
    assert_eq!(yes.statement, Some(build(&example::record())));
    assert!(yes.checks.iter().all(|c| c.outcome == Outcome::Pass));

    let none = verify(&subject(example::ARTIFACT), None, &keys, &provenance());
    assert_eq!((none.class, none.class.exit_code(), none.ok), (Class::NoAttestation, 20, false));

    let stranger = verify(&subject(example::ARTIFACT), Some(&bundle), &keys[..1], &provenance());
    assert_eq!((stranger.class, failed(&stranger)), (Class::NoneAcceptable, vec!["signature"]));
    let check = stranger.failures().next().unwrap();
    assert_eq!(check.expected, Some(keys[0].fingerprint()));
    assert!(check.found.as_ref().unwrap().starts_with(&keys[1].fingerprint()), "{check:?}");
    assert_eq!((stranger.signed_by, stranger.statement), (None, None));

    let no_key = verify(&subject(example::ARTIFACT), Some(&bundle), &[], &provenance());
    assert_eq!((no_key.class, failed(&no_key)), (Class::NoneAcceptable, vec!["signature"]));

    let other = verify(&subject(b"changed"), Some(&bundle), &keys, &provenance());
    assert_eq!((other.class, other.class.exit_code()), (Class::DigestMismatch, 22));
    let check = other.failures().next().unwrap();
    assert_eq!(check.expected, Some(format!("sha256:{}", Digest::of(example::ARTIFACT).hex())));
    assert_eq!(check.found, Some(format!("sha256:{}", Digest::of(b"changed").hex())));

    let expect = Expectations {
        predicate_types: vec![SPDX_DOCUMENT.into()],
        builder_id: Some("https://example.org/b".into()),
        kind: None,
    };
    let every = verify(&subject(b"changed"), Some(&bundle), &keys[..1], &expect);
    assert_eq!(every.class, Class::NoneAcceptable);
    assert_eq!(failed(&every), ["signature", "predicate_type", "builder", "subject"]);

    let json = serde_json::to_value(&other).unwrap();
    assert_eq!(json["class"], "digest_mismatch");
    assert_eq!(json["signed_by"], key.public().id().hex());
}

#[test]
fn our_bundle_is_what_the_field_reads() {
    let key = SecretKey::generate().unwrap();
    let bytes = sign_statement(&build(&example::record()), &key).unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(value["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert_eq!(value["dsseEnvelope"]["payloadType"], "application/vnd.in-toto+json");
    let signatures = value["dsseEnvelope"]["signatures"].as_array().unwrap();
    assert_eq!((signatures.len(), signatures[0].get("keyid")), (1, None));
    let again: Value =
        serde_json::from_slice(&sign_statement(&build(&example::record()), &key).unwrap()).unwrap();
    assert_eq!(again["dsseEnvelope"]["payload"], value["dsseEnvelope"]["payload"]);
    assert_eq!(again["verificationMaterial"], value["verificationMaterial"]);
}

#[test]
fn older_bundles_are_read_and_unknown_ones_refused() {
    let key = SecretKey::generate().unwrap();
    let keys = [key.public().clone()];
    let bundle = sign_statement(&build(&example::record()), &key).unwrap();
    let class = |bytes: &[u8]| verify(&subject(example::ARTIFACT), Some(bytes), &keys, &provenance()).class;
    for version in ["0.1", "0.2", "0.3"] {
        let media = format!("application/vnd.dev.sigstore.bundle+json;version={version}");
        assert_eq!(class(&changed(&bundle, |v| v["mediaType"] = json!(media))), Class::Accepted);
    }
    for media in ["application/vnd.dev.sigstore.bundle.v0.4+json", "", "application/json"] {
        assert_eq!(class(&changed(&bundle, |v| v["mediaType"] = json!(media))), Class::NoneAcceptable);
    }
    assert_eq!(
        class(&changed(&bundle, |v| v["verificationMaterial"]["publicKey"] = json!({}))),
        Class::Accepted
    );
    let hint =
        |hint: &str| changed(&bundle, |v| v["verificationMaterial"]["publicKey"]["hint"] = json!(hint));
    assert_eq!(class(&hint("")), Class::Accepted);
    for other in [SecretKey::generate().unwrap().public().hint(), key.public().fingerprint(), "x".into()] {
        let answer = verify(&subject(example::ARTIFACT), Some(&hint(&other)), &keys, &provenance());
        assert_eq!((answer.class, failed(&answer)), (Class::NoneAcceptable, vec!["signature"]), "{other}");
        let check = answer.failures().next().unwrap();
        assert_eq!((&check.expected, &check.found), (&Some(key.public().hint()), &Some(other)));
    }
    type Change = fn(&mut Value);
    let refused: [(&str, Change); 9] = [
        ("two signatures", |v| {
            let one = v["dsseEnvelope"]["signatures"][0].clone();
            v["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(one);
        }),
        ("no signature", |v| v["dsseEnvelope"]["signatures"] = json!([])),
        ("no envelope", |v| {
            v.as_object_mut().unwrap().remove("dsseEnvelope");
        }),
        ("both contents", |v| v["messageSignature"] = json!({})),
        ("no material", |v| v["verificationMaterial"] = json!({})),
        ("both materials", |v| v["verificationMaterial"]["certificate"] = json!({ "rawBytes": "" })),
        ("unknown field", |v| v["more"] = json!(1)),
        ("other payload type", |v| v["dsseEnvelope"]["payloadType"] = json!("text/plain")),
        ("a certificate", |v| v["verificationMaterial"] = json!({ "certificate": { "rawBytes": "" } })),
    ];
    for (name, change) in refused {
        assert_eq!(class(&changed(&bundle, change)), Class::NoneAcceptable, "{name}");
    }
    let logged =
        changed(&bundle, |v| v["verificationMaterial"]["tlogEntries"] = json!([{ "logIndex": "1" }]));
    let answer = verify(&subject(example::ARTIFACT), Some(&logged), &keys, &provenance());
    assert!(answer.ok && answer.checks.iter().any(|c| c.id == "log" && c.outcome == Outcome::Unknown));
    let twice = String::from_utf8(bundle).unwrap().replacen('{', r#"{"mediaType":"x","#, 1);
    assert!(matches!(Bundle::parse(twice.as_bytes()), Err(BundleError::Json(_))), "a key twice");
}

#[test]
fn a_statement_that_is_signed_but_wrong_is_refused() {
    let key = SecretKey::generate().unwrap();
    let digest = Digest::of(example::ARTIFACT).hex();
    let answer = |statement: Value| {
        let statement: Statement = serde_json::from_value(statement).unwrap();
        let bundle = sign_statement(&statement, &key).unwrap();
        verify(&subject(example::ARTIFACT), Some(&bundle), &[key.public().clone()], &Expectations::default())
    };
    let statement = |kind: &str, digests: Value| {
        json!({
            "_type": kind, "predicateType": "https://example.org/p", "predicate": {},
            "subject": [{ "name": "other", "digest": digests }],
        })
    };
    let v1 = "https://in-toto.io/Statement/v1";
    assert_eq!(answer(statement(v1, json!({ "sha256": digest }))).class, Class::Accepted);
    assert_eq!(
        answer(statement("https://in-toto.io/Statement/v0.1", json!({ "sha256": digest }))).class,
        Class::Accepted
    );
    assert_eq!(
        answer(statement("https://in-toto.io/Statement/v2", json!({ "sha256": digest }))).class,
        Class::NoneAcceptable
    );
    assert_eq!(answer(statement(v1, json!({ "sha512": digest }))).class, Class::DigestMismatch);
    assert_eq!(answer(statement(v1, json!({ "sha256": &digest[..63] }))).class, Class::DigestMismatch);
    assert_eq!(answer(statement(v1, json!({}))).class, Class::NoneAcceptable);
}

#[test]
fn versioned_and_unversioned_sbom_predicates_are_one() {
    let key = SecretKey::generate().unwrap();
    let spdx = attest::sbom::spdx(&example::inventory());
    for (written, asked, class) in [
        (SPDX_DOCUMENT, "https://spdx.dev/Document/v2.3", Class::Accepted),
        ("https://spdx.dev/Document/v2.3", SPDX_DOCUMENT, Class::Accepted),
        (SPDX_DOCUMENT, "https://cyclonedx.org/bom", Class::NoneAcceptable),
        ("https://spdx.dev/Documents", SPDX_DOCUMENT, Class::NoneAcceptable),
    ] {
        let statement = attest::sbom::statement(written, &spdx, &example::record().subjects).unwrap();
        let bundle = sign_statement(&statement, &key).unwrap();
        let expect = Expectations { predicate_types: vec![asked.into()], ..Expectations::default() };
        let keys = [key.public().clone()];
        assert_eq!(
            verify(&subject(example::ARTIFACT), Some(&bundle), &keys, &expect).class,
            class,
            "{written}"
        );
    }
}

struct Broken(SecretKey);

impl Signer for Broken {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(b"something else")
    }

    fn public_key(&self) -> &PublicKey {
        self.0.public()
    }
}

#[test]
fn a_signer_that_gives_rubbish_is_found_out() {
    let broken = Broken(SecretKey::generate().unwrap());
    let error = sign_statement(&build(&example::record()), &broken).unwrap_err();
    assert!(matches!(error, SignError::Useless(_)));
}
