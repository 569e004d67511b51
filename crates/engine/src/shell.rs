//! Opens the sandbox of a step by hand: the same root, inputs, environment and conditions.

use gateway::Replay;
use sandbox::{Exit, Io, Spec};

use crate::job::EARLIEST;
use crate::network::Network;
use crate::{BuildError, Context, Job, network, plan, record};

/// Builds what `step` needs and opens `/bin/sh` where its commands would run. Gives how the shell ended.
///
/// What is done in it is thrown away; nothing of it enters the cache.
///
/// # Errors
/// If a step before it fails or the sandbox cannot be set up.
pub fn shell(cx: &Context<'_>, job: &Job, step: &str) -> Result<Exit, BuildError> {
    let Some(step) = job.recipe.step(step) else {
        let nearby = job.recipe.steps.iter().map(|s| s.name.clone()).collect();
        let reference = format!("step:{step}");
        return Err(BuildError::Reference { user: "shell".into(), reference, nearby });
    };
    let conditions = job.conditions();
    let done = record::before(cx, job, step)?;
    let mut action = plan::action(cx.store, job, step, &conditions, &done, cx.degraded)?;
    action.env.insert("PS1".into(), format!("{}:$PWD$ ", step.name));
    let root = cx.store.materialise(&action.toolchain, EARLIEST)?;
    let work = cx.store.materialise_writable(&action.work, conditions.source_date_epoch)?;
    let scratch = cx.store.scratch()?;
    let transcript = network::transcript(cx, &action)?;
    let open = |digest: &model::Digest| cx.store.open_blob(digest).map_err(std::io::Error::other);
    let replay = transcript.as_ref().map(|transcript| Replay::new(transcript, &step.uses, &open));
    let network = replay.as_ref().map(|replay| Network::new(step, &action, replay)).transpose()?;
    let shell = ["/bin/sh".to_owned(), "-i".to_owned()];
    let outcome = sandbox::run(Spec {
        files: sandbox::Files::Trees { root: &root, work: &work },
        scratch: scratch.path(),
        arguments: &shell,
        env: &action.env,
        secrets: &cx.secrets.files(step),
        gateway: network.as_ref().map(|network| network as &dyn sandbox::Gateway),
        conditions: &conditions,
        timeout: None,
        limits: action.limits,
        trace: false,
        degraded: cx.degraded,
        io: Io::Terminal,
        cancel: cx.cancel,
    })
    .map_err(|source| BuildError::Sandbox { step: step.name.clone(), source })?;
    Ok(outcome.exit)
}
