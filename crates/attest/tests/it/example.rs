//! One build, as the other files need it.

use std::collections::BTreeMap;

use attest::provenance::{
    BuildRecord, Builder, Byproduct, Host, Requested, StepRecord, SubjectRecord, TextFile, Worktree,
};
use model::lock::{Lock, LockedBase, LockedDebian, LockedFile, LockedPackage, LockedSource, LockedToolchain};
use model::recipe::Format;
use model::recipe::Locator;
use model::sbom::{Component, Inventory, InventoryArtifact};
use model::{Conditions, Digest, Timestamp};
use serde_json::json;

pub(crate) const EPOCH: Timestamp = Timestamp(1_700_000_000);
pub(crate) const ARTIFACT: &[u8] = b"the bytes of the artifact\n";

fn package(name: &str, arch: &str, licence: Option<&str>, depends: &[&str]) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:2.36-9+deb12u8".into(),
        arch: arch.into(),
        source: format!("{name}-src"),
        source_version: "2.36-9+deb12u8".into(),
        licence: licence.map(str::to_owned),
        depends: depends.iter().map(ToString::to_string).collect(),
        path: format!("pool/main/{name}_{arch}.deb"),
        digest: Digest::of(name.as_bytes()),
    }
}

pub(crate) fn lock() -> Lock {
    let toolchain = LockedToolchain {
        arch: "amd64".into(),
        assembler: 1,
        tree: Digest::of(b"toolchain"),
        base_tree: Digest::of(b"toolchain"),
        archives: Vec::new(),
        base: LockedBase::Debian(LockedDebian {
            suite: "bookworm".into(),
            components: vec!["main".into()],
            snapshot: None,
            requested: vec!["g++".into(), "make".into()],
            signed_by: vec!["0123456789ABCDEF0123456789ABCDEF01234567".into()],
            packages: vec![
                package("g++", "amd64", Some("GPL-3.0-or-later WITH GCC-exception-3.1"), &["libc6", "make"]),
                package("libc6", "amd64", Some("LGPL-2.1-or-later AND LicenseRef-libc"), &[]),
                package("make", "all", Some("GPL something"), &["libc6", "not-in-the-closure"]),
            ],
        }),
    };
    let source = |origin, files| LockedSource {
        origin,
        licence: Some("Zlib".into()),
        epoch: EPOCH,
        tree: Digest::of(b"source tree"),
        files,
        contents: None,
    };
    let file = LockedFile {
        path: "zlib_1.3.orig.tar.gz".into(),
        digest: Digest::of(b"tarball"),
        registry_hash: Some(format!("sha512:{}", "ab".repeat(64))),
    };
    Lock {
        format: 1,
        toolchain,
        sources: BTreeMap::from([
            (
                "zlib".to_owned(),
                source(
                    Locator::Package {
                        purl: "pkg:deb/debian/zlib@1.3?arch=source".parse().unwrap(),
                        packed: false,
                    },
                    vec![file],
                ),
            ),
            (
                "tests".to_owned(),
                source(
                    Locator::Git { url: "https://example.org/t.git".into(), commit: "12".repeat(20) },
                    vec![],
                ),
            ),
            (
                "data".to_owned(),
                source(
                    Locator::Url {
                        url: "https://example.org/d.tar".into(),
                        sha256: Digest::of(b"d").sha256,
                        strip: 1,
                    },
                    vec![LockedFile { path: "d.tar".into(), digest: Digest::of(b"d"), registry_hash: None }],
                ),
            ),
        ]),
        steps: BTreeMap::new(),
    }
}

fn subjects() -> Vec<SubjectRecord> {
    let subject = |name: &str, format, digest| SubjectRecord {
        name: name.into(),
        format,
        digest,
        encoder: "selfsame-artifact/1".into(),
        image: None,
    };
    vec![
        subject("zlib.tar.gz", Format::TarGz, Digest::of(ARTIFACT)),
        subject("headers", Format::Dir, Digest::of(b"a tree")),
    ]
}

pub(crate) fn record() -> BuildRecord {
    let locked = lock();
    let step = |name: &str, cached| StepRecord {
        name: name.into(),
        action: Digest::of(name.as_bytes()),
        cached,
        log: Some(Digest::of(b"a log")),
        observation: (!cached).then(|| Digest::of(b"seen")),
    };
    BuildRecord {
        name: "zlib".into(),
        version: "1.3".into(),
        recipe: TextFile {
            path: "selfsame.toml".into(), text: "selfsame = 1\nname = \"zlib\" # é\n".into()
        },
        lock: TextFile { path: "selfsame.lock".into(), text: locked.to_text() },
        locked,
        subjects: subjects(),
        requested: Requested {
            artifacts: vec!["zlib.tar.gz".into(), "headers".into()],
            steps: vec!["build".into()],
        },
        worktrees: BTreeMap::from([
            (
                "clean".to_owned(),
                Worktree {
                    path: ".".into(),
                    url: Some("https://example.org/us.git".into()),
                    commit: Some("cd".repeat(20)),
                    dirty: vec![],
                    tree: Digest::of(b"work tree"),
                },
            ),
            (
                "dirty".to_owned(),
                Worktree {
                    path: "sub".into(),
                    url: None,
                    commit: Some("ef".repeat(20)),
                    dirty: vec!["a.c".into(), "b c.h".into()],
                    tree: Digest::of(b"dirty tree"),
                },
            ),
            (
                "no-git".to_owned(),
                Worktree {
                    path: "other".into(),
                    url: None,
                    commit: None,
                    dirty: vec![],
                    tree: Digest::of(b"plain tree"),
                },
            ),
        ]),
        conditions: Conditions::canonical(EPOCH),
        limits: json!({ "timeout": 3600 }),
        sandbox: json!({ "network": "none", "user": "namespace" }),
        secrets: BTreeMap::new(),
        requester: Some("someone@example.org".into()),
        host: Host { arch: "x86_64".into(), kernel: "Linux 6.1.0".into() },
        steps: vec![step("configure", true), step("build", false)],
        sboms: vec![Byproduct {
            name: "zlib.cdx.json".into(),
            media_type: attest::sbom::CYCLONEDX_MEDIA_TYPE.into(),
            digest: Digest::of(b"sbom"),
        }],
        leaks: Vec::new(),
        builder: Builder {
            id: "https://selfsame.dev/builder/local/v1".into(),
            version: BTreeMap::from([("selfsame".into(), "0.1.0".into())]),
        },
        invocation_id: "6d0c".into(),
        started: Timestamp(1_800_000_000),
        finished: Timestamp(1_800_000_042),
    }
}

pub(crate) fn inventory() -> Inventory {
    let locked = lock();
    let mut components = Component::toolchain(&locked.toolchain).unwrap();
    components.extend(locked.sources.iter().map(|(name, source)| Component::source(name, source)));
    let commit = "cd".repeat(20);
    let git = Some(("https://example.org/us.git", commit.as_str()));
    components.push(Component::worktree(
        "us",
        git,
        Digest::of(b"work tree"),
        Some("Apache-2.0 OR MIT".into()),
    ));
    components.push(Component::worktree("plain", None, Digest::of(b"plain tree"), None));
    Inventory {
        name: "zlib".into(),
        version: "1.3".into(),
        licence: Some("Zlib".into()),
        producer: Some("Example Works".into()),
        artifacts: subjects()
            .into_iter()
            .map(|s| InventoryArtifact { name: s.name, format: s.format, digest: s.digest, image: None })
            .collect(),
        components,
        toolchain_tree: locked.toolchain.tree,
        source_date_epoch: EPOCH,
        tool_version: "0.1.0".into(),
    }
}
