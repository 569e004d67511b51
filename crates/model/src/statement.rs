//! What is signed: an in-toto Statement v1, and the SLSA provenance v1 that stands in it.
//!
//! Sources: in-toto attestation framework, `spec/v1/statement.md` and `spec/v1/resource_descriptor.md`; SLSA,
//! `provenance/v1`. Consumers ignore fields that they do not know, so these types do as well; fields that are
//! not set are not written. [`canonical_json`] gives the bytes that are signed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The value of `_type`.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The `payloadType` of an envelope that holds a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// Predicate type of SLSA provenance v1.
pub const SLSA_PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// Predicate type of an SPDX 2 document. The unversioned form, which every tool of the field knows.
pub const SPDX_DOCUMENT: &str = "https://spdx.dev/Document";
/// Predicate type of a CycloneDX document.
pub const CYCLONEDX_BOM: &str = "https://cyclonedx.org/bom";

/// A claim about subjects, which are matched by digest alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What the claim is about. Each has a digest.
    pub subject: Vec<ResourceDescriptor>,
    /// A URI that says what `predicate` is.
    pub predicate_type: String,
    /// The claim.
    #[serde(default)]
    pub predicate: Value,
}

impl Statement {
    /// A statement of the version that selfsame writes.
    #[must_use]
    pub fn new(subject: Vec<ResourceDescriptor>, predicate_type: &str, predicate: Value) -> Self {
        Self { kind: STATEMENT_TYPE.into(), subject, predicate_type: predicate_type.into(), predicate }
    }

    /// The bytes that are signed: [`canonical_json`].
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        canonical_json(&serde_json::to_value(self).expect("strings, maps and values are JSON"))
    }
}

/// A thing, by name, place or digest; at least one of the three.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// A name that is unique among its neighbours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is from; a registry-relative locator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Algorithm (lower case) to value (hexadecimal).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// The bytes themselves in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Where to get it, if that is another place than `uri`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub download_location: String,
    /// What kind of bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, Value>,
}

/// The predicate [`SLSA_PROVENANCE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Everything that decides what was built.
    pub build_definition: BuildDefinition,
    /// This one run.
    pub run_details: RunDetails,
}

/// Everything that decides what was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// A URI that says how to read the rest.
    pub build_type: String,
    /// What the person who asked for the build had in hand. An object.
    pub external_parameters: Value,
    /// What the builder decided. An object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub internal_parameters: Value,
    /// Every input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// One run of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// Who vouches for the run.
    pub builder: Builder,
    /// When, and under which name.
    #[serde(default)]
    pub metadata: RunMetadata,
    /// Things made besides the subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// Who vouches for a run. The trusted base is everything that this URI names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// A URI.
    pub id: String,
    /// Part of the builder to its version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// When, and under which name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunMetadata {
    /// The run's name at its builder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub invocation_id: String,
    /// RFC 3339, UTC, with `Z`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started_on: String,
    /// RFC 3339, UTC, with `Z`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finished_on: String,
}

/// JSON with sorted keys and no white space: the same value gives the same bytes.
///
/// Keys are sorted whatever `serde_json` is built with (its feature `preserve_order` would keep the order of
/// insertion). For values without floating-point numbers and keys within the Basic Multilingual Plane, which
/// is all that selfsame writes, this is RFC 8785.
#[must_use]
pub fn canonical_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_sorted(value, &mut out);
    out
}

fn write_sorted(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_sorted(item, out);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            out.push(b'{');
            for (i, (key, item)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_scalar(&Value::String(key.clone()), out);
                out.push(b':');
                write_sorted(item, out);
            }
            out.push(b'}');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("writing JSON into memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = serde_json::from_str(r#"{"b":[{"z":1,"a":"é\n"}],"a":null}"#).unwrap();
        assert_eq!(canonical_json(&value), "{\"a\":null,\"b\":[{\"a\":\"é\\n\",\"z\":1}]}".as_bytes());
    }

    #[test]
    fn what_is_not_set_is_not_written() {
        let subject = ResourceDescriptor {
            digest: BTreeMap::from([("sha256".into(), "00".into())]),
            ..Default::default()
        };
        let statement = Statement::new(vec![subject], "https://example.org/p", serde_json::json!({}));
        let text = String::from_utf8(statement.to_json()).unwrap();
        assert_eq!(
            text,
            r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{},"predicateType":"https://example.org/p","subject":[{"digest":{"sha256":"00"}}]}"#
        );
        assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), statement);
    }
}
