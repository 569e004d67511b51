//! cargo: the sparse index and the crate files (<https://doc.rust-lang.org/cargo/reference/registry-index.html>).

use super::Preset;

pub(super) const HOST: &str = "cargo.registry.internal";

pub(super) const PRESET: Preset = Preset {
    env: &[
        // An answer comes when it is whole.
        ("CARGO_HTTP_LOW_SPEED_LIMIT", "0"),
        ("CARGO_HTTP_TIMEOUT", "3600"),
        ("CARGO_INCREMENTAL", "0"),
        ("CARGO_TERM_COLOR", "never"),
        ("CARGO_NET_GIT_FETCH_WITH_CLI", "true"),
    ],
    // A replaced source cannot be said in the environment.
    files: &[(
        ".cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"selfsame\"\n[source.selfsame]\nregistry = \"sparse+http://cargo.registry.internal/index/\"\n",
    )],
    prefetch: "cargo fetch --locked",
};
