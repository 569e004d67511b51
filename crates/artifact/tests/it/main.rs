//! Packing as a user of the crate sees it, read back by programs that share no code with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod golden;
mod hostile;
mod images;
mod invariance;
mod leak;
mod normal;
mod packages;
mod readers;
mod sample;
mod split;
