//! The commands that install by lockfile, with the tool and the version that the lockfile was written by.

use serde_json::Value;

use super::{Step, shell};
use crate::ecosystem::{Files, Found, Tool};

/// Adds them to the step; gives what runs a script.
pub(super) fn commands(files: &Files<'_>, found: &Found, json: &Value, step: &mut Step) -> String {
    let manager = json.get("packageManager").and_then(Value::as_str).unwrap_or_default();
    let said = manager.split_once('@').map(|(_, v)| v.split('+').next().unwrap_or_default());
    let said =
        said.filter(|v| !v.is_empty() && v.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)));
    step.comments.push(
        "Install scripts are left out: they are what fetches from elsewhere. If a dependency needs its own, add \
         `npm rebuild NAME` after the install."
            .to_owned(),
    );
    // What Debian does not have comes from the registry, in one version, and is recorded like the rest.
    let mut bring = |package: &str, version: &str| {
        step.run.push(format!(
            "npm install --no-save --no-audit --no-fund --prefix /tmp/tools {package}@{version}"
        ));
        step.run.push("export PATH=/tmp/tools/node_modules/.bin:$PATH".to_owned());
    };
    let lock = found.lockfile.as_ref().map(|p| files.glance(p)).unwrap_or_default();
    match found.tool {
        Tool::Pnpm => {
            bring("pnpm", said.unwrap_or_else(|| pnpm_of(&lock)));
            step.run.push("pnpm install --frozen-lockfile --ignore-scripts".to_owned());
            step.env.push((
                "npm_config_manage_package_manager_versions",
                "false".into(),
                "The pnpm that is there is the one.",
            ));
            "pnpm run".to_owned()
        }
        Tool::YarnClassic => {
            bring("yarn", said.unwrap_or("1.22.22"));
            step.run.push("yarn install --frozen-lockfile --ignore-scripts --non-interactive".to_owned());
            "yarn run".to_owned()
        }
        Tool::YarnBerry => {
            let folder = found.dir.join(&".yarn/releases".parse().expect("a plain path"));
            let own =
                files.below(&folder).find(|p| p.as_str().ends_with(".cjs")).map(|p| p.below(&found.dir));
            let yarn = match own {
                Some(path) => format!("node {}", shell(path.as_str())),
                None => {
                    // Candidates for a release are not all on the registry.
                    let said = said.filter(|v| !v.contains("-rc"));
                    bring("@yarnpkg/cli-dist", said.unwrap_or_else(|| berry_of(&lock)));
                    let why = "Its own yarn is not in the repository; this one is taken.";
                    step.env.push(("YARN_IGNORE_PATH", "1".into(), why));
                    "yarn".to_owned()
                }
            };
            step.run.push(format!("{yarn} install --immutable"));
            step.env.push(("YARN_ENABLE_SCRIPTS", "false".into(), "See above."));
            step.env.push((
                "YARN_ENABLE_GLOBAL_CACHE",
                "false".into(),
                "What is fetched stays below the project.",
            ));
            step.env.push(("YARN_ENABLE_TELEMETRY", "0".into(), "It would be refused anyway."));
            format!("{yarn} run")
        }
        _ => {
            step.run.push("npm ci --ignore-scripts --no-audit --no-fund".to_owned());
            "npm run".to_owned()
        }
    }
}

/// The last pnpm that writes lockfiles of this version, and so changes nothing in it.
fn pnpm_of(lock: &str) -> &'static str {
    let version = lock.lines().find_map(|l| l.strip_prefix("lockfileVersion:")).unwrap_or_default();
    match version.trim_matches([' ', '\'', '"']).split('.').next() {
        Some("5") => "7.33.7",
        Some("6") => "8.15.9",
        _ => "9.15.9",
    }
}

/// The same of yarn 2 and later, by the version in `__metadata`.
fn berry_of(lock: &str) -> &'static str {
    let mut lines = lock.lines().skip_while(|l| *l != "__metadata:").skip(1);
    let version = lines.find_map(|l| l.trim().strip_prefix("version:")).unwrap_or_default();
    match version.trim().parse() {
        Ok(0..=4) => "2.4.2",
        Ok(5 | 6) => "3.8.7",
        _ => "4.5.3",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockfile_is_read_by_what_wrote_it() {
        for (lock, expected) in [
            ("lockfileVersion: 5.4\n", "7.33.7"),
            ("lockfileVersion: '6.0'\n", "8.15.9"),
            ("lockfileVersion: '9.0'\n", "9.15.9"),
            ("", "9.15.9"),
        ] {
            assert_eq!(pnpm_of(lock), expected, "{lock}");
        }
        for (lock, expected) in [
            ("# x\n\n__metadata:\n  version: 4\n", "2.4.2"),
            ("__metadata:\n  version: 6\n  cacheKey: 8\n", "3.8.7"),
            ("__metadata:\n  version: 8\n", "4.5.3"),
            ("\"a@npm:1\":\n  version: 4\n", "4.5.3"),
        ] {
            assert_eq!(berry_of(lock), expected, "{lock}");
        }
    }
}
