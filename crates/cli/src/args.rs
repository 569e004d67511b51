//! What can be said to every verb.

use std::path::PathBuf;

use clap::ValueEnum;

/// Options of every verb.
#[derive(Debug, clap::Args)]
pub(crate) struct Globals {
    /// Print one JSON document to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder of store, ledger and keys [default: `selfsame` in the user's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "SELFSAME_HOME")]
    pub(crate) home: Option<PathBuf>,
    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) progress: Progress,
    /// Show what steps print
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Say nothing but errors on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Progress {
    /// `live` on a terminal, else `line`
    #[default]
    Auto,
    /// History scrolls, running work stays below
    Live,
    /// One line for each thing that ended
    Line,
    /// One JSON event a line
    Json,
    /// Nothing
    None,
}

/// How well steps are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Sandbox {
    /// All of the sandbox, or no build
    #[default]
    Sealed,
    /// Without a network namespace, /proc, overlays or fixed addresses where this host refuses them; never for a release
    Degraded,
}

/// What follows from leaks in artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Leaks {
    /// The build fails, unless a line of the recipe allows each
    Deny,
    /// They are told and recorded
    #[default]
    Warn,
    /// Nobody looks
    Off,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it hold for everything printed from here on.
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => {}
            Self::Always => anstream::ColorChoice::Always.write_global(),
            Self::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}
