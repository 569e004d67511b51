//! A toolchain of one static busybox, and runs in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Conditions, Timestamp};
use sandbox::{Cancel, Exit, Files, Io, Outcome, SandboxError, Spec};

pub(crate) const EPOCH: i64 = 1_600_000_000;

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) conditions: Conditions,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) limits: model::Limits,
    pub(crate) trace: bool,
    pub(crate) degraded: bool,
    pub(crate) secrets: Vec<(&'static str, &'static [u8])>,
    pub(crate) cancel: Cancel,
    runs: std::cell::Cell<u32>,
}

pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) log: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let busybox = busybox();
        let conditions = Conditions::canonical(Timestamp(EPOCH));
        let env = conditions.environment();
        let world = Self {
            dir,
            conditions,
            env,
            timeout: Some(Duration::from_secs(60) * slow()),
            limits: model::Limits::default(),
            trace: false,
            secrets: Vec::new(),
            degraded: false,
            cancel: Cancel::new().expect("a descriptor"),
            runs: std::cell::Cell::new(0),
        };
        let root = world.root();
        for dir in ["usr/bin", "usr/lib", "usr/share/empty", "etc/alternatives", "var/lib", "home", "opt"] {
            fs::create_dir_all(root.join(dir)).expect("it is ours");
        }
        for link in ["bin", "lib", "sbin"] {
            symlink(format!("usr/{}", link.replace("sbin", "bin")), root.join(link)).expect("it is new");
        }
        copy_program(&busybox, &root.join("usr/bin/busybox"));
        let applets = "sh cat id whoami hostname ls stat env printenv pwd rm mkdir touch chmod cp mv sed grep \
             mount umount sleep true false kill nslookup wget readlink find od wc head tr sort dd seq ip \
             setsid nproc nc df ps tee dirname awk chown ln tty test unshare uname";
        for applet in applets.split_whitespace() {
            symlink("busybox", root.join("usr/bin").join(applet)).expect("it is new");
        }
        fs::write(root.join("usr/share/data"), "of the toolchain\n").expect("it is ours");
        fs::write(root.join("etc/passwd"), "wrong:x:1:1::/:/bin/sh\n").expect("it is ours");
        fs::write(root.join("etc/toolchain.conf"), "kept\n").expect("it is ours");
        fs::set_permissions(root.join("usr/share/data"), fs::Permissions::from_mode(0o444)).expect("ours");
        let work = world.work();
        fs::create_dir_all(work.join("sub/deep")).expect("it is ours");
        for (name, text) in [("input.txt", "original\n"), ("gone.txt", "x"), ("sub/deep/file", "y")] {
            fs::write(work.join(name), text).expect("it is ours");
            fs::set_permissions(work.join(name), fs::Permissions::from_mode(0o644)).expect("ours");
        }
        for dir in ["", "sub", "sub/deep"] {
            fs::set_permissions(work.join(dir), fs::Permissions::from_mode(0o755)).expect("ours");
        }
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Puts this program at `/opt/program`, with the libraries it needs.
    pub(crate) fn add_this_program(&self) {
        let program = std::env::current_exe().expect("a program");
        copy_program(&program, &self.root().join("opt/program"));
        let output = std::process::Command::new("ldd").arg(&program).output().expect("ldd");
        let text = String::from_utf8_lossy(&output.stdout);
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        for library in libraries {
            // Through the links at the top, as the loader will look for them.
            let path = self.root().join(library.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("it is absolute")).expect("it is ours");
            fs::copy(library, path).expect("a library");
        }
    }

    /// Runs `script`; the whole log, also in the order it came.
    pub(crate) fn sh(&self, script: &str) -> Ran {
        self.try_run(&["/bin/sh", "-c", script]).expect("the sandbox runs")
    }

    /// What `script` prints; it must succeed.
    pub(crate) fn prints(&self, script: &str) -> String {
        let ran = self.sh(script);
        assert_eq!(ran.outcome.exit, Exit::Code(0), "{script}: {}", ran.log);
        ran.log
    }

    pub(crate) fn try_run(&self, arguments: &[&str]) -> Result<Ran, SandboxError> {
        let mut log = Vec::new();
        let outcome = self.run_into(arguments, &mut |bytes| log.extend_from_slice(bytes))?;
        Ok(Ran { outcome, log: String::from_utf8_lossy(&log).into_owned() })
    }

    pub(crate) fn run_into(
        &self,
        arguments: &[&str],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Outcome, SandboxError> {
        self.run_io(arguments, Io::Log { sink })
    }

    pub(crate) fn run_io(&self, arguments: &[&str], io: Io<'_>) -> Result<Outcome, SandboxError> {
        self.runs.set(self.runs.get() + 1);
        let scratch = self.dir.path().join(format!("scratch{}", self.runs.get()));
        fs::create_dir(&scratch).expect("it is new");
        // As closed as a caller may make it.
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o700)).expect("it is ours");
        let mut forward;
        let io = match io {
            Io::Log { sink } => {
                forward = |bytes: &[u8]| sink(bytes);
                Io::Log { sink: &mut forward }
            }
            Io::Terminal => Io::Terminal,
        };
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        sandbox::run(Spec {
            files: Files::Trees { root: &self.root(), work: &self.work() },
            scratch: &scratch,
            arguments: &arguments,
            env: &self.env,
            gateway: None,
            secrets: &self.secrets,
            conditions: &self.conditions,
            timeout: self.timeout,
            limits: self.limits,
            trace: self.trace,
            degraded: self.degraded,
            io,
            cancel: &self.cancel,
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for run in 1..=self.runs.get() {
            let scratch = self.dir.path().join(format!("scratch{run}"));
            sandbox::remove_scratch(&scratch).expect("a scratch directory can always be deleted");
            assert!(!scratch.exists());
        }
    }
}

/// The content of `path` below the build directory, or none.
pub(crate) fn read_at(work: &OwnedFd, path: &str) -> Option<String> {
    // The magic link leads to the open directory, as openat would.
    let path = format!("/proc/self/fd/{}/{path}", work.as_raw_fd());
    let mut text = String::new();
    fs::File::open(path).ok()?.read_to_string(&mut text).expect("text");
    Some(text)
}

/// How many times slower than usual this machine is: `SANDBOX_TEST_SLOW`, which `scripts/elsewhere` sets.
pub(crate) fn slow() -> u32 {
    std::env::var("SANDBOX_TEST_SLOW").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Copies a program that is to be executed at once.
///
/// By another process: one that forks meanwhile would hold this one's descriptor for writing, and a file that somebody
/// may write cannot be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied =
        std::process::Command::new("cp").arg("--").arg(from).arg(to).status().expect("cp (coreutils)");
    assert!(copied.success(), "{} cannot be copied", from.display());
}

/// The static busybox of this machine.
pub(crate) fn busybox() -> PathBuf {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("these tests need a static busybox: apt-get install -y busybox-static")
}
