//! The only way out of a step's network: a proxy that asks somebody else for each answer.
//!
//! [`serve`] takes the three listening sockets of a sandbox ([`Doors`]) and speaks HTTP/1.1 and 2, with TLS by an
//! [`Authority`] that only the sandbox trusts, to whatever connects: tools that know a proxy, and tools that do not. Who
//! answers is an [`Answers`]: at lock time one that goes out and records (wall one has it), at build time a [`Replay`]
//! of a transcript, which knows nothing else. A request that is none of the declared is refused and told.
//!
//! What this crate forbids itself: to connect to anything. It answers on sockets it is given, and knows no store: bytes
//! of a digest come through a function.

mod answers;
mod authority;
mod key_store;
mod replay;
mod request;
mod respond;
mod serve;

pub use answers::{Answers, Request};
pub use authority::{Authority, AuthorityError};
pub use replay::{Replay, asked_of};
pub use request::{Address, place_of};
pub use respond::{Gone, Head, Responder};
pub use serve::{Doors, ServeError, serve};
