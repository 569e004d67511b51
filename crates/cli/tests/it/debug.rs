//! Debugging information apart, and outputs that are normalised: what a build makes of them.

use std::fs;
use std::process::Command;

use crate::home::{Home, need};
use crate::project::{Project, recipe};

fn shell(folder: &std::path::Path, line: &str) -> String {
    let out = Command::new("sh").arg("-ec").arg(line).current_dir(folder).output().unwrap();
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn an_artifact_is_stripped_and_a_second_one_has_its_debugging_information() {
    need(&["gcc", "gdb", "tar", "zstd"]);
    let home = Home::own();
    let text = recipe(
        r#"[[step]]
name = "build"
run = ["mkdir -p out/bin", "cp program out/bin/program", "mkdir out/empty", "cp text out/text"]
outputs = ["out"]

[[artifact]]
name = "x.tar.gz"
format = "tar.gz"
from = "step:build/out"
debug = "x-debug.tar.zst"

[[artifact]]
name = "program"
format = "file"
from = "step:build/out/bin/program"
debug = "program-debug.zip"

[[artifact]]
name = "tree"
format = "dir"
from = "step:build/out"
debug = "tree-debug.tar"

[[artifact]]
name = "text"
format = "file"
from = "step:build/out/text"
debug = "text-debug.tar"
"#,
    );
    let project = Project::new(&text, &[("text", "nothing\n")]);
    fs::write(project.file("m.c"), "#include <stdio.h>\nint add(int n) { return n + 1; }\nint main(void) { printf(\"%d\\n\", add(1)); return 0; }\n").unwrap();
    shell(project.path(), "gcc -g -Wl,--build-id -ffile-prefix-map=$PWD=. -o program m.c; rm m.c");
    project.commit();
    let built = home.ok(project.path(), &["build"]);
    let names: Vec<&str> =
        built["artifacts"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["x.tar.gz", "x-debug.tar.zst", "program", "program-debug.zip", "tree", "tree-debug.tar", "text"]
    );
    let version = built["artifacts"][1]["encoder"]["version"].as_str().unwrap();
    assert!(version.ends_with("; debugging information apart (selfsame-split/2)"), "{version}");
    let out = project.file("selfsame-out");
    shell(
        &out,
        "mkdir u; tar -xzf x.tar.gz -C u; tar --zstd -xf x-debug.tar.zst -C u; cmp u/bin/program program; cmp tree/bin/program program; test -d tree/empty",
    );
    assert_eq!(shell(&out, "./program; u/bin/program"), "2\n2\n");
    let told = shell(
        &out,
        "HOME=$PWD gdb -nx -batch -iex 'set debuginfod enabled off' -iex \"set debug-file-directory $PWD/u/usr/lib/debug\" -ex 'info line add' program 2>&1",
    );
    assert!(told.contains("Line 2 of \"./m.c\""), "{told}");
    for name in names {
        home.ok(project.path(), &["verify", &format!("selfsame-out/{name}")]);
    }
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/x-debug.tar.zst.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced", "{rebuilt:#}");
    let other = Home::own();
    let again = other.ok(project.path(), &["build", "--fresh"]);
    let digests = |v: &serde_json::Value| -> Vec<String> {
        v["artifacts"].as_array().unwrap().iter().map(|a| a["digest"].to_string()).collect()
    };
    assert_eq!(digests(&again), digests(&built));
    // From the cache, the same.
    assert_eq!(digests(&home.ok(project.path(), &["build"])), digests(&built));
}
