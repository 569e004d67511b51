//! `selfsame image`: images as files, and in registries.

mod beside;
mod pull;
mod push;

use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::session::Session;

/// Arguments of `image`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Push an image to a registry, and attach its provenance and SBOMs (uses the network)
    Push(push::Args),
    /// Pull an image from a registry into an OCI layout (uses the network)
    Pull(pull::Args),
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Push(args) => push::run(session, args),
        What::Pull(args) => pull::run(session, args),
    }
}
