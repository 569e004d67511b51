//! What the last build of a recipe was seen to attempt, or what one does that is made now.

use std::path::{Path, PathBuf};

use engine::observation::Observation;
use engine::secrets::Secrets;
use inputs::audit::{Noted, Observed, Sheet};
use ledger::{Filter, Kind};
use model::recipe::Format;
use model::{Conditions, Digest};

use super::made;
use crate::args::{Globals, Leaks, Sandbox};
use crate::command::build::{self, Options};
use crate::failure::Failure;
use crate::project::Project;
use crate::session::Session;

/// Attempts of every recipe among the files, and what is told of its artifacts. Without a trial, a home that cannot be
/// opened says nothing.
pub(super) fn observed(
    globals: &Globals,
    folder: &Path,
    files: &[Sheet],
    trial: bool,
) -> Result<(Vec<Observed>, Vec<Noted>), Failure> {
    let recipes: Vec<&str> = files
        .iter()
        .map(|sheet| sheet.path.as_str())
        .filter(|path| path.rsplit('/').next() == Some("selfsame.toml"))
        .collect();
    if recipes.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let session = match Session::open(globals, !trial) {
        Ok(session) => session,
        Err(failure) if trial => return Err(failure),
        Err(_) => return Ok((Vec::new(), Vec::new())),
    };
    let _lease = session.store.lease()?;
    let (mut list, mut noted) = (Vec::new(), Vec::new());
    for recipe in recipes {
        let project = match Project::open(Some(&folder.join(recipe))) {
            Ok(project) => project,
            Err(failure) if trial => return Err(failure),
            Err(_) => continue,
        };
        let found = if trial { tried(&session, &project)? } else { last(&session, &project) };
        if let Some(conditions) = &found.conditions {
            noted.extend(made::noted(&session, (recipe, &project.text), &found.artifacts, conditions));
        }
        list.extend(found.attempts.into_iter().map(|(step, violation)| Observed {
            recipe: recipe.to_owned(),
            step,
            violation,
        }));
    }
    session.quiet_down();
    Ok((list, noted))
}

/// What is known of a build.
#[derive(Default)]
struct Seen {
    attempts: Vec<(String, model::Violation)>,
    artifacts: Vec<made::Artifact>,
    conditions: Option<Conditions>,
}

/// Builds, as `selfsame build` does. A step that fails by what it attempted is an answer too.
fn tried(session: &Session, project: &Project) -> Result<Seen, Failure> {
    let out: PathBuf = session.home.join("trial");
    let options = Options {
        out: Some(out),
        key: None,
        builder_id: None,
        offline: false,
        trace: false,
        secrets: Default::default(),
        sandbox: Sandbox::Sealed,
        leaks: Leaks::Off,
    };
    match build::finish(session, project, &options, &Secrets::none(), false) {
        Ok(done) => {
            let runs = done.built.steps.iter().filter_map(|run| Some((run.step.clone(), run.observation?)));
            let attempts = runs.flat_map(|(step, digest)| attempts(session, &step, &digest)).collect();
            let artifacts = done.built.artifacts.iter();
            let artifacts = artifacts.map(|a| (a.name.clone(), a.format == Format::Dir, a.digest)).collect();
            Ok(Seen { attempts, artifacts, conditions: Some(done.built.conditions.clone()) })
        }
        Err(mut failure) => match failure.attempts.take_if(|attempts| !attempts.violations.is_empty()) {
            Some(attempts) => {
                let step = attempts.step;
                let attempts = attempts.violations.into_iter().map(|v| (step.clone(), v)).collect();
                Ok(Seen { attempts, ..Seen::default() })
            }
            None => Err(failure),
        },
    }
}

/// What the ledger remembers of the newest build of this very recipe.
fn last(session: &Session, project: &Project) -> Seen {
    let filter =
        Filter { kind: Some(Kind::Build), recipe: Some(project.recipe.name.clone()), ..Filter::default() };
    let entry = session.ledger.log(1, &filter).ok().and_then(|list| list.into_iter().next());
    let build = entry.and_then(|entry| session.ledger.build(&entry.build?).ok().flatten());
    // Another recipe of the same name, or an older text, says nothing about this one.
    let Some(build) = build.filter(|b| b.recipe_digest == Digest::of(project.text.as_bytes())) else {
        return Seen::default();
    };
    let rows = build.byproducts.iter().filter(|row| row.kind == "observation");
    let attempts = rows.flat_map(|row| attempts(session, &row.name, &row.digest)).collect();
    let artifacts = build.artifacts.iter();
    let artifacts = artifacts.map(|a| (a.name.clone(), a.format == Format::Dir.as_str(), a.digest)).collect();
    Seen { attempts, artifacts, conditions: serde_json::from_value(build.conditions).ok() }
}

fn attempts(session: &Session, step: &str, digest: &Digest) -> Vec<(String, model::Violation)> {
    let bytes = session.store.read(digest).unwrap_or_default();
    let observation: Option<Observation> = serde_json::from_slice(&bytes).ok();
    observation.into_iter().flat_map(|o| o.violations).map(|v| (step.to_owned(), v)).collect()
}
