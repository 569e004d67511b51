//! Every dependency's licence against the list in `deny.toml`.
//!
//! The same question as `cargo deny check licenses`, without installing it: offline and in a second. It goes by what
//! packages declare; `cargo xtask deny` also reads their licence files.

use std::collections::BTreeSet;

use spdx::{Expression, ParseMode};
use toml::{Table, Value};

use crate::{Report, floors, tree};

/// What `deny.toml` says about licences.
#[derive(Debug)]
struct Rules {
    allow: BTreeSet<String>,
    /// A package and what it may have besides.
    exceptions: Vec<(String, BTreeSet<String>)>,
}

pub(crate) fn run() -> Result<Report, String> {
    let text = tree::text("deny.toml")?.ok_or("deny.toml is not text")?;
    let rules = rules(&text)?;
    let metadata = floors::metadata()?;
    let complaints: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            complaint(&rules, &package.name, package.license.as_deref())
                .map(|complaint| format!("{} {}: {complaint}", package.name, package.version))
        })
        .collect();
    Ok(Report { complaints, note: format!("{} packages", metadata.packages.len()) })
}

fn rules(text: &str) -> Result<Rules, String> {
    let table: Table = text.parse().map_err(|error| format!("deny.toml: {error}"))?;
    let licences = table.get("licenses").and_then(Value::as_table).ok_or("deny.toml has no [licenses]")?;
    let list = |table: &Table| -> Result<BTreeSet<String>, String> {
        let list = table.get("allow").and_then(Value::as_array).ok_or("deny.toml: `allow` is missing")?;
        list.iter()
            .map(|id| {
                id.as_str().map(str::to_owned).ok_or(format!("deny.toml: `{id}` in `allow` is not a string"))
            })
            .collect()
    };
    let mut exceptions = Vec::new();
    for exception in licences.get("exceptions").and_then(Value::as_array).into_iter().flatten() {
        let table = exception.as_table().ok_or("deny.toml: an exception is not a table")?;
        let package =
            table.get("crate").and_then(Value::as_str).ok_or("deny.toml: an exception names no crate")?;
        exceptions.push((package.to_owned(), list(table)?));
    }
    Ok(Rules { allow: list(licences)?, exceptions })
}

fn complaint(rules: &Rules, package: &str, licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else {
        return Some("declares no licence: read its text, then add a clarification or drop it".to_owned());
    };
    // Lax: `MIT/Apache-2.0` was the custom once.
    let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("`{licence}` is no licence expression: {}", error.reason)),
    };
    let allowed = |id: &str| {
        rules.allow.contains(id)
            || rules.exceptions.iter().any(|(name, allow)| name == package && allow.contains(id))
    };
    if expression.evaluate(|requirement| allowed(&requirement.to_string())) {
        return None;
    }
    Some(format!("`{licence}` is not satisfied by the licences that deny.toml allows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        exceptions = [{ crate = "odd", allow = ["MPL-2.0"] }]
    "#;

    #[test]
    fn an_expression_must_be_satisfiable() {
        let rules = rules(DENY).unwrap();
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "MIT AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(complaint(&rules, "a", Some(good)), None, "{good}");
        }
        for bad in ["GPL-3.0-only", "MIT AND MPL-2.0", "Apache-2.0 WITH GCC-exception-3.1", "whatever", ""] {
            assert!(complaint(&rules, "a", Some(bad)).is_some(), "{bad}");
        }
        assert!(complaint(&rules, "a", None).is_some());
        assert_eq!(complaint(&rules, "odd", Some("MPL-2.0 AND MIT")), None);
        assert!(complaint(&rules, "odd", Some("GPL-2.0-only")).is_some());
    }

    #[test]
    fn a_list_that_is_not_there_is_an_error() {
        for text in ["", "[licenses]", "[licenses]\nallow = [1]", "[licenses", "[licenses]\nallow = 'MIT'"] {
            assert!(rules(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_project_and_its_dependencies_are_allowed() {
        let report = run().unwrap();
        assert_eq!(report.complaints, [""; 0]);
    }
}
