//! What was found in artifacts when they were made.

use engine::leaks::Report;
use ledger::{Dossier, Found};
use serde::Serialize;

use crate::command::scan;
use crate::failure::Failure;
use crate::session::Session;

/// How many findings of an artifact are shown to people; JSON has all.
const SHOWN: usize = 12;

/// A report, and where it is.
#[derive(Serialize)]
pub(super) struct Looked {
    build: String,
    blob: model::Digest,
    #[serde(flatten)]
    report: Report,
}

/// The reports of the builds that are shown: of the artifact that is asked for, or of all. Each once, of its newest build.
pub(super) fn all(session: &Session, dossier: &Dossier) -> Result<Vec<Looked>, Failure> {
    let asked = match &dossier.subject {
        Found::Digest { sha256, .. } => Some(sha256),
        Found::Build { .. } => None,
    };
    let mut list: Vec<Looked> = Vec::new();
    for build in dossier.builds.iter().take(super::SHOWN) {
        for row in build.byproducts.iter().filter(|row| row.kind == "leaks") {
            // The ledger may be on a machine that never had the blobs.
            if list.iter().any(|known| known.blob == row.digest) || !session.store.contains(&row.digest) {
                continue;
            }
            let report: Report =
                serde_json::from_slice(&session.store.read(&row.digest)?).map_err(|error| {
                    Failure::failed(format!("the report {} is not readable: {error}", row.digest))
                })?;
            // A digest of something else, such as a source: then all artifacts count.
            let artifact = build.artifacts.iter().any(|artifact| Some(&artifact.digest.sha256) == asked);
            if !artifact || Some(&report.digest.sha256) == asked {
                list.push(Looked { build: build.id.clone(), blob: row.digest, report });
            }
        }
    }
    Ok(list)
}

/// For people.
pub(super) fn text(looked: &Looked) -> String {
    let report = &looked.report;
    let mut text = format!("\nleaks in {} (build {})\n", report.artifact, looked.build);
    let counting = report.counting();
    for leak in counting.iter().take(SHOWN) {
        text.push_str(&indented(&scan::finding(&report.artifact, leak)));
    }
    let info = report.count(model::Severity::Info);
    let allowed = report.findings.iter().filter(|leak| leak.allowed.is_some()).count();
    let unseen = usize::try_from(report.unseen()).unwrap_or(usize::MAX);
    let more = counting.len().saturating_sub(SHOWN).saturating_add(unseen);
    let rest: Vec<String> = [
        (more, "more"),
        (info, "that are only worth knowing"),
        (allowed, "allowed by the recipe"),
        (report.unread.len(), "not opened"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    match (rest.is_empty(), counting.is_empty() && unseen == 0) {
        (true, true) => text.push_str("  none\n"),
        (true, false) => {}
        (false, _) => {
            text.push_str(&format!("  {} (`selfsame show --raw {}`)\n", rest.join(", "), looked.blob));
        }
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
