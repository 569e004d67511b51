//! What the traced steps of a build used.

use engine::usage::{Usage, usage};
use ledger::Dossier;
use model::Trace;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::answer::Table;
use crate::session::Session;

/// How many names of a kind are shown to people; JSON has all.
const SHOWN: usize = 12;

/// A traced step.
#[derive(Serialize)]
pub(super) struct Used {
    build: String,
    step: String,
    trace: model::Digest,
    #[serde(flatten)]
    usage: Usage,
}

/// Every traced step of the builds that are shown.
pub(super) fn all(session: &Session, dossier: &Dossier) -> Result<Vec<Used>, Failure> {
    let mut list = Vec::new();
    for build in dossier.builds.iter().take(super::SHOWN) {
        for row in build.byproducts.iter().filter(|row| row.kind == "trace") {
            let Some(step) = build.steps.iter().find(|step| step.name == row.name) else { continue };
            let trace: Trace =
                serde_json::from_slice(&session.store.read(&row.digest)?).map_err(|error| {
                    Failure::failed(format!("the trace {} is not readable: {error}", row.digest))
                })?;
            let usage = usage(&session.store, &step.components, &trace)?;
            list.push(Used { build: build.id.clone(), step: step.name.clone(), trace: row.digest, usage });
        }
    }
    Ok(list)
}

/// For people.
pub(super) fn text(used: &Used) -> String {
    let Usage { packages, unused_packages, unused_inputs, inputs, writers, lost } = &used.usage;
    let mut table = Table::default();
    let some = |names: Vec<String>| {
        let more = names.len().saturating_sub(SHOWN);
        let shown: Vec<_> = names.into_iter().take(SHOWN).collect();
        let tail = if more > 0 { format!(" and {more} more (--json has them)") } else { String::new() };
        format!("{}{tail}", shown.join(", "))
    };
    if !packages.is_empty() {
        let names = packages.iter().map(|(name, files)| format!("{name} ({files})")).collect();
        table.row(
            "packages used",
            format!("{} of {}: {}", packages.len(), packages.len() + unused_packages.len(), some(names)),
        );
    }
    table.row("inputs used", format!("{} of {inputs}", inputs - unused_inputs.len()));
    if !unused_inputs.is_empty() {
        table.row("not used", some(unused_inputs.clone()));
    }
    table.row("files written", writers.len());
    if *lost > 0 {
        table.row("not heard", format!("{lost} calls: what seems unused may have been used"));
    }
    table.row("all of it", format!("selfsame show --raw {}", used.trace));
    format!("\nstep {} of build {} used\n{}", used.step, used.build, table.text())
}
