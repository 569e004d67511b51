//! `selfsame image`: build images, look at them, compare them, carry them to registries and back. A room: one file for
//! each subcommand.

mod beside;
mod build;
mod diff;
mod dockerfile;
mod inspect;
mod lock;
mod place;
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
    /// Build the images of the recipe, and nothing else of it
    Build(build::Args),
    /// Lock what a Dockerfile needs, without a recipe: images, and what its commands fetch (uses the network)
    Lock(lock::Args),
    /// Say what an image is: digests, how it is run, layers and what is in them
    Inspect(inspect::Args),
    /// Say in what two images differ, and at which level: files, layers or manifest
    Diff(diff::Args),
    /// Push an image to a registry, and attach its provenance and SBOMs (uses the network)
    Push(push::Args),
    /// Pull an image from a registry into an OCI layout (uses the network)
    Pull(pull::Args),
}

impl Args {
    /// Whether a Dockerfile is meant, without a recipe.
    pub(super) const fn dockerfile(&self) -> bool {
        match &self.what {
            What::Build(args) => args.dockerfile.is_given(),
            What::Lock(_) => true,
            _ => false,
        }
    }

    /// The recipe whose images are built, if some are: none is the one here.
    pub(super) fn builds(&self) -> Option<Option<&std::path::Path>> {
        match &self.what {
            What::Build(args) => Some(args.recipe.as_deref()),
            _ => None,
        }
    }

    /// True if nothing is recorded.
    pub(crate) const fn asks(&self) -> bool {
        matches!(self.what, What::Inspect(_) | What::Diff(_) | What::Push(_) | What::Pull(_))
    }
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<Answer, Failure> {
    match &args.what {
        What::Build(args) => build::run(session, args),
        What::Lock(args) => lock::run(session, args),
        What::Inspect(args) => inspect::run(session, args),
        What::Diff(args) => diff::run(session, args),
        What::Push(args) => push::run(session, args),
        What::Pull(args) => pull::run(session, args),
    }
}
