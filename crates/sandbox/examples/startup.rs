//! Start-up of a sandbox against bubblewrap with the same isolation, interleaved in one process.
//!
//! Run it with `cargo run --release -p selfsame-sandbox --example startup [ROUNDS]`. It needs `bwrap` and a static
//! busybox in `/bin` or `/usr/bin`. Both run `busybox true` from the same tree; medians, minima and
//! their ratios are printed. The directories are below `TMPDIR`. On ext4 every inode
//! deleted in the last five minutes nearby makes creating one slower, and a sandbox creates eight: after some
//! thousand runs that is most of what is measured. Where `TMPDIR` is in memory, it is the sandbox alone.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::{Conditions, Timestamp};
use sandbox::{Cancel, Io, Spec};

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
}

fn least(times: &[Duration]) -> f64 {
    times.iter().min().copied().unwrap_or_default().as_secs_f64() * 1e3
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(300), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let (root, work) = (dir.path().join("root"), dir.path().join("work"));
    for dir in ["usr/bin", "usr/lib", "etc", "var/tmp", "var/lib/empty"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::write(root.join("etc/issue"), "")?;
    symlink("usr/bin", root.join("bin"))?;
    symlink("usr/lib", root.join("lib"))?;
    fs::create_dir_all(&work)?;
    let busybox =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| fs::exists(path).unwrap_or(false));
    fs::copy(busybox.ok_or("install busybox-static")?, root.join("usr/bin/busybox"))?;
    symlink("busybox", root.join("usr/bin/true"))?;
    let program = root.join("usr/bin/true");

    let conditions = Conditions::canonical(Timestamp(0));
    let (env, cancel, arguments) = (BTreeMap::new(), Cancel::new()?, ["/usr/bin/true".to_owned()]);
    let (here, root_dir, work_dir) = (dir.path(), root.as_path(), work.as_path());
    let (env, cancel, arguments, conditions) = (&env, &cancel, &arguments, &conditions);
    let ours = move |n: usize, remove: bool| -> Result<Duration, String> {
        let scratch = here.join(format!("scratch{n}"));
        fs::create_dir(&scratch).map_err(|error| error.to_string())?;
        let started = Instant::now();
        let outcome = sandbox::run(Spec {
            files: sandbox::Files::Trees { root: root_dir, work: work_dir },
            scratch: &scratch,
            arguments,
            env,
            gateway: None,
            secrets: &[],
            conditions,
            timeout: None,
            limits: model::Limits::default(),
            trace: false,
            degraded: false,
            io: Io::Log { sink: &mut |_| {} },
            cancel,
        })
        .map_err(|error| error.to_string())?;
        let time = started.elapsed();
        drop(outcome);
        if remove {
            sandbox::remove_scratch(&scratch).map_err(|error| error.to_string())?;
        }
        Ok(time)
    };
    let spawn = |command: &mut Command| -> Result<Duration, Box<dyn Error>> {
        let started = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let time = started.elapsed();
        if !output.status.success() {
            return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(time)
    };
    let bubblewrap = |build: bool| {
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--die-with-parent", "--new-session", "--ro-bind"]);
        command.arg(root.join("usr")).args(["/usr", "--ro-bind"]).arg(root.join("etc")).arg("/etc");
        command.args(["--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        if build {
            // What the sandbox has besides: var, home, /var/tmp, /dev/shm, identity, build directory (bwrap 0.8
            // knows no overlay: a plain bind stands for it).
            command.arg("--ro-bind").arg(root.join("var")).args(["/var", "--tmpfs", "/var/tmp"]);
            command.args(["--tmpfs", "/build/home", "--tmpfs", "/dev/shm", "--hostname", "selfsame"]);
            command.args(["--uid", "1000", "--gid", "1000", "--bind"]).arg(&work).arg("/build/src");
        }
        command.arg("/usr/bin/true");
        command
    };

    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..rounds + 10 {
        let row = [
            spawn(&mut Command::new(&program))?,
            ours(round, true)?,
            spawn(&mut bubblewrap(false))?,
            spawn(&mut bubblewrap(true))?,
        ];
        if round >= 10 {
            times.iter_mut().zip(row).for_each(|(times, time)| times.push(time));
        }
    }
    println!("{rounds} rounds, ms      median      min   of bwrap's (median, min)");
    let [_, _, plain, _] = times.each_ref().map(|times| (median(times), least(times)));
    for (name, times) in ["bare", "selfsame", "bwrap", "bwrap, all that selfsame has"].iter().zip(&times) {
        let (middle, least) = (median(times), least(times));
        println!("{name:<28} {middle:>6.2}   {least:>6.2}   {:.2} {:.2}", middle / plain.0, least / plain.1);
    }

    // ext4 is slow to give out inodes where many were deleted in the last minutes: hence the two.
    for (set, (remove, how)) in [(false, "kept"), (true, "deleted")].into_iter().enumerate() {
        let started = Instant::now();
        std::thread::scope(|scope| {
            let thread = |n: usize| {
                scope.spawn(move || {
                    (0..100).try_for_each(|m| ours((set * 2 + n + 1) * 1_000_000 + m, remove).map(drop))
                })
            };
            let both = [thread(0), thread(1)];
            both.into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
        })?;
        let seconds = started.elapsed().as_secs_f64();
        println!("200 steps in two threads, scratch directories {how}: {seconds:.3} s");
    }
    for scratch in fs::read_dir(dir.path())?.flatten() {
        sandbox::remove_scratch(&scratch.path())?;
    }
    Ok(())
}
