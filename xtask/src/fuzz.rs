//! `cargo xtask fuzz [TARGET]… [SECONDS]`: readers of hostile texts, fed by libFuzzer, guided by what they cover.
//!
//! Compiled with the stable compiler: LLVM's counters need no other one, and there is no `unsafe` in what is fed that a
//! sanitizer would look for. Not a check: it takes as long as one lets it. What is found is in `target/fuzz/found`; it
//! becomes a regression case (`fuzz/seeds`, and a test beside the reader), and then is mended.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::tools::command;
use crate::tree;

/// Every target: its file in `fuzz/src`.
const TARGETS: &[&str] = &["lock", "transcript", "recipe", "bundle", "statement", "dockerfile"];
/// For each, where nothing is said.
const SECONDS: u64 = 60;
/// Counters in every branch, and what values are compared with.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Runs the targets, one after the other.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let mut seconds = SECONDS;
    let mut chosen = Vec::new();
    for word in words {
        match (word.parse(), TARGETS.iter().find(|target| *target == word)) {
            (Ok(number), _) => seconds = number,
            (_, Some(target)) => chosen.push(*target),
            _ => return Err(format!("expected a number of seconds or one of {}", TARGETS.join(", "))),
        }
    }
    if chosen.is_empty() {
        chosen = TARGETS.to_vec();
    }
    let root = tree::root();
    let place = root.join("target/fuzz");
    // With a target named, what runs while compiling (build scripts, macros) has no counters.
    let host = host()?;
    let status = command()
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", &host])
        .env("CARGO_TARGET_DIR", &place)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err("the targets cannot be compiled".to_owned());
    }
    let mut failed = Vec::new();
    for target in chosen {
        let program = place.join(&host).join("release").join(target);
        let (corpus, found) = (place.join("corpus").join(target), place.join("found").join(target));
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        examples(&root, target, &corpus);
        println!("{target}: {seconds} s");
        let status = Command::new(&program)
            .env("RUST_BACKTRACE", "0")
            .arg(&corpus)
            .arg(root.join("fuzz/seeds").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args([
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-max_len=20000",
                "-print_final_stats=1",
                "-verbosity=0",
            ])
            .status()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        if !status.success() {
            failed.push(format!("{target}: what broke it is in {}", found.display()));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The recipes of the examples are where it begins, too.
fn examples(root: &Path, target: &str, corpus: &Path) {
    if target != "recipe" {
        return;
    }
    for example in fs::read_dir(root.join("examples")).into_iter().flatten().flatten() {
        let from = example.path().join("selfsame.toml");
        let _ = fs::copy(from, corpus.join(format!("example-{}", example.file_name().to_string_lossy())));
    }
}

/// The triple of this machine.
fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc does not say which machine this is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_file_and_seeds() {
        let root = tree::root();
        for target in TARGETS {
            assert!(root.join(format!("fuzz/src/{target}.rs")).is_file(), "{target}");
            let seeds = fs::read_dir(root.join("fuzz/seeds").join(target)).into_iter().flatten().count();
            assert!(seeds > 0, "{target} begins with nothing");
        }
        assert!(run(&["no-such-target".to_owned()]).is_err());
    }
}
