//! What a step uses of the network's registries, and what runs at lock time to record it.

use std::collections::BTreeSet;

use super::checker::Checker;
use super::raw::RawStep;
use crate::ecosystem::{self, Ecosystem};

/// The ecosystems, sorted, and the commands that are recorded: the step's `record`, else what the ecosystems know to
/// prefetch, else what the step runs.
pub(super) fn lower(checker: &mut Checker, raw: &RawStep) -> (Vec<Ecosystem>, Vec<String>) {
    let mut uses = BTreeSet::new();
    for word in &raw.uses {
        if let Some(ecosystem) = checker.parsed::<Ecosystem>(word, "not an ecosystem")
            && !uses.insert(ecosystem)
        {
            checker.wrong(word, "this ecosystem stands twice", "", Some("remove one".into()));
        }
    }
    let uses: Vec<Ecosystem> = uses.into_iter().collect();
    let Some(record) = &raw.record else {
        let run = || raw.run.get_ref().iter().map(|c| c.get_ref().clone()).collect();
        let record =
            if uses.is_empty() { Vec::new() } else { ecosystem::prefetch(&uses).unwrap_or_else(run) };
        return (uses, record);
    };
    if uses.is_empty() && raw.uses.is_empty() {
        let help =
            "say whose tools they run, such as `uses = [\"npm\"]`, or `uses = [\"web\"]` for any address";
        checker.wrong(record, "commands to record, in a step that uses nothing", "", Some(help.into()));
    }
    if record.get_ref().is_empty() {
        let help = "leave `record` out to record what the step runs";
        checker.wrong(record, "nothing to record", "", Some(help.into()));
    }
    for command in record.get_ref() {
        if command.get_ref().trim().is_empty() || command.get_ref().contains('\0') {
            checker.wrong(command, "not a command", "it is empty or holds a NUL byte", None);
        }
    }
    (uses, record.get_ref().iter().map(|c| c.get_ref().clone()).collect())
}
