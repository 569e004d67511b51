//! Dockerfiles, built sealed: what is in the image, what is locked, what is refused.

mod debian;
mod peers;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::home::{Home, PATH, Ran, copy_program, need, ran, room};
use crate::project::Project;
use crate::registry::Registry;

/// What stands for `FROM base`.
const BASE: &str = "base=oci-layout:base:1";

const RECIPE: &str = r#"selfsame = 1
name = "app"
version = "1.0"

[sources.main]
worktree = "."

[sources.base]
image = "oci-layout:base:1"

[[artifact]]
name = "app.oci.tar"
format = "oci-image"

[artifact.dockerfile]
context = "source:main"
contexts = { base = "source:base" }
"#;

/// Runs a tool of the field.
#[track_caller]
fn tool(dir: &Path, words: &[&str]) -> String {
    need(&words[..1]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(dir).env_clear().env("PATH", PATH).env("HOME", dir);
    let ran = ran(&mut command);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    ran.out
}

/// A base of busybox with two users, made by umoci. Modes and links are those of a merged `/usr`.
fn base(dir: &Path) {
    tool(dir, &["umoci", "init", "--layout", "base"]);
    tool(dir, &["umoci", "new", "--image", "base:1"]);
    let bundle = room();
    let at = bundle.path().join("bundle");
    tool(dir, &["umoci", "unpack", "--image", "base:1", at.to_str().unwrap()]);
    let root = at.join("rootfs");
    for folder in ["usr/bin", "etc", "tmp", "srv/old", "home/app", "data"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("/srv", root.join("link")).unwrap();
    let busybox = PATH.split(':').map(|dir| Path::new(dir).join("busybox")).find(|path| path.exists());
    copy_program(&busybox.expect("run `scripts/prepare test`"), &root.join("usr/bin/busybox"));
    for name in [
        "sh", "id", "chown", "chmod", "ls", "cat", "rm", "mkdir", "touch", "ln", "grep", "wget", "cp", "sed",
        "dd",
    ] {
        symlink("busybox", root.join("usr/bin").join(name)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\napp:x:1001:\nextra:x:1005:app\n").unwrap();
    fs::write(root.join("srv/old/one"), "1\n").unwrap();
    fs::write(root.join("srv/two"), "2\n").unwrap();
    std::os::unix::fs::chown(root.join("home/app"), Some(1000), Some(1001)).unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    tool(dir, &["umoci", "repack", "--image", "base:1", at.to_str().unwrap()]);
    let config = ["--config.env", "PATH=/usr/bin", "--config.env", "BASE=yes", "--config.workingdir", "/srv"];
    tool(dir, &[&["umoci", "config", "--image", "base:1", "--config.cmd", "sh"], &config[..]].concat());
}

/// A project of a Dockerfile and other files, with a base beside it.
fn project(dockerfile: &str, files: &[(&str, &str)]) -> Project {
    need(&["umoci", "skopeo", "busybox"]);
    let ignored = [(".gitignore", "/base\n/selfsame-out\n"), ("Dockerfile", dockerfile)];
    let project = Project::new(RECIPE, &[&ignored, files].concat());
    fs::remove_file(project.file("selfsame.lock")).unwrap();
    base(project.path());
    project.commit();
    project
}

/// Locks and builds by the recipe.
#[track_caller]
fn built(home: &Home, project: &Project) -> Value {
    home.ok(project.path(), &["lock"]);
    project.commit();
    home.ok(project.path(), &["build"])
}

/// The files of a built image, as umoci unpacks them.
struct Unpacked {
    dir: tempfile::TempDir,
}

impl Unpacked {
    #[track_caller]
    fn of(dir: &Path, image: &str) -> Self {
        let unpacked = Self { dir: room() };
        let layout = format!("oci:{}:x", unpacked.dir.path().join("layout").display());
        tool(dir, &["skopeo", "copy", "-q", image, &layout]);
        let image = format!("{}:x", unpacked.dir.path().join("layout").display());
        let to = unpacked.dir.path().join("bundle");
        tool(dir, &["umoci", "unpack", "--image", &image, to.to_str().unwrap()]);
        unpacked
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("bundle/rootfs")
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// `PATH KIND MODE OWNER LINK LINKS` of everything, but for what `but` matches.
    fn list(&self, but: &[&str]) -> String {
        let listed =
            tool(&self.root(), &["find", ".", "-mindepth", "1", "-printf", "%p %y %m %U:%G %l %n\n"]);
        let mut lines: Vec<&str> = listed
            .lines()
            .filter(|line| !but.iter().any(|but| line.split(' ').next() == Some(but)))
            .collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// `sha256 PATH` of every file.
    fn sums(&self, but: &[&str]) -> String {
        let script = "find . -type f -print0 | sort -z | xargs -0 sha256sum";
        let summed = tool(&self.root(), &["sh", "-c", script]);
        let kept = summed.lines().filter(|line| !but.iter().any(|but| line.ends_with(&format!("  {but}"))));
        kept.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        crate::home::open_up(self.dir.path());
    }
}

/// Root has ids to give; for anybody else here there is one thing to be seen.
macro_rules! ids {
    ($home:expr) => {
        if sandbox::first_id().is_err() {
            let project = crate::dockerfiles::project("FROM base\nRUN true\n", &[]);
            let ran = $home.run(project.path(), &["lock"]);
            assert!(ran.err.contains("subuids"), "{}", ran.err);
            return;
        }
    };
}
use ids;

#[test]
fn an_image_is_what_its_dockerfile_says() {
    let home = Home::own();
    ids!(home);
    let dockerfile = r#"
ARG FROM=base
FROM ${FROM} AS made
ARG X=default
ENV Y=$X-y
COPY --chown=app dir /home/app/d
COPY a.txt /link/through
RUN rm -r /srv/old && mkdir /srv/old && echo new > /srv/old/new && rm /srv/two && ln /srv/through /srv/hard
RUN echo "$X $Y $BASE" > /env; chmod 4755 /env
WORKDIR /w/x
WORKDIR y
USER app
RUN id > /tmp/id; echo $HOME >> /tmp/id; touch /mine 2> /dev/null || echo refused >> /tmp/id
USER root
SHELL ["/bin/sh", "-ec"]
RUN <<EOF
echo a > rel
echo b >> rel
EOF
RUN <<EOF
#!/bin/cat
as it is
EOF

FROM base
COPY --from=made /srv /srv
COPY --from=made /tmp/id /env /w/x/y/rel /said/
COPY --from=made --chown=app:extra /home/app/d/l /linked
RUN --mount=type=bind,from=made,source=/w,target=/mnt --mount=type=cache,target=/c cat /mnt/x/y/rel > /c/x; cp /c/x /mounted
RUN --network=none --mount=type=tmpfs,target=/t --mount=type=secret,id=none ls /run/secrets /t > /nothing 2>&1 || true
COPY <<A <<"B" /docs/
is $BASE
A
is $BASE
B
ADD arch.tar.gz /arch/
ADD --chmod=u=rw,go= a.txt /added
LABEL mine=yes
EXPOSE 80
HEALTHCHECK --interval=5s CMD true
ONBUILD RUN echo
STOPSIGNAL SIGINT
USER app
ENTRYPOINT ["/bin/sh"]
"#;
    let files = [
        ("a.txt", "a\n"),
        ("dir/c.txt", "c\n"),
        ("dir/s.sh", "#!/bin/sh\n"),
        ("not", "x"),
        (".dockerignore", "not\n"),
    ];
    let project = project(dockerfile, &files);
    symlink("c.txt", project.file("dir/l")).unwrap();
    tool(project.path(), &["tar", "--owner=33", "--group=34", "-czf", "arch.tar.gz", "a.txt"]);
    project.commit();
    let built = built(&home, &project);
    let image = Unpacked::of(project.path(), "oci-archive:selfsame-out/app.oci.tar");
    let list = image.list(&[]);
    for line in [
        "./srv/old/new f 644 0:0  1",
        "./srv/through f 644 0:0  2",
        "./srv/hard f 644 0:0  2",
        "./said/env f 4755 0:0  1",
        "./linked f 644 1000:1005  1",
        "./arch/a.txt f 644 33:34  1",
        "./added f 600 0:0  1",
        "./docs/A f 644 0:0  1",
    ] {
        assert!(list.lines().any(|found| found == line), "{line}\n{list}");
    }
    // What was taken away in another stage is still in this one's base.
    assert!(list.contains("./srv/two f"), "{list}");
    for (path, text) in [
        ("said/env", "default default-y yes\n"),
        ("said/id", "uid=1000(app) gid=1001(app) groups=1001(app),1005(extra)\n/home/app\nrefused\n"),
        ("said/rel", "a\nb\n"),
        ("mounted", "a\nb\n"),
        ("docs/A", "is yes\n"),
        ("docs/B", "is $BASE\n"),
        ("linked", "c\n"),
    ] {
        assert_eq!(image.text(path), text, "{path}");
    }
    assert!(!list.contains("./c ") && !list.contains("./mnt") && !list.contains("/run"), "{list}");
    let config = tool(
        project.path(),
        &["skopeo", "inspect", "--raw", "--config", "oci-archive:selfsame-out/app.oci.tar"],
    );
    let config: Value = serde_json::from_str(&config).unwrap();
    let run = &config["config"];
    assert_eq!(run["Entrypoint"], serde_json::json!(["/bin/sh"]));
    assert_eq!((&run["User"], &run["WorkingDir"]), (&"app".into(), &"/srv".into()));
    assert_eq!((&run["Cmd"], &run["OnBuild"]), (&Value::Null, &serde_json::json!(["RUN echo"])));
    assert_eq!(run["Healthcheck"]["Interval"], 5_000_000_000_u64);
    assert_eq!(run["Labels"]["mine"], "yes");
    assert_eq!(run["Labels"]["org.opencontainers.image.version"], "1.0");
    // Every RUN is a step: with its log, and in provenance.
    let names: Vec<&str> =
        built["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"app.oci.tar: made: RUN 1") && names.contains(&"app.oci.tar: 1: RUN 1"),
        "{names:?}"
    );
    // Locked, everything was made already; made anew elsewhere, it is the same.
    assert!(built["steps"].as_array().unwrap().iter().all(|step| step["cached"] == true), "{built:#}");
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/app.oci.tar.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced");
    let other = Home::own();
    other.ok(project.path(), &["lock", "--check"]);
    // At another commit, whose time nothing has asked for, no command runs again.
    project.write("not", "y");
    project.commit();
    let again = home.ok(project.path(), &["build"]);
    assert!(again["steps"].as_array().unwrap().iter().all(|step| step["cached"] == true), "{again:#}");
    assert_eq!(again["artifacts"][0]["image"]["digest"].as_str().map(str::len), Some(76));
}

#[test]
fn without_a_recipe_the_flags_of_other_builders_do() {
    let home = Home::own();
    ids!(home);
    let project = project(
        "FROM base AS first\nARG WHO\nRUN echo $WHO > /who\nFROM first\nRUN echo never\n",
        &[("sub/Dockerfile", "FROM base\nCOPY sub/x /x\n"), ("sub/x", "x")],
    );
    let dir = project.path();
    let flags = ["--build-context", BASE, "--target", "first", "--build-arg", "WHO=me"];
    let ran = home.run(dir, &[&["image", "build", "-f", "Dockerfile"], &flags[..]].concat());
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(
        ran.err.contains("there is no lock `Dockerfile.lock`") && ran.err.contains("image lock"),
        "{}",
        ran.err
    );
    home.ok(dir, &[&["image", "lock", "-f", "Dockerfile"], &flags[..]].concat());
    project.commit();
    let tagged = [&["image", "build", "-f", "Dockerfile", "-t", "team/app:2.0"], &flags[..]].concat();
    let built = home.ok(dir, &tagged);
    assert_eq!(built["artifacts"][0]["image"]["name"], "team/app:2.0");
    let image = Unpacked::of(dir, "oci-archive:selfsame-out/image.oci.tar");
    assert_eq!(image.text("who"), "me\n");
    let rebuilt = home.ok(dir, &["rebuild", "selfsame-out/image.oci.tar.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced");
    home.ok(dir, &["image", "lock", "-f", "sub/Dockerfile", "--build-context", BASE]);
    assert!(project.file("sub/Dockerfile.lock").exists());
    let ran = home.run(&project.file("sub"), &["image", "build", "-f", "../Dockerfile"]);
    assert!(ran.err.contains("`../Dockerfile` is not in `.`"), "{}", ran.err);
}

#[test]
fn what_a_command_fetches_is_locked_and_nothing_else_is_answered() {
    let home = Home::own();
    ids!(home);
    let proxy = Registry::new();
    proxy.has("http://files.example.test/a", "one\n");
    proxy.has("http://files.example.test/b", "two\n");
    let dockerfile =
        "FROM base\nADD http://files.example.test/b /b\nRUN wget -qO /a http://files.example.test/a\n";
    let project = project(dockerfile, &[]);
    let with = |args: &[&str], proxy: &Registry| -> Ran {
        let mut command = home.command(project.path(), args);
        ran(command.env("http_proxy", &proxy.base).env("no_proxy", "localhost"))
    };
    let locked = with(&["lock"], &proxy);
    assert_eq!(locked.code, Some(0), "{}", locked.err);
    let lock = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    assert!(lock.contains("[step.\"app.oci.tar: 0: RUN 1\"]"), "{lock}");
    assert!(lock.contains("GET http://files.example.test/b 200 sha256:"), "{lock}");
    project.commit();
    // The files have changed, and nobody is asked any more.
    proxy.has("http://files.example.test/a", "another\n");
    let before = lock;
    proxy.asked();
    assert_eq!(with(&["lock"], &proxy).code, Some(0));
    assert_eq!(fs::read_to_string(project.file("selfsame.lock")).unwrap(), before, "it does not float");
    let nowhere = Registry::new();
    let built = with(&["build"], &nowhere);
    assert_eq!(built.code, Some(0), "{}", built.err);
    assert_eq!((nowhere.asked(), proxy.asked()), (Vec::new(), Vec::new()));
    let image = Unpacked::of(project.path(), "oci-archive:selfsame-out/app.oci.tar");
    assert_eq!((image.text("a").as_str(), image.text("b").as_str()), ("one\n", "two\n"));
    assert!(image.list(&[]).contains("./b f 600 0:0"), "{}", image.list(&[]));
    // An update asks again.
    assert_eq!(with(&["update", "app.oci.tar"], &proxy).code, Some(0));
    assert_ne!(fs::read_to_string(project.file("selfsame.lock")).unwrap(), before);

    // A command that changes is no longer locked; one that asks for more than is locked is denied.
    project.write("Dockerfile", &dockerfile.replace("wget", "wget -S"));
    project.commit();
    let ran = with(&["build"], &nowhere);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(
        ran.err.contains("RUN 1` fetches is not locked") && ran.err.contains("selfsame lock"),
        "{}",
        ran.err
    );
    let quiet = "FROM base\nCOPY ask /ask\nRUN sh /ask\n";
    project.write("ask", "true\n");
    project.write("Dockerfile", quiet);
    project.commit();
    assert_eq!(with(&["lock"], &proxy).code, Some(0));
    project.write("ask", "wget -qO /a http://files.example.test/other || true\n");
    project.commit();
    let ran = with(&["build"], &nowhere);
    assert_eq!(ran.code, Some(12), "{}", ran.err);
    assert!(
        ran.err.contains("http://files.example.test/other") || ran.err.contains("files.example.test"),
        "{}",
        ran.err
    );
    assert!(nowhere.asked().is_empty());
}

#[test]
fn what_differs_from_run_to_run_is_normalised_and_told() {
    let home = Home::own();
    ids!(home);
    let project = project(
        "FROM base\nRUN mkdir -p /var/log/apt /var/cache/ldconfig /home/app/.gnupg && echo x > /var/log/apt/history.log \
         && dd if=/dev/urandom of=/var/cache/ldconfig/aux-cache bs=8 count=1 && dd if=/dev/urandom of=/etc/machine-id bs=8 count=1 \
         && echo 'app:!:20417:0:99999:7:::' > /etc/shadow && dd if=/dev/urandom of=/home/app/.gnupg/random_seed bs=8 count=1\n",
        &[],
    );
    let ran = home.run(project.path(), &["lock"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for rule in ["package-logs", "ldconfig-cache", "machine-id", "shadow-day", "gnupg-seed"] {
        assert!(ran.err.contains(&format!("`{rule}` has normalised")), "{rule}: {}", ran.err);
    }
    project.commit();
    home.ok(project.path(), &["build"]);
    let image = Unpacked::of(project.path(), "oci-archive:selfsame-out/app.oci.tar");
    assert_eq!(image.text("etc/machine-id"), "");
    assert_eq!(image.text("etc/shadow"), "app:!:3652:0:99999:7:::\n");
    let list = image.list(&[]);
    assert!(
        !list.contains("random_seed") && !list.contains("aux-cache") && !list.contains("history.log"),
        "{list}"
    );
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/app.oci.tar.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let home = Home::own();
    ids!(home);
    for (dockerfile, code, expected) in [
        ("FROM base\nCOPY nothing /x\n", 10, &["Dockerfile:2", "`/nothing` is not there"][..]),
        ("FROM base\nCOPY dir /etc/passwd\n", 10, &["Dockerfile:2", "`/etc/passwd` is no directory"]),
        ("FROM base\nCOPY a.txt /etc/../etc\nCOPY tree /\n", 10, &["Dockerfile:3", "`/bin` is no directory"]),
        ("FROM base\nUSER nobody\nRUN id\n", 10, &["Dockerfile:3", "has no user `nobody`"]),
        ("FROM base\n\nRUN echo said; false\n", 10, &["app.oci.tar: 0: RUN 1", "| said"]),
        ("FROM base\nRUN --security=insecure id\n", 10, &["Dockerfile:2", "all capabilities"]),
        ("FROM base\nRUN --network=host id\n", 10, &["Dockerfile:2", "host's network"]),
        (
            "FROM base\nRUN --mount=type=secret,id=a,required id\n",
            10,
            &["Dockerfile:2", "secret `a`", "[artifact.dockerfile]"],
        ),
        ("FROM base\nADD https://github.com/a/b.git /x\n", 10, &["Dockerfile:2", "git repository"]),
        ("FROM base\nCOYP a b\n", 3, &["Dockerfile:2:1", "COYP"]),
        ("FROM oci-layout:other:1\n", 3, &["Dockerfile:1:6", "`oci-layout:other:1` is no image"]),
    ] {
        let project = project(dockerfile, &[("a.txt", "a"), ("dir/x", "x"), ("tree/bin/x", "x")]);
        let ran = home.run(project.path(), &["lock"]);
        assert_eq!(ran.code, Some(code), "{dockerfile}\n{}", ran.err);
        for expected in expected {
            assert!(ran.err.contains(expected), "{dockerfile}: {expected}\n{}", ran.err);
        }
        assert!(!project.file("selfsame.lock").exists(), "{dockerfile}");
    }
}

#[test]
fn a_secret_is_in_the_command_and_nowhere_else() {
    let home = Home::own();
    ids!(home);
    let dockerfile = "FROM base\nRUN --mount=type=secret,id=token,required --mount=type=secret,id=other,env=OTHER \
        test \"$(cat /run/secrets/token)\" = \"$OTHER\" && echo \"it is $OTHER\" && echo done > /said\n\
        RUN ls /run/secrets || echo gone\n";
    let project = project(dockerfile, &[]);
    project.write(
        "selfsame.toml",
        &RECIPE.replace("contexts =", "secrets = [\"token\", \"other\"]\ncontexts ="),
    );
    project.commit();
    let value = "correct-horse-battery-staple";
    let dir = project.path();
    let file = home.path().join("token");
    fs::write(&file, value).unwrap();
    let (token, other) =
        (format!("--secret=token={}", file.display()), format!("--secret=other={}", file.display()));
    let ran = home.run(dir, &["lock"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("needs the secret `token`"), "{}", ran.err);
    let ran = home.run(dir, &["lock", &token, &other]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.err.contains(value), "{}", ran.err);
    project.commit();
    // What is known needs no secret.
    let built = home.ok(dir, &["build", &token, &other]);
    let log = built["steps"][0]["log"].as_str().unwrap();
    let log = home.run(dir, &["show", "--raw", log]).out;
    assert!(log.contains("it is ***"), "{log}");
    let image = Unpacked::of(dir, "oci-archive:selfsame-out/app.oci.tar");
    assert_eq!(image.text("said"), "done\n");
    assert!(!image.list(&[]).contains("secrets"), "{}", image.list(&[]));
    // A layer that holds it is not kept.
    project.write("Dockerfile", &dockerfile.replace("echo done", "echo $OTHER | dd bs=1"));
    project.commit();
    let ran = home.run(dir, &["lock", &token, &other]);
    assert_eq!(ran.code, Some(10), "{}", ran.err);
    assert!(
        ran.err.contains("`/said` of its outputs holds the secret") && !ran.err.contains(value),
        "{}",
        ran.err
    );
    let found = tool(&home.store(), &["sh", "-c", &format!("grep -rl {value} . || true")]);
    assert_eq!(found.trim(), "", "nothing in the store has it");
}

/// An ordinary user has the ids that the host gives it, and makes the same image. Files of the host that say so are this
/// test's own, in a namespace of its own.
#[test]
fn an_ordinary_user_makes_the_same_image() {
    need(&["newuidmap", "setpriv", "unshare"]);
    let home = Home::own();
    ids!(home);
    let dockerfile = "FROM base\nRUN mkdir /o && chown app:extra /o && chmod 2750 /o\nUSER app\nRUN id > /tmp/id\nCOPY a.txt /tmp/\n";
    let project = project(dockerfile, &[("a.txt", "a")]);
    let by_root = built(&home, &project);
    let place = room();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = place.path();
    let script = format!(
        "set -e; cp -r {project} {at}/p; mkdir {at}/home; echo 23456:300000:65536 > {at}/ids; cp /etc/passwd {at}/passwd; echo someone:x:23456:23456::{at}/home:/bin/sh >> {at}/passwd; mount --bind {at}/passwd /etc/passwd; chown -R 23456:23456 {at}/p {at}/home; \
         cp {program} {at}/selfsame; touch /etc/subuid /etc/subgid; mount --bind {at}/ids /etc/subuid; mount --bind {at}/ids /etc/subgid; \
         cd {at}/p; exec setpriv --reuid 23456 --regid 23456 --clear-groups env -i PATH={PATH} HOME={at}/home SELFSAME_HOME={at}/home \
         {at}/selfsame build --json",
        project = project.path().display(),
        at = at.display(),
        program = env!("CARGO_BIN_EXE_selfsame"),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]).env_clear().env("PATH", PATH);
    let (code, value) = ran(&mut command).envelope("build");
    assert_eq!(code, 0, "{value:#}");
    assert_eq!(value["artifacts"][0]["digest"], by_root["artifacts"][0]["digest"]);
    crate::home::open_up(at);
}
