//! A git work tree with a recipe, made for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::home::{self, PATH, ran, room};
use crate::seed;

/// When all commits of tests were made: 2020-09-13T12:26:40Z.
pub(crate) const EPOCH: i64 = 1_600_000_000;

/// A folder with a recipe, the lock of the small toolchain, and git around it.
pub(crate) struct Project {
    dir: TempDir,
}

/// A recipe of the small toolchain; `rest` are its steps and artifacts, after the source `main`.
pub(crate) fn recipe(rest: &str) -> String {
    format!("{}\n{rest}", seed::RECIPE_HEAD)
}

/// A recipe with one step that makes `out`, which is packed as `out.tar`.
pub(crate) fn one_step(run: &[&str]) -> String {
    let run = serde_json::to_string(run).expect("strings");
    recipe(&format!(
        "[[step]]\nname = \"build\"\nrun = {run}\noutputs = [\"out\"]\n\n\
         [[artifact]]\nname = \"out.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n"
    ))
}

impl Project {
    /// Writes recipe, lock and files, and commits them.
    pub(crate) fn new(recipe: &str, files: &[(&str, &str)]) -> Self {
        let project = Self { dir: room() };
        project.write("selfsame.toml", recipe);
        project.write("selfsame.lock", &seed::lock_text());
        for (path, text) in files {
            project.write(path, text);
        }
        project.git(&["init", "-q", "-b", "main"]);
        project.commit();
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file in it.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.file(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("room");
        fs::write(&path, text).expect("room");
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    /// Commits everything.
    pub(crate) fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "a state"]);
    }

    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        home::open_up(self.path());
    }
}

/// Runs git as somebody known, at a known time.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env_clear().env("PATH", PATH).env("HOME", dir);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "A Person").env(format!("GIT_{role}_EMAIL"), "a@example.org");
        command.env(format!("GIT_{role}_DATE"), format!("@{EPOCH} +0000"));
    }
    let ran = ran(&mut command);
    assert_eq!(ran.code, Some(0), "git {args:?}: {ran:?}");
    ran.out
}
