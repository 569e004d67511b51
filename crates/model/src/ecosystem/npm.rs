//! npm, pnpm and yarn: the npm registry (<https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md>).

use super::Preset;

pub(super) const HOST: &str = "npm.registry.internal";

pub(super) const PRESET: Preset = Preset {
    env: &[
        ("YARN_ENABLE_TELEMETRY", "0"),
        ("YARN_NPM_REGISTRY_SERVER", "http://npm.registry.internal"),
        ("YARN_REGISTRY", "http://npm.registry.internal/"),
        ("YARN_UNSAFE_HTTP_WHITELIST", "npm.registry.internal"),
        ("npm_config_audit", "false"),
        ("npm_config_fetch_timeout", "3600000"),
        ("npm_config_fund", "false"),
        ("npm_config_registry", "http://npm.registry.internal/"),
        ("npm_config_update_notifier", "false"),
    ],
    files: &[],
    // Which tool it is, its lockfile tells.
    prefetch: "if [ -e pnpm-lock.yaml ]; then pnpm install --frozen-lockfile --ignore-scripts; \
               elif [ -e yarn.lock ]; then yarn install --frozen-lockfile --ignore-scripts; \
               else npm ci --ignore-scripts; fi",
};
