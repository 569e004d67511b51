//! How answers and events reach people and programs.

pub(crate) mod answer;
pub(crate) mod events;
pub(crate) mod frame;
mod line;
mod live;
pub(crate) mod safe;
