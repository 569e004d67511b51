//! Runs one command under conditions, and observes it.
//!
//! [`run`] gives a command a world of its own: a toolchain tree as its read-only root, an overlay of its inputs
//! as its build directory, private `/tmp` and home, a minimal `/dev` and `/proc`, only the loopback interface, no
//! capability, no descriptor and no variable of the caller, and the [`model::Conditions`]: host name, user, umask,
//! clock, random numbers, order of directories, kernel, processors and more. What it wrote is in the build directory of the [`Outcome`]; when `run` returns, every
//! process of it is dead. It works the same, and shows the same, for an ordinary user and for root.
//!
//! The root may be an image instead ([`Files::Image`]), to build on it: all of it may be written to then, by the image's own
//! users, of whom root has the few capabilities that files and users of the image need. What it wrote is the next layer.
//!
//! What this crate is not: it knows no store, no recipe and no cache; it does not decide what is declared. It
//! never runs a command less sealed than asked: a host that refuses gets [`SandboxError::Refused`] with the cause
//! and the command that fixes it. Asked for less ([`Spec::degraded`]), it does without the layers that the host refuses
//! out of a list of four, and says which ([`Achieved::degraded`]).
//!
//! The processes: the caller forks *init*, which is process 1 of the new namespaces (module `inside`), builds the
//! root, starts the command as process 3 and waits (process 2 makes the network meanwhile). The death of init is the death of everything in the
//! sandbox; init dies with its caller, on a time-out, on [`Cancel`], and when the command has ended.
//!
//! It alone in the workspace holds `unsafe`: module `kernel` (system calls), and the three places that fork,
//! share memory and execute.
//!
//! What the command may ask of the kernel is an allow-list (`filter`); what the filter does not decide goes to a
//! thread of the caller (`watch`), which notes attempts at what is not declared, answers with the conditions, and
//! notes which files are used.

mod accounts;
mod achieved;
mod cancel;
mod cgroup;
mod copied;
mod error;
mod filter;
mod gateway;
mod idmap;
mod image;
mod inside;
mod job;
mod kernel;
mod layout;
mod message;
mod own;
mod probe;
mod refusal;
mod room;
mod run;
mod scratch;
mod spec;
mod supervise;
mod watch;
mod world;

pub use achieved::{Achieved, MemoryLimit, Mode};
pub use cancel::Cancel;
pub use error::{SandboxError, Stage};
pub use gateway::{Doors, Gateway, Who};
pub use image::{IDS, Image, LAYERS, Mount, User, first_id};
pub use own::take_ids;
pub use probe::{Row, State, Support, lacking, probe, survey};
pub use run::run;
pub use scratch::remove_scratch;
pub use spec::{Exit, Files, Io, Outcome, Spec, Usage};
