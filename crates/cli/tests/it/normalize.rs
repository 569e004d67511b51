//! `normalize` from the outside: what it touches, and what not.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use serde_json::Value;

use crate::home::{Home, need, room};
use crate::project::{Project, recipe};

const EPOCH: &str = "1700000000";

fn shell(folder: &std::path::Path, line: &str) -> String {
    let out = Command::new("sh").arg("-ec").arg(line).current_dir(folder).output().unwrap();
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn check_touches_nothing_and_normalising_touches_only_what_changes() {
    need(&["gzip", "tar"]);
    let home = Home::empty();
    let folder = room();
    let at = folder.path();
    shell(
        at,
        "mkdir -p d out; echo text >d/t; gzip -cn <d/t >d/clean.gz; gzip -kn d/t; mv d/t.gz d/plain.gz; gzip d/t; tar -cf out/x.tar d",
    );
    fs::set_permissions(at.join("d/t.gz"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(at.join("d/t.gz"), at.join("d/again.gz")).unwrap();
    symlink("../out/x.tar", at.join("d/link.tar")).unwrap();
    fs::write(at.join("d/broken.tar.gz"), b"\x1f\x8b\x08\0broken").unwrap();
    let before: Vec<_> = ["d/t.gz", "d/plain.gz", "d/broken.tar.gz", "out/x.tar"]
        .map(|name| (name, fs::read(at.join(name)).unwrap(), fs::metadata(at.join(name)).unwrap()))
        .into();
    let same = |names: &[&str]| {
        for (name, bytes, metadata) in before.iter().filter(|(name, ..)| names.contains(name)) {
            let now = fs::metadata(at.join(name)).unwrap();
            assert!(fs::read(at.join(name)).unwrap() == *bytes, "{name}");
            assert_eq!(
                (now.ino(), now.mtime_nsec(), now.mode()),
                (metadata.ino(), metadata.mtime_nsec(), metadata.mode())
            );
        }
    };

    let (code, result) = home.json(at, &["normalize", "--check", "--epoch", EPOCH, "d"]);
    assert_eq!(code, 1, "{result:#}");
    assert_eq!(
        (&result["changed"], &result["failed"], &result["check"]),
        (&1.into(), &1.into(), &true.into())
    );
    same(&["d/t.gz", "d/plain.gz", "d/broken.tar.gz", "out/x.tar"]);

    let (code, result) = home.json(at, &["normalize", "--epoch", EPOCH, "d"]);
    assert_eq!(code, 1, "one file is damaged: {result:#}");
    let files = result["files"].as_array().unwrap();
    let of = |name: &str| files.iter().find(|file| file["path"] == name).unwrap();
    assert_eq!(of("d/again.gz")["changes"][0]["rule"], "timestamp");
    assert!(
        of("d/broken.tar.gz")["error"].as_str().unwrap().starts_with("damaged gzip at byte 0"),
        "{result:#}"
    );
    same(&["d/plain.gz", "d/broken.tar.gz", "out/x.tar"]);
    let (one, other) =
        (fs::metadata(at.join("d/t.gz")).unwrap(), fs::metadata(at.join("d/again.gz")).unwrap());
    assert_eq!(one.ino(), other.ino(), "two names of one file stay two names of one file");
    assert_eq!(one.permissions().mode() & 0o777, 0o640);
    assert_eq!(one.mtime(), before[0].2.mtime(), "its own time is not its content");
    assert_eq!(shell(at, "gzip -dc d/t.gz; ls -A d | grep selfsame || true"), "text\n");

    fs::remove_file(at.join("d/broken.tar.gz")).unwrap();
    let ran = home.run(at, &["normalize", "--check", "--epoch", EPOCH, "d"]);
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "0 of 3 files would be changed"));
    assert_eq!(home.run(at, &["normalize", "--rule", "timestamps", "d"]).code, Some(2), "no such rule");
    assert_eq!(home.run(at, &["normalize", "d"]).code, Some(2), "no epoch");
    assert_eq!(home.run(at, &["normalize", "--epoch", EPOCH, "nowhere"]).code, Some(1));
}

#[test]
fn a_recipe_normalises_what_it_ships_and_provenance_says_so() {
    let home = Home::own();
    let text = recipe(
        r#"[[step]]
name = "build"
run = ["mkdir out", "cp late.gz out/late.gz"]
outputs = ["out"]

[[artifact]]
name = "x.tar"
format = "tar"
from = "step:build/out"
normalize = ["timestamp"]

[[artifact]]
name = "as-it-is.tar"
format = "tar"
from = "step:build/out"
"#,
    );
    // A member whose header says 2065.
    let gz = b"\x1f\x8b\x08\0\0\0\0\xb3\0\x03\x03\0\0\0\0\0\0\0\0\0";
    let project = Project::new(&text, &[]);
    fs::write(project.file("late.gz"), gz).unwrap();
    shell(project.path(), "git add late.gz; git -c user.name=x -c user.email=x@example.org commit -qm late");
    let built = home.ok(project.path(), &["build"]);
    let encoder = |n: usize| built["artifacts"][n]["encoder"]["version"].as_str().unwrap().to_owned();
    assert!(encoder(0).starts_with("-; normalised by timestamp (selfsame-normal/1"), "{}", encoder(0));
    assert_eq!(encoder(1), "-");
    let out = project.file("selfsame-out");
    let time =
        |name: &str| shell(&out, &format!("tar -xOf {name} late.gz | od -An -tu4 -j4 -N4")).trim().to_owned();
    assert_eq!(time("as-it-is.tar"), "3003121664");
    assert!(time("x.tar").parse::<u32>().unwrap() < 3_003_121_664);
    let bundle: Value = serde_json::from_slice(&fs::read(out.join("x.tar.sigstore.json")).unwrap()).unwrap();
    assert!(bundle.is_object());
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/x.tar.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced", "{rebuilt:#}");
}

/// Outputs are normal before anybody takes them, from the cache as well; how is part of the key.
#[test]
fn a_step_s_outputs_are_normalised_before_they_are_kept() {
    let home = Home::own();
    let text = |normalize: &str| {
        recipe(&format!(
            r#"[[step]]
name = "lib"
run = ["mkdir -p out/d/empty", "cp late.gz out/d/late.gz", "cp late.gz one.gz", "ln -s d/late.gz out/link"]
outputs = ["one.gz", "out"]
{normalize}

[[step]]
name = "look"
inputs = {{ "in" = "step:lib/out", "one.gz" = "step:lib/one.gz" }}
run = ["cmp in/d/late.gz one.gz", "test -d in/d/empty", "test -L in/link", "od -An -tu4 -j4 -N4 one.gz > time"]
outputs = ["time"]

[[artifact]]
name = "time"
format = "file"
from = "step:look/time"

[[artifact]]
name = "tree"
format = "dir"
from = "step:lib/out"
normalize = ["timestamp"]
"#
        ))
    };
    let gz = b"\x1f\x8b\x08\0\0\0\0\xb3\0\x03\x03\0\0\0\0\0\0\0\0\0";
    let project = Project::new(&text("normalize = [\"timestamp\"]"), &[]);
    fs::write(project.file("late.gz"), gz).unwrap();
    project.commit();
    let time = |name: &str| fs::read_to_string(project.file(&format!("selfsame-out/{name}"))).unwrap();
    let built = home.ok(project.path(), &["build"]);
    assert!(time("time").trim().parse::<u32>().unwrap() < 3_003_121_664);
    let step = |built: &Value| built["steps"][0]["components"]["normalize"].clone();
    assert!(step(&built).as_str().unwrap().starts_with("normalised by timestamp (selfsame-normal/1"));
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/time.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced", "{rebuilt:#}");
    // Without it, another action; the folder is normalised as an artifact.
    project.write("selfsame.toml", &text(""));
    project.commit();
    let plain = home.ok(project.path(), &["build"]);
    assert_eq!(plain["steps"][0]["cached"], false);
    assert_eq!(step(&plain), Value::Null);
    assert_eq!(time("time").trim(), "3003121664");
    let at = |path: &str| {
        shell(&project.file("selfsame-out"), &format!("od -An -tu4 -j4 -N4 {path}")).trim().to_owned()
    };
    assert!(at("tree/d/late.gz").parse::<u32>().unwrap() < 3_003_121_664);
    assert!(project.file("selfsame-out/tree/d/empty").is_dir());
    assert!(project.file("selfsame-out/tree/link").is_symlink());
}
