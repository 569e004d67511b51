//! pip, uv and their like: the simple repository (PEP 503, PEP 691).

use super::Preset;

pub(super) const HOST: &str = "pypi.registry.internal";

pub(super) const PRESET: Preset = Preset {
    env: &[
        ("PIP_DEFAULT_TIMEOUT", "3600"),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("PIP_INDEX_URL", "http://pypi.registry.internal/simple/"),
        ("PIP_NO_CACHE_DIR", "1"),
        ("PIP_NO_INPUT", "1"),
        ("PIP_TRUSTED_HOST", "pypi.registry.internal"),
        ("PYTHONHASHSEED", "0"),
        ("UV_DEFAULT_INDEX", "http://pypi.registry.internal/simple/"),
        ("UV_HTTP_TIMEOUT", "3600"),
        ("UV_INDEX_URL", "http://pypi.registry.internal/simple/"),
        ("UV_NATIVE_TLS", "true"),
        ("UV_PYTHON_DOWNLOADS", "never"),
    ],
    files: &[],
    // What builds a wheel is asked of its backend, at build time.
    prefetch: "",
};
