//! Any host at its own address.

use super::Preset;

pub(super) const PRESET: Preset = Preset { env: &[], files: &[], prefetch: "" };
