//! The folder of a run: a home for selfsame, projects to build, the toolchain on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::timing::must;
use crate::tree;

/// Where one run works; the work folder goes when it is dropped.
pub(super) struct Bench {
    /// Where compiled programs are.
    programs: PathBuf,
    home: PathBuf,
    /// For everything that is made.
    pub(super) work: PathBuf,
}

impl Bench {
    pub(super) fn new() -> Result<Self, String> {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), PathBuf::from);
        let target = std::path::absolute(target).map_err(|error| error.to_string())?;
        let bench = Self {
            programs: target.join("release"),
            home: target.join("bench/home"),
            work: target.join("bench/work"),
        };
        super::remove(&bench.work);
        for dir in [&bench.work, &bench.home] {
            fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        }
        Ok(bench)
    }

    /// An example program of a crate, by its name.
    pub(super) fn example(&self, name: &str) -> Command {
        Command::new(self.programs.join("examples").join(name))
    }

    /// `selfsame` with this run's home; events and notes are not shown.
    pub(super) fn selfsame(&self) -> Command {
        let mut command = Command::new(self.programs.join("selfsame"));
        command.env("SELFSAME_HOME", &self.home).arg("--quiet");
        command
    }

    /// A folder that does not exist yet, below the work folder.
    pub(super) fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.work.join(name);
        super::remove(&dir);
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(dir)
    }

    /// A folder that stays for the next run.
    pub(super) fn kept(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.home.with_file_name("registry").join(name);
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(dir)
    }

    /// Where the store keeps a blob.
    pub(super) fn blob(&self, hex: &str) -> PathBuf {
        self.home.join("store/blobs").join(hex.get(..2).unwrap_or_default()).join(hex)
    }

    /// A copy of an example's recipe and lock; its inputs are in the store.
    pub(super) fn copy_example(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.fresh(name)?;
        for file in ["selfsame.toml", "selfsame.lock"] {
            let from = tree::root().join("examples").join(name).join(file);
            fs::copy(&from, dir.join(file)).map_err(|error| format!("{}: {error}", from.display()))?;
        }
        must(self.selfsame().arg("fetch").arg(&dir))?;
        Ok(dir)
    }

    /// A project with the toolchain of the example zlib, whose source is the git work tree `src` in it, with `files`
    /// files in folders of a hundred. `steps` is the recipe from its steps on.
    pub(super) fn worktree(&self, name: &str, files: usize, steps: &str) -> Result<PathBuf, String> {
        let zlib = self.copy_example("zlib")?;
        let dir = self.fresh(name)?;
        let source = dir.join("src");
        let failed = |error: std::io::Error| format!("{}: {error}", source.display());
        for number in 0..files {
            let folder = source.join(format!("d{:03}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&folder).map_err(failed)?;
            }
            let text = format!("int f{number}(void) {{ return {number}; }}\n").repeat(40);
            fs::write(folder.join(format!("f{number:05}.c")), text).map_err(failed)?;
        }
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"];
            must(Command::new("git").args(identity).arg("-C").arg(&source).args(arguments))
        };
        git(&["init", "--quiet"])?;
        git(&["add", "."])?;
        git(&["commit", "--quiet", "--message", "files"])?;

        let lock = zlib.join("selfsame.lock");
        let lock = fs::read_to_string(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
        let toolchain = lock.split("\n[source.").next().unwrap_or_default();
        fs::write(dir.join("selfsame.lock"), format!("{toolchain}\n")).map_err(failed)?;
        write_recipe(&dir, name, steps)?;
        Ok(dir)
    }

    /// The root of a tree that a build has put on disk, by a part of its lock: `[toolchain]`, `[source.zlib]`.
    pub(super) fn on_disk(&self, lock: &Path, part: &str) -> Result<PathBuf, String> {
        let text = fs::read_to_string(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
        let hex = text
            .split_once(part)
            .and_then(|(_, rest)| rest.split_once("tree = \"sha256:"))
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(hex, _)| hex.to_owned())
            .ok_or_else(|| format!("{}: no tree in `{part}`", lock.display()))?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let trees = self.home.join("store/trees").join(boot.trim());
        let entries = fs::read_dir(&trees).map_err(|error| format!("{}: {error}", trees.display()))?;
        let found = entries.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with(&hex));
        found.map(|entry| entry.path().join("root")).ok_or_else(|| format!("no tree {hex} on disk"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        super::remove(&self.work);
    }
}

/// Writes the recipe of a project made by [`Bench::worktree`].
pub(super) fn write_recipe(dir: &Path, name: &str, steps: &str) -> Result<(), String> {
    let text = format!(
        "selfsame = 1\nname = \"{name}\"\nversion = \"1\"\n\n[sources.main]\nworktree = \"src\"\n\n\
         [toolchain]\nkind = \"debian\"\nsuite = \"bookworm\"\npackages = [\"gcc\", \"libc6-dev\", \"make\"]\n\n{steps}"
    );
    let path = dir.join("selfsame.toml");
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
