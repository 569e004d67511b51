//! Bytes by digest on local disk: blobs, trees, action results, and room to work in.
//!
//! What it is: one directory that many threads and many processes use at once. Everything in it is named by
//! [`model::Digest`]; everything is verified when it enters and again when it is brought out. What it is not:
//! it does not know what a build is, reads no environment, and reaches no network.
//!
//! # Layout
//!
//! | place | what | how it gets there |
//! |---|---|---|
//! | `VERSION` | the layout's name; an unknown one is refused | temp file, rename |
//! | `blobs/ab/<64 hex>` | bytes by SHA-256, mode 0444; directories of trees are blobs too | temp file, rename |
//! | `actions/ab/<64 hex>` | an action's result, sealed with a checksum | temp file, rename |
//! | `memos/SPACE/ab/<64 hex>` | small caches that may be lost at any time, sealed likewise | temp file, rename |
//! | `trees/BOOT/<64 hex>.<mtime>[.rw]/root` | a tree on disk, made once, never written to | temp directory, rename |
//! | `trees/BOOT/<64 hex>.layer/root` | a directory that somebody else filled ([`Store::unpacked`]) | likewise |
//! | `quarantine/` | what was found damaged | rename |
//! | `tmp/<process>/` | unfinished files and scratch directories of one process, which holds a `flock` on it | |
//! | `lease` | shared `flock`: in use; exclusive: garbage collection | |
//!
//! # What survives what
//!
//! *`kill -9`*: whatever has its final name is whole, because it got the name by one rename. What a dead process
//! left in `tmp/` is removed by the next [`Store::open`].
//!
//! *Power loss*: blobs, actions and memos are not fsynced. A torn one has the wrong size or the wrong digest,
//! which is seen when it is looked up or read: it costs a miss, never a wrong answer. Trees are not hashed each
//! time they are used, so a tree made before the last boot is hashed once before it is used again.
//!
//! *Disk full*: [`StoreError::Full`], and nothing half-written is left.
//!
//! *A flipped bit*: reading gives [`StoreError::Corrupt`] and moves the blob away; putting the right bytes
//! compares them with what is there and replaces it if it differs.

mod error;
mod layout;
mod record;
mod session;
mod workers;

mod blob;
mod tree;

mod compare;
mod compose;
mod copy_out;
mod export;
mod import;
mod materialise;
mod remove;
mod scan;
mod unpacked;

mod action;
mod memo;

mod gc;
mod lease;
mod scratch;
mod stats;
mod verify;

pub use blob::BlobWriter;
pub use compare::Difference;
pub use error::{ImportProblem, StoreError, TreeProblem};
pub use gc::{Alone, Freed, Roots};
pub use import::{Met, look, measure};
pub use layout::Store;
pub use lease::Lease;
pub use scratch::Scratch;
pub use stats::Stats;
pub use verify::{Damage, DamageKind, Report};
