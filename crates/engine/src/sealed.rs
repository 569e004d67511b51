//! One run of an action's command in the sandbox.

use std::path::Path;

use model::action::Action;
use model::recipe::Step;
use sandbox::{Exit, Io, Outcome, Spec};
use store::Scratch;

use crate::{BuildError, Context};

/// The trees of an action on disk.
pub(crate) struct Place<'a> {
    pub(crate) root: &'a Path,
    pub(crate) work: &'a Path,
}

/// One run of an action's command, to its end; a stopped one is an error.
pub(crate) fn in_sandbox(
    cx: &Context<'_>,
    step: &Step,
    action: &Action,
    place: &Place<'_>,
    trace: bool,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(Outcome, Scratch), BuildError> {
    let scratch = cx.store.scratch()?;
    let outcome = sandbox::run(Spec {
        root: place.root,
        work: place.work,
        scratch: scratch.path(),
        arguments: &action.arguments(),
        env: &action.env,
        conditions: &action.conditions,
        timeout: Some(action.timeout),
        memory: action.memory,
        trace,
        io: Io::Log { sink },
        cancel: cx.cancel,
    })
    .map_err(|source| BuildError::Sandbox { step: step.name.clone(), source })?;
    if outcome.exit == Exit::Cancelled { Err(BuildError::Cancelled) } else { Ok((outcome, scratch)) }
}
