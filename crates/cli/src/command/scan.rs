//! `selfsame scan`: what in finished files tells of a machine, a person or a secret.

use std::collections::BTreeSet;
use std::path::PathBuf;

use engine::leaks::{Scanned, Scanner, files, wanted};
use engine::secrets::Secrets;
use model::{Conditions, Leak, LeakRule, Severity, Timestamp};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::machine::machine;
use crate::output::answer::Answer;
use crate::output::safe::plain;

/// How many findings of one file are shown to people; programs see all.
const SHOWN: usize = 8;

/// Arguments of `scan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, and folders with all that lies in them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Look by these rules only: build-path, debug-path, host-path, host-name, user-name, private-key, token
    /// [default: all]
    #[arg(long = "rule", value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    rules: Vec<LeakRule>,
    /// Take this for a folder of the machine that built; may be given several times
    #[arg(long = "path", value_name = "DIR")]
    folders: Vec<String>,
    /// Take this for the path that it was built in [default: /build/src]
    #[arg(long, value_name = "DIR")]
    build_path: Option<String>,
}

/// Every rule but that of secrets, of which there are none here.
fn rule(text: &str) -> Result<LeakRule, String> {
    let known = LeakRule::ALL.into_iter().filter(|rule| *rule != LeakRule::Secret);
    known.clone().find(|rule| rule.as_str() == text).ok_or_else(|| {
        let known: Vec<&str> = known.map(LeakRule::as_str).collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// Needs no store and no ledger.
pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let here = std::env::current_dir().map_err(|e| Failure::io("open", ".".as_ref(), e))?;
    let mut machine = machine(&[&here]);
    machine.paths.extend(args.folders.iter().cloned());
    let mut conditions = Conditions::canonical(Timestamp(0));
    conditions.build_path = args.build_path.clone().unwrap_or(conditions.build_path);
    let mut wanted = wanted(&conditions, &machine, &Secrets::none());
    if !args.rules.is_empty() {
        wanted.rules = args.rules.iter().copied().collect::<BTreeSet<_>>();
    }
    let list = files(&args.paths, &Scanner::new(&wanted))
        .map_err(|(path, error)| Failure::io("look at", &path, error))?;
    Ok(answer(&list))
}

fn answer(list: &[Scanned]) -> Answer {
    let mut text = String::new();
    let mut rows = Vec::new();
    let (mut counts, mut failed, mut unread) = ([0_u64; 3], 0, 0);
    for scanned in list {
        let path = scanned.path.display().to_string();
        let scan = match &scanned.result {
            Ok(scan) => scan,
            Err(error) => {
                failed += 1;
                text.push_str(&format!("{}: not read: {}\n", plain(&path), plain(&error.to_string())));
                rows.push(json!({ "path": path, "error": error.to_string() }));
                continue;
            }
        };
        for leak in &scan.leaks {
            counts[leak.severity as usize] += 1;
        }
        for (rule, more) in &scan.more {
            counts[rule.severity() as usize] += more;
        }
        unread += scan.unread.len();
        if !scan.leaks.is_empty() || !scan.unread.is_empty() {
            text.push_str(&lines(&path, &scan.leaks));
            rows.push(json!({ "path": path, "error": null, "findings": scan.leaks, "more": scan.more,
                              "unread": scan.unread }));
        }
    }
    let [info, warn, error] = counts;
    text.push_str(&format!("{} files: {error} error, {warn} warn, {info} info", list.len()));
    if unread > 0 {
        text.push_str(&format!("; {unread} not opened (--json says why)"));
    }
    let exit = if failed > 0 || warn + error > 0 { Exit::Failed } else { Exit::Ok };
    let data = json!({ "looked": list.len(), "counts": { "error": error, "warn": warn, "info": info },
                       "failed": failed, "files": rows });
    Answer { exit, data, text }
}

/// The findings of a file for people, the heaviest first; what weighs nothing is counted.
fn lines(path: &str, leaks: &[Leak]) -> String {
    let mut told: Vec<&Leak> = leaks.iter().filter(|leak| leak.severity > Severity::Info).collect();
    told.sort_by_key(|leak| std::cmp::Reverse(leak.severity));
    let mut text: String = told.iter().take(SHOWN).map(|leak| finding(path, leak)).collect();
    if told.len() > SHOWN {
        text.push_str(&format!("  and {} more in {}\n", told.len() - SHOWN, plain(path)));
    }
    text
}

/// One finding for people: what, where, and what would keep it out.
pub(crate) fn finding(path: &str, leak: &Leak) -> String {
    let place = if leak.place.is_empty() { path.to_owned() } else { format!("{path}!/{}", leak.place) };
    let times = if leak.count == 1 { String::new() } else { format!(", {} times", leak.count) };
    format!(
        "{} {} {}: {} (at byte {}{times})\n  {}\n",
        leak.severity.as_str(),
        leak.rule,
        plain(&place),
        plain(&leak.excerpt),
        leak.offset,
        plain(&leak.advice)
    )
}

/// The finding in JSON, as in a report.
pub(crate) fn counts(leaks: &[Leak]) -> Value {
    let count = |severity| leaks.iter().filter(|l| l.severity == severity && l.allowed.is_none()).count();
    let allowed = leaks.iter().filter(|l| l.allowed.is_some()).count();
    json!({ "error": count(Severity::Error), "warn": count(Severity::Warn), "info": count(Severity::Info),
            "allowed": allowed })
}
