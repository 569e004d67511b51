//! Toolchains of every kind in provenance and in both SBOMs.

use std::collections::BTreeMap;

use attest::provenance::{ReadError, build, read};
use attest::sbom;
use model::Digest;
use model::lock::{
    Installed, LockedArchive, LockedBase, LockedFile, LockedHost, LockedImage, LockedToolchain,
};
use model::recipe::Locator;
use model::sbom::Component;
use serde_json::{Value, json};

use crate::example;

fn installed(name: &str) -> Installed {
    Installed {
        kind: "deb".into(),
        name: name.into(),
        version: "1.0".into(),
        arch: "amd64".into(),
        source: Some("src".into()),
        source_version: None,
        licence: None,
    }
}

fn image() -> LockedBase {
    LockedBase::Image(LockedImage {
        image: "registry.example.org/group/tools:1".parse().unwrap(),
        index: Some(Digest::of(b"index")),
        manifest: Some(Digest::of(b"manifest")),
        config: Digest::of(b"config"),
        layers: vec![Digest::of(b"one"), Digest::of(b"two")],
        env: BTreeMap::new(),
        distro: Some("debian-12".into()),
        installed: vec![installed("libc6")],
    })
}

fn host() -> LockedBase {
    LockedBase::Host(LockedHost {
        requested: vec!["cc".into()],
        machine: "A machine".into(),
        distro: Some("debian-12".into()),
        installed: vec![installed("gcc")],
        files: vec!["/usr/local/bin/own".into()],
    })
}

fn archives() -> Vec<LockedArchive> {
    let archive = |name: &str, origin, purl: Option<&str>, hash: Option<&str>| LockedArchive {
        name: name.into(),
        version: Some("1.26".into()),
        origin,
        purl: purl.map(|p| p.parse().unwrap()),
        strip: None,
        at: format!("opt/{name}").parse().unwrap(),
        path: Vec::new(),
        link: BTreeMap::new(),
        env: BTreeMap::new(),
        licence: None,
        tree: Digest::of(name.as_bytes()),
        files: vec![LockedFile {
            path: format!("{name}.file"),
            digest: Digest::of(format!("{name} file").as_bytes()),
            registry_hash: hash.map(str::to_owned),
        }],
    };
    let module =
        Locator::Package { purl: "pkg:golang/example.org/go@v1.26.0".parse().unwrap(), packed: false };
    let url = Locator::Url {
        url: "https://me:s3cret@example.org/jdk.tgz".into(),
        sha256: Digest::of(b"jdk file").sha256,
        strip: 1,
    };
    vec![archive("go", module, None, Some("h1:AP8Q")), archive("jdk", url, Some("pkg:generic/jdk@21"), None)]
}

fn toolchain(base: LockedBase, archives: Vec<LockedArchive>) -> LockedToolchain {
    LockedToolchain {
        arch: "amd64".into(),
        assembler: 1,
        tree: Digest::of(b"toolchain"),
        base,
        base_tree: if archives.is_empty() { Digest::of(b"toolchain") } else { Digest::of(b"base") },
        archives,
    }
}

fn record(toolchain: LockedToolchain) -> attest::provenance::BuildRecord {
    let mut record = example::record();
    record.locked.toolchain = toolchain;
    record.lock.text = record.locked.to_text();
    record
}

#[test]
fn everything_with_a_digest_is_a_dependency_and_comes_back() {
    for base in [image(), host(), LockedBase::Empty] {
        let record = record(toolchain(base, archives()));
        let statement = build(&record);
        assert_eq!(read(&statement).unwrap(), record);
        let text = String::from_utf8(statement.to_json()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let list = value.pointer("/predicate/buildDefinition/resolvedDependencies").unwrap().clone();
        let named = |name: &str| list.as_array().unwrap().iter().find(|d| d["name"] == name).cloned();
        let go = named("toolchain/archive/go/go.file").unwrap();
        assert_eq!(go["uri"], "pkg:golang/example.org/go@v1.26.0");
        assert_eq!(go["digest"]["dirHash"], "00ff10");
        assert_eq!(named("toolchain/archive/jdk").unwrap()["uri"], "pkg:generic/jdk@21");
        assert_eq!(named("toolchain/base").unwrap()["digest"]["sha256"], Digest::of(b"base").hex());
        match &record.locked.toolchain.base {
            LockedBase::Image(_) => {
                let manifest = named("toolchain/manifest").unwrap();
                assert_eq!(manifest["uri"], "registry.example.org/group/tools:1");
                assert_eq!(named("toolchain/layer/1").unwrap()["digest"]["sha256"], Digest::of(b"two").hex());
            }
            LockedBase::Host(_) => {
                let tree = named("toolchain").unwrap();
                assert_eq!(tree["annotations"]["captured"], "host");
                assert_eq!(tree["annotations"]["machine"], "A machine");
            }
            _ => assert!(named("toolchain").unwrap()["annotations"].get("captured").is_none()),
        }
    }
}

#[test]
fn a_part_that_is_another_contradicts_the_lock() {
    for name in
        ["toolchain/layer/0", "toolchain/config", "toolchain/archive/go", "toolchain/archive/jdk/jdk.file"]
    {
        let mut statement = build(&record(toolchain(image(), archives())));
        let list = statement.predicate["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap();
        let entry = list.iter_mut().find(|d| d["name"] == name).unwrap();
        entry["digest"]["sha256"] = json!("0".repeat(64));
        let error = read(&statement).unwrap_err();
        assert!(matches!(&error, ReadError::Contradiction { what, .. } if what == name), "{error}");
    }
}

#[test]
fn both_sboms_list_image_packages_and_archives() {
    let mut inventory = example::inventory();
    inventory.components = Component::toolchain(&toolchain(image(), archives())).unwrap();
    let ids: Vec<_> = inventory.components.iter().map(|c| c.id.clone()).collect();
    let manifest = Digest::of(b"manifest").hex();
    assert_eq!(
        ids,
        [
            &format!("pkg:oci/tools@sha256%3A{manifest}"),
            "pkg:deb/debian/libc6@1.0?arch=amd64&distro=debian-12",
            "pkg:golang/example.org/go@v1.26.0",
            "pkg:generic/jdk@21",
        ]
    );
    for bytes in [sbom::cyclonedx(&inventory), sbom::spdx(&inventory)] {
        let text = String::from_utf8(bytes).unwrap();
        for said in
            ["libc6", "\"1.26\"", "pkg:golang/example.org/go@v1.26.0", "pkg:generic/jdk@21", &manifest]
        {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}
