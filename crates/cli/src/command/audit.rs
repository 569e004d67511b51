//! `selfsame audit`: what floats or leaks in a repository.

mod made;
mod text;
mod trial;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use inputs::Host;
use inputs::audit::{
    Content, Finding, Online, Report, Severity, Sheet, apply, ask, audit, edits, expiring, sarif, sheets,
};
use serde_json::{Value, json};

use crate::args::Globals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::output::safe::plain;
use crate::rewrite;
use crate::session::{environment, now};

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders, of which the git-tracked files are looked at, and files
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Print a SARIF 2.1.0 log instead
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// End with 1 if a finding weighs this much, or more
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    fail_on: FailOn,
    /// Mend what can be mended mechanically, and show the changes
    #[arg(long)]
    fix: bool,
    /// With --fix: show the changes and write nothing
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Build the recipes first, and add what their steps attempt (uses the network if inputs are missing)
    #[arg(long)]
    trial: bool,
    /// Ask registries and forges too: for versions that were withdrawn or are new, and commits of actions
    #[arg(long)]
    online: bool,
    /// With --online: a release is new for so many days
    #[arg(long, value_name = "DAYS", default_value_t = 7, requires = "online")]
    cooldown: u32,
    /// With --online: forge that actions are on [default: that of the repository's own remote]
    #[arg(long, value_name = "URL", requires = "online")]
    forge: Option<String>,
}

/// What ends with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum FailOn {
    /// Anything
    Info,
    /// What may make builds differ
    Warn,
    /// What will
    #[default]
    Error,
    /// Nothing
    Never,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Answer, Failure> {
    let env = environment();
    let (folder, only) = place(&args.paths);
    let read = || sheets(&env, &folder, &only).map_err(|e| Failure::from(inputs::InputError::Git(e)));
    let mut files = read()?;
    let (observed, mut noted) = trial::observed(globals, &folder, &files, args.trial)?;
    noted.extend(expiring(&files, now()));
    let mut unasked = Vec::new();
    if args.online {
        let host = Host::discover(&env);
        let forge = super::pin::forge(&env, &folder, args.forge.as_deref());
        let online = Online { host: &host, forge: &forge, now: now(), cooldown: args.cooldown };
        let (found, problems) = ask(online, &files);
        noted.extend(found);
        unasked = problems;
    }
    let mut report = audit(&files, &observed, &noted);
    let mut changes = Vec::new();
    let mut shown = String::new();
    if args.fix {
        (changes, shown) = mend(&folder, &files, &report, args.dry_run)?;
        if !args.dry_run && !changes.is_empty() {
            files = read()?;
            report = audit(&files, &observed, &noted);
        }
    }
    let exit = if fails(&report, args.fail_on) { Exit::Failed } else { Exit::Ok };
    if args.sarif {
        let log = sarif(&report, env!("CARGO_PKG_VERSION")).to_string();
        return Ok(Answer { exit, data: Value::Null, text: log });
    }
    let mut data = data(&report, &changes);
    data["unasked"] = json!(unasked);
    let mut text = shown + &text::text(&report, &files);
    for sentence in &unasked {
        text.push_str(&format!("not asked: {}\n", plain(sentence)));
    }
    Ok(Answer { exit, data, text })
}

/// The folder that paths are relative to, and the paths; one folder alone is that folder.
pub(crate) fn place(paths: &[PathBuf]) -> (PathBuf, Vec<PathBuf>) {
    match paths {
        [one] if one.is_dir() => (one.clone(), Vec::new()),
        many => (PathBuf::from("."), many.to_vec()),
    }
}

fn fails(report: &Report, on: FailOn) -> bool {
    match on {
        FailOn::Info => report.fails(Severity::Info),
        FailOn::Warn => report.fails(Severity::Warn),
        FailOn::Error => report.fails(Severity::Error),
        FailOn::Never => false,
    }
}

/// Makes the mechanical changes; gives the paths and what changed.
fn mend(
    folder: &Path,
    files: &[Sheet],
    report: &Report,
    dry: bool,
) -> Result<(Vec<String>, String), Failure> {
    let mut changed = Vec::new();
    let mut shown = String::new();
    for sheet in files {
        let Content::Text(text) = &sheet.content else { continue };
        let new = apply(text, &edits(&report.findings, &sheet.path));
        if new == *text {
            continue;
        }
        shown.push_str(&rewrite::difference(&sheet.path, text, &new));
        if !dry {
            rewrite::write(&folder.join(&sheet.path), &new)?;
        }
        changed.push(sheet.path.clone());
    }
    Ok((changed, shown))
}

fn data(report: &Report, changed: &[String]) -> Value {
    let list = |findings: &[Finding]| findings.iter().map(finding).collect::<Vec<_>>();
    let bars: serde_json::Map<String, Value> = inputs::audit::Bar::ALL
        .iter()
        .zip(report.bars)
        .map(|(bar, score)| (bar.as_str().to_owned(), json!(score)))
        .collect();
    let points: Vec<Value> = report
        .points
        .iter()
        .map(|p| json!({ "id": p.id, "title": p.title, "state": p.state.as_str(), "why": p.why, "raise": p.raise }))
        .collect();
    json!({
        "findings": list(&report.findings), "allowed": list(&report.allowed), "files": report.files,
        "counts": { "error": report.count(Severity::Error), "warn": report.count(Severity::Warn),
                    "info": report.count(Severity::Info) },
        "score": report.score(), "bars": bars, "readiness": points, "maturity": report.maturity.as_str(),
        "changed": changed,
    })
}

fn finding(finding: &Finding) -> Value {
    let edit = finding.edit.as_ref();
    json!({
        "rule": finding.rule.id, "title": finding.rule.title, "why": finding.rule.why,
        "severity": finding.severity.as_str(), "bar": finding.rule.bar.as_str(),
        "points": finding.rule.points.iter().map(|p| format!("R{p}")).collect::<Vec<_>>(),
        "file": finding.file, "line": finding.line, "column": finding.column,
        "end_line": finding.end.0, "end_column": finding.end.1, "evidence": finding.evidence,
        "message": finding.message, "fix": finding.fix, "observed": finding.observed,
        "allowed": finding.allowed,
        "edit": edit.map(|e| json!({ "start": e.span.start, "end": e.span.end, "text": e.text })),
    })
}
