//! Two hundred steps that do nearly nothing: what a step costs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::project::{Bench, write_recipe};
use super::timing::{Aim, Row, Side, alternate, must, timed};

const STEPS: usize = 200;

pub(super) fn run(bench: &Bench, rows: &mut Vec<Row>) -> Result<(), String> {
    let dir = bench.worktree("steps", 1, &recipe(0))?;
    must(bench.selfsame().arg("build").arg(&dir))?;
    let root = bench.on_disk(&dir.join("selfsame.lock"), "[toolchain]")?;
    let script = dir.join("under-bwrap.sh");
    let text = format!(
        "#!/bin/sh\nset -eu\nmkdir \"$1\"\nexec bwrap --unshare-all --die-with-parent --new-session \
         --ro-bind {root} / --proc /proc --dev /dev --tmpfs /tmp --tmpfs /var/tmp --tmpfs /home \
         --hostname selfsame --uid 1000 --gid 1000 --dir /tmp/src --bind \"$1\" /tmp/src --chdir /tmp/src \
         /bin/sh -c ': > out'\n",
        root = root.display()
    );
    fs::write(&script, text).map_err(|error| format!("{}: {error}", script.display()))?;

    let mut round = 0;
    let mut said = Vec::new();
    let ours: Side<'_> = Box::new(|| {
        // Another environment makes every action a new one.
        round += 1;
        write_recipe(&dir, "steps", &recipe(round))?;
        timed(bench.selfsame().arg("build").arg(&dir), &mut said)
    });
    let mut listed = Vec::new();
    let peer: Side<'_> = Box::new(|| {
        let out = bench.fresh("steps-bwrap")?;
        let mut command = Command::new("sh");
        let line = format!("seq {STEPS} | xargs -P2 -I{{}} sh {} {}/{{}}", script.display(), out.display());
        let time = timed(command.args(["-c", &line]), &mut listed)?;
        match fs::read_dir(&out).map(Iterator::count) {
            Ok(STEPS) => Ok(time),
            other => Err(format!("bwrap made {other:?} of {STEPS} outputs")),
        }
    });
    let [ours, peer] = <[_; 2]>::try_from(alternate(10, &mut [ours, peer])?).expect("two sides");
    rows.push(Row {
        what: format!("{STEPS} trivial steps from scratch"),
        ours,
        peer: Some(("bwrap, xargs -P2".into(), peer)),
        aim: Aim::Time(Duration::from_millis(500)),
    });
    Ok(())
}

/// All steps but the last are independent; the last one takes what they made, so that one artifact needs all.
fn recipe(round: usize) -> String {
    let mut text = String::new();
    let mut inputs = String::new();
    for number in 1..STEPS {
        text.push_str(&format!(
            "[[step]]\nname = \"s{number}\"\nrun = [\": > out\"]\noutputs = [\"out\"]\nenv = {{ ROUND = \"{round}.{number}\" }}\n\n"
        ));
        inputs.push_str(&format!("\"{number}\" = \"step:s{number}/out\", "));
    }
    text.push_str(&format!(
        "[[step]]\nname = \"all\"\ninputs = {{ {} }}\nrun = [\": > out\"]\noutputs = [\"out\"]\nenv = {{ ROUND = \"{round}\" }}\n\n\
         [[artifact]]\nname = \"out\"\nformat = \"file\"\nfrom = \"step:all/out\"\n",
        inputs.trim_end_matches(", ")
    ));
    text
}
