//! Places in texts: lines, and readers of TOML and JSON that name them when they fail.

use model::RelPath;
use serde::de::DeserializeOwned;

use super::{EcosystemError, Problem};

/// The line, from 1, of a byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// The line, from 1, of the first place that holds `needle`; 0 if none does.
pub(super) fn line_of(text: &str, needle: &str) -> usize {
    text.find(needle).map_or(0, |offset| line_at(text, offset))
}

/// Reads TOML.
pub(super) fn toml<T: DeserializeOwned>(file: &RelPath, text: &str, fix: &str) -> Result<T, EcosystemError> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(0, |span| line_at(text, span.start));
        Problem::form(file, line, "TOML of the form that its tool writes", e.message(), fix)
    })
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(file: &RelPath, text: &str, fix: &str) -> Result<T, EcosystemError> {
    serde_json::from_str(text).map_err(|e| {
        let found = e.to_string();
        let found = found.split(" at line ").next().unwrap_or_default().to_owned();
        Problem::form(file, e.line(), "JSON of the form that its tool writes", found, fix)
    })
}
