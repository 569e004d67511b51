//! An npm package: `license` of its `package.json`, in the forms of all ages. Its edges are the lockfile's.

use serde_json::Value;
use store::Store;

use super::member::{below_one, of_tar};
use super::{Package, Word};

pub(super) fn word(store: &Store, package: &Package<'_>) -> Word {
    let licence = package.files.values().find_map(|body| {
        let text = of_tar(store, body, |name| below_one(name, "package.json"))?;
        licence(&serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?)
    });
    Word { licence, needs: None }
}

fn licence(manifest: &Value) -> Option<String> {
    let one = |value: &Value| {
        let text = value.as_str().or_else(|| value.get("type")?.as_str())?;
        // Both mean that there is no licence to name here.
        (!text.starts_with("SEE LICENSE") && text != "UNLICENSED").then(|| text.to_owned())
    };
    if let Some(said) = manifest.get("license").and_then(one) {
        return Some(said);
    }
    // The field of packages before 2014: any of them may be chosen.
    let list = manifest.get("licenses")?.as_array()?;
    let all: Option<Vec<String>> = list.iter().map(one).collect();
    all.filter(|all| !all.is_empty()).map(|all| all.join(" OR "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn every_age_has_its_form() {
        for (manifest, expected) in [
            (json!({"license": "MIT"}), Some("MIT")),
            (json!({"license": {"type": "BSD-3-Clause", "url": "x"}}), Some("BSD-3-Clause")),
            (json!({"licenses": [{"type": "MIT"}, {"type": "Apache-2.0"}]}), Some("MIT OR Apache-2.0")),
            (json!({"licenses": []}), None),
            (json!({"licenses": [7]}), None),
            (json!({"license": "SEE LICENSE IN x"}), None),
            (json!({"license": "UNLICENSED"}), None),
            (json!({"license": ["MIT"]}), None),
            (json!([]), None),
        ] {
            assert_eq!(super::licence(&manifest).as_deref(), expected, "{manifest}");
        }
    }
}
