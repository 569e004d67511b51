//! Beside buildah: the same Dockerfile, the same files.

use std::process::Command;

use super::{Unpacked, built, ids, project, tool};
use crate::home::{Home, PATH, need, ran, room};

const DOCKERFILE: &str = r#"
FROM base AS one
COPY a.txt b.txt /opt/files/
COPY dir /opt/dir
COPY dir/ /srv/
COPY toplink /opt/followed
COPY a.txt /link/through
COPY --chown=app dir /home/app/d
COPY --chown=1:2 --chmod=640 a.txt /opt/owned
COPY *.txt /opt/wild/
COPY ign /opt/ign
ADD arch.tar.gz /opt/arch
ADD arch.tar.xz /opt/archxz/
ADD a.txt plain.gz /opt/added/
RUN rm -r /srv/old && mkdir /srv/old && echo new > /srv/old/new && rm /srv/two && ln /opt/files/a.txt /opt/hard
RUN echo here > /opt/env; chmod 4755 /opt/env; id > /opt/id
WORKDIR /w/x
WORKDIR y
RUN echo here > rel
USER app
RUN id > /tmp/id; echo $HOME > /tmp/home
USER root
FROM base
COPY --from=one /opt /opt
COPY --from=one --chown=app:extra /srv/old /moved
COPY --from=one /home/app/d/l /opt/linkcopy
COPY --from=one /w /tmp/id /tmp/home /others/
"#;

/// What buildah leaves of its mounts.
const LEFT: [&str; 7] =
    ["./dev", "./proc", "./run", "./sys", "./etc/hostname", "./etc/hosts", "./etc/resolv.conf"];

#[test]
fn buildah_makes_the_same_files() {
    need(&["buildah"]);
    let home = Home::own();
    ids!(home);
    let files = [
        ("a.txt", "a\n"),
        ("b.txt", "b\n"),
        ("dir/c.txt", "c\n"),
        ("dir/sub/d.sh", "#!/bin/sh\n"),
        ("ign/x", "x"),
        ("ign/keep", "k"),
        ("plain.gz", "no gzip\n"),
        (".dockerignore", "ign/*\n!ign/keep\n"),
    ];
    let project = project(DOCKERFILE, &files);
    std::os::unix::fs::symlink("c.txt", project.file("dir/l")).unwrap();
    std::os::unix::fs::symlink("dir/c.txt", project.file("toplink")).unwrap();
    for (name, flag) in [("arch.tar.gz", "-z"), ("arch.tar.xz", "-J")] {
        tool(project.path(), &["tar", "--owner=33", "--group=34", flag, "-cf", name, "dir"]);
    }
    project.commit();
    built(&home, &project);
    let ours = Unpacked::of(project.path(), "oci-archive:selfsame-out/app.oci.tar");

    let storage = room();
    let at = |name: &str| storage.path().join(name).display().to_string();
    std::fs::write(at("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new("buildah");
        command.args(["--root", &at("root"), "--runroot", &at("run"), "--storage-driver", "vfs"]).args(words);
        command.current_dir(project.path()).env_clear().env("PATH", PATH).env("HOME", storage.path());
        command.env("TMPDIR", storage.path()).env("XDG_RUNTIME_DIR", storage.path());
        let ran = ran(&mut command);
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    };
    run(&["pull", "-q", "oci:base:1"]);
    let mut list = Command::new("buildah");
    list.args(["--root", &at("root"), "--runroot", &at("run"), "--storage-driver", "vfs", "images", "-q"]);
    let id = ran(list.env_clear().env("PATH", PATH).env("HOME", storage.path())).out;
    run(&["tag", id.trim(), "localhost/base:latest"]);
    run(&[
        "build",
        "-q",
        "--isolation",
        "chroot",
        "--pull=never",
        "--format",
        "docker",
        "-t",
        "localhost/theirs",
        ".",
    ]);
    run(&["push", "-q", "localhost/theirs", &format!("oci:{}:x", at("theirs"))]);
    let theirs = Unpacked::of(project.path(), &format!("oci:{}:x", at("theirs")));
    similar_asserts(&theirs.list(&LEFT), &ours.list(&LEFT));
    similar_asserts(&theirs.sums(&LEFT), &ours.sums(&LEFT));
    crate::home::open_up(storage.path());
}

#[track_caller]
fn similar_asserts(theirs: &str, ours: &str) {
    let only = |these: &str, those: &str| -> Vec<String> {
        these.lines().filter(|line| !those.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    assert_eq!(
        (only(theirs, ours), only(ours, theirs)),
        (Vec::new(), Vec::new()),
        "theirs alone, ours alone"
    );
}
