//! podman and buildah: an image is loaded and run.

use std::path::Path;
use std::process::Command;

use super::{app, image};
use crate::home::{Home, PATH, need, ran, room};

/// Container storage of one test.
struct Engine {
    dir: tempfile::TempDir,
}

impl Engine {
    fn new() -> Self {
        need(&["podman", "buildah", "runc"]);
        let dir = room();
        std::fs::write(dir.path().join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)
            .unwrap();
        Self { dir }
    }

    /// Runs an engine in a storage of its own, without a daemon.
    #[track_caller]
    fn run(&self, dir: &Path, program: &str, words: &[&str]) -> String {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let mut command = Command::new(program);
        if program == "podman" {
            command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
            command.args(["--tmpdir", &at("tmp")]);
        }
        command.args(["--root", &at("root"), "--runroot", &at("run"), "--storage-driver", "vfs"]).args(words);
        command.current_dir(dir).env_clear().env("PATH", PATH).env("HOME", self.dir.path());
        command.env("TMPDIR", self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path());
        let ran = ran(&mut command);
        assert_eq!(ran.code, Some(0), "{program} {words:?}: {ran:?}");
        ran.out
    }
}

const SEALED: [&str; 7] = [
    "run",
    "--rm",
    "--network",
    "none",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
    "--log-driver=none",
];

#[test]
fn engines_take_the_image_and_run_it() {
    let home = Home::shared();
    let project = app();
    let built = home.ok(project.path(), &["image", "build"]);
    let engine = Engine::new();
    let archive = "selfsame-out/app.oci.tar";
    let said = engine.run(project.path(), "podman", &["load", "-q", "-i", archive]);
    assert!(said.contains("small:1.0"), "{said}");
    let digest = ["image", "inspect", "--format", "{{.Digest}}", "localhost/small:1.0"];
    assert_eq!(engine.run(project.path(), "podman", &digest).trim(), image(&built, 0));
    let ran = engine.run(project.path(), "podman", &[&SEALED[..], &["localhost/small:1.0"]].concat());
    assert_eq!(ran.trim(), "it runs");
    let words =
        [&SEALED[..], &["localhost/small:1.0", "sh", "-c", "id -u; pwd; cat file; echo $MODE"]].concat();
    let ran = engine.run(project.path(), "podman", &words);
    assert_eq!(ran.lines().collect::<Vec<_>>(), ["1000", "/home/app", "kept", "test"]);

    let container = engine.run(
        project.path(),
        "buildah",
        &["from", "--signature-policy", "policy.json", &format!("oci-archive:{archive}")]
            .map(|word| {
                if word == "policy.json" {
                    engine.dir.path().join(word).display().to_string()
                } else {
                    word.to_owned()
                }
            })
            .each_ref()
            .map(String::as_str),
    );
    let format = ["inspect", "--format", "{{.FromImageDigest}}", container.trim()];
    assert_eq!(engine.run(project.path(), "buildah", &format).trim(), image(&built, 0));
}
