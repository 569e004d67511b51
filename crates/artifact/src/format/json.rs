//! JSON: read only. The order of keys and the spaces between them are a tool's own, and change nothing for readers, but
//! much for whoever compares bytes on purpose; so a text stays, and a comparison looks at its values.

use crate::fields::Fields;
use crate::reading::{Found, Part, Source};
use crate::{Body, Kind};

pub(super) fn read<'a>(source: &mut Source<'a, '_>) -> Found<'a> {
    // serde_json itself ends at 128 levels.
    let value: serde_json::Value = serde_json::from_slice(source.bytes)
        .map_err(|error| Fields::new(Kind::Json, source.bytes).damaged("JSON", error.to_string()))?;
    let mut parts = Vec::new();
    let mut part = |name: String, value: &serde_json::Value| {
        source.budget.member()?;
        let body = Body::Bytes(value.to_string().into_bytes().into());
        parts.push(Part { name, attributes: Vec::new(), body });
        Ok(())
    };
    match &value {
        serde_json::Value::Object(map) => map.iter().try_for_each(|(key, value)| part(key.clone(), value))?,
        serde_json::Value::Array(list) => {
            list.iter().enumerate().try_for_each(|(at, value)| part(at.to_string(), value))?;
        }
        value => part("value".into(), value)?,
    }
    Ok((Vec::new(), parts))
}
