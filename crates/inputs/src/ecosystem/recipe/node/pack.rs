//! What is packed for a registry, and what has to be run before.

use model::RelPath;
use serde_json::Value;

use super::{shell, word};
use crate::ecosystem::{Files, Found, Tool};

/// The scripts that publishers run before packing, the most fitting first.
const BEFORE: &[&str] = &["prepack", "prepare", "prepublishOnly", "prepublish"];

/// The file that npm makes of a package, as a word.
pub(super) fn file(name: &str, version: &str) -> String {
    word(&format!("{}-{version}.tgz", name.trim_start_matches('@').replace('/', "-")))
}

/// The command that packs the package in the current folder. pnpm and later yarns put versions in the place of
/// `workspace:` and `catalog:`, as npm cannot; yarn 1 would write the time into what it packs, and npm does not.
pub(super) fn command(tool: Tool, run: &str, to: &str, file: &str) -> String {
    match tool {
        Tool::Pnpm => format!("npm_config_ignore_scripts=true pnpm pack --pack-destination {to}"),
        Tool::YarnBerry => {
            format!("{} pack --out {}", run.trim_end_matches(" run"), shell(&format!("{to}/{file}")))
        }
        _ => format!("npm pack --ignore-scripts --pack-destination {to}"),
    }
}

/// The script without which something that is to be packed is not there.
pub(super) fn publishes(files: &Files<'_>, found: &Found, json: &Value) -> Option<&'static str> {
    let scripts = json.get("scripts")?.as_object()?;
    // Hooks of git are set up for people.
    let says = |name: &&&str| {
        let command = scripts.get(**name).and_then(Value::as_str).unwrap_or_default();
        let hooks = ["husky", "simple-git-hooks", "lefthook", "patch-package"];
        !command.is_empty() && (!hooks.iter().any(|h| command.contains(h)) || command.contains("&&"))
    };
    is_incomplete(files, &found.dir, json).then(|| BEFORE.iter().find(says).copied())?
}

/// Whether the manifest names something to be packed or loaded that is in no file of the repository.
fn is_incomplete(files: &Files<'_>, dir: &RelPath, json: &Value) -> bool {
    let mut named: Vec<&str> =
        ["main", "module", "types"].iter().filter_map(|key| json.get(*key)?.as_str()).collect();
    match json.get("bin") {
        Some(Value::String(path)) => named.push(path),
        Some(Value::Object(table)) => named.extend(table.values().filter_map(Value::as_str)),
        _ => {}
    }
    let listed = json.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    named.extend(listed.filter(|path| !path.starts_with('!')));
    named.iter().any(|path| {
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let plain = path.split('*').next().unwrap_or_default();
        // Of a pattern its first folders; a file may be named without its ending.
        let Ok(place) = plain.trim_end_matches('/').parse::<RelPath>() else { return false };
        let place = dir.join(&place);
        let name = place.as_str();
        !place.is_root() && !files.paths().any(|p| p.as_str().starts_with(name))
    })
}

/// A package of a workspace that is published.
pub(super) struct Member {
    /// Below the root of the workspace.
    dir: RelPath,
    file: String,
}

impl Member {
    pub(super) fn pack(&self, tool: Tool, run: &str) -> String {
        let up = "../".repeat(self.dir.components().count());
        // A yarn of the repository is named from the root.
        let run = match run.strip_prefix("node ") {
            Some(own) => format!("node {up}{own}"),
            None => run.to_owned(),
        };
        let pack = command(tool, &run, &format!("{up}out"), &self.file);
        format!("(cd {} && {pack})", shell(self.dir.as_str()))
    }
}

/// The published packages of a workspace, in the order of their folders.
pub(super) fn members(files: &Files<'_>, found: &Found) -> Vec<Member> {
    let member = |dir: &RelPath| {
        let manifest = files.at(dir, "package.json")?;
        let json: Value = serde_json::from_str(&files.glance(&manifest)).ok()?;
        let private = json.get("private").and_then(Value::as_bool).unwrap_or(false);
        let (name, version) = (json.get("name")?.as_str()?, json.get("version")?.as_str()?);
        (!private).then(|| Member { dir: dir.below(&found.dir), file: file(name, version) })
    };
    found.members.iter().filter_map(member).collect()
}

/// Runs `build` in each package that has it, what a package needs before it.
pub(super) fn build_each(found: &Found, members: &[Member], run: &str) -> Vec<String> {
    match found.tool {
        Tool::Pnpm => vec!["pnpm -r --if-present run build".to_owned()],
        Tool::YarnBerry => {
            let yarn = run.trim_end_matches(" run");
            vec![format!("{yarn} workspaces foreach --all --topological-dev run build")]
        }
        // It has no such order, nor has npm: that of the folders is taken.
        Tool::YarnClassic => members
            .iter()
            .map(|m| format!("(cd {} && npm run --if-present build)", shell(m.dir.as_str())))
            .collect(),
        _ => vec!["npm run build --workspaces --if-present".to_owned()],
    }
}
