//! Looks through what is shipped for what tells of a machine, a person or a secret, and keeps what was found.
//!
//! What a leak is is [`artifact::Scanner`]'s to say; here artifacts are handed to it, with what this run knows of the machine
//! and of the secrets that were given, and the recipe's lines that allow one are applied. What is found of an artifact is
//! a report ([`Report`]), a blob like a log: the ledger and provenance name it, so that it is found again by the artifact's
//! digest. The same bytes are looked through once, except where secrets are looked for: of these nothing is remembered.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use artifact::{LEAK_VERSION, Scan, Wanted};
use model::event::{Event, Outcome};
use model::leak::Unread;
use model::recipe::{AllowedLeak, Artifact};
use model::tree::Node;
use model::{Conditions, Digest, Leak, LeakRule, Severity};
use serde::{Deserialize, Serialize};

pub use artifact::{Machine, Scanner};
pub use files::{Scanned, files};

use crate::build::Built;
use crate::package::Packed;
use crate::tell::{finished, millis};
use crate::{BuildError, Context, Job};

/// Where scans are kept, by everything that decides them.
const SCANS: &str = "leaks";

/// Media type of a report.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.selfsame.leaks+json";

/// What was found in one artifact. The form of the blob is specified in `docs/formats/leaks.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The artifact's name.
    pub artifact: String,
    /// Its digest.
    pub digest: Digest,
    /// What looked.
    pub scanner: String,
    /// By place, then rule.
    pub findings: Vec<Leak>,
    /// How many there are beyond those, by rule.
    #[serde(deserialize_with = "more")]
    pub more: BTreeMap<LeakRule, u64>,
    /// What could not be looked into.
    pub unread: Vec<Unread>,
}

/// A report that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screened {
    /// The report.
    pub report: Report,
    /// Of its blob.
    pub digest: Digest,
}

impl Report {
    /// How many findings of that weight nobody allowed.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|leak| leak.severity == severity && leak.allowed.is_none()).count()
    }

    /// The findings that keep the artifact from being released, the heaviest first.
    #[must_use]
    pub fn counting(&self) -> Vec<&Leak> {
        let mut list: Vec<&Leak> = self.findings.iter().filter(|leak| leak.counts()).collect();
        list.sort_by_key(|leak| std::cmp::Reverse(leak.severity));
        list
    }

    /// How many more there are that were not kept and weigh more than [`Severity::Info`]: as nobody has held them against the
    /// recipe's lines, none of them is allowed.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.more.iter().filter(|(rule, _)| rule.severity() > Severity::Info).map(|(_, count)| count).sum()
    }

    /// The encoding: sorted keys, no white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_value(self).expect("plain values are JSON").to_string()
    }
}

/// Reports of the first version have one number.
fn more<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<LeakRule, u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum More {
        ByRule(BTreeMap<LeakRule, u64>),
        InAll(u64),
    }
    Ok(match More::deserialize(from)? {
        More::ByRule(more) => more,
        // Of which rules they are was not kept: the heaviest is the safe one.
        More::InAll(0) => BTreeMap::new(),
        More::InAll(count) => BTreeMap::from([(LeakRule::Secret, count)]),
    })
}

/// What is looked for in what was built under these conditions, on this machine, with these secrets.
#[must_use]
pub fn wanted(conditions: &Conditions, machine: &Machine, secrets: &crate::secrets::Secrets) -> Wanted {
    Wanted {
        build_paths: vec![conditions.build_path.clone(), conditions.home.clone()],
        machine: machine.clone(),
        secrets: secrets.forms(),
        rules: LeakRule::ALL.into(),
    }
}

/// Looks through every artifact of a build. What is found is in [`Built::leaks`] then, and told.
///
/// # Errors
/// If the store fails.
pub fn scan(cx: &Context<'_>, job: &Job, built: &mut Built, machine: &Machine) -> Result<(), BuildError> {
    let scanner = Scanner::new(&wanted(&built.conditions, machine, cx.secrets));
    let mut list = Vec::new();
    for packed in &built.artifacts {
        if cx.cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let begin = Instant::now();
        let (scan, cached) = scanned(cx, &scanner, packed)?;
        let Scan { leaks, more, unread } = scan;
        let mut report = Report {
            artifact: packed.name.clone(),
            digest: packed.digest,
            scanner: LEAK_VERSION.to_owned(),
            findings: leaks,
            more,
            unread,
        };
        if let Some(artifact) = job.recipe.artifact(&packed.name) {
            allow(cx, artifact, &mut report);
        }
        if !cached {
            finished(cx, "scan", &packed.name, Outcome::Done, summary(&report), millis(begin));
        }
        let digest = cx.store.put(report.to_json().as_bytes())?;
        list.push(Screened { report, digest });
    }
    built.leaks = list;
    Ok(())
}

/// Fails if a report has a finding that keeps an artifact from being released.
///
/// # Errors
/// [`BuildError::Leaks`], with all of them.
pub fn deny(built: &Built) -> Result<(), BuildError> {
    let with = built
        .leaks
        .iter()
        .filter(|screened| !screened.report.counting().is_empty() || screened.report.unseen() > 0);
    let reports: Vec<Report> = with.map(|screened| screened.report.clone()).collect();
    if reports.is_empty() { Ok(()) } else { Err(BuildError::Leaks { reports }) }
}

/// How many there are, in words; empty if there are none.
fn summary(report: &Report) -> String {
    let words: Vec<String> = [Severity::Error, Severity::Warn, Severity::Info]
        .into_iter()
        .map(|severity| (report.count(severity), severity.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    words.join(", ")
}

/// Marks the findings that a line of the recipe allows, and tells of lines that allow nothing.
fn allow(cx: &Context<'_>, artifact: &Artifact, report: &mut Report) {
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for leak in &mut report.findings {
        let covers = |line: &AllowedLeak| line.rule == leak.rule && line.path.covers(&leak.place);
        if let Some(at) = artifact.allow_leaks.iter().position(covers) {
            leak.allowed = Some(artifact.allow_leaks[at].reason.clone());
            used.insert(at);
        }
    }
    // Of two artifacts of one table, the lines speak of either.
    let lines = artifact.allow_leaks.iter().enumerate().filter(|_| artifact.name == report.artifact);
    for (_, line) in lines.filter(|(at, _)| !used.contains(at)) {
        let text = format!(
            "{}: the line that allows `{}` at `{}` allows nothing that is there",
            artifact.name, line.rule, line.path
        );
        (cx.events)(Event::Note { text });
    }
}

/// What is found in one artifact, and whether that was known.
fn scanned(cx: &Context<'_>, scanner: &Scanner, packed: &Packed) -> Result<(Scan, bool), BuildError> {
    let key = scanner.identity().map(|identity| {
        let parts = serde_json::json!([packed.name, packed.format, packed.digest, identity.to_string()]);
        Digest::of(parts.to_string().as_bytes())
    });
    if let Some(key) = &key
        && let Some(text) = cx.store.memo_get(SCANS, key)
        && let Ok((leaks, more, unread)) = serde_json::from_slice(&text)
    {
        return Ok((Scan { leaks, more, unread }, true));
    }
    let mut scanning = scanner.begin();
    let failed = |path: &str, digest: &Digest, source: std::io::Error| {
        let path = format!("{}/{path} ({digest})", packed.name).into();
        store::StoreError::Io { doing: "read", path, source }
    };
    match packed.node() {
        Node::Directory(root) => {
            for (path, node) in cx.store.walk(&root)? {
                match node {
                    Node::File { digest, .. } => {
                        let mut file = cx.store.open_blob(&digest)?;
                        let read = scanning.member(path.as_str(), &mut file);
                        read.map_err(|error| failed(path.as_str(), &digest, error))?;
                    }
                    Node::Symlink(target) => scanning.link(path.as_str(), &target),
                    Node::Directory(_) => {}
                }
            }
        }
        _ => {
            let mut file = cx.store.open_blob(&packed.digest)?;
            let read = scanning.file(&packed.name, &mut file);
            read.map_err(|error| failed("", &packed.digest, error))?;
        }
    }
    let scan = scanning.finish();
    if let Some(key) = &key {
        let text = serde_json::json!([scan.leaks, scan.more, scan.unread]).to_string();
        cx.store.memo_put(SCANS, key, text.as_bytes())?;
    }
    Ok((scan, false))
}
