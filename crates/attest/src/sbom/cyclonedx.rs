//! CycloneDX 1.6 (ECMA-424), JSON.

use std::collections::BTreeMap;

use model::Sha256;
use model::sbom::{Component, Inventory, InventoryArtifact, Role};
use model::statement::canonical_json;
use serde_json::{Value, json};

use super::licence::{Licence, licence};
use super::{Sorted, hashes, producer};

const PRODUCT: &str = "product";

/// The CycloneDX 1.6 document of an inventory: JSON with sorted keys, one line.
#[must_use]
pub fn cyclonedx(inventory: &Inventory) -> Vec<u8> {
    let sorted = Sorted::new(inventory);
    let mut components: Vec<_> = sorted.artifacts.iter().map(|a| artifact(a)).collect();
    components.extend(sorted.components.values().map(|c| component(inventory, c)));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": inventory.source_date_epoch.to_string(),
            "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [{
                "type": "application",
                "name": "selfsame",
                "version": inventory.tool_version,
            }] },
            "component": product(inventory, &sorted),
        },
        "components": components,
        "dependencies": dependencies(&sorted),
        "compositions": compositions(&sorted),
        "formulation": [formula(inventory, &sorted)],
    });
    let body = Sha256::of(&canonical_json(&document));
    document["serialNumber"] = json!(format!("urn:uuid:{}", uuid(body)));
    let mut bytes = canonical_json(&document);
    bytes.push(b'\n');
    bytes
}

/// A UUID of version 8 made of a SHA-256, as RFC 9562 (appendix B.2) does for names.
fn uuid(hash: Sha256) -> String {
    let mut hex = hash.hex();
    hex.truncate(32);
    hex.replace_range(12..13, "8");
    let variant = match hash.as_bytes()[8] >> 4 & 3 {
        0 => "8",
        1 => "9",
        2 => "a",
        _ => "b",
    };
    hex.replace_range(16..17, variant);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn product(inventory: &Inventory, sorted: &Sorted<'_>) -> Value {
    let mut value = json!({
        "bom-ref": PRODUCT,
        "type": "application",
        "name": inventory.name,
        "version": inventory.version,
        "properties": [{ "name": "selfsame:toolchain", "value": inventory.toolchain_tree.to_string() }],
    });
    set_licence(&mut value, inventory.licence.as_deref());
    set_supplier(&mut value, inventory.producer.as_deref());
    // Where one file is the whole product, readers look for its hash here.
    if let [only] = sorted.artifacts.as_slice() {
        value["hashes"] = artifact_hashes(only);
    }
    value
}

fn artifact(artifact: &InventoryArtifact) -> Value {
    let mut value = json!({
        "bom-ref": artifact_ref(artifact),
        "type": "file",
        "name": artifact.name,
        "hashes": artifact_hashes(artifact),
        "properties": [{ "name": "selfsame:format", "value": artifact.format.as_str() }],
    });
    if let Some(image) = &artifact.image {
        value["type"] = json!("container");
        value["purl"] = json!(image.purl());
    }
    value
}

fn artifact_ref(artifact: &InventoryArtifact) -> String {
    format!("artifact/{}", artifact.name)
}

fn artifact_hashes(artifact: &InventoryArtifact) -> Value {
    json!([{ "alg": "SHA-256", "content": artifact.digest.hex() }])
}

fn component(inventory: &Inventory, component: &Component) -> Value {
    let mut value = json!({
        "bom-ref": component.id,
        "type": "library",
        "name": component.name,
        "version": component.version,
        // `excluded`: used to build, not part of what is shipped.
        "scope": if component.role == Role::Toolchain { "excluded" } else { "required" },
    });
    if let Some(purl) = &component.purl {
        value["purl"] = json!(purl);
    }
    let list: Vec<_> = hashes(&component.hashes)
        .map(|(alg, _, content)| json!({ "alg": alg, "content": content }))
        .collect();
    if !list.is_empty() {
        value["hashes"] = json!(list);
    }
    set_licence(&mut value, component.licence.as_deref());
    set_supplier(&mut value, producer(inventory, component));
    if let Some(location) = &component.location {
        let kind = if location.starts_with("git+") { "vcs" } else { "source-distribution" };
        value["externalReferences"] = json!([{ "type": kind, "url": location }]);
    }
    let mut properties = Vec::new();
    let role = match component.role {
        Role::Source => "source",
        Role::Dependency => "dependency",
        Role::Toolchain => "toolchain",
    };
    properties.push(json!({ "name": "selfsame:role", "value": role }));
    if let Some(direct) = component.direct {
        let value = if direct { "direct" } else { "transitive" };
        properties.push(json!({ "name": "selfsame:dependency", "value": value }));
    }
    if let Some((name, version)) = &component.built_from {
        properties.push(json!({ "name": "selfsame:source-package", "value": format!("{name} {version}") }));
    }
    if let Some(tree) = &component.tree {
        properties.push(json!({ "name": "selfsame:tree", "value": tree.to_string() }));
    }
    value["properties"] = json!(properties);
    value
}

fn set_licence(value: &mut Value, text: Option<&str>) {
    // An expression even for a single identifier: the schema's list of identifiers is older than SPDX's.
    match licence(text) {
        Some(Licence::Expression(text, _)) => {
            value["licenses"] = json!([{ "expression": text, "acknowledgement": "declared" }]);
        }
        Some(Licence::Name(name)) => {
            value["licenses"] = json!([{ "license": { "name": name, "acknowledgement": "declared" } }]);
        }
        None => {}
    }
}

fn set_supplier(value: &mut Value, name: Option<&str>) {
    if let Some(name) = name {
        value["supplier"] = json!({ "name": name });
    }
}

fn dependencies(sorted: &Sorted<'_>) -> Value {
    let of_role = |role| sorted.components.values().filter(move |c| c.role == role).map(|c| c.id.as_str());
    let sources: Vec<_> = of_role(Role::Source).chain(sorted.direct()).collect();
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    map.insert(PRODUCT.into(), sorted.artifacts.iter().map(|a| artifact_ref(a)).collect());
    for artifact in &sorted.artifacts {
        map.insert(artifact_ref(artifact), sources.iter().map(ToString::to_string).collect());
    }
    for component in sorted.components.values() {
        map.insert(component.id.clone(), sorted.depends(component).into_iter().map(str::to_owned).collect());
    }
    map.into_iter().map(|(id, on)| json!({ "ref": id, "dependsOn": on })).collect()
}

/// What is known to be whole: a sealed build sees nothing that is not listed. What a source bundles inside itself
/// is not looked into.
fn compositions(sorted: &Sorted<'_>) -> Value {
    let mut whole = vec![PRODUCT.to_owned()];
    whole.extend(sorted.artifacts.iter().map(|a| artifact_ref(a)));
    let ids = |role| {
        sorted.components.values().filter(move |c| c.role == role).map(|c| c.id.clone()).collect::<Vec<_>>()
    };
    whole.extend(ids(Role::Toolchain));
    let unknown = || [ids(Role::Source), ids(Role::Dependency)].concat();
    json!([
        { "aggregate": "complete", "dependencies": whole },
        { "aggregate": "unknown", "assemblies": unknown(), "dependencies": unknown() },
    ])
}

/// How it was made: every component of the toolchain and every source went in, the artifacts came out.
fn formula(inventory: &Inventory, sorted: &Sorted<'_>) -> Value {
    let inputs: Vec<_> = sorted.components.keys().map(|id| json!({ "resource": { "ref": id } })).collect();
    let outputs: Vec<_> = sorted
        .artifacts
        .iter()
        .map(|a| json!({ "type": "artifact", "resource": { "ref": artifact_ref(a) } }))
        .collect();
    let mut workflow = json!({
        "bom-ref": "workflow/build",
        "uid": format!("build of {} {}", inventory.name, inventory.version),
        "name": "sealed build",
        "taskTypes": ["build"],
        "outputs": outputs,
        "properties": [{ "name": "selfsame:toolchain", "value": inventory.toolchain_tree.to_string() }],
    });
    if !inputs.is_empty() {
        workflow["inputs"] = json!(inputs);
    }
    json!({ "bom-ref": "formula/build", "workflows": [workflow] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_number_is_a_version_8_uuid() {
        let uuid = uuid(Sha256::from_bytes([0xff; 32]));
        assert_eq!(uuid, "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
