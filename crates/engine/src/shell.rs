//! Opens the sandbox of a step by hand: the same root, inputs, environment and conditions.

use std::collections::BTreeMap;

use sandbox::{Exit, Io, Spec};

use crate::job::EARLIEST;
use crate::plan::{self, Results};
use crate::{BuildError, Context, Job, build, graph, run, sweep};

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
    let mut before: BTreeMap<&str, &model::recipe::Step> = BTreeMap::new();
    let mut open: Vec<&str> = step.needs().collect();
    while let Some(need) = open.pop() {
        let found = job.recipe.step(need).expect("references were checked");
        before.insert(need, found);
        open.extend(found.needs());
    }
    if let Some(secret) = cx.secrets.lacking(step) {
        return Err(BuildError::NoSecret { step: step.name.clone(), secret });
    }
    build::secrets_are_given(
        cx,
        job,
        &before.keys().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
        &conditions,
        false,
    )?;
    let tasks = before
        .values()
        .map(|s| graph::Task { name: s.name.clone(), needs: s.needs().map(str::to_owned).collect() });
    let done: Results = sweep::beside(cx.jobs, |sweeper| {
        graph::run(tasks.collect(), cx.jobs.max(1), |name, done| {
            let action = plan::action(cx.store, job, before[name], &conditions, done, cx.degraded)?;
            run::run(cx, sweeper, before[name], &action, None, false).map(|(result, _)| result)
        })
    })?;
    let mut action = plan::action(cx.store, job, step, &conditions, &done, cx.degraded)?;
    action.env.insert("PS1".into(), format!("{}:$PWD$ ", step.name));
    let root = cx.store.materialise(&action.toolchain, EARLIEST)?;
    let work = cx.store.materialise_writable(&action.work, conditions.source_date_epoch)?;
    let scratch = cx.store.scratch()?;
    let shell = ["/bin/sh".to_owned(), "-i".to_owned()];
    let outcome = sandbox::run(Spec {
        root: &root,
        work: &work,
        scratch: scratch.path(),
        arguments: &shell,
        env: &action.env,
        secrets: &cx.secrets.files(step),
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
