//! Chores that run another tool.

use std::process::Command;

use crate::{Report, tree};

/// `cargo` in the project's root.
pub(crate) fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tree::root());
    command
}

/// Runs `cargo` with these arguments; its own output goes to the terminal.
fn cargo(arguments: &[&str]) -> Result<Report, String> {
    let status = command().args(arguments).status().map_err(|error| format!("cargo: {error}"))?;
    let complaint = format!("`cargo {}` failed: {status}", arguments.join(" "));
    Ok(Report {
        complaints: if status.success() { Vec::new() } else { vec![complaint] },
        note: String::new(),
    })
}

pub(crate) fn fmt() -> Result<Report, String> {
    cargo(&["fmt", "--all", "--check"])
}

pub(crate) fn clippy() -> Result<Report, String> {
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

pub(crate) fn deny() -> Result<Report, String> {
    let installed =
        Command::new("cargo-deny").arg("--version").output().is_ok_and(|out| out.status.success());
    if !installed {
        return Err("cargo-deny is not installed\nfix: cargo install --locked cargo-deny".to_owned());
    }
    cargo(&["deny", "check", "licenses", "bans", "sources", "advisories"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_fails_is_a_complaint() {
        assert_eq!(cargo(&["--version"]).unwrap().complaints, [""; 0]);
        let report = cargo(&["no-such-chore-of-cargo"]).unwrap();
        assert_eq!(report.complaints.len(), 1);
        assert!(report.complaints[0].contains("no-such-chore-of-cargo"), "{:?}", report.complaints);
    }
}
