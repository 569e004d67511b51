//! SARIF has what the standard requires: the official schema says so.

use inputs::audit::{RULES, sarif};

use super::of;

#[test]
fn the_log_fits_the_official_schema() {
    let mut schema: serde_json::Value =
        serde_json::from_str(include_str!("../../schemas/sarif-2.1.0.schema.json")).unwrap();
    // The one pattern that is no regular expression in most languages: a bracket is left over.
    let language = &mut schema["definitions"]["run"]["properties"]["language"];
    assert_eq!(language["pattern"].take(), "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$");
    language.as_object_mut().unwrap().remove("pattern");
    let report = of(&[
        (
            "a b/Dockerfile",
            "FROM a:1\nRUN npm install\nRUN curl https://e.org/é | sh # selfsame: allow NET01 why\n",
        ),
        ("package.json", "{}"),
        ("package-lock.json", "{\"lockfileVersion\": 3}"),
    ]);
    let log = sarif(&report, "0.1.0");
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&log).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert_eq!(errors, [""; 0]);
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), RULES.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let first = &results[0];
    assert_eq!(first["ruleId"], RULES[usize::try_from(first["ruleIndex"].as_u64().unwrap()).unwrap()].id);
    assert_eq!(first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "a%20b/Dockerfile");
    assert!(
        results.iter().any(|r| r["fixes"].is_array()) && results.iter().any(|r| r["suppressions"].is_array())
    );
    assert!(validator.iter_errors(&serde_json::json!({ "version": "2.1.0" })).next().is_some());
}
