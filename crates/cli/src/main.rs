//! The binary `selfsame`: one file per verb, each of which parses, calls one library function and renders.
//!
//! Only here is anything printed, the environment or the home folder read, or the process ended. What a build
//! means never comes from either: only where things lie and how loudly they are told.
//!
//! stdout is data, stderr is for people. With `--json`, stdout is one envelope ([`output::envelope`]).

mod args;
mod command;
mod exit;
mod failure;
mod host_has;
mod keys;
mod machine;
mod out;
mod output;
mod project;
mod rewrite;
mod secrets;
mod session;
mod signing;

use std::process::ExitCode;

use clap::Parser as _;
use failure::Failure;

fn main() -> ExitCode {
    let args = match command::Cli::try_parse() {
        Ok(args) => args,
        Err(error) => {
            if error.use_stderr() && wants_json(std::env::args_os()) {
                let failure = Failure::usage(&error);
                failure.print("usage", true);
                return ExitCode::from(failure.exit.code());
            }
            // clap prints help and version to stdout with code 0, usage errors to stderr with code 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    std::panic::set_hook(Box::new(failure::report_bug));
    args.globals.color.apply();
    let verb = args.verb.name();
    let json = args.globals.json;
    let exit = match command::run(&args) {
        Ok(answer) => {
            answer.print(verb, json);
            answer.exit
        }
        Err(failure) => {
            failure.print(verb, json);
            failure.exit
        }
    };
    ExitCode::from(exit.code())
}

/// Whether `--json` is among the arguments of a command line that could not be parsed.
fn wants_json(args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    args.skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_error_is_an_envelope_if_one_was_asked_for() {
        let args = |line: &str| line.split(' ').map(std::ffi::OsString::from).collect::<Vec<_>>().into_iter();
        assert!(wants_json(args("selfsame verify --json")));
        assert!(!wants_json(args("selfsame verify -- --json")));
        assert!(!wants_json(args("selfsame verify --jsn")));
        let error = command::Cli::try_parse_from(args("selfsame log --json --lmit 1")).err().unwrap();
        let failure = Failure::usage(&error);
        assert_eq!(failure.exit.code(), 2);
        assert!(failure.sentence().starts_with("unexpected argument '--lmit'"), "{}", failure.sentence());
    }
}
