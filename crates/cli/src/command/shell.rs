//! `selfsame shell`: the sandbox of a step, by hand.

use std::path::PathBuf;

use sandbox::Exit as Ended;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::project::Project;
use crate::secrets::Given;
use crate::session::Session;

/// Arguments of `shell`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the step
    step: String,
    /// Recipe, or its folder [default: ./selfsame.toml]
    recipe: Option<PathBuf>,
    /// Never fetch: fail if the store lacks an input
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    secrets: Given,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let project = Project::open(args.recipe.as_deref())?;
    let secrets = &args.secrets.read(&project.recipe)?;
    let job = project.job(session, args.offline)?;
    let open = || {
        session.quiet_down();
        let shell = |cx: &engine::Context<'_>| {
            engine::shell::shell(&engine::Context { secrets, ..*cx }, &job, &args.step)
        };
        session.engine(shell).map_err(Failure::from)
    };
    let bring = || project.bring(session, &job, args.offline);
    let ended = session.with_inputs(bring, open)?;
    let exit = match ended {
        Ended::Code(0) => Exit::Ok,
        Ended::Code(code) => Exit::Program(u8::try_from(code).unwrap_or(1)),
        Ended::Signal(signal) => Exit::Signal(u8::try_from(signal).unwrap_or(1)),
        Ended::Cancelled => Exit::stopped(),
        _ => Exit::Failed, // a limit was reached
    };
    Ok(Answer { exit, data: json!({ "step": args.step }), text: String::new() })
}
