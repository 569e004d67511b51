//! Six artifact formats at once, read by programs that are not ours; and what is said about them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::home::{Home, need, room};
use crate::project::{Project, recipe};

const FORMATS: [&str; 6] = ["file", "dir", "tar", "tar.gz", "tar.zst", "zip"];

fn all_formats() -> String {
    let mut text = recipe(
        r#"[[step]]
name = "build"
run = ["mkdir -p out/deep", "cp text out/deep/text", "cp run out", "ln -s deep/text out/link"]
outputs = ["out"]
"#,
    );
    for format in FORMATS {
        let from = if format == "file" { "step:build/out/deep/text" } else { "step:build/out" };
        let prefix = if matches!(format, "file" | "dir") { "" } else { "prefix = \"all-1.0\"\n" };
        text.push_str(&format!(
            "\n[[artifact]]\nname = \"all.{format}\"\nformat = \"{format}\"\nfrom = \"{from}\"\n{prefix}"
        ));
    }
    text
}

#[test]
fn every_format_is_read_by_its_own_program_and_described_the_same_twice() {
    need(&["tar", "gzip", "zstd", "unzip"]);
    let home = Home::own();
    let project =
        Project::new(&all_formats(), &[("text", "in all of them\n"), ("run", "#!/bin/sh\necho ran\n")]);
    let first = home.ok(project.path(), &["build"]);
    let out = project.file("selfsame-out");
    let unpacked = room();
    let unpack = |name: &str, program: &str, args: &[&str]| {
        let to = unpacked.path().join(name);
        fs::create_dir(&to).unwrap();
        let archive = out.join(format!("all.{name}"));
        let status = Command::new(program).args(args).arg(&archive).current_dir(&to).status().unwrap();
        assert!(status.success(), "{program} {args:?} {}", archive.display());
        assert_whole(&to.join("all-1.0"));
    };
    unpack("tar", "tar", &["-xf"]);
    unpack("tar.gz", "tar", &["-xzf"]);
    unpack("tar.zst", "tar", &["--zstd", "-xf"]);
    unpack("zip", "unzip", &["-q"]);
    assert_whole(&out.join("all.dir"));
    assert_eq!(fs::read(out.join("all.file")).unwrap(), b"in all of them\n");
    for format in FORMATS {
        home.ok(project.path(), &["verify", &format!("selfsame-out/all.{format}")]);
    }

    let spdx: Value = serde_json::from_slice(&fs::read(out.join("small-1.0.spdx.json")).unwrap()).unwrap();
    let cyclonedx: Value =
        serde_json::from_slice(&fs::read(out.join("small-1.0.cdx.json")).unwrap()).unwrap();
    assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
    assert_eq!(cyclonedx["bomFormat"], "CycloneDX");
    let names: Vec<_> = cyclonedx["components"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    for expected in FORMATS.map(|f| format!("all.{f}")).iter().map(String::as_str).chain(["dash", "libc6"]) {
        assert!(names.iter().any(|n| *n == expected), "{expected} in {names:?}");
    }

    // The whole proof in another home: the same artifacts, and the same SBOMs to the byte.
    let other = Home::own();
    let again = room();
    let second = other.ok(project.path(), &["reproduce", "--out", again.path().to_str().unwrap()]);
    assert_eq!(second["rebuild"]["verdict"], "reproduced");
    let digests = |v: &Value| -> Vec<Value> {
        v["artifacts"].as_array().unwrap().iter().map(|a| a["digest"].clone()).collect()
    };
    assert_eq!(digests(&second["build"]), digests(&first));
    for sbom in ["cyclonedx", "spdx"] {
        assert_eq!(second["build"][sbom], first[sbom]);
    }
    for name in
        ["small-1.0.cdx.json", "small-1.0.spdx.json", "all.zip", "all.tar.zst", "all.tar.gz", "all.tar"]
    {
        let second = again.path().join(name);
        assert!(fs::read(out.join(name)).unwrap() == fs::read(second).unwrap(), "{name} differs");
    }
}

/// Contents, mode and link.
#[track_caller]
fn assert_whole(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::read(dir.join("deep/text")).unwrap(), b"in all of them\n");
    assert_eq!(fs::read_link(dir.join("link")).unwrap(), Path::new("deep/text"));
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o111;
    assert_eq!((mode("run") & 0o100, mode("deep/text")), (0o100, 0));
}

/// The same bytes under two names are two members: what was packed for the one is not taken for the other.
#[test]
fn the_name_of_a_packed_file_is_part_of_what_is_packed() {
    need(&["tar"]);
    let home = Home::own();
    let mut text =
        recipe("[[step]]\nname = \"build\"\nrun = [\"echo hi > a\", \"cp a b\"]\noutputs = [\"a\", \"b\"]\n");
    for name in ["a", "b"] {
        text.push_str(&format!(
            "\n[[artifact]]\nname = \"{name}.tar\"\nformat = \"tar\"\nfrom = \"step:build/{name}\"\n"
        ));
    }
    let project = Project::new(&text, &[]);
    home.ok(project.path(), &["reproduce"]);
    for name in ["a", "b"] {
        let listed = Command::new("tar")
            .arg("-tf")
            .arg(project.file(&format!("selfsame-out/{name}.tar")))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), name);
    }
}
