//! `selfsame completions`: completion scripts.

use clap_complete::Shell;
use serde_json::json;

use crate::output::answer::Answer;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &mut clap::Command) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "selfsame", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Answer::ok(json!({ "shell": args.shell.to_string(), "script": script }), script)
}
