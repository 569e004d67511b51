//! JavaScript: packages for a registry, or a folder that a bundler makes.

mod install;
mod pack;

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
    let members = if package.is_none() { pack::members(files, found) } else { Vec::new() };
    if build.is_none() && package.is_none() && members.is_empty() {
        return None;
    }
    let mut step = Step::new(found, "build");
    step.need(&["nodejs", "npm"]);
    let text = files.glance(&found.manifest);
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    step.enter();
    let run = if found.lockfile.is_some() || found.lock_command.is_some() {
        let run = install::commands(files, found, &json, &mut step);
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
    match build {
        Some(script) => step.run.push(format!("{run} {script}")),
        None if !members.is_empty() => step.run.extend(pack::build_each(found, &members, &run)),
        None => {
            if let Some(script) = pack::publishes(files, found, &json) {
                step.comments.push(format!(
                    "`{script}` is what its publisher runs before packing: without it something of what is packed is missing."
                ));
                step.run.push(format!("{run} {script}"));
            }
        }
    }
    if let Some(name) = package {
        let version = found.version.as_deref().unwrap_or_default();
        let file = pack::file(name, version);
        step.run.push("mkdir -p out".to_owned());
        step.run.push(pack::command(found.tool, &run, "out", &file));
        let output = step.place("out");
        step.outputs.push(output.clone());
        step.artifacts.push(Artifact {
            name: file.clone(),
            format: "file",
            output: format!("{output}/{file}"),
        });
    } else if !members.is_empty() {
        step.run.push("mkdir -p out".to_owned());
        step.run.extend(members.iter().map(|member| member.pack(found.tool, &run)));
        step.pack("out", "packages", "dir");
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
