//! npm packages: against `npm ci`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::recorded::{Recorded, is_file};
use super::served::Served;
use super::{NPM, ROUNDS, replay};
use crate::bench::project::Bench;
use crate::bench::timing::{Aim, Row, Side, alternate, timed};

const STEPS: &str = "[[step]]\nname = \"build\"\nuses = [\"npm\"]\n\
                     run = [\"npm ci --ignore-scripts --omit=dev --no-audit --no-fund\", \"mkdir out\", \
                     \"cp npm-shrinkwrap.json out/\"]";

/// What `npm` is told besides.
const QUIET: [&str; 4] = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"];

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let recorded = Recorded::new(bench, &NPM, STEPS)?;
    let source = recorded.source(bench, "npm-source")?;
    let served = Served::new(bench, "npm")?;
    recorded.copy(bench, &served.folder, is_file)?;
    let native = Native { source: &source, served: &served, cache: bench.work.join("npm-cache") };
    fetch(bench, &recorded, &native, rows)?;
    replay::npm(bench, &recorded, &native, rows)
}

fn fetch(bench: &Bench, recorded: &Recorded, native: &Native<'_>, rows: &mut Vec<Row>) -> Result<(), String> {
    let ours = |verb: &str| {
        let mut command = native.served.selfsame(bench, "NPM", "/npm");
        command.arg(verb).arg(&recorded.dir);
        command
    };
    let what = format!("{} npm packages", recorded.packages());
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let cold: Side<'_> = Box::new(|| {
        recorded.forget(bench)?;
        timed(&mut ours("fetch"), &mut a)
    });
    let npm: Side<'_> = Box::new(|| {
        bench.fresh("npm-cache")?;
        native.empty();
        timed(&mut native.npm(&["ci"]), &mut b)
    });
    let [cold, npm] = <[_; 2]>::try_from(alternate(ROUNDS, &mut [cold, npm])?).expect("two sides");
    rows.push(Row {
        what: format!("fetch, none of {what} in the store"),
        ours: cold,
        peer: Some(("npm ci, nothing cached".to_owned(), npm)),
        aim: Aim::Ratio(1.0),
    });

    let mut c = Vec::new();
    let warm: Side<'_> = Box::new(|| timed(&mut ours("fetch"), &mut a));
    let lock: Side<'_> = Box::new(|| timed(&mut ours("lock"), &mut b));
    let known: Side<'_> = Box::new(|| {
        native.empty();
        timed(&mut native.npm(&["ci", "--prefer-offline"]), &mut c)
    });
    let [warm, lock, known] =
        <[_; 3]>::try_from(alternate(ROUNDS, &mut [warm, lock, known])?).expect("three sides");
    let peer = Some(("npm ci, all cached".to_owned(), known));
    for (verb, ours) in [("fetch", warm), ("lock", lock)] {
        let what = format!("{verb} with nothing to do, {what}");
        rows.push(Row { what, ours, peer: peer.clone(), aim: Aim::Ratio(1.0) });
    }
    Ok(())
}

/// The host's own `npm`, asking the registry of this run.
pub(super) struct Native<'a> {
    pub(super) source: &'a Path,
    served: &'a Served,
    /// Of packages.
    pub(super) cache: PathBuf,
}

impl Native<'_> {
    /// The registry's address.
    pub(super) fn registry(&self) -> String {
        format!("{}/npm/", self.served.base)
    }

    fn npm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("npm");
        command
            .args(arguments)
            .args(QUIET)
            .current_dir(self.source)
            .env("npm_config_registry", self.registry())
            .env("npm_config_cafile", &self.served.authority)
            .env("npm_config_cache", &self.cache)
            .env("npm_config_update_notifier", "false");
        command
    }

    fn empty(&self) {
        crate::bench::remove(&self.source.join("node_modules"));
    }
}
