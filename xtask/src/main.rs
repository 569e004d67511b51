//! The project's own chores: `cargo xtask CHORE`.
//!
//! The checks read the work tree and `cargo metadata`, change nothing and need no network. Each is one file: a pure
//! function over what it looks at, with tests that show it fail. To add one, write its file and its line in
//! [`CHORES`].

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod bench;
mod dockerfiles;
mod floors;
mod fuzz;
mod licences;
mod names;
mod scan;
mod sizes;
mod test;
mod tools;
mod tree;

use std::process::ExitCode;

/// What a check has to say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    /// What is wrong: where, what was expected, what was found.
    complaints: Vec<String>,
    /// What is worth knowing when nothing is wrong, in a line.
    note: String,
}

/// A chore, or why it could not be done at all.
type Chore = fn() -> Result<Report, String>;

/// What takes as long as it is let, and arguments of its own.
type Long = fn(&[String]) -> Result<(), String>;

/// Every chore: its word, what it is for, whether `check` runs it, and the function. In the order of `check`.
const CHORES: &[(&str, &str, bool, Chore)] = &[
    ("fmt", "sources are formatted", true, tools::fmt),
    ("floors", "imports go downwards only; each crate keeps off what it forbids itself", true, floors::run),
    ("sizes", "no source file is over the wall of 800 lines", true, sizes::run),
    ("names", "no file is called after nothing; no text names a build machine's path", true, names::run),
    ("licences", "every dependency's licence is on deny.toml's list", true, licences::run),
    ("clippy", "no warnings in any target", true, tools::clippy),
    (
        "deny",
        "what cargo-deny says, advisories too (must be installed; needs the network)",
        false,
        tools::deny,
    ),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let word = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let long: Option<Long> = match word.as_str() {
        "bench" => Some(bench::run),
        "dockerfiles" => Some(dockerfiles::run),
        "fuzz" => Some(fuzz::run),
        _ => None,
    };
    if let Some(long) = long {
        return match long(&rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{word}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let all = matches!(word.as_str(), "check" | "test");
    let chosen: Vec<_> = CHORES.iter().filter(|chore| chore.0 == word || (all && chore.2)).collect();
    if chosen.is_empty() || !rest.is_empty() {
        eprintln!("usage: cargo xtask CHORE\n");
        for (word, purpose, ..) in CHORES {
            eprintln!("  {word:10}{purpose}");
        }
        eprintln!("  {:10}all of them but `deny`", "check");
        eprintln!("  {:10}check, then all tests of all crates", "test");
        eprintln!("  {:10}readers fed by libFuzzer; [TARGET]… [SECONDS]", "fuzz");
        eprintln!("  {:12}Dockerfiles of others, built sealed and again; [NAME]…", "dockerfiles");
        eprintln!("  {:10}times against peers; groups: {}", "bench", bench::words());
        return ExitCode::from(2);
    }
    let mut table = Table::default();
    for (word, purpose, _, chore) in chosen {
        table.run(word, purpose, chore);
    }
    let mut count = None;
    if word == "test" {
        table.run("tests", "", || {
            let (report, counted) = test::run()?;
            count = Some(counted);
            Ok(report)
        });
    }
    for (_, line) in &table.0 {
        println!("{line}");
    }
    if let Some(count) = count {
        println!("{count}");
    }
    if table.0.iter().all(|(good, _)| *good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was run: whether it was good, and its line.
#[derive(Default)]
struct Table(Vec<(bool, String)>);

impl Table {
    /// Runs a chore; complaints are printed at once, the line is kept for the end.
    fn run(&mut self, word: &str, purpose: &str, chore: impl FnOnce() -> Result<Report, String>) {
        let begun = std::time::Instant::now();
        let report = chore().unwrap_or_else(|error| Report { complaints: vec![error], note: String::new() });
        for complaint in &report.complaints {
            eprintln!("{word}: {complaint}");
        }
        let verdict = match report.complaints.len() {
            0 if report.note.is_empty() => purpose.to_owned(),
            0 => report.note,
            1 => "1 complaint".to_owned(),
            many => format!("{many} complaints"),
        };
        let good = report.complaints.is_empty();
        let seconds = begun.elapsed().as_secs_f64();
        self.0.push((
            good,
            format!("{:6}{word:10}{seconds:7.1} s  {verdict}", if good { "ok" } else { "FAIL" }),
        ));
    }
}
