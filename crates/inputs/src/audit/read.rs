//! Readers with places: every word, key and value knows the bytes it stands at.
//!
//! What they read is written by others, and often not well formed: a reader gives what it understood, or nothing, and
//! never panics. Nothing is expanded that could grow (aliases, entities, variables of variables).

pub(crate) mod docker;
pub(crate) mod json;
pub(crate) mod node;
pub(crate) mod shell;
pub(crate) mod toml;
pub(crate) mod yaml;
