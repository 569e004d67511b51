//! Real projects, one of many small programs (zlib with its configure) and one that only compiles (zstd): built sealed,
//! against the same commands run bare.
//!
//! Bare is the same toolchain, the same source and the same script with nothing around them: a `chroot` into a copy
//! of the toolchain with the host's `/dev` and `/proc`. (Its mount namespace only lets those two mounts go with it.)

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::project::Bench;
use super::timing::{Aim, Row, Sample, Side, alternate, must, timed};

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    for (name, rounds) in [("zlib", 7), ("zstd", 3)] {
        example(bench, name, rounds, rows).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn example(bench: &Bench, name: &str, rounds: usize, rows: &mut Vec<Row>) -> Result<(), String> {
    let dir = bench.copy_example(name)?;
    let pinned = pinned(bench, &dir, name)?;
    let build = |dir: &Path, more: &[&str]| {
        let mut command = bench.selfsame();
        command.args(["--json", "build", "--fresh"]).args(more).arg(dir);
        command
    };
    must(&mut build(&dir, &[]))?;
    let [step] = steps_of(&dir)?.try_into().map_err(|steps: Vec<_>| {
        // What a step hands to the next is selfsame's own matter; bare commands have no such thing.
        format!("{} steps; only examples of one step are compared with bare commands", steps.len())
    })?;
    let lock = dir.join("selfsame.lock");
    let source = bench.on_disk(&lock, &format!("[source.{name}]"))?;
    let bare = Bare::new(bench, &bench.on_disk(&lock, "[toolchain]")?, source, step)?;

    let step_of = |dir: &Path, more: &[&str]| {
        let mut said = Vec::new();
        timed(&mut build(dir, more), &mut said)?;
        step_time(&String::from_utf8_lossy(&said))
    };
    let mut steps: Vec<Duration> = Vec::new();
    let sealed: Side<'_> = Box::new(|| {
        let mut said = Vec::new();
        let time = timed(&mut build(&dir, &[]), &mut said)?;
        steps.push(step_time(&String::from_utf8_lossy(&said))?);
        Ok(time)
    });
    let still: Side<'_> = Box::new(|| step_of(&pinned, &[]));
    let traced: Side<'_> = Box::new(|| step_of(&dir, &["--trace"]));
    let mut said = Vec::new();
    let loose: Side<'_> = Box::new(|| {
        bare.prepare()?;
        timed(&mut bare.command(), &mut said)
    });
    let samples = alternate(rounds, &mut [sealed, still, traced, loose])?;
    let [whole, still, traced, loose] = <[_; 4]>::try_from(samples).expect("four sides");
    let peer = Some(("bare in chroot".to_owned(), loose));
    rows.push(Row {
        what: format!("{name}: the step, sealed, violations seen"),
        ours: Sample::new(steps.split_off(1)),
        peer: peer.clone(),
        aim: Aim::Ratio(1.03),
    });
    for (how, ours, aim) in [("conditions pinned", still, 1.15), ("files traced", traced, 1.25)] {
        let what = format!("{name}: the step, {how}");
        rows.push(Row { what, ours, peer: peer.clone(), aim: Aim::Ratio(aim) });
    }
    rows.push(Row {
        what: format!("{name}: the whole command, packed, signed, recorded"),
        ours: whole,
        peer,
        aim: Aim::None,
    });
    Ok(())
}

/// The same example with clock and chance pinned.
fn pinned(bench: &Bench, dir: &Path, name: &str) -> Result<PathBuf, String> {
    let copy = bench.fresh(&format!("{name}-pinned"))?;
    let failed = |error: std::io::Error| format!("{}: {error}", copy.display());
    fs::copy(dir.join("selfsame.lock"), copy.join("selfsame.lock")).map_err(failed)?;
    let recipe = fs::read_to_string(dir.join("selfsame.toml")).map_err(failed)?;
    let level = "level = \"pinned\"\n";
    let recipe = match recipe.split_once("[conditions]\n") {
        Some((before, after)) => format!("{before}[conditions]\n{level}{after}"),
        None => format!("{recipe}\n[conditions]\n{level}"),
    };
    fs::write(copy.join("selfsame.toml"), recipe).map_err(failed)?;
    Ok(copy)
}

/// The sum of the times of all steps in the JSON of a build.
pub(super) fn step_time(json: &str) -> Result<Duration, String> {
    let (_, steps) = json.split_once("\"steps\"").ok_or("no steps in the JSON of the build")?;
    let millis = steps.split("\"millis\":").skip(1).map(|rest| {
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().map_err(|error| format!("millis: {error}"))
    });
    millis.sum::<Result<u64, String>>().map(Duration::from_millis)
}

/// The steps of a recipe.
pub(super) fn steps_of(dir: &Path) -> Result<Vec<Step>, String> {
    let recipe = dir.join("selfsame.toml");
    let text = fs::read_to_string(&recipe).map_err(|error| format!("{}: {error}", recipe.display()))?;
    let recipe: toml::Table = toml::from_str(&text).map_err(|error| error.to_string())?;
    let steps = recipe.get("step").and_then(toml::Value::as_array).into_iter().flatten();
    Ok(steps.map(Step::read).collect())
}

/// Toolchain and source on disk, and the script of the step.
pub(super) struct Bare {
    root: PathBuf,
    source: PathBuf,
    step: Step,
}

/// A step as its recipe says it.
pub(super) struct Step {
    script: String,
    env: Vec<(String, String)>,
}

impl Bare {
    pub(super) fn new(bench: &Bench, toolchain: &Path, source: PathBuf, step: Step) -> Result<Self, String> {
        let root = bench.fresh("bare")?.join("root");
        must(Command::new("cp").args(["-a", "--"]).arg(toolchain).arg(&root))?;
        must(Command::new("chmod").args(["-R", "u+w", "--"]).arg(&root))?;
        for place in ["dev", "proc", "tmp", "build/src", "build/home"] {
            fs::create_dir_all(root.join(place)).map_err(|error| format!("{place}: {error}"))?;
        }
        Ok(Self { root, source, step })
    }

    /// A fresh copy of the source, as an overlay gives one for nothing.
    pub(super) fn prepare(&self) -> Result<(), String> {
        let place = self.root.join("build/src");
        super::remove(&place);
        must(Command::new("cp").args(["-a", "--"]).arg(&self.source).arg(&place)).map(drop)
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("unshare");
        // The namespace's mounts are private to it: nothing is left of them on the host.
        command.args(["--map-root-user", "--mount", "sh", "-c"]).arg(
            "mount --rbind /dev \"$0/dev\" && mount --rbind /proc \"$0/proc\" && \
             exec chroot \"$0\" /bin/sh -c \"cd /build/src && $1\"",
        );
        command.arg(&self.root).arg(&self.step.script).env_clear().envs(self.step.env.iter().cloned());
        command
    }
}

impl Step {
    fn read(step: &toml::Value) -> Self {
        let lines = step.get("run").and_then(toml::Value::as_array).into_iter().flatten();
        let script: Vec<_> = lines.filter_map(toml::Value::as_str).collect();
        let given = step.get("env").and_then(toml::Value::as_table).into_iter().flatten();
        let mut env: Vec<_> = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/build/home"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("SOURCE_DATE_EPOCH", "315532800"),
            // `nproc` says as many as a step sees, so that both run as many compilers at once.
            ("OMP_NUM_THREADS", "4"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        env.extend(given.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
        Self { script: format!("set -e\n{}", script.join("\n")), env }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_steps_are_read_from_the_answer() {
        let json = r#"{"data":{"steps":[{"millis":12,"step":"a"},{"millis": 30}]}}"#;
        assert_eq!(step_time(json), Ok(Duration::from_millis(42)));
        assert!(step_time("{}").is_err());
    }
}
