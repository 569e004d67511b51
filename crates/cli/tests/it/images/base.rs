//! Over a base that others made, and several platforms in one index.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{image, json, tool, which, with_program};
use crate::home::{Home, room};
use crate::project::recipe;

const OVER: &str = r#"
[sources.base]
image = "oci-layout:base:1"

[[step]]
name = "build"
inputs = { "." = "source:main" }
run = ["mkdir out", "echo built > out/file"]
outputs = ["out"]

[[artifact]]
name = "app.oci.tar"
format = "oci-image"

[artifact.image]
name = "example/app"
base = "source:base"
layers = [{ from = "step:build/out", to = "/srv" }]
cmd = ["cat", "/srv/file"]
env = { MODE = "over" }
"#;

/// A base with one layer, which umoci makes.
fn base(dir: &Path, note: &str) {
    let layout = dir.join("base");
    let _ = fs::remove_dir_all(&layout);
    let bundle = room();
    let root = bundle.path().join("bundle/rootfs");
    tool(dir, &["umoci", "init", "--layout", "base"]);
    tool(dir, &["umoci", "new", "--image", "base:1"]);
    let at = bundle.path().join("bundle");
    let at = at.to_str().unwrap();
    tool(dir, &["umoci", "unpack", "--rootless", "--image", "base:1", at]);
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::copy(which("busybox"), root.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", root.join("bin/cat")).unwrap();
    fs::write(root.join("note"), note).unwrap();
    fs::create_dir_all(root.join("usr/share")).unwrap();
    std::os::unix::fs::symlink("usr/share", root.join("share")).unwrap();
    tool(dir, &["umoci", "repack", "--image", "base:1", at]);
    let config = [
        "--config.env",
        "MODE=base",
        "--config.env",
        "KEPT=yes",
        "--config.cmd",
        "/bin/cat",
        "--config.user",
        "7",
    ];
    tool(dir, &[&["umoci", "config", "--image", "base:1"], &config[..]].concat());
}

fn inspected(dir: &Path, image: &str) -> Value {
    json(&tool(dir, &["skopeo", "inspect", "--config", image]))
}

#[test]
fn an_image_over_a_base_has_its_layers_and_its_configuration() {
    let home = Home::own();
    let project = with_program(&recipe(OVER));
    base(project.path(), "first");
    home.ok(project.path(), &["lock"]);
    project.commit();
    let first = home.ok(project.path(), &["image", "build"]);
    let dir = project.path();
    let raw = |image: &str| json(&tool(dir, &["skopeo", "inspect", "--raw", image]));
    let (below, above) = (raw("oci:base:1"), raw("oci-archive:selfsame-out/app.oci.tar"));
    assert_eq!(above["layers"].as_array().map(Vec::len), Some(2));
    assert_eq!(above["layers"][0], below["layers"][0], "the very blob");
    let digest =
        json(&fs::read_to_string(dir.join("base/index.json")).unwrap())["manifests"][0]["digest"].clone();
    assert_eq!(above["annotations"]["org.opencontainers.image.base.digest"], digest);
    let config = inspected(dir, "oci-archive:selfsame-out/app.oci.tar");
    assert_eq!(config["config"]["Env"], json(r#"["MODE=over","KEPT=yes"]"#));
    assert_eq!(config["config"]["Cmd"], json(r#"["cat","/srv/file"]"#));
    assert_eq!(config["config"]["User"], "7");
    let own = config["history"].as_array().unwrap().last().unwrap();
    assert_eq!(own["created_by"], "selfsame: step:build/out at /srv");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));

    // The base moves only when it is asked to.
    base(project.path(), "second");
    home.ok(project.path(), &["lock"]);
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    let again = home.ok(project.path(), &["image", "build", "--fresh"]);
    assert_eq!(image(&again, 0), image(&first, 0));
    let moved = home.ok(project.path(), &["update", "base"]);
    assert_eq!(moved["sources"][0]["name"], "base", "{moved:#}");
    let after = home.ok(project.path(), &["image", "build"]);
    assert_ne!(image(&after, 0), image(&first, 0));

    // Provenance names what it was laid over, and a rebuild needs nothing but that.
    let bundle = json(&fs::read_to_string(project.file("selfsame-out/app.oci.tar.sigstore.json")).unwrap());
    let statement = super::tool_in(&["base64", "-d"], bundle["dsseEnvelope"]["payload"].as_str().unwrap());
    let statement = json(&statement);
    let sources = &statement["predicate"]["buildDefinition"]["externalParameters"]["sources"];
    assert_eq!(
        sources["base"],
        json(r#"{"kind":"image","locator":"oci-layout:base:1","platform":"linux/amd64"}"#)
    );
    fs::remove_dir_all(project.file("base")).unwrap();
    let rebuilt = home.ok(project.path(), &["rebuild", "selfsame-out/app.oci.tar.sigstore.json"]);
    assert_eq!(rebuilt["verdict"], "reproduced");
    // And with the folder gone, another home that has nothing cannot fetch it; that is said.
    let (code, lost) = Home::own().json(project.path(), &["fetch"]);
    assert_eq!(code, 1, "{lost:#}");
}

#[test]
fn what_docker_saves_is_a_base_too() {
    let home = Home::own();
    let text = OVER.replace("oci-layout:base:1", "docker-archive:base/saved.tar");
    let project = with_program(&recipe(&text));
    base(project.path(), "saved");
    tool(project.path(), &["skopeo", "copy", "-q", "oci:base:1", "docker-archive:base/saved.tar:base:1"]);
    home.ok(project.path(), &["lock"]);
    let built = home.ok(project.path(), &["reproduce"]);
    assert_eq!(built["rebuild"]["verdict"], "reproduced");
    let config = inspected(project.path(), "oci-archive:selfsame-out/app.oci.tar");
    assert_eq!(config["config"]["Env"], json(r#"["MODE=over","KEPT=yes"]"#));
}

/// A step may make a base, too; and whatever it makes is looked at.
#[test]
fn a_base_of_a_step_is_looked_at() {
    let home = Home::own();
    let text = OVER.replace(
        "inputs = { \".\" = \"source:main\" }",
        "inputs = { \".\" = \"source:main\", \"b\" = \"source:base\" }",
    );
    let text = text.replace("outputs = [\"out\"]", "outputs = [\"b\", \"out\"]");
    let text = text.replace("base = \"source:base\"", "base = \"step:build/b\"");
    let project = with_program(&recipe(&text));
    base(project.path(), "first");
    home.ok(project.path(), &["lock"]);
    home.ok(project.path(), &["image", "build"]);
    for (change, expected) in [
        ("for f in b/blobs/sha256/*; do echo >> $f; done", "is damaged"),
        ("rm b/index.json", "it has no `index.json`"),
        ("rm -r b; echo > b", "is a file: expected the layout of one image"),
        ("rm -r b/blobs", "it has no blob"),
    ] {
        let changed = text.replace("run = [\"mkdir out\",", &format!("run = [\"{change}\", \"mkdir out\","));
        project.write("selfsame.toml", &recipe(&changed));
        let (code, refused) = home.json(project.path(), &["image", "build"]);
        let said = format!("{} {}", refused["title"], refused["causes"]);
        assert!(code == 3 && said.contains(expected), "{change}: expected {expected}: {code} {refused:#}");
    }
}

#[test]
fn images_of_several_platforms_are_one_index() {
    let home = Home::shared();
    let one = |arch: &str| {
        format!(
            "\n[[artifact]]\nname = \"app-{arch}.oci.tar\"\nformat = \"oci-image\"\nfrom = \"step:build/out\"\n\
             prefix = \"usr\"\n[artifact.image]\nplatform = \"linux/{arch}\"\n"
        )
    };
    let text = format!(
        "[[artifact]]\nname = \"app.oci.tar\"\nformat = \"oci-index\"\n\
         images = [\"app-amd64.oci.tar\", \"app-arm64.oci.tar\"]\n\n\
         [[step]]\nname = \"build\"\nrun = [\"mkdir out\", \"echo > out/f\"]\noutputs = [\"out\"]\n{}{}",
        one("amd64"),
        one("arm64")
    );
    let project = with_program(&recipe(&text));
    let built = home.ok(project.path(), &["image", "build"]);
    let dir = project.path();
    let raw = json(&tool(dir, &["skopeo", "inspect", "--raw", "oci-archive:selfsame-out/app-arm64.oci.tar"]));
    assert_eq!(raw["schemaVersion"], 2);
    for arch in ["amd64", "arm64"] {
        let words = [
            "skopeo",
            "--override-arch",
            arch,
            "inspect",
            "--config",
            "oci-archive:selfsame-out/app.oci.tar",
        ];
        assert_eq!(json(&tool(dir, &words))["architecture"], arch);
    }
    // One layer for both, and nothing in the index but the images.
    let inspected = home.ok(dir, &["image", "inspect", "selfsame-out/app.oci.tar"]);
    let list = inspected["images"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["layers"][0]["digest"], list[1]["layers"][0]["digest"]);
    assert_eq!(list[1]["platform"], "linux/arm64");
    assert_eq!(list[0]["manifest"], built["artifacts"][1]["image"]["digest"]);
    let copied = room();
    let to = format!("oci:{}:all", copied.path().join("all").display());
    tool(dir, &["skopeo", "copy", "-q", "--all", "oci-archive:selfsame-out/app.oci.tar", &to]);
    let index = json(&fs::read_to_string(copied.path().join("all/index.json")).unwrap());
    assert_eq!(index["manifests"][0]["digest"], image(&built, 0).as_str());
    // By its name and by its digest, out of the store.
    for what in ["app-arm64.oci.tar", &image(&built, 0)] {
        home.ok(home.path(), &["image", "inspect", what]);
    }
}

#[test]
fn no_directory_takes_the_place_of_a_link() {
    let home = Home::shared();
    for (to, good) in [("/share", false), ("/share/doc", false), ("/usr/share", true), ("/", true)] {
        let project = with_program(&recipe(&OVER.replace("to = \"/srv\"", &format!("to = \"{to}\""))));
        base(project.path(), "1");
        home.ok(project.path(), &["lock"]);
        project.commit();
        let ran = home.run(project.path(), &["image", "build"]);
        assert_eq!(ran.code == Some(0), good, "{to}: {}", ran.err);
        let told = "has a directory `/share`, where the base has a link to `usr/share`";
        assert_eq!(ran.err.contains(told), !good, "{to}: {}", ran.err);
    }
}
