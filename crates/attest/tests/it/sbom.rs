//! SBOMs: valid by the formats' own schemas, and the same bytes for the same inventory.

use std::collections::BTreeSet;

use attest::sbom::{cyclonedx, spdx};
use model::lock::{ImageContents, Installed, LockedFile, LockedSource, MANIFEST};
use model::recipe::{Format, Locator};
use model::sbom::{Component, Inventory, InventoryImage};
use model::{Digest, Timestamp};
use serde_json::Value;

use crate::{example, golden};

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn cyclonedx_validator() -> jsonschema::Validator {
    let registry = jsonschema::Registry::new()
        .add(
            "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json",
            schema(include_str!("../schemas/jsf-0.82.SNAPSHOT.schema.json")),
        )
        .unwrap()
        .add(
            "http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json",
            schema(include_str!("../schemas/spdx.SNAPSHOT.schema.json")),
        )
        .unwrap()
        .prepare()
        .unwrap();
    jsonschema::options()
        .with_registry(&registry)
        .build(&schema(include_str!("../schemas/bom-1.6.SNAPSHOT.schema.json")))
        .unwrap()
}

fn spdx_validator() -> jsonschema::Validator {
    jsonschema::options().build(&schema(include_str!("../schemas/spdx-2.3.schema.json"))).unwrap()
}

fn assert_valid(validator: &jsonschema::Validator, bytes: &[u8]) -> Value {
    let document = serde_json::from_slice(bytes).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    document
}

/// The same things in other orders, and one of them twice.
fn shuffled() -> Inventory {
    let mut inventory = example::inventory();
    inventory.components.reverse();
    inventory.components.rotate_left(3);
    inventory.components.push(inventory.components[1].clone());
    inventory.artifacts.reverse();
    for component in &mut inventory.components {
        component.depends.reverse();
    }
    inventory
}

#[test]
fn cyclonedx_is_valid_and_its_references_resolve() {
    let validator = cyclonedx_validator();
    let document = assert_valid(&validator, &cyclonedx(&example::inventory()));
    let mut refs = BTreeSet::from([document["metadata"]["component"]["bom-ref"].as_str().unwrap()]);
    for component in document["components"].as_array().unwrap() {
        assert!(refs.insert(component["bom-ref"].as_str().unwrap()), "twice: {component}");
    }
    for dependency in document["dependencies"].as_array().unwrap() {
        assert!(refs.contains(dependency["ref"].as_str().unwrap()), "{dependency}");
        for on in dependency["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(on.as_str().unwrap()), "{on}");
        }
    }
    assert_eq!(document["dependencies"].as_array().unwrap().len(), refs.len());
    let mut empty = example::inventory();
    empty.components.clear();
    assert_valid(&validator, &cyclonedx(&empty));
    // The validator is one that refuses.
    let mut wrong = document.clone();
    wrong["components"][0]["type"] = "spoon".into();
    assert!(!validator.is_valid(&wrong));
    let mut wrong = document.clone();
    wrong["components"][2]["licenses"] = serde_json::json!([{ "license": { "id": "No-Such" } }]);
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn spdx_is_valid_and_its_references_resolve() {
    let validator = spdx_validator();
    let document = assert_valid(&validator, &spdx(&example::inventory()));
    let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT"]);
    for package in document["packages"].as_array().unwrap() {
        assert!(ids.insert(package["SPDXID"].as_str().unwrap()), "twice: {package}");
    }
    for relation in document["relationships"].as_array().unwrap() {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(relation[end].as_str().unwrap()), "{relation}");
        }
    }
    // Every package hangs on what the document describes, by relations that conformance checkers follow.
    let mut reached = BTreeSet::from(["SPDXRef-DOCUMENT"]);
    for _ in 0..ids.len() {
        for relation in document["relationships"].as_array().unwrap() {
            let follow = ["DESCRIBES", "CONTAINS", "DEPENDS_ON"]
                .contains(&relation["relationshipType"].as_str().unwrap());
            if follow && reached.contains(relation["spdxElementId"].as_str().unwrap()) {
                reached.insert(relation["relatedSpdxElement"].as_str().unwrap());
            }
        }
    }
    assert_eq!(reached, ids);
    assert_eq!(document["hasExtractedLicensingInfos"][0]["licenseId"], "LicenseRef-libc");
    let mut empty = example::inventory();
    empty.components.clear();
    assert_valid(&validator, &spdx(&empty));
    let mut wrong = document.clone();
    wrong["relationships"][0]["relationshipType"] = "FRIEND_OF".into();
    assert!(!validator.is_valid(&wrong));
}

/// An image over a base whose package databases are known: the container, the base, and what is in it.
#[test]
fn an_image_and_its_base_are_listed() {
    let mut inventory = example::inventory();
    let manifest = Digest::of(b"a manifest");
    let image = InventoryImage { name: "example.org/team/app:1.0".into(), digest: manifest };
    inventory.artifacts[0].format = Format::OciImage;
    inventory.artifacts[0].image = Some(image);
    let below = Digest::of(b"below");
    let base = LockedSource {
        origin: Locator::Image {
            image: "example.org/debian:12".parse().unwrap(),
            platform: "linux/amd64".parse().unwrap(),
        },
        licence: None,
        epoch: Timestamp(0),
        tree: Digest::of(b"layout"),
        files: vec![LockedFile { path: MANIFEST.into(), digest: below, registry_hash: None }],
        contents: Some(ImageContents {
            distro: Some("debian-12".into()),
            packages: vec![Installed {
                kind: "deb".into(),
                name: "libc6".into(),
                version: "2.36-9".into(),
                arch: "amd64".into(),
                source: Some("glibc".into()),
                source_version: None,
                licence: None,
            }],
        }),
    };
    inventory.components.push(Component::source("base", &base));
    inventory.components.extend(Component::contents("base", &base).unwrap());
    let purl = format!("pkg:oci/app@sha256%3A{}", manifest.hex());
    let document = assert_valid(&cyclonedx_validator(), &cyclonedx(&inventory));
    let components = document["components"].as_array().unwrap();
    let find = |id: &str| components.iter().find(|c| c["bom-ref"] == id).unwrap_or_else(|| panic!("{id}"));
    assert_eq!(find("artifact/zlib.tar.gz")["type"], "container");
    assert_eq!(find("artifact/zlib.tar.gz")["purl"], purl.as_str());
    let id = format!("pkg:oci/debian@sha256:{}", below.hex());
    assert_eq!(find(&id)["supplier"]["name"], "example.org");
    // Shipped, unlike the package of this name that the toolchain has.
    let package = find("pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12#base");
    assert_eq!(package["scope"], "required");
    let document = assert_valid(&spdx_validator(), &spdx(&inventory));
    let packages = document["packages"].as_array().unwrap();
    let container = packages.iter().find(|p| p["primaryPackagePurpose"] == "CONTAINER").unwrap();
    assert_eq!(container["externalRefs"][0]["referenceLocator"], purl.as_str());
}

#[test]
fn the_order_of_the_inventory_does_not_reach_the_bytes() {
    assert_eq!(cyclonedx(&example::inventory()), cyclonedx(&shuffled()));
    assert_eq!(spdx(&example::inventory()), spdx(&shuffled()));
}

#[test]
fn names_follow_the_content() {
    let mut other = example::inventory();
    other.tool_version = "0.1.1".into();
    let serial =
        |i: &Inventory| schema(&String::from_utf8(cyclonedx(i)).unwrap())["serialNumber"].to_string();
    assert_ne!(serial(&example::inventory()), serial(&other));
    let namespace =
        |i: &Inventory| schema(&String::from_utf8(spdx(i)).unwrap())["documentNamespace"].to_string();
    assert_ne!(namespace(&example::inventory()), namespace(&other));
}

#[test]
fn golden_bytes() {
    golden::check(
        "zlib.cdx.json",
        &cyclonedx(&example::inventory()),
        include_str!("../golden/zlib.cdx.json"),
    );
    golden::check("zlib.spdx.json", &spdx(&example::inventory()), include_str!("../golden/zlib.spdx.json"));
}

/// What a step fetched: `root` needs `leaf`, a circle that nothing leads into, and one that says nothing.
fn fetched() -> Inventory {
    let digest = Digest::of(b"a file");
    let names = ["circle-a", "circle-b", "leaf", "lone", "root"];
    let requests = model::Transcript::from_lines(
        names
            .map(|n| format!("GET cargo:/crates/{n}/1.0.0/download 200 {digest}"))
            .iter()
            .map(String::as_str),
    )
    .unwrap();
    let packages = [
        "pkg:cargo/circle-a@1.0.0 direct=false needs=pkg:cargo/circle-b@1.0.0",
        "pkg:cargo/circle-b@1.0.0 direct=false needs=pkg:cargo/circle-a@1.0.0",
        "pkg:cargo/leaf@1.0.0 direct=false licence=Nobody's%20licence needs=",
        "pkg:cargo/root@1.0.0 direct=true licence=MIT%20OR%20Apache-2.0 needs=pkg:cargo/leaf@1.0.0",
    ];
    let packages = packages.map(|line| line.parse().unwrap()).to_vec();
    let step = model::lock::LockedStep { uses: Vec::new(), record: Vec::new(), requests, packages };
    let mut inventory = example::inventory();
    inventory.components.extend(Component::fetched(&step));
    inventory
}

#[test]
fn what_steps_fetched_is_a_graph_with_licences() {
    let id = |name: &str| format!("pkg:cargo/{name}@1.0.0#download");
    let document = assert_valid(&cyclonedx_validator(), &cyclonedx(&fetched()));
    let on = |of: &str| -> Vec<String> {
        let all = document["dependencies"].as_array().unwrap();
        let entry = all.iter().find(|d| d["ref"] == of).unwrap();
        let list = entry["dependsOn"].as_array().unwrap();
        list.iter().map(|v| v.as_str().unwrap().to_owned()).filter(|v| v.starts_with("pkg:cargo")).collect()
    };
    assert_eq!(on("artifact/zlib.tar.gz"), [id("circle-a"), id("lone"), id("root")]);
    assert_eq!(on(&id("root")), [id("leaf")]);
    assert_eq!(on(&id("circle-a")), [id("circle-b")]);
    let component = |name: &str| {
        document["components"].as_array().unwrap().iter().find(|c| c["bom-ref"] == id(name)).unwrap()
    };
    assert_eq!(component("root")["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert_eq!(component("leaf")["licenses"][0]["license"]["name"], "Nobody's licence");
    assert!(component("lone").get("licenses").is_none());
    let told = |name: &str| component(name)["properties"][1]["value"].clone();
    assert_eq!((told("root"), told("leaf")), ("direct".into(), "transitive".into()));

    let document = assert_valid(&spdx_validator(), &spdx(&fetched()));
    let packages = document["packages"].as_array().unwrap();
    let name_of = |id: &Value| packages.iter().find(|p| p["SPDXID"] == *id).map(|p| p["name"].clone());
    let edges: BTreeSet<(String, String)> = document["relationships"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["relationshipType"] == "DEPENDS_ON")
        .filter_map(|r| Some((name_of(&r["spdxElementId"])?, name_of(&r["relatedSpdxElement"])?)))
        .map(|(from, to)| (from.as_str().unwrap().to_owned(), to.as_str().unwrap().to_owned()))
        .collect();
    for (from, to, there) in [
        ("zlib", "root", true),
        ("zlib", "lone", true),
        ("zlib", "circle-a", true),
        ("zlib", "circle-b", false),
        ("zlib", "leaf", false),
        ("root", "leaf", true),
        ("circle-b", "circle-a", true),
    ] {
        assert_eq!(edges.contains(&(from.to_owned(), to.to_owned())), there, "{from} {to}");
    }
    let leaf = packages.iter().find(|p| p["name"] == "leaf").unwrap();
    assert_eq!(
        (&leaf["licenseDeclared"], &leaf["licenseComments"]),
        (&"NOASSERTION".into(), &"declared as: Nobody's licence".into())
    );
}

#[test]
fn a_circle_of_hundreds_is_walked_once() {
    let digest = Digest::of(b"a file");
    let lines: Vec<String> =
        (0..300).map(|n| format!("GET cargo:/crates/c{n}/1.0.0/download 200 {digest}")).collect();
    let requests = model::Transcript::from_lines(lines.iter().map(String::as_str)).unwrap();
    // Each needs the ten after it, the last the first. A walk of every path would not end.
    let one = |n: usize| {
        let needs = (1..=10).map(|k| format!("pkg:cargo/c{}@1.0.0", (n + k) % 300)).collect();
        let purl = format!("pkg:cargo/c{n}@1.0.0").parse().unwrap();
        model::lock::Declared { purl, direct: Some(n == 7), licence: Some("MIT".into()), needs: Some(needs) }
    };
    let step = model::lock::LockedStep {
        uses: Vec::new(),
        record: Vec::new(),
        requests,
        packages: (0..300).map(one).collect(),
    };
    let mut inventory = example::inventory();
    inventory.components.extend(Component::fetched(&step));
    let (one, two) = (cyclonedx(&inventory), spdx(&inventory));
    assert_valid(&cyclonedx_validator(), &one);
    assert_valid(&spdx_validator(), &two);
}
