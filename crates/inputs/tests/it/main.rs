//! What `inputs` brings: from archives and servers made here, and from the registries this host is configured for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in what it calls as well")]

mod answers;
mod archives;
mod audit;
mod debian_archive;
mod dpkg;
mod ecosystem;
mod host;
mod hostile;
mod images;
mod mirror;
mod pin;
mod push;
mod real;
mod server;
mod sources;
mod toolchain;
mod worktree;
mod world;
