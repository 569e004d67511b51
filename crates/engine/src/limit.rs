//! The limits of a step, and what its recipe says to raise the one that was reached.

use std::time::Duration;

use model::recipe::Step;
use sandbox::Exit;
use serde_json::{Value, json};

/// For provenance: the time limit and that of memory always, the others where they are set.
pub(crate) fn recorded(step: &Step) -> Value {
    let mut limits = json!({ "timeout": step.timeout.as_secs(), "memory": step.limits.memory });
    for (name, limit) in step.limits.beside_memory() {
        limits[name] = limit.into();
    }
    limits
}

/// What to write into the recipe where a limit was reached.
pub(crate) fn raise(step: &Step, exit: Exit) -> Option<String> {
    let limits = &step.limits;
    let (key, now) = match exit {
        Exit::TimedOut => ("timeout", Some(time(step.timeout))),
        Exit::OutOfMemory => ("memory", limits.memory.map(bytes)),
        Exit::OutOfProcesses => ("processes", limits.processes.map(|number| number.to_string())),
        Exit::OutOfCpuTime => ("cpu-time", limits.cpu_time.map(time)),
        Exit::FileTooLarge => ("file-size", limits.file_size.map(bytes)),
        Exit::OutOfDisk => ("disk", limits.disk.map(bytes)),
        Exit::Code(_) | Exit::Signal(_) | Exit::DiskFull | Exit::Cancelled => return None,
    };
    let now = now.map_or("8192 where the recipe says nothing".to_owned(), |now| format!("{now} now"));
    Some(format!("if it needs more, raise `{key}` of step `{}`: {now}", step.name))
}

/// As a recipe writes it.
fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("\"{}h\"", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("\"{}m\"", seconds / 60),
        seconds => format!("\"{seconds}s\""),
    }
}

/// As a recipe writes it.
fn bytes(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 30) {
        format!("\"{}GiB\"", bytes >> 30)
    } else {
        format!("\"{}MiB\"", bytes >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_named_with_what_it_is_now() {
        let recipe = "selfsame = 1\nname = \"x\"\nversion = \"1\"\n[sources.main]\nworktree = \".\"\n\
             [toolchain]\nkind = \"debian\"\nsuite = \"s\"\npackages = [\"make\"]\n\
             [[step]]\nname = \"build\"\nrun = [\"make\"]\noutputs = [\"out\"]\ntimeout = \"90m\"\nmemory = \"2GiB\"\n\
             disk = \"1500MiB\"\ncpu-time = \"61s\"\n\
             [[artifact]]\nname = \"a\"\nformat = \"dir\"\nfrom = \"step:build/out\"\n";
        let recipe = model::recipe::parse("r", recipe).expect("it is right");
        let step = &recipe.steps[0];
        for (exit, key, now) in [
            (Exit::TimedOut, "`timeout`", "\"90m\" now"),
            (Exit::OutOfMemory, "`memory`", "\"2GiB\" now"),
            (Exit::OutOfProcesses, "`processes`", "8192 where"),
            (Exit::OutOfCpuTime, "`cpu-time`", "\"61s\" now"),
            (Exit::OutOfDisk, "`disk`", "\"1500MiB\" now"),
        ] {
            let said = raise(step, exit).expect("it is a limit");
            assert!(said.contains(key) && said.contains(now) && said.contains("step `build`"), "{said}");
        }
        assert_eq!(raise(step, Exit::Code(1)), None);
        let all = json!({ "timeout": 5400, "memory": 2_u64 << 30, "cpu-time": 61, "disk": 1500 << 20 });
        assert_eq!(recorded(step), all);
    }
}
