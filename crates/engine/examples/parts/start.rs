//! How long a sandbox takes from call to end, against bubblewrap with the same isolation, in turns.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::{Conditions, Timestamp};
use sandbox::{Cancel, Io, Spec};

/// Rounds that do not count.
const WARM_UP: usize = 10;

/// Prints the times of `rounds` starts in microseconds: a line `selfsame-FILES` for each number of input files, and a
/// line `bwrap` for bubblewrap, one `unshare` for bare namespaces and, where it is installed, one `linux-sandbox` for
/// Bazel's above the first of them. All take turns, and nothing is deleted in between but what a
/// start leaves: ext4 passes over inodes that were freed in the last seconds, which would be measured too.
#[allow(clippy::print_stdout, reason = "a program whose answer is what it prints")]
pub(crate) fn run(dir: &Path, rounds: usize, files: &[usize]) -> Result<(), Box<dyn Error>> {
    let make = |files: &usize| World::make(&dir.join(files.to_string()), *files);
    let worlds = files.iter().map(make).collect::<Result<Vec<_>, _>>()?;
    let first = worlds.first().ok_or("no number of files")?;
    let bazel = bazels();
    let mut times: Vec<Vec<String>> = vec![Vec::new(); worlds.len() + 2 + usize::from(bazel.is_some())];
    for round in 0..rounds + WARM_UP {
        for turn in 0..times.len() {
            let nth = (turn + round) % times.len();
            let time = match worlds.get(nth) {
                Some(world) => world.selfsame(round)?,
                None if nth == worlds.len() => first.bubblewrap()?,
                None if nth == worlds.len() + 1 => first.unshare()?,
                None => first.bazel(bazel.as_deref().unwrap_or(Path::new("linux-sandbox")))?,
            };
            if round >= WARM_UP {
                times[nth].push(time.as_micros().to_string());
            }
        }
    }
    for (files, times) in files.iter().zip(&times) {
        println!("selfsame-{files} {}", times.join(" "));
    }
    println!("bwrap {}", times[worlds.len()].join(" "));
    println!("unshare {}", times[worlds.len() + 1].join(" "));
    if let Some(times) = times.get(worlds.len() + 2) {
        println!("linux-sandbox {}", times.join(" "));
    }
    Ok(())
}

/// Bazel's sandbox: in `PATH`, or where Debian's package `bazel-bootstrap` has it.
fn bazels() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/share/bazel")]);
    places.map(|place| place.join("linux-sandbox")).find(|file| file.is_file())
}

struct World {
    dir: PathBuf,
    root: PathBuf,
    work: PathBuf,
    conditions: Conditions,
    cancel: Cancel,
}

impl World {
    fn make(dir: &Path, files: usize) -> Result<Self, Box<dyn Error>> {
        let (root, work) = (dir.join("root"), dir.join("work"));
        for place in ["usr/bin", "usr/lib", "etc", "var/tmp", "var/lib/empty"] {
            fs::create_dir_all(root.join(place))?;
        }
        fs::write(root.join("etc/issue"), "")?;
        symlink("usr/bin", root.join("bin"))?;
        symlink("usr/lib", root.join("lib"))?;
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
        fs::copy(busybox.ok_or("install busybox-static")?, root.join("usr/bin/busybox"))?;
        symlink("busybox", root.join("usr/bin/true"))?;
        fs::create_dir_all(&work)?;
        for number in 0..files {
            let folder = work.join(format!("d{:03}", number / 100));
            if number % 100 == 0 {
                fs::create_dir(&folder)?;
            }
            fs::write(folder.join(format!("f{number}")), format!("{number}\n"))?;
        }
        let conditions = Conditions::canonical(Timestamp(0));
        Ok(Self { dir: dir.to_owned(), root, work, conditions, cancel: Cancel::new()? })
    }

    fn selfsame(&self, round: usize) -> Result<Duration, Box<dyn Error>> {
        let scratch = self.dir.join(format!("scratch{round}"));
        fs::create_dir(&scratch)?;
        let begun = Instant::now();
        let outcome = sandbox::run(Spec {
            files: sandbox::Files::Trees { root: &self.root, work: &self.work },
            scratch: &scratch,
            arguments: &["/usr/bin/true".to_owned()],
            env: &BTreeMap::new(),
            secrets: &[],
            gateway: None,
            conditions: &self.conditions,
            timeout: None,
            limits: model::Limits::default(),
            trace: false,
            degraded: false,
            io: Io::Log { sink: &mut |_| {} },
            cancel: &self.cancel,
        })?;
        let time = begun.elapsed();
        if outcome.exit != sandbox::Exit::Code(0) {
            return Err(format!("selfsame: {:?}", outcome.exit).into());
        }
        drop(outcome);
        sandbox::remove_scratch(&scratch)?;
        Ok(time)
    }

    /// The namespaces and a `/proc`, without any root of its own.
    fn unshare(&self) -> Result<Duration, Box<dyn Error>> {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts"]);
        command.args(["--cgroup", "--mount-proc"]).arg(self.root.join("usr/bin/true"));
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let time = begun.elapsed();
        if !output.status.success() {
            return Err(format!("unshare: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(time)
    }

    /// No root of its own: all of the host, read-only, but for what may be written.
    fn bazel(&self, program: &Path) -> Result<Duration, Box<dyn Error>> {
        let mut command = Command::new(program);
        command.args(["-N", "-H", "-U", "-W"]).arg(&self.work).arg("-w").arg(&self.work);
        command.arg("--").arg(self.root.join("usr/bin/true"));
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let time = begun.elapsed();
        if !output.status.success() {
            return Err(format!("linux-sandbox: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(time)
    }

    fn bubblewrap(&self) -> Result<Duration, Box<dyn Error>> {
        let place = |name: &str| self.root.join(name);
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--die-with-parent", "--new-session", "--symlink", "usr/bin", "/bin"]);
        command.arg("--ro-bind").arg(place("usr")).arg("/usr");
        command.arg("--ro-bind").arg(place("etc")).arg("/etc");
        command.arg("--ro-bind").arg(place("var")).args(["/var", "--tmpfs", "/var/tmp"]);
        command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", "/tmp"]);
        command.args(["--tmpfs", "/build/home", "--hostname", "selfsame", "--uid", "1000", "--gid", "1000"]);
        // bubblewrap before 0.11 knows no overlay; a plain bind, which is less work, stands for it.
        command.arg("--bind").arg(&self.work).args(["/build/src", "/usr/bin/true"]);
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let time = begun.elapsed();
        if !output.status.success() {
            return Err(format!("bwrap: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(time)
    }
}
