//! What a person is told who made a mistake.

use std::fs;

use crate::home::{Home, room};
use crate::project::{Project, one_step, recipe};

/// Standard error of a build of this recipe, and its exit code.
fn told(recipe: &str) -> String {
    let home = Home::empty();
    let folder = room();
    fs::write(folder.path().join("selfsame.toml"), recipe).unwrap();
    let ran = home.run(folder.path(), &["build"]);
    format!("exit {}\n{}", ran.code.unwrap_or(-1), ran.err)
}

#[test]
fn an_unknown_key_is_shown_in_the_text() {
    insta::assert_snapshot!(told(&one_step(&["true"]).replace("outputs", "output")), @r###"
    exit 3
    error: unknown key
      --> ./selfsame.toml:17:1
       |
    17 | output = ["out"]
       | ^^^^^^ unknown field `output`, expected one of `name`, `inputs`, `run`, `outputs`, `env`, `secrets`, `uses`, `record`, `timeout`, `memory`, `processes`, `cpu-time`, `file-size`, `disk`, `normalize`, `violations`
       |
       = help: did you mean `outputs`?
    "###);
}

#[test]
fn a_recipe_that_is_no_text_is_shown_with_its_place() {
    let home = Home::empty();
    let folder = room();
    let mut text = one_step(&["true"]).into_bytes();
    let at = text.windows(5).position(|w| w == b"small").unwrap();
    text[at + 2] = 0xff;
    fs::write(folder.path().join("selfsame.toml"), text).unwrap();
    let ran = home.run(folder.path(), &["build"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.err.contains("selfsame.toml:2:11") && ran.err.contains("0xff"), "{ran:?}");
}

#[test]
fn a_lock_in_the_place_of_its_recipe_is_told() {
    let home = Home::empty();
    let folder = room();
    fs::write(folder.path().join("app.lock"), "selfsame-lock = 1\n").unwrap();
    let ran = home.run(folder.path(), &["mirror", "export", "-o", "inputs", "app.lock"]);
    insta::assert_snapshot!(format!("exit {}\n{}", ran.code.unwrap_or(-1), ran.err), @r"
    exit 3
    error: `app.lock` is a lock, and a recipe is asked for
    help: give `app.toml`
    ");
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = recipe(
        r#"[[step]]
name = "one"
inputs = { "." = "step:two/out" }
run = ["true"]
outputs = ["../out", "/abs"]

[[step]]
name = "one"
run = []
outputs = ["out"]
timeout = "soon"

[[artifact]]
name = "a/b"
format = "rar"
from = "step:three/out"
"#,
    );
    insta::assert_snapshot!(told(&text), @r###"
    exit 3
    error: no such step
      --> ./selfsame.toml:16:18
       |
    16 | inputs = { "." = "step:two/out" }
       |                  ^^^^^^^^^^^^^^ `two`
       |
       = help: known: one
    error: not a path in the build directory
      --> ./selfsame.toml:18:12
       |
    18 | outputs = ["../out", "/abs"]
       |            ^^^^^^^^ `../out` escapes: `..` is not allowed
    error: not a path in the build directory
      --> ./selfsame.toml:18:22
       |
    18 | outputs = ["../out", "/abs"]
       |                      ^^^^^^ `/abs` is absolute: expected a path relative to the build directory
    error: two steps of one name
      --> ./selfsame.toml:21:8
       |
    21 | name = "one"
       |        ^^^^^
       |
       = help: rename one
    error: a step without commands
      --> ./selfsame.toml:22:7
       |
    22 | run = []
       |       ^^
       |
       = help: write `run = ["make"]`
    error: not a time limit
      --> ./selfsame.toml:24:11
       |
    24 | timeout = "soon"
       |           ^^^^^^ expected such as "90s", "30m" or "2h", at most a week
    error: not a usable artifact name
      --> ./selfsame.toml:27:8
       |
    27 | name = "a/b"
       |        ^^^^^ letters, digits and `. _ + - ~` are allowed, and `.` and `-` not at the beginning
    error: unknown format
      --> ./selfsame.toml:28:10
       |
    28 | format = "rar"
       |          ^^^^^ `rar`
       |
       = help: known: file, dir, tar, tar.gz, tar.zst, zip, function-zip, wheel, deb, oci-image, oci-index
    error: no such step
      --> ./selfsame.toml:29:8
       |
    29 | from = "step:three/out"
       |        ^^^^^^^^^^^^^^^^ `three`
       |
       = help: known: one
    "###);
}

#[test]
fn a_circle_is_shown() {
    let text = recipe(
        r#"[[step]]
name = "hen"
inputs = { "." = "step:egg/out" }
run = ["true"]
outputs = ["out"]

[[step]]
name = "egg"
inputs = { "." = "step:hen/out" }
run = ["true"]
outputs = ["out"]

[[artifact]]
name = "bird"
format = "file"
from = "step:hen/out"
"#,
    );
    insta::assert_snapshot!(told(&text), @r###"
    exit 3
    error: steps need each other in a circle
      --> ./selfsame.toml:15:8
       |
    15 | name = "hen"
       |        ^^^^^ hen needs egg needs hen
       |
       = help: take one of these inputs out
    "###);
}

#[test]
fn what_is_no_toml_is_shown() {
    insta::assert_snapshot!(told("selfsame = 1\nname = \"a\nversion = 2\n"), @r###"
    exit 3
    error: not readable as TOML
     --> ./selfsame.toml:2:10
      |
    2 | name = "a
      |          ^ invalid basic string, expected `"`
    "###);
}

#[test]
fn a_missing_lock_and_a_missing_recipe_say_what_to_do() {
    insta::assert_snapshot!(told(&one_step(&["true"])), @r###"
    exit 5
    error: there is no lock `./selfsame.lock`
    help: run `selfsame lock` and commit the file
    "###);
    let home = Home::empty();
    let folder = room();
    let ran = home.run(folder.path(), &["build"]);
    assert_eq!(ran.code, Some(3));
    insta::assert_snapshot!(ran.err, @r"
    error: there is no recipe `./selfsame.toml`
    help: run `selfsame init` to write a first one
    ");
}

#[test]
fn a_stale_lock_says_in_what() {
    let home = Home::shared();
    let stale = one_step(&["true"]).replace("bookworm", "trixie");
    let project = Project::new(&stale, &[]);
    let ran = home.run(project.path(), &["build"]);
    assert_eq!(ran.code, Some(5));
    insta::assert_snapshot!(ran.err, @r###"
    error: the lock does not fit the recipe
      toolchain.suite: recipe trixie
                       lock   bookworm
    help: run `selfsame lock` and commit the file
    "###);
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!((code, &error["diagnostics"]), (5, &serde_json::Value::Null), "{error:#}");
}

#[test]
fn a_lock_that_was_edited_is_refused() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["true"]), &[]);
    let text = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    project.write("selfsame.lock", &text.replacen("path = \"pool/", "path = \"../pool/", 1));
    assert_eq!(home.json(project.path(), &["build"]).0, 3);
    project.write("selfsame.lock", &text.replace("selfsame-lock = 1", "selfsame-lock = 2"));
    let ran = home.run(project.path(), &["build"]);
    assert_eq!(ran.code, Some(3));
    insta::assert_snapshot!(ran.err, @r###"
         warning the work tree is not as committed: M selfsame.lock
            help provenance will say so; commit first for a release
    error: unknown version of the lock format
     --> selfsame.lock:2:17
      |
    2 | selfsame-lock = 2
      |                 ^ expected 1, found 2
      |
      = help: run `selfsame lock` to write it anew
    "###);
}

#[test]
fn diagnostics_are_data_as_well() {
    let home = Home::empty();
    let folder = room();
    fs::write(folder.path().join("selfsame.toml"), one_step(&["true"]).replace("outputs", "output")).unwrap();
    let (code, error) = home.json(folder.path(), &["build"]);
    assert_eq!(code, 3, "{error:#}");
    let first = &error["diagnostics"][0];
    assert_eq!(first["line"], 17, "{error:#}");
    assert!(first["help"].as_str().unwrap().contains("outputs"), "{error:#}");
}

#[test]
fn a_failed_step_is_told_with_its_end_and_what_to_do() {
    let home = Home::shared();
    home.ok(home.path(), &["key", "generate"]);
    let project = Project::new(&one_step(&["mkdir out", "echo working", "cat nothing >out/a"]), &[]);
    let ran = home.run(project.path(), &["build"]);
    assert_eq!(ran.code, Some(10));
    let untimed = |line: &&str| !line.contains(" ms ");
    let text: String = ran.err.lines().filter(untimed).map(|l| format!("{l}\n")).collect();
    insta::assert_snapshot!(text, @r###"
    error: step `build` failed: exit code 1
      while running: cat nothing >out/a
      | $ mkdir out
      | $ echo working
      | working
      | $ cat nothing >out/a
      | cat: nothing: No such file or directory
    help: the whole log: `selfsame show --raw sha256:cef0fc79a9bf3bfbf2ffac7c7350cb7a3e58b6876a1adf3262aa67ae31714d9a/96`
    help: to look around in its sandbox: `selfsame shell build`
    "###);

    // However much it said.
    let project = Project::new(&one_step(&["seq 40; false"]), &[]);
    let ran = home.run(project.path(), &["build"]);
    assert!(ran.err.contains("while running: seq 40; false"), "{ran:?}");
    assert!(!ran.err.contains("| 20\n") && ran.err.contains("| 21\n"), "{ran:?}");

    let project = Project::new(&one_step(&["mkdir -p build/out other"]), &[]);
    let ran = home.run(project.path(), &["build"]);
    assert_eq!(ran.code, Some(10));
    assert!(ran.err.contains("did not make `out`") && ran.err.contains("build, other"), "{ran:?}");
}

#[test]
fn references_that_point_at_nothing_are_told_with_what_is_there() {
    let home = Home::shared();
    let text =
        one_step(&["mkdir out"]).replace("run =", "inputs = { here = \"source:main/sources\" }\nrun =");
    let project = Project::new(&text, &[("src/a", ""), ("src/b", "")]);
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 3, "{error:#}");
    assert!(error["title"].as_str().unwrap().contains("`source:main/sources`"), "{error:#}");
    assert!(error["lines"].to_string().contains("src"), "{error:#}");

    let text = one_step(&["mkdir out", "ln -s out out/x"]).replace("\"tar\"", "\"file\"");
    let (code, error) = home.json(Project::new(&text, &[]).path(), &["build"]);
    assert_eq!(code, 3, "a folder is no file: {error:#}");
}

#[test]
fn usage_is_two() {
    let home = Home::empty();
    for args in [&["biuld"][..], &["build", "--fast"], &["show"], &["log", "--kind", "x"], &[]] {
        let ran = home.run(home.path(), args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?}: {ran:?}");
    }
}

/// Only the `tree` of the lock was edited, to one that the store holds as well.
#[test]
fn another_tree_of_the_store_is_not_built_with_under_the_name_of_the_locked_one() {
    let home = Home::shared();
    let project = Project::new(&one_step(&["mkdir out"]), &[]);
    home.ok(project.path(), &["build"]);
    let text = fs::read_to_string(project.file("selfsame.lock")).unwrap();
    let lock = model::lock::Lock::parse("selfsame.lock", &text).unwrap();
    let mut tree = model::tree::Tree::default();
    tree.make_directory(&"evil".parse().unwrap()).unwrap();
    let tree = tree.finish();
    let other = tree.root;
    store::Store::open(&home.store()).unwrap().put_tree(&tree).unwrap();
    project.write("selfsame.lock", &text.replace(&lock.toolchain.tree.to_string(), &other.to_string()));
    for command in [&["build"][..], &["build", "--offline"], &["shell", "build"]] {
        let ran = home.run(project.path(), command);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("the toolchain gives another tree than the lock says"), "{ran:?}");
        assert!(ran.err.contains(&format!("found    {}", lock.toolchain.tree)), "{ran:?}");
    }
}
