//! A home folder for one test, and the binary run with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::seed;

/// The environment's `PATH` in every test.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A folder with everything of one user: store, ledger, keys.
pub(crate) struct Home {
    dir: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    /// A home whose store is everybody's: for tests that only build.
    pub(crate) fn shared() -> Self {
        let home = Self::empty();
        symlink(seed::small().join("store"), home.path().join("store")).expect("a fresh folder");
        home
    }

    /// A home with a store of its own that has the small toolchain: for tests that damage it.
    pub(crate) fn own() -> Self {
        let home = Self::empty();
        copy_store(&seed::small().join("store"), &home.store());
        home
    }

    /// A home in which nothing is yet.
    pub(crate) fn empty() -> Self {
        Self { dir: room() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// The binary in `dir`, with this home and nothing else in its environment.
    pub(crate) fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), self.path(), dir);
        command.args(args);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, dir: &Path, args: &[&str]) -> Ran {
        ran(&mut self.command(dir, args))
    }

    /// Runs the binary with `--json`; gives the exit code and what stands under `result` or `error`, having checked
    /// the envelope.
    #[track_caller]
    pub(crate) fn json(&self, dir: &Path, args: &[&str]) -> (i32, Value) {
        let ran = self.run(dir, &[args, &["--json"]].concat());
        ran.envelope(args[0])
    }

    /// As [`Home::json`] for a run that ends well.
    #[track_caller]
    pub(crate) fn ok(&self, dir: &Path, args: &[&str]) -> Value {
        let ran = self.run(dir, &[args, &["--json"]].concat());
        let (code, value) = ran.envelope(args[0]);
        assert_eq!(code, 0, "{args:?}: {value:#}");
        value
    }

    /// `store verify` finds nothing.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let (code, report) = self.json(self.path(), &["store", "verify"]);
        assert_eq!((code, report["damaged"].as_array().map(Vec::len)), (0, Some(0)), "{report:#}");
    }

    /// The file of a blob, by `sha256:HEX/SIZE`.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").and_then(|d| d.split('/').next()).expect("a digest");
        self.store().join("blobs").join(&hex[..2]).join(hex)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        open_up(self.path());
    }
}

impl Ran {
    /// Checks the JSON envelope and opens it.
    #[track_caller]
    pub(crate) fn envelope(&self, verb: &str) -> (i32, Value) {
        let mut value: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON document ({e}): {self:?}"));
        let code = self.code.unwrap_or_else(|| panic!("killed: {self:?}"));
        assert_eq!(value["schema"], format!("{verb}/1"), "{value:#}");
        assert_eq!(value["ok"], code == 0, "{value:#}");
        assert_eq!(value["exit"]["code"], code, "{value:#}");
        let key = if value.get("result").is_some() { "result" } else { "error" };
        (code, value[key].take())
    }
}

/// A program with a clean environment: `PATH`, `HOME`, where selfsame's home is, and how to reach the network.
pub(crate) fn bare(program: &Path, home: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("HOME", home).env("SELFSAME_HOME", home);
    command.envs(std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        name.ends_with("_proxy") || name == "ssl_cert_file" || name == "ssl_cert_dir"
    }));
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// Runs a program to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let program = command.get_program().to_os_string();
    let output = command.output().unwrap_or_else(|e| {
        panic!("{}: {e}; `scripts/prepare test` installs what tests need", program.display())
    });
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Copies a program that is to be executed at once. By another process: one that forks meanwhile would hold this one's
/// descriptor for writing, and a file that somebody may write cannot be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--").arg(from).arg(to).status().expect("cp (coreutils)");
    assert!(copied.success(), "{} cannot be copied", from.display());
}

/// Fails if a tool is missing, saying how to get it.
#[track_caller]
pub(crate) fn need(tools: &[&str]) {
    for tool in tools {
        let found = PATH.split(':').any(|dir| Path::new(dir).join(tool).exists());
        assert!(found, "`{tool}` is not here: run `scripts/prepare test`");
    }
}

/// A temporary folder on the file system of the seed.
pub(crate) fn room() -> TempDir {
    tempfile::Builder::new().prefix("it-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a writable target")
}

/// Copies a store but for what others have built. Blobs and memos by hard link: a store only ever replaces files. Of trees on disk only the small
/// toolchain's, and truly: another copy's coming and going would change the time of a shared inode, which
/// `store verify` takes for somebody's writing.
fn copy_store(from: &Path, to: &Path) {
    for place in ["blobs", "memos"] {
        link_tree(&from.join(place), &to.join(place));
    }
    fs::copy(from.join("VERSION"), to.join("VERSION")).expect("room");
    let tree = seed::tree();
    let boot = fs::read_dir(from.join("trees")).expect("a store").filter_map(Result::ok);
    let tree =
        boot.map(|boot| boot.path().join(&tree)).find(|t| t.exists()).expect("the seed has built with it");
    let boot = tree.parent().and_then(Path::file_name).expect("it has a folder");
    let new = to.join("trees").join(boot);
    fs::create_dir_all(&new).expect("room");
    let copy = Command::new("cp").arg("-a").arg(&tree).arg(&new).status();
    assert!(copy.expect("there is cp").success());
}

fn link_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("room");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it can be listed");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("it has a type").is_dir() {
            link_tree(&source, &target);
        } else if let Err(e) = fs::hard_link(&source, &target) {
            // Another test's build has just replaced it.
            assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{e}: {}", source.display());
        }
    }
}

/// Makes everything below removable: trees on disk are read-only, folders too. Files stay as they are: a store's are
/// shared.
pub(crate) fn open_up(path: &Path) {
    let mut find = Command::new("find");
    find.arg(path).args(["-type", "d", "!", "-perm", "-200", "-exec", "chmod", "u+w", "{}", "+"]);
    let _ = find.stderr(Stdio::null()).status();
}

/// Flips one bit in the middle of a file by replacing it, as a disk would: name, size, mode and time stay.
pub(crate) fn flip(path: &Path) {
    let meta = fs::metadata(path).expect("a file");
    let mut bytes = fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let new = path.with_extension("flipped");
    fs::write(&new, bytes).expect("room");
    fs::set_permissions(&new, meta.permissions()).expect("it is ours");
    fs::File::open(&new).and_then(|f| f.set_modified(meta.modified()?)).expect("it is ours");
    fs::rename(&new, path).expect("one folder");
}
