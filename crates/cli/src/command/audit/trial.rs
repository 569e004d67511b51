//! What the last build of a recipe was seen to attempt, or what one does that is made now.

use std::path::{Path, PathBuf};

use engine::observation::Observation;
use engine::secrets::Secrets;
use inputs::audit::{Observed, Sheet};
use ledger::{Filter, Kind};
use model::Digest;

use crate::args::{Globals, Sandbox};
use crate::command::build::{self, Options};
use crate::failure::Failure;
use crate::project::Project;
use crate::session::Session;

/// Attempts of every recipe among the files. Without a trial, a home that cannot be opened says nothing.
pub(super) fn observed(
    globals: &Globals,
    folder: &Path,
    files: &[Sheet],
    trial: bool,
) -> Result<Vec<Observed>, Failure> {
    let recipes: Vec<&str> = files
        .iter()
        .map(|sheet| sheet.path.as_str())
        .filter(|path| path.rsplit('/').next() == Some("selfsame.toml"))
        .collect();
    if recipes.is_empty() {
        return Ok(Vec::new());
    }
    let session = match Session::open(globals, !trial) {
        Ok(session) => session,
        Err(failure) if trial => return Err(failure),
        Err(_) => return Ok(Vec::new()),
    };
    let _lease = session.store.lease()?;
    let mut list = Vec::new();
    for recipe in recipes {
        let project = match Project::open(Some(&folder.join(recipe))) {
            Ok(project) => project,
            Err(failure) if trial => return Err(failure),
            Err(_) => continue,
        };
        let found = if trial { tried(&session, &project)? } else { last(&session, &project) };
        list.extend(found.into_iter().map(|(step, violation)| Observed {
            recipe: recipe.to_owned(),
            step,
            violation,
        }));
    }
    session.quiet_down();
    Ok(list)
}

type Attempts = Vec<(String, model::Violation)>;

/// Builds, as `selfsame build` does. A step that fails by what it attempted is an answer too.
fn tried(session: &Session, project: &Project) -> Result<Attempts, Failure> {
    let out: PathBuf = session.home.join("trial");
    let options = Options {
        out: Some(out),
        key: None,
        builder_id: None,
        offline: false,
        trace: false,
        secrets: Default::default(),
        sandbox: Sandbox::Sealed,
    };
    match build::finish(session, project, &options, &Secrets::none(), false) {
        Ok(done) => {
            let runs = done.built.steps.iter().filter_map(|run| Some((run.step.clone(), run.observation?)));
            Ok(runs.flat_map(|(step, digest)| attempts(session, &step, &digest)).collect())
        }
        Err(failure) if !failure.violations.is_empty() => {
            let step = failure.step().unwrap_or_default().to_owned();
            Ok(failure.violations.iter().map(|v| (step.clone(), v.clone())).collect())
        }
        Err(failure) => Err(failure),
    }
}

/// What the ledger remembers of the newest build of this very recipe.
fn last(session: &Session, project: &Project) -> Attempts {
    let filter =
        Filter { kind: Some(Kind::Build), recipe: Some(project.recipe.name.clone()), ..Filter::default() };
    let entry = session.ledger.log(1, &filter).ok().and_then(|list| list.into_iter().next());
    let build = entry.and_then(|entry| session.ledger.build(&entry.build?).ok().flatten());
    // Another recipe of the same name, or an older text, says nothing about this one.
    let Some(build) = build.filter(|b| b.recipe_digest == Digest::of(project.text.as_bytes())) else {
        return Vec::new();
    };
    let rows = build.byproducts.iter().filter(|row| row.kind == "observation");
    rows.flat_map(|row| attempts(session, &row.name, &row.digest)).collect()
}

fn attempts(session: &Session, step: &str, digest: &Digest) -> Attempts {
    let bytes = session.store.read(digest).unwrap_or_default();
    let observation: Option<Observation> = serde_json::from_slice(&bytes).ok();
    observation.into_iter().flat_map(|o| o.violations).map(|v| (step.to_owned(), v)).collect()
}
