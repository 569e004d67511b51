//! Real cosign, versions 3 and 2.5: it takes our bundles and our keys, and we take its keys.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attest::bundle::ClaimedSigner;
use attest::bundle::sign_statement;
use attest::provenance::{ImageRecord, build};
use attest::verify::{Class, Expectations, Subject, verify};
use attest::{Bundle, PublicKey, SecretKey, Signer};
use model::Digest;
use model::statement::{CYCLONEDX_BOM, SPDX_DOCUMENT};

use crate::example;

/// Folder below the test tools, and whether this cosign has bundles as an option and wants a trust root.
const VERSIONS: [(&str, bool); 2] = [("root", false), ("root-trixie", true)];
const EMPTY_ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}"#;

fn cosign(folder: &str, home: &Path, arguments: &[&str]) -> Output {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools = std::env::var_os("SELFSAME_TEST_TOOLS")
        .map_or_else(|| PathBuf::from("target/test-tools"), PathBuf::from);
    let program = repository.join(tools).join(folder).join("usr/bin/cosign");
    assert!(program.exists(), "there is no cosign at {}: run scripts/test-tools", program.display());
    Command::new(program)
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("COSIGN_PASSWORD", "pässword")
        .output()
        .unwrap()
}

fn accepts(folder: &str, old: bool, home: &Path, key: &str, bundle: &str, kind: &str) -> Result<(), String> {
    let mut arguments = vec!["verify-blob-attestation", "--bundle", bundle, "--key", key];
    arguments.extend(["--insecure-ignore-tlog", "--type", kind]);
    if old {
        std::fs::write(home.join("trust.json"), EMPTY_ROOT).unwrap();
        arguments.extend(["--new-bundle-format", "--trusted-root", "trust.json"]);
    }
    arguments.push("artifact");
    let output = cosign(folder, home, &arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn cosign_accepts_our_bundles_and_refuses_what_we_refuse() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(home.join(name), bytes).unwrap();
    let key = SecretKey::generate().unwrap();
    let record = example::record();
    write("key.pub", key.public().to_pem().as_bytes());
    write("other.pub", SecretKey::generate().unwrap().public().to_pem().as_bytes());
    write("provenance.json", &sign_statement(&build(&record), &key).unwrap());
    let inventory = example::inventory();
    for (name, kind, bytes) in [
        ("cyclonedx.json", CYCLONEDX_BOM, attest::sbom::cyclonedx(&inventory)),
        ("spdx.json", SPDX_DOCUMENT, attest::sbom::spdx(&inventory)),
    ] {
        let statement = attest::sbom::statement(kind, &bytes, &record.subjects).unwrap();
        write(name, &sign_statement(&statement, &key).unwrap());
    }
    for (folder, old) in VERSIONS {
        let ask = |key, bundle, kind| accepts(folder, old, home, key, bundle, kind);
        write("artifact", example::ARTIFACT);
        assert_eq!(ask("key.pub", "provenance.json", "slsaprovenance1"), Ok(()), "{folder}");
        assert_eq!(ask("key.pub", "cyclonedx.json", "cyclonedx"), Ok(()), "{folder}");
        assert_eq!(ask("key.pub", "spdx.json", "spdxjson"), Ok(()), "{folder}");
        assert!(ask("other.pub", "provenance.json", "slsaprovenance1").is_err(), "{folder}: wrong key");
        // cosign 2.5 does not look at the type of a bundle's statement.
        assert_eq!(ask("key.pub", "provenance.json", "cyclonedx").is_err(), !old, "{folder}: wrong type");
        write("artifact", b"other bytes");
        assert!(ask("key.pub", "provenance.json", "slsaprovenance1").is_err(), "{folder}: wrong bytes");
    }
}

/// A bundle of an image is about the file and about the manifest: both are accepted, and nothing else.
#[test]
fn cosign_accepts_an_image_by_its_manifest() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(home.join(name), bytes).unwrap();
    let key = SecretKey::generate().unwrap();
    let mut record = example::record();
    record.subjects[0].format = model::recipe::Format::OciImage;
    record.subjects[0].image = Some(ImageRecord {
        name: "app:1.0".into(),
        platform: Some("linux/amd64".into()),
        media_type: model::oci::MANIFEST[0].into(),
        digest: Digest::of(b"a manifest"),
    });
    write("key.pub", key.public().to_pem().as_bytes());
    write("provenance.json", &sign_statement(&build(&record), &key).unwrap());
    for (folder, old) in VERSIONS {
        let ask = || accepts(folder, old, home, "key.pub", "provenance.json", "slsaprovenance1");
        for bytes in [example::ARTIFACT, b"a manifest"] {
            write("artifact", bytes);
            assert_eq!(ask(), Ok(()), "{folder}");
        }
        write("artifact", b"another manifest");
        assert!(ask().is_err(), "{folder}");
    }
}

#[test]
fn keys_go_both_ways() {
    let password = "pässword".as_bytes();
    for (folder, _) in VERSIONS {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let made = cosign(folder, home, &["generate-key-pair"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let pem = std::fs::read_to_string(home.join("cosign.key")).unwrap();
        let public = std::fs::read_to_string(home.join("cosign.pub")).unwrap();
        let key = SecretKey::from_pem(&pem, password).unwrap();
        assert_eq!(key.public(), &PublicKey::from_pem(&public).unwrap(), "{folder}");
        assert_eq!(key.public().to_pem(), public, "{folder}");
        assert!(SecretKey::from_pem(&pem, b"wrong").is_err());

        let ours = SecretKey::generate().unwrap();
        std::fs::write(home.join("ours.key"), ours.to_pem(password).unwrap()).unwrap();
        let read = cosign(folder, home, &["public-key", "--key", "ours.key"]);
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let printed = String::from_utf8(read.stdout).unwrap();
        assert_eq!(printed.trim_end(), ours.public().to_pem().trim_end(), "{folder}");
    }
}

/// cosign 3 attests with a key that we made; we verify what it wrote.
#[test]
fn we_accept_what_cosign_signs_with_our_key() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let key = SecretKey::generate().unwrap();
    std::fs::write(home.join("ours.key"), key.to_pem("pässword".as_bytes()).unwrap()).unwrap();
    std::fs::write(home.join("artifact"), example::ARTIFACT).unwrap();
    std::fs::write(home.join("predicate.json"), r#"{"some":"claim"}"#).unwrap();
    std::fs::write(
        home.join("signing.json"),
        r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}"#,
    )
    .unwrap();
    let arguments = [
        "attest-blob",
        "--key",
        "ours.key",
        "--signing-config",
        "signing.json",
        "--predicate",
        "predicate.json",
        "--type",
        "https://example.org/claim",
        "--bundle",
        "bundle.json",
        "--yes",
        "artifact",
    ];
    let made = cosign("root", home, &arguments);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bundle = std::fs::read(home.join("bundle.json")).unwrap();
    let ClaimedSigner::Key { hint } = Bundle::parse(&bundle).unwrap().signer else { panic!("a certificate") };
    assert_eq!(hint, key.public().hint());
    let subject = Subject { name: "artifact".into(), digest: Digest::of(example::ARTIFACT) };
    let expect = Expectations {
        predicate_types: vec!["https://example.org/claim".into()],
        builder_id: None,
        kind: None,
    };
    let answer = verify(&subject, Some(&bundle), &[key.public_key().clone()], &expect);
    assert_eq!(answer.class, Class::Accepted, "{:#?}", answer.checks);
    let other = Subject { digest: Digest::of(b"other"), ..subject };
    let answer = verify(&other, Some(&bundle), &[key.public_key().clone()], &expect);
    assert_eq!(answer.class, Class::DigestMismatch);
}
