//! A build with nothing to do: a git work tree of ten thousand files, everything cached.

use std::process::Command;
use std::time::Duration;

use super::project::Bench;
use super::timing::{Aim, Row, Side, alternate, must, timed};

const STEP: &str = "[[step]]\nname = \"build\"\nrun = [\"cat d000/*.c > out\"]\noutputs = [\"out\"]\n\n\
                    [[artifact]]\nname = \"out\"\nformat = \"file\"\nfrom = \"step:build/out\"\n";

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let dir = bench.worktree("noop", 10_000, STEP)?;
    must(bench.selfsame().arg("build").arg(&dir))?;
    // What was written just now is looked at again until its time is safely in the past.
    std::thread::sleep(Duration::from_millis(2100));
    must(bench.selfsame().arg("build").arg(&dir))?;

    let mut out = Vec::new();
    let ours: Side<'_> = Box::new(|| timed(bench.selfsame().arg("build").arg(&dir), &mut out));
    let mut listed = Vec::new();
    let git: Side<'_> = Box::new(|| {
        let mut command = Command::new("git");
        command.arg("-C").arg(dir.join("src")).args(["status", "--porcelain", "--untracked-files=all"]);
        timed(command.env("GIT_OPTIONAL_LOCKS", "0"), &mut listed)
    });
    let [ours, git] = <[_; 2]>::try_from(alternate(30, &mut [ours, git])?).expect("two sides");
    rows.push(Row {
        what: "build with nothing to do, 10,000 files in git".into(),
        ours,
        peer: Some(("git status".into(), git)),
        aim: Aim::Time(Duration::from_millis(50)),
    });
    Ok(())
}
