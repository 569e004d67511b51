//! JavaScript: a package for a registry, or a folder that a bundler makes.

use serde_json::Value;

use super::{Artifact, Step, shell, word};
use crate::ecosystem::cargo::beside;
use crate::ecosystem::{Files, Found, Product, Tool};

/// `None` for a manifest that makes nothing: it brings tools for people.
pub(super) fn step(files: &Files<'_>, found: &Found) -> Option<Step> {
    let mut build = None;
    let mut package = None;
    for product in &found.makes {
        match product {
            Product::Bundle(script) => build = Some(script.as_str()),
            Product::Package(name) => package = Some(name.as_str()),
            _ => {}
        }
    }
    if build.is_none() && package.is_none() {
        return None;
    }
    let mut step = Step::new(found, "build");
    step.need(&["nodejs", "npm"]);
    let text = files.glance(&found.manifest);
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    step.enter();
    let run = if found.lockfile.is_some() || found.lock_command.is_some() {
        let run = install(files, found, &json, &mut step);
        // The tool of another registry than Debian's is fetched, too.
        if found.tool != Tool::Npm || !found.dir.is_root() {
            step.record.clone_from(&step.run);
        }
        run
    } else {
        // Nothing is fetched.
        step.uses.clear();
        "npm run".to_owned()
    };
    if let Some(script) = build {
        step.run.push(format!("{run} {script}"));
    }
    if let Some(name) = package {
        let version = found.version.as_deref().unwrap_or_default();
        let file = word(&format!("{}-{version}.tgz", name.trim_start_matches('@').replace('/', "-")));
        step.run.push("mkdir -p out".to_owned());
        step.run.push("npm pack --ignore-scripts --pack-destination out".to_owned());
        let output = step.place("out");
        step.outputs.push(output.clone());
        step.artifacts.push(Artifact {
            name: file.clone(),
            format: "file",
            output: format!("{output}/{file}"),
        });
    } else {
        let folder = output_folder(files, found, &json, build.unwrap_or_default());
        let bundle = beside(&found.dir, &folder)?;
        step.comments.push(format!(
            "The folder that `{run} {}` makes was taken to be `{folder}`.",
            build.unwrap_or_default()
        ));
        let name = found.name.as_deref().map_or_else(|| "bundle".to_owned(), word);
        step.outputs.push(bundle.to_string());
        step.artifacts.push(Artifact { name, format: "tar.gz", output: bundle.to_string() });
        step.bundle = Some(bundle);
    }
    step.env.push(("CI", "true".into(), "Tools ask nobody anything."));
    Some(step)
}

/// The commands that install by lockfile; gives what runs a script.
fn install(files: &Files<'_>, found: &Found, json: &Value, step: &mut Step) -> String {
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
    match found.tool {
        Tool::Pnpm => {
            let lock = found.lockfile.as_ref().map(|p| files.glance(p)).unwrap_or_default();
            let old = lock.lines().next().is_some_and(|l| l.contains("6."));
            bring("pnpm", said.unwrap_or(if old { "8.15.9" } else { "9.15.9" }));
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
                    bring("@yarnpkg/cli-dist", said.unwrap_or("4.5.3"));
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

/// Where the bundle goes: what a configuration says, or what the tool in the script does by default.
fn output_folder(files: &Files<'_>, found: &Found, json: &Value, script: &str) -> String {
    let command = json.get("scripts").and_then(|s| s.get(script)).and_then(Value::as_str).unwrap_or_default();
    let plain = |text: &str| {
        let text = text.trim_start_matches("./").trim_end_matches('/');
        let good = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
        (good && beside(&found.dir, text).is_some_and(|p| !p.is_root())).then(|| text.to_owned())
    };
    let words: Vec<&str> = command.split_whitespace().collect();
    for flag in ["--outDir", "--out-dir", "--outdir", "--dist-dir", "--output-path"] {
        let next = words.iter().position(|w| *w == flag).and_then(|at| words.get(at + 1)).copied();
        let joined = words.iter().find_map(|w| w.strip_prefix(flag)?.strip_prefix('='));
        if let Some(folder) = next.or(joined).and_then(plain) {
            return folder;
        }
    }
    for name in ["vite.config.ts", "vite.config.js", "vite.config.mjs", "vite.config.mts", "tsconfig.json"] {
        let Some(path) = files.at(&found.dir, name) else { continue };
        if name.starts_with("ts") && !words.contains(&"tsc")
            || name.starts_with("vite") && !command.contains("vite")
        {
            continue;
        }
        let text = files.glance(&path);
        let after = text.split("outDir").nth(1).unwrap_or_default();
        if let Some(folder) =
            after.split([',', '\n']).next().and_then(|l| l.split(['"', '\'']).rev().nth(1)).and_then(plain)
        {
            return folder;
        }
    }
    match command {
        c if c.contains("next build") => ".next",
        c if c.contains("react-scripts") || c.contains("svelte-kit") => "build",
        c if c.contains("nuxt") => ".output",
        _ => "dist",
    }
    .to_owned()
}
