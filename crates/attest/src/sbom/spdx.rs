//! SPDX 2.3 (ISO/IEC 5962's successor), JSON.

use std::collections::BTreeSet;

use model::recipe::Format;
use model::sbom::{Component, Inventory, InventoryArtifact, Role};
use model::statement::canonical_json;
use model::{Digest, Sha256};
use serde_json::{Value, json};

use super::licence::{Licence, licence};
use super::{Sorted, hashes, producer};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const PRODUCT: &str = "SPDXRef-product";
const TOOLCHAIN: &str = "SPDXRef-toolchain";
const UNKNOWN: &str = "NOASSERTION";

/// The SPDX 2.3 document of an inventory: JSON with sorted keys, one line.
#[must_use]
pub fn spdx(inventory: &Inventory) -> Vec<u8> {
    let sorted = Sorted::new(inventory);
    let mut writer = Writer::default();
    writer.product(inventory, &sorted);
    writer.relate(DOCUMENT, "DESCRIBES", PRODUCT);
    for artifact in &sorted.artifacts {
        writer.artifact(inventory, artifact);
        writer.relate(PRODUCT, "CONTAINS", &artifact_id(artifact));
    }
    let mut tools = sorted.components.values().filter(|c| c.role == Role::Toolchain);
    if let Some(first) = tools.next() {
        // A root of its own: it made the product and is no part of it.
        writer.toolchain(inventory, first);
        writer.relate(DOCUMENT, "DESCRIBES", TOOLCHAIN);
        writer.relate(TOOLCHAIN, "BUILD_TOOL_OF", PRODUCT);
    }
    let direct = sorted.direct();
    for component in sorted.components.values() {
        let id = component_id(component);
        writer.component(inventory, component);
        match component.role {
            Role::Source => {
                writer.relate(PRODUCT, "DEPENDS_ON", &id);
                for artifact in &sorted.artifacts {
                    writer.relate(&artifact_id(artifact), "GENERATED_FROM", &id);
                }
            }
            Role::Dependency => {
                if direct.contains(component.id.as_str()) {
                    writer.relate(PRODUCT, "DEPENDS_ON", &id);
                }
            }
            Role::Toolchain => {
                writer.relate(TOOLCHAIN, "CONTAINS", &id);
                writer.relate(&id, "BUILD_TOOL_OF", PRODUCT);
            }
        }
        for other in sorted.depends(component) {
            writer.relate(&id, "DEPENDS_ON", &component_id(sorted.components[other]));
        }
    }
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": format!("{} {}", inventory.name, inventory.version),
        "comment": format!(
            "Build SBOM, written by the builder. The build was sealed: it saw the listed sources and the listed \
             packages (tree {}) and nothing else. What a source bundles inside itself is not analysed.",
            inventory.toolchain_tree
        ),
        "creationInfo": {
            "created": inventory.source_date_epoch.to_string(),
            "creators": creators(inventory),
        },
        "packages": writer.packages,
        "relationships": writer.relationships.iter().map(|(from, kind, to)| json!({
            "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to,
        })).collect::<Vec<_>>(),
    });
    if !writer.references.is_empty() {
        let explained = |id: &String| {
            json!({
                "licenseId": id,
                "extractedText": "The text stands in the copyright file of the package that declares it.",
            })
        };
        document["hasExtractedLicensingInfos"] = writer.references.iter().map(explained).collect();
    }
    let body = Sha256::of(&canonical_json(&document));
    let name = format!("{}-{}", plain(&inventory.name), plain(&inventory.version));
    document["documentNamespace"] = json!(format!("https://selfsame.dev/spdx/{name}/{body}"));
    let mut bytes = canonical_json(&document);
    bytes.push(b'\n');
    bytes
}

fn creators(inventory: &Inventory) -> Vec<String> {
    let mut list = vec![format!("Tool: selfsame-{}", inventory.tool_version)];
    list.extend(inventory.producer.as_ref().map(|name| format!("Organization: {name}")));
    list
}

#[derive(Default)]
struct Writer {
    packages: Vec<Value>,
    relationships: BTreeSet<(String, &'static str, String)>,
    references: BTreeSet<String>,
}

impl Writer {
    fn relate(&mut self, from: &str, kind: &'static str, to: &str) {
        self.relationships.insert((from.to_owned(), kind, to.to_owned()));
    }

    fn product(&mut self, inventory: &Inventory, sorted: &Sorted<'_>) {
        let mut package = self.package(
            PRODUCT,
            &inventory.name,
            &inventory.version,
            inventory.licence.as_deref(),
            inventory.producer.as_deref(),
        );
        package["primaryPackagePurpose"] = json!("APPLICATION");
        if let [only] = sorted.artifacts.as_slice() {
            package["checksums"] = sha256(only.digest);
        }
        self.packages.push(package);
    }

    fn artifact(&mut self, inventory: &Inventory, artifact: &InventoryArtifact) {
        let mut package = self.package(
            &artifact_id(artifact),
            &artifact.name,
            &inventory.version,
            inventory.licence.as_deref(),
            inventory.producer.as_deref(),
        );
        let archive = !matches!(artifact.format, Format::File | Format::Dir);
        package["primaryPackagePurpose"] = json!(if archive { "ARCHIVE" } else { "FILE" });
        package["checksums"] = sha256(artifact.digest);
        if let Some(image) = &artifact.image {
            package["primaryPackagePurpose"] = json!("CONTAINER");
            package["externalRefs"] = json!([{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": image.purl(),
            }]);
        }
        if artifact.format == Format::Dir {
            package["comment"] = json!("A directory; the checksum is of its tree's root.");
        } else {
            package["packageFileName"] = json!(artifact.name);
        }
        self.packages.push(package);
    }

    fn toolchain(&mut self, inventory: &Inventory, member: &Component) {
        let tree = inventory.toolchain_tree;
        let mut package =
            self.package(TOOLCHAIN, "toolchain", &tree.hex()[..12], None, member.producer.as_deref());
        package["primaryPackagePurpose"] = json!("OPERATING_SYSTEM");
        package["checksums"] = sha256(tree);
        package["comment"] = json!("The root filesystem of the build; the checksum is of its tree's root.");
        self.packages.push(package);
    }

    fn component(&mut self, inventory: &Inventory, component: &Component) {
        let mut package = self.package(
            &component_id(component),
            &component.name,
            &component.version,
            component.licence.as_deref(),
            producer(inventory, component),
        );
        if component.role == Role::Source {
            package["primaryPackagePurpose"] = json!("SOURCE");
        }
        if let Some(location) = &component.location {
            package["downloadLocation"] = json!(location);
        }
        let list: Vec<_> = hashes(&component.hashes)
            .map(|(_, algorithm, value)| json!({ "algorithm": algorithm, "checksumValue": value }))
            .collect();
        if !list.is_empty() {
            package["checksums"] = json!(list);
        }
        if let Some(purl) = &component.purl {
            package["externalRefs"] = json!([{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }]);
        }
        if let Some((name, version)) = &component.built_from {
            package["sourceInfo"] = json!(format!("built from source package {name} {version}"));
        }
        if let Some(tree) = &component.tree {
            package["comment"] = json!(format!("unpacked: tree {tree}"));
        }
        self.packages.push(package);
    }

    fn package(
        &mut self,
        id: &str,
        name: &str,
        version: &str,
        text: Option<&str>,
        producer: Option<&str>,
    ) -> Value {
        let mut package = json!({
            "SPDXID": id,
            "name": name,
            "versionInfo": version,
            "downloadLocation": UNKNOWN,
            "filesAnalyzed": false,
            "licenseConcluded": UNKNOWN,
            "licenseDeclared": UNKNOWN,
            "copyrightText": UNKNOWN,
            "supplier": producer.map_or_else(|| UNKNOWN.to_owned(), |name| format!("Organization: {name}")),
        });
        match licence(text) {
            Some(Licence::Expression(text, references)) => {
                package["licenseDeclared"] = json!(text);
                self.references.extend(references);
            }
            Some(Licence::Name(name)) => package["licenseComments"] = json!(format!("declared as: {name}")),
            None => {}
        }
        package
    }
}

fn sha256(digest: Digest) -> Value {
    json!([{ "algorithm": "SHA256", "checksumValue": digest.hex() }])
}

fn artifact_id(artifact: &InventoryArtifact) -> String {
    id("artifact", &artifact.name, &artifact.name)
}

fn component_id(component: &Component) -> String {
    let role = match component.role {
        Role::Source => "source",
        Role::Dependency => "dependency",
        Role::Toolchain => "toolchain",
    };
    id(role, &component.name, &component.id)
}

/// An element's id: readable, and unique by the hash of `key`. Only letters, digits, `.` and `-` may stand in it.
fn id(role: &str, name: &str, key: &str) -> String {
    format!("SPDXRef-{role}-{}-{}", plain(name), &Sha256::of(key.as_bytes()).hex()[..12])
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}
