//! What the stages of a step tell while they run.

use std::time::Instant;

use model::Event;
use model::event::Outcome;
use model::recipe::Step;
use model::violation::{Kind, Policy, Violation};

use crate::Context;

/// Tells of what was attempted; says which of it counts, and whether some of that is denied.
///
/// What is merely not there, or could not be changed, counts only in a step that has `failed`.
pub(crate) fn judge(
    cx: &Context<'_>,
    step: &Step,
    violations: &[Violation],
    failed: bool,
) -> (Vec<Violation>, bool) {
    let (mut counted, mut denied) = (Vec::new(), false);
    for violation in violations {
        let always = matches!(violation.kind, Kind::Network | Kind::Call);
        let policy = step.policies.of(violation.kind);
        if policy == Policy::Off || !(always || failed) {
            continue;
        }
        denied |= policy == Policy::Deny;
        counted.push(violation.clone());
        let (step, violation) = (step.name.clone(), violation.clone());
        (cx.events)(Event::Violation { step, policy, violation });
    }
    (counted, denied)
}

/// Tells that a stage of a step is over.
pub(crate) fn finished(
    cx: &Context<'_>,
    stage: &'static str,
    step: &str,
    outcome: Outcome,
    detail: String,
    millis: u64,
) {
    (cx.events)(Event::Finished { stage, name: step.to_owned(), outcome, detail, millis });
}

/// Since then.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Warns of a step that ran without a layer of its sandbox.
pub(crate) fn less_sealed(cx: &Context<'_>, step: &str, achieved: &sandbox::Achieved) {
    if let Some(layers) = achieved.degraded.as_ref().filter(|layers| !layers.is_empty()) {
        let text =
            format!("step `{step}` ran LESS SEALED than a build should: without {}", layers.join(", "));
        let advice = Some(
            "provenance says so: do not release this. `selfsame doctor` says what would fix it".to_owned(),
        );
        (cx.events)(Event::Warning { text, advice });
    }
}
