//! A report as SARIF 2.1.0 (OASIS), which forges and editors show.

use serde_json::{Value, json};

use super::finding::Finding;
use super::report::Report;
use super::rule::{RULES, Severity};

/// The log of one run. `version` is that of selfsame.
#[must_use]
pub fn sarif(report: &Report, version: &str) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": format!("{}: {}.", rule.title, rule.why) },
                "defaultConfiguration": { "level": level(rule.severity) },
                "properties": { "tags": [rule.bar.as_str()] },
            })
        })
        .collect();
    let results: Vec<Value> = report.findings.iter().chain(&report.allowed).map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "selfsame", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    }
}

fn result(finding: &Finding) -> Value {
    let location = json!({ "uri": address(&finding.file), "uriBaseId": "%SRCROOT%" });
    let index = RULES.iter().position(|rule| rule.id == finding.rule.id);
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": format!("{}. Fix: {}", finding.message, finding.fix) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": location,
            "region": { "startLine": finding.line, "startColumn": finding.column,
                        "endLine": finding.end.0, "endColumn": finding.end.1 },
        } }],
        "properties": { "observed": finding.observed },
    });
    if let Some(reason) = &finding.allowed {
        result["suppressions"] = json!([{ "kind": "inSource", "justification": reason }]);
    }
    if let Some(edit) = &finding.edit {
        result["fixes"] = json!([{
            "description": { "text": finding.fix },
            "artifactChanges": [{
                "artifactLocation": location,
                "replacements": [{
                    "deletedRegion": { "byteOffset": edit.span.start, "byteLength": edit.span.len() },
                    "insertedContent": { "text": edit.text },
                }],
            }],
        }]);
    }
    result
}

/// A path as a relative reference: what may not stand in one is escaped.
fn address(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
