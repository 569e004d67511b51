//! `selfsame image lock`: what a Dockerfile needs, written beside it.

use std::path::PathBuf;

use super::dockerfile::Dockerfile;
use crate::command::lock;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::secrets::Given;
use crate::session::Session;

/// Arguments of `image lock`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder that COPY takes files from [default: .]
    context: Option<PathBuf>,
    #[command(flatten)]
    dockerfile: Dockerfile,
    /// Write nothing; fail if the lock would change
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    secrets: Given,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    let Some(project) = args.dockerfile.project(args.context.as_deref(), &args.secrets)? else {
        return Err(Failure::invalid("no Dockerfile is given").help(
            "give it: `selfsame image lock -f Dockerfile`; what a recipe needs, `selfsame lock` locks",
        ));
    };
    lock::locked(session, &project, args.check, &args.secrets)
}
