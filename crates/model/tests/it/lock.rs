//! The lock: stable text, and what makes it stale.

use std::collections::BTreeMap;

use model::lock::{
    FORMAT, Lock, LockedBase, LockedDebian, LockedFile, LockedPackage, LockedSource, LockedToolchain,
};
use model::recipe::Locator;
use model::{Digest, Timestamp, recipe};

fn package(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:2.3-4".into(),
        arch: "amd64".into(),
        source: name.into(),
        source_version: "1:2.3-4".into(),
        licence: None,
        depends: vec!["libc6".into()],
        path: format!("pool/main/{name}_2.3-4_amd64.deb"),
        digest: Digest::of(name.as_bytes()),
    }
}

fn lock(names: &[&str]) -> Lock {
    let source = LockedSource {
        origin: Locator::Package { purl: "pkg:cargo/libz-sys@1.1.31".parse().unwrap() },
        licence: Some("MIT OR Apache-2.0".into()),
        epoch: Timestamp(1_700_000_000),
        tree: Digest::of(b"tree"),
        files: vec![LockedFile { path: "x".into(), digest: Digest::of(b"x"), registry_hash: None }],
    };
    Lock {
        format: FORMAT,
        toolchain: LockedToolchain {
            arch: "amd64".into(),
            assembler: 1,
            tree: Digest::of(b"toolchain"),
            base: LockedBase::Debian(LockedDebian {
                suite: "bookworm".into(),
                components: vec!["main".into()],
                snapshot: None,
                requested: vec!["gcc".into(), "make".into()],
                signed_by: vec!["AB".into()],
                packages: names.iter().map(|n| package(n)).collect(),
            }),
            base_tree: Digest::of(b"toolchain"),
            archives: Vec::new(),
        },
        sources: BTreeMap::from([("zlib".to_owned(), source)]),
        steps: BTreeMap::new(),
    }
}

#[test]
fn text_is_stable_and_reads_back() {
    let text = lock(&["make", "gcc"]).to_text();
    assert_eq!(text, lock(&["gcc", "make"]).to_text());
    assert_eq!(Lock::parse("selfsame.lock", &text).unwrap(), lock(&["gcc", "make"]));
}

#[test]
fn damage_is_told_with_its_place() {
    let text = lock(&["gcc"]).to_text();
    for (from, to, told) in [
        ("selfsame-lock = 1", "selfsame-lock = 7", "unknown version"),
        ("sha256:", "sha256:zz", "damaged"),
        ("pool/main", "../main", "leaves the archive"),
        ("suite =", "siute =", "damaged"),
    ] {
        let error = Lock::parse("selfsame.lock", &text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("selfsame lock"), "{to}: {error}");
    }
}

#[test]
fn a_changed_recipe_makes_it_stale_and_says_where() {
    let text = r#"selfsame = 1
name = "z"
version = "1"
[sources.zlib]
purl = "pkg:cargo/libz-sys@1.1.31"
[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["gcc", "make"]
[[step]]
name = "s"
run = ["true"]
outputs = ["o"]
[[artifact]]
name = "a"
format = "file"
from = "step:s/o"
"#;
    let fits = recipe::parse("r", text).unwrap();
    assert_eq!(lock(&["gcc"]).stale(&fits), []);
    let changed = text.replace("\"make\"]", "\"make\", \"perl\"]").replace("1.1.31", "1.1.30");
    let stale = lock(&["gcc"]).stale(&recipe::parse("r", &changed).unwrap());
    let what: Vec<_> = stale.iter().map(|s| s.what.as_str()).collect();
    assert_eq!(what, ["toolchain.packages", "sources.zlib"]);
    assert_eq!(stale[0].recipe, "gcc make perl");
}
