//! Artifacts: one file per format, written canonically, read, and normalised.
//!
//! [`pack`] turns members, one time and a prefix into bytes that depend on nothing else: not on the machine, its
//! cores or its clock, not on the order of the members nor on how their contents arrive. The rules are *packer
//! format 1*, specified byte by byte in `docs/formats/archives.md` and kept for ever; [`encoder`] names them and
//! the compressor's version, for provenance.
//!
//! [`oci`] writes the parts of container images in the same way (`docs/formats/images.md`), and reads others' layers.
//!
//! [`normalise`] turns a file that another tool wrote into one that does not say when, where and by whom, and tells what
//! it changed (`docs/formats/normalize.md`). [`read`] lists what is in a file, one level deep, for whoever compares.
//! A [`Scanner`] looks through a file and all that lies in it for what tells of a machine, a person or a secret
//! (`docs/formats/leaks.md`), and [`split()`] takes a program's debugging information apart (`docs/formats/debug.md`). All take hostile files for normal ones, and cost no more than [`Limits`] allows.
//!
//! This crate is bytes in, bytes out. It is not allowed the network, the clock, the environment, files or
//! unordered maps (see `clippy.toml` beside `Cargo.toml`); contents come through [`Contents`], which the caller
//! implements over its store. Threads exist in one place, `pipeline`, that answers in order.
//!
//! Read in this order: a [`Member`] is what goes in, `listing` puts members in canonical order, `format` has one file
//! for each format and the two tables of them, `deflate` and `pipeline` serve the compressed ones. A [`Kind`] is what a file
//! is told to be, a [`Reading`] what is in it; `normal` holds the laws of normalising, `fields` and `dates` serve its formats.

mod member;

mod listing;

mod deflate;
mod pipeline;

mod format;
mod pack;

mod budget;
mod dates;
mod fields;
mod kind;
mod leak;
mod normal;
mod reading;
mod split;

pub use budget::{Budget, Limits};
pub use format::oci;
pub use kind::{HEAD, Kind};
pub use leak::{LEAK_VERSION, Machine, Scan, Scanner, Scanning, Wanted};
pub use member::{Contents, Member};
pub use normal::{Change, Left, NORMAL_VERSION, NormalOptions, Normalised, normalise};
pub use reading::{Attribute, Body, Part, ReadError, Reading, read};
pub use split::{SPLIT_VERSION, Split, split};

pub use pack::{Encoder, Options, PackError, Piece, encoder, pack, pack_on, tar_pieces};
