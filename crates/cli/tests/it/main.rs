//! selfsame from the outside: the built binary, real toolchains, real sandboxes, damage done by hand.
//!
//! What every test stands on is in [`home`]: a cleared environment, a home folder of its own, and a store that has a
//! small Debian toolchain already ([`seed`]), so that it is downloaded once and not once a test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod home;
mod project;
mod registry;
mod seed;

mod audit;
mod cache;
mod damage;
mod debug;
mod degraded;
mod dockerfiles;
mod doctor;
mod dpkg;
mod end;
mod formats;
mod images;
mod languages;
mod leaks;
mod limits;
mod mirror;
mod mistakes;
mod normalize;
mod pushing;
mod recording;
mod sealed;
mod secrets;
mod shell;
mod surroundings;
mod toolchains;
mod verbs;
mod verdicts;
mod verify;
mod violations;
