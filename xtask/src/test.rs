//! All tests of the workspace, counted.
//!
//! Their output goes to the terminal as it comes; what the harnesses say of themselves is added up on the way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::Report;
use crate::tools::command;

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs every test of every crate, also after one has failed.
pub(crate) fn run() -> Result<(Report, Count), String> {
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let mut child = command()
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo test: {error}"))?;
    let mut count = Count::default();
    let mut terminal = std::io::stdout().lock();
    let mut output = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut line = Vec::new();
    let read = |error| format!("cargo test: its output cannot be read: {error}");
    while output.read_until(b'\n', &mut line).map_err(read)? > 0 {
        add(&mut count, &String::from_utf8_lossy(&line));
        // A closed terminal does not stop the tests.
        let _ = terminal.write_all(&line);
        line.clear();
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    Ok((verdict(&mut count, status.success(), &status.to_string()), count))
}

/// What the count and the end of `cargo test` mean together.
fn verdict(count: &mut Count, ended_well: bool, status: &str) -> Report {
    let mut complaints = Vec::new();
    if !ended_well {
        // What did not compile, or died, had no say: it is one more failure at least.
        count.failed = count.failed.max(1);
        complaints.push(format!("`cargo test` failed: {status}"));
    } else if count.passed == 0 {
        complaints.push("`cargo test` ran no test at all".to_owned());
    }
    if count.ignored > 0 {
        complaints
            .push(format!("{} tests are ignored: a test that does not run tests nothing", count.ignored));
    }
    Report { complaints, note: count.to_string() }
}

/// Adds a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn add(count: &mut Count, line: &str) {
    let Some((_, parts)) = line.trim().strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
    else {
        return;
    };
    for part in parts.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "passed" => count.passed += number,
            "failed" => count.failed += number,
            "ignored" => count.ignored += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        "test a::b ... ok\n",
        "test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        "I print `test result: ok. 5 passed` in a test\n",
    ];

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let mut count = Count::default();
        LINES.iter().for_each(|line| add(&mut count, line));
        assert_eq!(count, Count { passed: 13, failed: 2, ignored: 1 });
        assert_eq!(count.to_string(), "13 passed, 2 failed");
    }

    #[test]
    fn nothing_that_failed_or_did_not_run_is_a_success() {
        let good = Count { passed: 2, failed: 0, ignored: 0 };
        assert_eq!(verdict(&mut good.clone(), true, "").complaints, [""; 0]);
        let mut died = good;
        assert_eq!(verdict(&mut died, false, "exit status: 101").complaints.len(), 1);
        assert_eq!(died.to_string(), "2 passed, 1 failed");
        assert_eq!(verdict(&mut Count::default(), true, "").complaints.len(), 1);
        assert_eq!(verdict(&mut Count { ignored: 1, ..good }, true, "").complaints.len(), 1);
    }
}
