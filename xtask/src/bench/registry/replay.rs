//! What it costs a build that its packages are replayed to it: against the same step, sealed as well, that has them among
//! its inputs, and against the same commands run bare.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::recorded::{Recorded, toolchain_of, write};
use super::{CRATES, NPM, Project};
use crate::bench::example::{Bare, Step, step_time, steps_of};
use crate::bench::project::Bench;
use crate::bench::timing::{Aim, Row, Side, alternate, must, timed};

/// A build takes long.
const ROUNDS: usize = 3;

/// `cargo check` with the crates replayed, against `cargo check --offline` with the crates vendored.
pub(super) fn crates(
    bench: &Bench,
    recorded: &Recorded,
    native: &super::crates::Native<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), String> {
    let plain = plain(bench, &CRATES, recorded, native.source)?;
    native.fresh(bench)?;
    let vendored = plain.join("src/vendor");
    let config = must(native.cargo(&["vendor", "--locked"]).arg(&vendored))?;
    // It says the absolute path of the folder that it has filled.
    let config = String::from_utf8_lossy(&config).replace(&vendored.display().to_string(), "vendor");
    // Beside what the project says itself.
    fs::create_dir_all(plain.join("src/.cargo")).map_err(|error| error.to_string())?;
    let path = plain.join("src/.cargo/config.toml");
    fs::File::options()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "\n{config}"))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let run = "[[step]]\nname = \"build\"\nrun = [\"cargo check --locked --offline --no-default-features\", \"mkdir out\", \
               \"cp Cargo.lock out/\"]";
    compare(bench, &CRATES, "cargo check", recorded, &plain, run, "vendored", rows)
}

/// `npm ci` with the packages replayed, against `npm ci --offline` with a full cache.
pub(super) fn npm(
    bench: &Bench,
    recorded: &Recorded,
    native: &super::npm::Native<'_>,
    rows: &mut Vec<Row>,
) -> Result<(), String> {
    let plain = plain(bench, &NPM, recorded, native.source)?;
    // What the lockfile has no hash for is in the cache under its address.
    let run = format!(
        "[[step]]\nname = \"build\"\nrun = [\"npm ci --offline --registry {} --cache /build/src/.cache --ignore-scripts \
         --omit=dev --no-audit --no-fund\", \"mkdir out\", \"cp npm-shrinkwrap.json out/\"]",
        native.registry()
    );
    must(Command::new("cp").args(["-a", "--"]).arg(&native.cache).arg(plain.join("src/.cache")))?;
    compare(bench, &NPM, "npm ci", recorded, &plain, &run, "cached", rows)
}

/// A project of the same toolchain whose source, the folder `src` in it, is a copy of the recorded one's.
fn plain(bench: &Bench, project: &Project, recorded: &Recorded, source: &Path) -> Result<PathBuf, String> {
    let dir = bench.fresh(&format!("plain-{}", project.uses))?;
    let toolchain = toolchain_of(&recorded.dir.join("selfsame.lock"))?;
    fs::write(dir.join("selfsame.lock"), toolchain).map_err(|error| error.to_string())?;
    must(Command::new("cp").args(["-a", "--"]).arg(source).arg(dir.join("src")))?;
    crate::bench::remove(&dir.join("src/node_modules"));
    Ok(dir)
}

#[expect(clippy::too_many_arguments, reason = "one comparison, of two callers")]
fn compare(
    bench: &Bench,
    project: &Project,
    what: &str,
    recorded: &Recorded,
    plain: &Path,
    run: &str,
    how: &str,
    rows: &mut Vec<Row>,
) -> Result<(), String> {
    write(plain, project, "worktree = \"src\"", run)?;
    let source = plain.join("src");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"];
        must(Command::new("git").args(identity).arg("-C").arg(&source).args(arguments))
    };
    git(&["init", "--quiet"])?;
    git(&["add", "--force", "."])?;
    git(&["commit", "--quiet", "--message", "files"])?;
    let build = |dir: &Path| {
        let mut command = bench.selfsame();
        command.args(["--json", "build", "--fresh"]).arg(dir);
        command
    };
    must(&mut build(plain))?;
    let [step] = <[Step; 1]>::try_from(steps_of(plain)?).map_err(|_| "one step was written")?;
    let toolchain = bench.on_disk(&plain.join("selfsame.lock"), "[toolchain]")?;
    let bare = Bare::new(bench, &toolchain, source, step)?;

    let step_of = |dir: &Path| -> Result<Duration, String> {
        let mut said = Vec::new();
        timed(&mut build(dir), &mut said)?;
        step_time(&String::from_utf8_lossy(&said))
    };
    let replayed: Side<'_> = Box::new(|| step_of(&recorded.dir));
    let sealed: Side<'_> = Box::new(|| step_of(plain));
    let mut said = Vec::new();
    let loose: Side<'_> = Box::new(|| {
        bare.prepare()?;
        timed(&mut bare.command(), &mut said)
    });
    let samples = alternate(ROUNDS, &mut [replayed, sealed, loose])?;
    let [replayed, sealed, loose] = <[_; 3]>::try_from(samples).expect("three sides");
    let what = format!("{what} of {} {}, replayed", recorded.packages(), project.name);
    for (peer, times, aim) in [
        (format!("sealed, {how}, offline"), sealed, Aim::Ratio(1.05)),
        (format!("bare in chroot, {how}, offline"), loose, Aim::None),
    ] {
        rows.push(Row { what: what.clone(), ours: replayed.clone(), peer: Some((peer, times)), aim });
    }
    Ok(())
}
