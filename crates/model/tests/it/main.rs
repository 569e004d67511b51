//! Recipe, lock and Remote Execution API encodings, as their readers see them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod dockerfile;
mod images;
mod lock;
mod reapi;
mod recipe;
mod transcript;
