//! One run of an action's command in the sandbox.

use std::path::Path;

use model::action::Action;
use model::recipe::Step;
use sandbox::{Exit, Files, Io, Outcome, Spec};
use store::Scratch;

use crate::secrets::Guard;
use crate::{BuildError, Context};

/// The trees of an action on disk, and what stands between it and everybody else.
pub(crate) struct Place<'a> {
    pub(crate) root: &'a Path,
    pub(crate) work: &'a Path,
    pub(crate) guard: &'a Guard,
    /// For a step that fetches.
    pub(crate) network: Option<&'a dyn sandbox::Gateway>,
}

/// One run of an action's command, to its end; a stopped one is an error. What `sink` gets may hold secrets; the
/// outcome does not.
pub(crate) fn in_sandbox(
    cx: &Context<'_>,
    step: &Step,
    action: &Action,
    place: &Place<'_>,
    trace: bool,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(Outcome, Scratch), BuildError> {
    let scratch = cx.store.scratch()?;
    let mut outcome = sandbox::run(Spec {
        files: Files::Trees { root: place.root, work: place.work },
        scratch: scratch.path(),
        arguments: &action.arguments(),
        env: &action.env,
        secrets: &cx.secrets.files(step),
        gateway: place.network,
        conditions: &action.conditions,
        timeout: Some(action.timeout),
        limits: action.limits,
        trace,
        degraded: action.degraded,
        io: Io::Log { sink },
        cancel: cx.cancel,
    })
    .map_err(|source| BuildError::Sandbox { step: step.name.clone(), source })?;
    outcome.violations = place.guard.violations(&outcome.violations);
    outcome.trace = outcome.trace.map(|trace| place.guard.trace(trace));
    if outcome.exit == Exit::Cancelled { Err(BuildError::Cancelled) } else { Ok((outcome, scratch)) }
}
