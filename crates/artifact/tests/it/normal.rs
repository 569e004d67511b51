//! Normalising: laws that hold for every format, real tools' differing outputs made equal, and hostile files.

mod golden;
mod hostile;
mod laws;
pub(crate) mod scene;
mod twins;
