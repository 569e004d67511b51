//! The verbs: this table, and one file for each.

pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod fetch;
mod ids;
pub(crate) mod image;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod mirror;
pub(crate) mod normalize;
pub(crate) mod pin;
pub(crate) mod rebuild;
pub(crate) mod reproduce;
pub(crate) mod scan;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod store;
pub(crate) mod toolchain;
pub(crate) mod update;
pub(crate) mod verify;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::args::Globals;
use crate::failure::Failure;
use crate::output::answer::Answer;
use crate::session::Session;

/// Builds software sealed, proves that it comes out the same, and lets nothing else ship.
#[derive(Debug, Parser)]
#[command(name = "selfsame", version, max_term_width = 100, subcommand_required = true)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) globals: Globals,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a first recipe for the project in this folder
    Init(init::Args),
    /// Say what floats or leaks in this repository, and how ready it is
    Audit(audit::Args),
    /// Rewrite images to digests and actions to commits, in place (uses the network)
    Pin(pin::Args),
    /// Resolve every input of the recipe and write selfsame.lock (uses the network)
    Lock(lock::Args),
    /// Move locked inputs on to what there is now, showing what changes (uses the network)
    Update(update::Args),
    /// Bring the locked inputs into the store (uses the network)
    Fetch(fetch::Args),
    /// Carry locked inputs to where there is no network, or serve them
    Mirror(mirror::Args),
    /// Build in the sandbox, pack, write SBOMs and signed provenance
    Build(build::Args),
    /// Build container images, look at them, compare them, push and pull them
    Image(image::Args),
    /// Build, build again, compare, verify: the whole proof in one command
    Reproduce(reproduce::Args),
    /// Open a shell in the sandbox of a step
    Shell(shell::Args),
    /// Take out of finished files what says when, where and by whom they were made
    Normalize(normalize::Args),
    /// Say what in finished files tells of a machine, a person or a secret
    Scan(scan::Args),
    /// Check an artifact against its signed provenance, offline
    Verify(verify::Args),
    /// Build again from a bundle alone and compare
    Rebuild(rebuild::Args),
    /// Show everything known about a digest, an artifact or a build
    Show(show::Args),
    /// List what happened, newest first
    Log(log::Args),
    /// Look at locked toolchains
    Toolchain(toolchain::Args),
    /// Look after the store of bytes
    Store(store::Args),
    /// Look after signing keys
    Key(key::Args),
    /// Tell what this host can do, and what would fix what it cannot
    Doctor(doctor::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Verb {
    /// The word on the command line; also the name of its JSON schema.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Audit(_) => "audit",
            Self::Pin(_) => "pin",
            Self::Lock(_) => "lock",
            Self::Update(_) => "update",
            Self::Fetch(_) => "fetch",
            Self::Mirror(_) => "mirror",
            Self::Build(_) => "build",
            Self::Image(_) => "image",
            Self::Reproduce(_) => "reproduce",
            Self::Shell(_) => "shell",
            Self::Normalize(_) => "normalize",
            Self::Scan(_) => "scan",
            Self::Verify(_) => "verify",
            Self::Rebuild(_) => "rebuild",
            Self::Show(_) => "show",
            Self::Log(_) => "log",
            Self::Toolchain(_) => "toolchain",
            Self::Store(_) => "store",
            Self::Key(_) => "key",
            Self::Doctor(_) => "doctor",
            Self::Completions(_) => "completions",
        }
    }
}

/// Runs the verb.
pub(crate) fn run(cli: &Cli) -> Result<Answer, Failure> {
    // While there is one thread only.
    if ids::are_needed(cli) {
        sandbox::take_ids()?;
    }
    let open = || Session::open(&cli.globals, asks(&cli.verb));
    let with = |work: &dyn Fn(&Session) -> Result<Answer, Failure>| {
        let session = open()?;
        // Held to the end: nothing is collected that this run has found in the store, or makes.
        let _lease = (!collects(&cli.verb)).then(|| session.store.lease()).transpose()?;
        let result = work(&session);
        session.quiet_down();
        result
    };
    match &cli.verb {
        Verb::Init(args) => init::run(args),
        Verb::Audit(args) => audit::run(&cli.globals, args),
        Verb::Pin(args) => pin::run(args),
        Verb::Normalize(args) => normalize::run(args),
        Verb::Scan(args) => scan::run(args),
        Verb::Doctor(_) => doctor::run(&cli.globals),
        Verb::Completions(args) => Ok(completions::run(args, &mut Cli::command())),
        Verb::Lock(args) => with(&|s| lock::run(s, args)),
        Verb::Update(args) => with(&|s| update::run(s, args)),
        Verb::Fetch(args) => with(&|s| fetch::run(s, args)),
        Verb::Mirror(args) => with(&|s| mirror::run(s, args)),
        Verb::Build(args) => with(&|s| build::run(s, args)),
        Verb::Image(args) => with(&|s| image::run(s, args)),
        Verb::Reproduce(args) => with(&|s| reproduce::run(s, args)),
        Verb::Shell(args) => with(&|s| shell::run(s, args)),
        Verb::Verify(args) => verify::run(&cli.globals, args),
        Verb::Rebuild(args) => with(&|s| rebuild::run(s, args)),
        Verb::Show(args) => with(&|s| show::run(s, args)),
        Verb::Log(args) => with(&|s| log::run(s, args)),
        Verb::Toolchain(args) => with(&|s| toolchain::run(s, args)),
        Verb::Store(args) => with(&|s| store::run(s, args)),
        Verb::Key(args) => with(&|s| key::run(s, args)),
    }
}

/// True for the one verb that needs the store for itself.
const fn collects(verb: &Verb) -> bool {
    matches!(verb, Verb::Store(args) if args.collects())
}

/// True for verbs that record nothing.
const fn asks(verb: &Verb) -> bool {
    match verb {
        Verb::Image(args) => args.asks(),
        Verb::Show(_)
        | Verb::Log(_)
        | Verb::Toolchain(_)
        | Verb::Store(_)
        | Verb::Key(_)
        | Verb::Mirror(_) => true,
        _ => false,
    }
}
