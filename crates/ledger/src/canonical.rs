//! The canonical JSON of a record: keys sorted, no white space, whatever features `serde_json` was built with.

use std::collections::BTreeMap;

use model::Sha256;
use serde::Serialize;
use serde_json::Value;

/// Canonical JSON text of `value`.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("rows are structs of strings, numbers and lists");
    let mut out = String::new();
    write(&value, &mut out);
    out
}

/// SHA-256 of the canonical JSON.
pub(crate) fn hash<T: Serialize>(value: &T) -> Sha256 {
    Sha256::of(json(value).as_bytes())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            // `serde_json` may keep the order of insertion (a feature that any crate can switch on).
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            out.push('{');
            for (place, (key, value)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(&Value::String(key.clone()), out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = serde_json::from_str(r#"{"b":[{"z":1,"a":"\n\"é"}],"a":null}"#).unwrap();
        assert_eq!(json(&value), r#"{"a":null,"b":[{"a":"\n\"é","z":1}]}"#);
    }
}
