//! SBOMs: valid by the formats' own schemas, and the same bytes for the same inventory.

use std::collections::BTreeSet;

use attest::sbom::{cyclonedx, spdx};
use model::sbom::Inventory;
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
