//! Benchmarks: what people wait for, each against the peer that does the same, as a ratio of one run.
//!
//! Times of two runs or two machines say little; a ratio of two programs that take turns within one run says a lot.
//! So each row measures ours and the peer's alternately, and what is promised is a ratio (or, where there is no
//! peer, a time with much room). Medians are compared; minima are shown beside them, because noise only adds.
//!
//! Works in `target/bench`. The home folder in it, with the fetched toolchains, and what the group `registry` has locked stay
//! for the next run; the rest goes.

mod example;
mod noop;
mod normalize;
mod pack;
mod project;
mod push;
mod registry;
mod startup;
mod steps;
mod throughput;
mod timing;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools;
use project::Bench;
use timing::Row;

/// Measures one group of rows.
type Group = fn(&Bench, &mut Vec<Row>) -> Result<(), String>;

/// Each group: its word and its function, in the order of the table.
const GROUPS: &[(&str, Group)] = &[
    ("startup", startup::run),
    ("noop", noop::run),
    ("steps", steps::run),
    ("example", example::run),
    ("throughput", throughput::run),
    ("pack", pack::run),
    ("normalize", normalize::run),
    ("registry", registry::run),
    ("push", push::run),
];

/// The words that choose groups.
pub(crate) fn words() -> String {
    GROUPS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
}

/// The programs that are measured or needed, as `scripts/prepare bench` installs them.
const PROGRAMS: &[&str] = &[
    "bash",
    "bwrap",
    "busybox",
    "docker-registry",
    "git",
    "gzip",
    "npm",
    "sha256sum",
    "skopeo",
    "tar",
    "xargs",
    "zstd",
    "unshare",
    "chroot",
    "cp",
];

/// Measures the chosen groups, or all, and prints the table.
pub(crate) fn run(chosen: &[String]) -> Result<(), String> {
    if let Some(unknown) = chosen.iter().find(|word| GROUPS.iter().all(|(group, _)| group != word)) {
        return Err(format!("no group of benchmarks is called `{unknown}`: there are {}", words()));
    }
    let missing: Vec<_> = PROGRAMS.iter().filter(|program| find(program).is_none()).copied().collect();
    if !missing.is_empty() {
        return Err(format!("missing: {}\nfix: scripts/prepare bench", missing.join(", ")));
    }
    build()?;
    let bench = Bench::new()?;
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (word, group) in GROUPS {
        if chosen.is_empty() || chosen.iter().any(|c| c == word) {
            eprintln!("measuring {word} …");
            // What was measured until then took long, and is shown.
            failed.extend(group(&bench, &mut rows).err().map(|error| format!("{word}: {error}")));
        }
    }
    println!("{}", timing::table(&rows));
    println!("{}", machine());
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Builds what is measured, as it ships.
fn build() -> Result<(), String> {
    for arguments in [
        ["build", "--release", "--locked", "--bin", "selfsame"].as_slice(),
        &["build", "--release", "--locked", "--example", "parts", "-p", "selfsame-engine"],
        &["build", "--release", "--locked", "--example", "registry", "-p", "selfsame-gateway"],
    ] {
        let status = tools::command().args(arguments).status().map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("`cargo {}` failed: {status}", arguments.join(" ")));
        }
    }
    Ok(())
}

/// Where a program is.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// The first line that a program prints.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// What the numbers were measured on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let extensions = if cpu.contains(" sha_ni") { "SHA-NI" } else { "no SHA-NI" };
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split_once(' '));
    let gib = kib.and_then(|(kib, _)| kib.parse::<f64>().ok()).unwrap_or_default() / f64::from(1 << 20);
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    format!(
        "Machine: {} ({threads} threads, {extensions}), {gib:.0} GiB, Linux {}, {}, {}, {}; load {}.",
        model.map_or("unknown processor", |(_, name)| name),
        read("/proc/sys/kernel/osrelease").trim(),
        first_line("bwrap", &["--version"]),
        first_line("git", &["--version"]),
        first_line("tar", &["--version"]),
        load.split(' ').next().unwrap_or_default(),
    )
}

/// Removes a directory that may hold read-only directories.
fn remove(path: &Path) {
    if path.exists() {
        let _ = Command::new("chmod").args(["-R", "u+rwX", "--"]).arg(path).status();
        let _ = std::fs::remove_dir_all(path);
    }
}
