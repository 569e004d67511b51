//! `selfsame normalize`: what a build tool wrote, without when, where and by whom.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use engine::normalize::{Kind, Limits, Normal, NormalOptions, Outcome, normalize};
use model::Timestamp;
use model::recipe::{Rule, UnknownRule};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::output::safe::plain;
use crate::session::environment;

/// How many changes of one file are shown to people; programs see all.
const SHOWN: usize = 8;

/// Arguments of `normalize`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, and folders with all that lies in them; links are not followed
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write nothing: end with 1 and a list if something would be changed
    #[arg(long)]
    check: bool,
    /// Later times become this one, in seconds since 1970 [default: SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32))]
    epoch: Option<u32>,
    /// Change by these rules only: archive-metadata, compression, documentation, file-order, jar-class, pyc,
    /// random-id, timestamp, umask-mode, user-group [default: all]
    #[arg(long = "rule", value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    rules: Vec<Rule>,
}

fn rule(text: &str) -> Result<Rule, UnknownRule> {
    text.parse()
}

/// Needs no store and no ledger.
pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let usage = |title: &str| {
        let help =
            "give --epoch SECONDS, such as `--epoch $(git log -1 --format=%ct)`, or set SOURCE_DATE_EPOCH";
        Failure::failed(title).with_exit(Exit::Usage).help(help)
    };
    let epoch = match (args.epoch, environment().get("SOURCE_DATE_EPOCH")) {
        (Some(epoch), _) => epoch,
        (None, Some(text)) => text
            .parse()
            .map_err(|_| usage("SOURCE_DATE_EPOCH is not a number of seconds from 0 to 4294967295"))?,
        (None, None) => return Err(usage("no epoch is given, and times have to be normalised to one")),
    };
    let rules = if args.rules.is_empty() { Rule::ALL.into() } else { args.rules.iter().copied().collect() };
    let options = NormalOptions { epoch: Timestamp(epoch.into()), rules, limits: Limits::default() };
    let outcome = normalize(&args.paths, &options, args.check)
        .map_err(|(path, error)| Failure::io("look at", &path, error))?;
    Ok(answer(&outcome, args.check))
}

fn answer(outcome: &Outcome, check: bool) -> Answer {
    let changed = outcome.files.iter().filter(|file| !file.changes.is_empty()).count();
    let failed = outcome.files.iter().filter(|file| file.error.is_some()).count();
    let mut text: String = outcome.files.iter().map(lines).collect();
    let would = if check { "would be changed" } else { "changed" };
    text.push_str(&format!("{changed} of {} files {would}", outcome.known));
    if failed > 0 {
        text.push_str(&format!(", {failed} could not be normalised"));
    }
    let exit = if failed > 0 || check && changed > 0 { Exit::Failed } else { Exit::Ok };
    let data = json!({
        "files": outcome.files.iter().map(row).collect::<Vec<_>>(),
        "looked": outcome.looked, "known": outcome.known, "changed": changed, "failed": failed, "check": check,
    });
    Answer { exit, data, text }
}

fn row(file: &Normal) -> Value {
    json!({
        "path": file.path.display().to_string(), "kind": file.kind, "changes": file.changes, "left": file.left,
        "error": file.error.as_ref().map(|error| sentence(error)),
    })
}

/// An error with its causes.
fn sentence(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A file for people: its changes by rule, and the first of them.
fn lines(file: &Normal) -> String {
    let path = file.path.display().to_string();
    if let Some(error) = &file.error {
        return format!("{}: not normalised: {}\n", plain(&path), plain(&sentence(error)));
    }
    let mut text = String::new();
    if !file.changes.is_empty() {
        let mut rules: BTreeMap<Rule, usize> = BTreeMap::new();
        for change in &file.changes {
            *rules.entry(change.rule).or_default() += 1;
        }
        let rules: Vec<String> = rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        let kind = file.kind.map_or("", Kind::as_str);
        text.push_str(&format!("{} ({kind}): {}\n", plain(&path), rules.join(", ")));
    }
    for change in file.changes.iter().take(SHOWN) {
        let place = if change.place.is_empty() { "" } else { &format!("{}: ", plain(&change.place)) };
        let (before, after) = (plain(&change.before), plain(&change.after));
        text.push_str(&format!("  {place}{}: {before} -> {after}\n", change.rule));
    }
    if file.changes.len() > SHOWN {
        text.push_str(&format!("  and {} more\n", file.changes.len() - SHOWN));
    }
    for left in &file.left {
        let place = if left.place.is_empty() { path.clone() } else { format!("{path}!/{}", left.place) };
        text.push_str(&format!("{}: left as it is: {}\n", plain(&place), plain(&left.reason)));
    }
    text
}
