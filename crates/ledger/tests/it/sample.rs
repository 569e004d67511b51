//! Rows to record, made from a number.

use std::collections::BTreeMap;

use ledger::rows::*;
use ledger::{Ledger, Material};
use model::action::Components;
use model::{Digest, Sha256, Timestamp, Verdict};
use serde_json::json;

/// A ledger in a folder of its own.
pub(crate) fn ledger() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    (folder, ledger)
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn material(kind: &str, name: &str) -> Material {
    Material { digest: digest(name), kind: kind.into(), name: name.into() }
}

pub(crate) fn artifact(name: &str, content: &str) -> ArtifactRow {
    ArtifactRow {
        name: name.into(),
        format: "tar.gz".into(),
        digest: digest(content),
        encoder: "selfsame-tar/1".into(),
    }
}

/// A build with everything filled in.
pub(crate) fn build(number: u32) -> BuildRow {
    BuildRow {
        id: format!("build-{number:04}"),
        recipe: "zlib".into(),
        version: "1.3.1".into(),
        recipe_path: "examples/zlib/selfsame.toml".into(),
        recipe_digest: digest("recipe"),
        lock_digest: Some(digest("lock")),
        started: Timestamp(1_700_000_000 + i64::from(number)),
        finished: Timestamp(1_700_000_010 + i64::from(number)),
        source: Source {
            commit: Some("0f".repeat(20)),
            remote: Some("https://git.example.org/zlib".into()),
            dirty: true,
            tree: Some(digest("tree")),
        },
        builder: builder(),
        requester: Some("alice".into()),
        ok: true,
        error: None,
        conditions: json!({"umask": 18, "hostname": "selfsame", "nested": {"b": [1, 2], "a": null}}),
        steps: vec![step("configure", number), step("make", number)],
        artifacts: vec![artifact("zlib.tar.gz", &format!("zlib {number}")), artifact("zlib.h", "header")],
        materials: vec![
            material("source", "pkg:generic/zlib@1.3.1"),
            material("package", "pkg:deb/debian/gcc@12"),
        ],
        byproducts: vec![material("sbom", &format!("sbom {number}"))],
    }
}

pub(crate) fn builder() -> Builder {
    Builder { id: "https://example.org/selfsame".into(), version: "0.1.0".into() }
}

pub(crate) fn step(name: &str, number: u32) -> StepRow {
    let components = Components(BTreeMap::from([
        ("inputs".to_owned(), format!("inputs of {name} {number}")),
        ("toolchain".to_owned(), "the same".to_owned()),
    ]));
    StepRow {
        name: name.into(),
        action: digest(&format!("action {name} {number}")),
        cached: number % 2 == 1,
        millis: 1234,
        log: (name == "make").then(|| digest(&format!("log {number}"))),
        components,
    }
}

pub(crate) fn attestation(number: u32) -> AttestationRow {
    let build = build(number);
    AttestationRow {
        subjects: build.artifacts.iter().map(|artifact| artifact.digest.sha256).collect(),
        predicate_type: "https://slsa.dev/provenance/v1".into(),
        bundle: digest(&format!("bundle {number}")),
        key_id: "key-1".into(),
        build: Some(build.id),
        at: Timestamp(1_700_000_020 + i64::from(number)),
    }
}

pub(crate) fn rebuild(number: u32, verdict: Verdict) -> RebuildRow {
    let found = match verdict {
        Verdict::Reproduced => Some(build(number).artifacts[0].digest.sha256),
        Verdict::Differs => Some(Sha256::of(format!("other {number}").as_bytes())),
        Verdict::NotBuilt | Verdict::Unknown => None,
    };
    RebuildRow {
        build: Some(build(number).id),
        verdict,
        at: Timestamp(1_700_000_030 + i64::from(number)),
        millis: 99,
        builder: builder(),
        artifacts: vec![RebuiltArtifact {
            name: "zlib.tar.gz".into(),
            expected: build(number).artifacts[0].digest.sha256,
            found,
        }],
        reason: (verdict != Verdict::Reproduced).then(|| "an input is gone".to_owned()),
    }
}

pub(crate) fn verification(number: u32, ok: bool) -> VerificationRow {
    VerificationRow {
        subject: build(number).artifacts[0].digest.sha256,
        ok,
        exit: if ok { 0 } else { 21 },
        class: if ok { "ok" } else { "none_acceptable" }.into(),
        at: Timestamp(1_700_000_040 + i64::from(number)),
        keys: vec!["key-1".into(), "key-2".into()],
        checks: json!([{"check": "signature", "ok": ok}]),
    }
}

/// One record of each kind.
pub(crate) fn fill(ledger: &Ledger, number: u32) {
    ledger.record_build(&build(number)).unwrap();
    ledger.record_attestation(&attestation(number)).unwrap();
    ledger.record_rebuild(&rebuild(number, Verdict::Reproduced)).unwrap();
    ledger.record_verification(&verification(number, true)).unwrap();
}
