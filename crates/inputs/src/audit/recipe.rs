//! Recipes: what they leave open.

use std::collections::BTreeMap;

use super::command::{self, Facts, Place};
use super::finding::Page;
use super::locks::folder_of;
use super::read::node::Node;
use super::read::toml;
use super::rule::{Id, Severity};

pub(crate) fn look(page: &mut Page<'_>, facts: &Facts) {
    let Some(root) = toml::read(page.text) else { return };
    if root.get("selfsame").is_none() {
        return;
    }
    let name = page.path.rsplit('/').next().unwrap_or_default();
    let lock = format!("{}{}", folder_of(page.path), name.replace(".toml", ".lock"));
    if !facts.paths.contains(&lock) {
        page.whole(Id::Rcp01, "git has no lock beside it", "run `selfsame lock` and commit the file");
    }
    if let Some(toolchain) = root.get("toolchain") {
        let debian = toolchain.text(&["kind"]) == Some("debian");
        if debian && toolchain.get("snapshot").is_none() {
            let message = "packages are resolved from the archive as it is; later it has others";
            let at = toolchain.get("kind").map_or(0..0, |kind| kind.span.clone());
            page.add(Id::Rcp02, at, message, "add `snapshot` and `snapshot-mirror`");
        }
        if toolchain.text(&["kind"]) == Some("host") {
            let at = toolchain.get("kind").map_or(0..0, |kind| kind.span.clone());
            page.add(
                Id::Tool03,
                at,
                "the toolchain is whatever this machine has",
                "take a `debian` or `image` toolchain for a release",
            )
            .at(Severity::Warn);
        }
    }
    let pinned = root.at(&["conditions", "level"]).is_some_and(|n| n.str() == Some("pinned"))
        || root.at(&["conditions", "clock"]).is_some_and(|n| n.str() != Some("host"));
    if !pinned {
        let at = root.get("conditions").map_or(0..0, |n| n.span.start..n.span.start);
        page.add(
            Id::Rcp04,
            at,
            "programs that ignore SOURCE_DATE_EPOCH see the time of the build",
            "add `level = \"pinned\"` to [conditions], if rebuilds differ by it",
        );
    }
    let tops = root.get("violations").into_iter();
    let steps = root.get("step").map(Node::items).unwrap_or_default();
    for table in tops.chain(steps.iter().filter_map(|step| step.get("violations"))) {
        for (key, value) in table.entries() {
            if matches!(value.str(), Some("warn" | "off")) {
                let message =
                    format!("attempts of the kind `{}` do not fail the step", key.str().unwrap_or_default());
                page.add(Id::Rcp03, value.inner(page.text), message, "write \"deny\", or leave it away")
                    .at(Severity::Warn);
            }
        }
    }
    for step in steps {
        for run in step.get("run").map(Node::items).unwrap_or_default() {
            if let Some((text, at)) = run.script(page.text) {
                command::commands(page, &text, at, Place::Recipe, facts, &BTreeMap::new());
            }
        }
    }
}

/// `.pre-commit-config.yaml`.
pub(crate) fn hooks(page: &mut Page<'_>) {
    for root in super::read::yaml::read(page.text) {
        for repository in root.get("repos").map(Node::items).unwrap_or_default() {
            if matches!(repository.text(&["repo"]), Some("local" | "meta")) {
                continue;
            }
            if let Some(rev) =
                repository.get("rev").filter(|r| r.str().is_some_and(|t| !command::is_commit(t)))
            {
                page.add(
                    Id::Tool07,
                    rev.inner(page.text),
                    "a tag, which can be moved",
                    "run `pre-commit autoupdate --freeze`",
                );
            }
        }
    }
}
