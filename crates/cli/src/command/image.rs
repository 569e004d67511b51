//! `selfsame image`: build images, look at them, compare them. A room: one file for each subcommand.

mod build;
mod diff;
mod inspect;
mod place;

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
    /// Build the images of the recipe, and nothing else of it
    Build(build::Args),
    /// Say what an image is: digests, how it is run, layers and what is in them
    Inspect(inspect::Args),
    /// Say in what two images differ, and at which level: files, layers or manifest
    Diff(diff::Args),
}

impl Args {
    /// True if nothing is recorded.
    pub(crate) const fn asks(&self) -> bool {
        matches!(self.what, What::Inspect(_) | What::Diff(_))
    }
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Build(args) => build::run(session, args),
        What::Inspect(args) => inspect::run(session, args),
        What::Diff(args) => diff::run(session, args),
    }
}
