//! `selfsame update`: the one deliberate way to move what is locked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use inputs::TOOLCHAIN;
use model::Transcript;
use model::lock::{Lock, MANIFEST};
use model::recipe::Source;
use model::transcript::{Answered, Asked};
use serde_json::{Value, json};

use super::lock::{dockerfile, record, replace};
use super::toolchain::told;
use crate::failure::Failure;
use crate::output::answer::{Answer, Table};
use crate::project::Project;
use crate::secrets::Given;
use crate::session::Session;

/// How many requests of a step people are shown.
const SHOWN: usize = 40;

/// Arguments of `update`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What moves: `toolchain`, sources that are images by tag, steps that fetch, artifacts of a Dockerfile (what its
    /// commands fetch), or images that one names
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Vec<String>,
    /// Move the toolchain, every source that is an image by tag and every step that fetches
    #[arg(long)]
    all: bool,
    /// Write nothing, only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Recipe, or its folder [default: ./selfsame.toml]
    #[arg(long, value_name = "RECIPE")]
    pub(super) recipe: Option<PathBuf>,
    #[command(flatten)]
    secrets: Given,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let project = Project::open(args.recipe.as_deref())?;
    let secrets = args.secrets.read(&project.recipe)?;
    let path = project.lock_path();
    let before_text = project.lock_text()?;
    let before = Lock::parse(&path.display().to_string(), &before_text)?;
    let steps: BTreeSet<&str> =
        project.recipe.steps.iter().filter(|s| !s.uses.is_empty()).map(|s| s.name.as_str()).collect();
    let dockerfiles = of_dockerfiles(&project, &before);
    for name in args.name.iter().filter(|name| !dockerfiles.contains(name.as_str())) {
        check(&project, &steps, &dockerfiles, name)?;
    }
    let moves = |name: &str| args.all || args.name.iter().any(|n| n == name);
    let resolve =
        || session.inputs(&project.dir, |cx| inputs::update(cx, &project.recipe, Some(&before), &moves));
    let mut after = session.with_inputs(|| Ok(()), || resolve().map_err(Failure::from))?;
    record::record(session, &project, &mut after, Some(&before), &moves, &secrets)?;
    dockerfile::record(session, &project, &mut after, Some(&before), &moves, &secrets)?;
    let text = after.to_text();
    let changed = text != before_text;
    if changed && !args.dry_run {
        replace(&path, &text)?;
    }
    let state = match (changed, args.dry_run) {
        (false, _) => " (unchanged)",
        (true, true) => " (not written)",
        (true, false) => "",
    };
    let mut table = Table::default();
    table.row("lock", format!("{}{state}", path.display()));
    let changes = before.toolchain.changes(&after.toolchain);
    for change in &changes {
        table.row(format!("{} {}", change.kind, change.name), told(change));
    }
    let moved = moved(&before, &after);
    for row in &moved {
        let manifest = |side: &str| row[side].as_str().unwrap_or("nothing").to_owned();
        let title = format!("source {}", row["name"].as_str().unwrap_or_default());
        table.row(title, format!("{} → {}", manifest("before"), manifest("after")));
    }
    let mut rows = BTreeMap::new();
    for name in before.steps.keys().chain(after.steps.keys()).collect::<BTreeSet<_>>() {
        let of = |lock: &Lock| lock.steps.get(name).map(|s| s.requests.clone()).unwrap_or_default();
        let (first, second) = (of(&before), of(&after));
        let list = differences(&first, &second);
        for (sign, asked) in list.iter().take(SHOWN) {
            table.row(format!("step {name}"), format!("{sign}: {asked}"));
        }
        if list.len() > SHOWN {
            table.row("…", format!("{} requests more; --json lists all", list.len() - SHOWN));
        }
        let row = |(sign, asked): &(&str, &Asked)| {
            json!({ "request": asked.to_string(), "change": sign,
                "before": first.0.get(*asked).map(answer), "after": second.0.get(*asked).map(answer) })
        };
        rows.insert(name.clone(), list.iter().map(row).collect::<Vec<Value>>());
    }
    let data = json!({
        "lock": path, "changed": changed, "written": changed && !args.dry_run,
        "toolchain": changes, "sources": moved, "requests": rows,
    });
    Ok(Answer::ok(data, table.text()))
}

/// A name must be of something that can move.
/// Sources that are images and have another manifest now.
fn moved(before: &Lock, after: &Lock) -> Vec<Value> {
    let manifest =
        |lock: &Lock, name: &String| Some(lock.sources.get(name)?.file(MANIFEST)?.digest.to_string());
    let row = |name: &String| {
        let (before, after) = (manifest(before, name), manifest(after, name));
        (before != after).then(|| json!({ "name": name, "before": before, "after": after }))
    };
    after
        .sources
        .iter()
        .filter(|(_, source)| source.origin.moves())
        .filter_map(|(name, _)| row(name))
        .collect()
}

/// The artifacts that have a Dockerfile, whose commands fetch, and the images that it names.
fn of_dockerfiles<'a>(project: &'a Project, lock: &'a Lock) -> BTreeSet<&'a str> {
    let artifacts = project.recipe.artifacts.iter().filter(|artifact| artifact.dockerfile().is_some());
    let images = lock.sources.keys().filter_map(|name| name.strip_prefix("FROM ")?.rsplit(' ').next());
    artifacts.map(|artifact| artifact.name.as_str()).chain(images).collect()
}

fn check(
    project: &Project,
    steps: &BTreeSet<&str>,
    others: &BTreeSet<&str>,
    name: &str,
) -> Result<(), Failure> {
    let recipe = &project.recipe;
    let moves =
        |name: &str| matches!(recipe.sources.get(name), Some(Source::Fetched(origin)) if origin.moves());
    if name == TOOLCHAIN || steps.contains(name) || moves(name) {
        return Ok(());
    }
    let pinned =
        recipe.sources.contains_key(name) || recipe.toolchain.archives.iter().any(|a| a.name == name);
    if pinned {
        let title = format!("`{name}` is pinned by the recipe itself, and so does not move by itself");
        return Err(Failure::invalid(title)
            .help("change its commit, hash or version there, then run `selfsame lock`"));
    }
    let images = recipe.sources.keys().map(String::as_str).filter(|name| moves(name));
    let known: Vec<String> = [TOOLCHAIN]
        .into_iter()
        .chain(images)
        .chain(steps.iter().copied())
        .chain(others.iter().copied())
        .map(|name| format!("`{name}`"))
        .collect();
    Err(Failure::invalid(format!("there is nothing called `{name}` that could move"))
        .help(format!("expected {}", known.join(" or "))))
}

/// Requests that are not answered as before, in the order of the locators.
fn differences<'a>(before: &'a Transcript, after: &'a Transcript) -> Vec<(&'static str, &'a Asked)> {
    let all: BTreeSet<&Asked> = before.0.keys().chain(after.0.keys()).collect();
    all.into_iter()
        .filter_map(|asked| match (before.0.get(asked), after.0.get(asked)) {
            (None, _) => Some(("new", asked)),
            (_, None) => Some(("gone", asked)),
            (Some(first), Some(second)) => (first != second).then_some(("changed", asked)),
        })
        .collect()
}

fn answer(answered: &Answered) -> Value {
    json!({ "status": answered.status, "body": answered.body })
}

#[cfg(test)]
mod tests {
    use model::Digest;
    use model::transcript::Place;

    use super::*;

    #[test]
    fn requests_are_new_gone_or_changed() {
        let asked = |path: &str| Asked::get(Place::Url(format!("https://example.org/{path}")));
        let answered = |body: &[u8]| Answered {
            status: 200,
            body: Digest::of(body),
            content_type: None,
            location: None,
        };
        let before =
            Transcript([("a", b"1"), ("b", b"1"), ("c", b"1")].map(|(p, b)| (asked(p), answered(b))).into());
        let after =
            Transcript([("b", b"1"), ("c", b"2"), ("d", b"1")].map(|(p, b)| (asked(p), answered(b))).into());
        let found: Vec<_> =
            differences(&before, &after).into_iter().map(|(sign, a)| (sign, a.clone())).collect();
        assert_eq!(found, [("gone", asked("a")), ("changed", asked("c")), ("new", asked("d"))]);
    }
}
