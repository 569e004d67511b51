//! Container images: the same on any machine, from scratch and over a base, and what the field's own tools make of them.

mod base;
mod compared;
mod engines;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::home::{Home, copy_program, need, ran, room};
use crate::project::{Project, recipe};

/// An image from scratch with one static program, and a folder that belongs to nobody in particular.
const APP: &str = r#"
[[step]]
name = "build"
run = ["mkdir -p out/bin home", "cp busybox out/bin/busybox", "ln -s busybox out/bin/sh", "echo kept > home/file"]
outputs = ["home", "out"]

[[artifact]]
name = "app.oci.tar"
format = "oci-image"

[artifact.image]
layers = [
    { from = "step:build/out", to = "/" },
    { from = "step:build/home", to = "/home/app", owner = "1000:100" },
]
entrypoint = ["/bin/busybox"]
cmd = ["echo", "it runs"]
user = "1000:100"
workdir = "/home/app"
env = { MODE = "test" }
labels = { "org.example.team" = "blue" }
ports = ["8080"]
volumes = ["/data"]
stop-signal = "SIGINT"
"#;

/// A project that makes the image.
fn app() -> Project {
    with_program(&recipe(APP))
}

/// A project with a static program among its files.
fn with_program(recipe: &str) -> Project {
    need(&["busybox"]);
    let project = Project::new(recipe, &[(".gitignore", "/selfsame-out\n/base\n"), ("README", "1\n")]);
    let busybox = which("busybox");
    copy_program(&busybox, &project.file("busybox"));
    fs::set_permissions(project.file("busybox"), fs::Permissions::from_mode(0o755)).unwrap();
    project.commit();
    project
}

fn which(program: &str) -> PathBuf {
    let found =
        crate::home::PATH.split(':').map(|dir| Path::new(dir).join(program)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("`{program}` is not here: run `scripts/prepare test`"))
}

/// Runs a tool of the field and gives what it prints.
#[track_caller]
fn tool(dir: &Path, words: &[&str]) -> String {
    need(&words[..1]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(dir).env_clear().env("PATH", crate::home::PATH).env("HOME", dir);
    let ran = ran(&mut command);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
    ran.out
}

/// Digest of an image's manifest, as registries write it.
fn image(built: &Value, nth: usize) -> String {
    let digest = built["artifacts"][nth]["image"]["digest"].as_str().unwrap();
    digest.split('/').next().unwrap().to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The digests of an image's layers.
fn layers(project: &Project, archive: &str) -> Vec<String> {
    let raw =
        tool(project.path(), &["skopeo", "inspect", "--raw", &format!("oci-archive:selfsame-out/{archive}")]);
    json(&raw)["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_image_from_scratch_is_what_the_recipe_says() {
    let home = Home::shared();
    let project = app();
    let built = home.ok(project.path(), &["image", "build"]);
    let manifest = image(&built, 0);
    let dir = project.path();
    let config = json(&tool(dir, &["skopeo", "inspect", "--config", "oci-archive:selfsame-out/app.oci.tar"]));
    assert_eq!((&config["architecture"], &config["os"]), (&Value::from("amd64"), &Value::from("linux")));
    assert_eq!(config["created"], "2020-09-13T12:26:40Z");
    let run = &config["config"];
    for (key, expected) in [
        ("Entrypoint", r#"["/bin/busybox"]"#),
        ("Cmd", r#"["echo","it runs"]"#),
        ("User", r#""1000:100""#),
        ("WorkingDir", r#""/home/app""#),
        ("Env", r#"["MODE=test"]"#),
        ("ExposedPorts", r#"{"8080/tcp":{}}"#),
        ("Volumes", r#"{"/data":{}}"#),
        ("StopSignal", r#""SIGINT""#),
    ] {
        assert_eq!(run[key], json(expected), "{key}");
    }
    let commit = project.git(&["rev-parse", "HEAD"]);
    let labels = BTreeMap::from([
        ("org.example.team", "blue"),
        ("org.opencontainers.image.created", "2020-09-13T12:26:40Z"),
        ("org.opencontainers.image.licenses", "MIT"),
        ("org.opencontainers.image.revision", commit.trim()),
        ("org.opencontainers.image.version", "1.0"),
    ]);
    assert_eq!(run["Labels"], serde_json::json!(labels));

    // Both of its names for the same blobs, and copying it changes nothing.
    let unpacked = room();
    let to = |name: &str| format!("oci:{}:1.0", unpacked.path().join(name).display());
    tool(dir, &["skopeo", "copy", "-q", "oci-archive:selfsame-out/app.oci.tar:small:1.0", &to("oci")]);
    let index = json(&fs::read_to_string(unpacked.path().join("oci/index.json")).unwrap());
    assert_eq!(index["manifests"][0]["digest"], manifest.as_str());
    tool(dir, &["skopeo", "copy", "-q", "docker-archive:selfsame-out/app.oci.tar:small:1.0", &to("docker")]);

    // As umoci unpacks it: owners, modes, times.
    if rustix::process::geteuid().is_root() {
        let bundle = unpacked.path().join("bundle");
        let oci = unpacked.path().join("oci");
        tool(
            dir,
            &["umoci", "unpack", "--image", &format!("{}:1.0", oci.display()), bundle.to_str().unwrap()],
        );
        let root = bundle.join("rootfs");
        let said = tool(
            &root,
            &["stat", "-c", "%n %u:%g %a %Y", "bin", "bin/busybox", "home", "home/app", "home/app/file"],
        );
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [
                "bin 0:0 755 1",
                "bin/busybox 0:0 755 1",
                "home 0:0 755 1",
                "home/app 1000:100 755 1",
                "home/app/file 1000:100 644 1",
            ]
        );
        assert_eq!(fs::read_link(root.join("bin/sh")).unwrap(), Path::new("busybox"));
    }

    // The statement is about the file and about the image.
    let bundle = json(&fs::read_to_string(project.file("selfsame-out/app.oci.tar.sigstore.json")).unwrap());
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let statement = json(&tool_in(&["base64", "-d"], payload));
    let subjects = statement["subject"].as_array().unwrap();
    assert_eq!(subjects.len(), 2);
    assert_eq!(subjects[1]["name"], "small:1.0 (linux/amd64)");
    assert_eq!(format!("sha256:{}", subjects[1]["digest"]["sha256"].as_str().unwrap()), manifest);
    home.ok(project.path(), &["verify", "selfsame-out/app.oci.tar"]);
    // By the manifest alone too: what a registry serves.
    let blob = unpacked.path().join("oci/blobs/sha256").join(manifest.trim_start_matches("sha256:"));
    let bundle = "selfsame-out/app.oci.tar.sigstore.json";
    home.ok(project.path(), &["verify", blob.to_str().unwrap(), "--bundle", bundle]);
    let shown = home.ok(project.path(), &["show", &manifest]);
    assert_eq!(shown["attestations"].as_array().map(Vec::len), Some(1), "{shown:#}");

    // The SBOM says what is a container.
    let sbom = json(&fs::read_to_string(project.file("selfsame-out/small-1.0.cdx.json")).unwrap());
    let components = sbom["components"].as_array().unwrap();
    let container = components.iter().find(|c| c["type"] == "container").unwrap();
    assert_eq!(container["purl"], format!("pkg:oci/small@{}", manifest.replace(':', "%3A")));

    // And all of it comes out again.
    let again = home.ok(project.path(), &["rebuild", bundle]);
    assert_eq!(again["verdict"], "reproduced");
}

/// What a program prints for this input.
fn tool_in(words: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// One processor, another folder, another umask, other times, another owner of the checkout, another time zone and locale,
/// a store that knows nothing: the same file and the same image.
#[test]
fn an_image_is_the_same_in_every_surrounding() {
    need(&["taskset", "touch"]);
    let project = app();
    let first = Home::own().ok(project.path(), &["image", "build"]);
    let (file, manifest) = (&first["artifacts"][0]["digest"], image(&first, 0));

    let other = room();
    let dir = other.path().join("é x");
    let clone = format!("umask 077 && git clone -q '{}' '{}'", project.path().display(), dir.display());
    tool(other.path(), &["sh", "-c", &clone]);
    tool(&dir, &["find", ".", "-exec", "touch", "-h", "-d", "2031-05-05", "{}", "+"]);
    if rustix::process::geteuid().is_root() {
        chown(dir.join("README"), Some(4321), Some(4321)).unwrap();
    }
    let home = Home::own();
    let mut command = Command::new("taskset");
    command.args(["-c", "0", env!("CARGO_BIN_EXE_selfsame"), "image", "build", "--fresh", "--json"]);
    command.current_dir(&dir).env_clear().env("PATH", crate::home::PATH).env("HOME", home.path());
    command.env("SELFSAME_HOME", home.path()).env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8");
    command.env("SOURCE_DATE_EPOCH", "77");
    let (code, again) = ran(&mut command).envelope("image");
    assert_eq!(code, 0, "{again:#}");
    assert_eq!((&again["artifacts"][0]["digest"], image(&again, 0)), (file, manifest));
}

/// A commit that changes no file of an image changes its configuration, and none of its layers.
#[test]
fn layers_keep_their_digests() {
    let home = Home::shared();
    let project = app();
    let first = home.ok(project.path(), &["image", "build"]);
    let before = layers(&project, "app.oci.tar");
    project.write("README", "2\n");
    project.commit();
    let second = home.ok(project.path(), &["image", "build"]);
    assert_ne!(image(&first, 0), image(&second, 0), "the commit is in a label");
    assert_eq!(layers(&project, "app.oci.tar"), before);

    // One layer changes, the other stays.
    let text = fs::read_to_string(project.file("selfsame.toml")).unwrap();
    project.write("selfsame.toml", &text.replace("echo kept", "echo changed"));
    project.commit();
    home.ok(project.path(), &["image", "build"]);
    let after = layers(&project, "app.oci.tar");
    assert_eq!((&after[0], after[1] == before[1]), (&before[0], false));

    // With the times of the sources in it, every commit makes every layer anew: that is why it is not so by default.
    project
        .write("selfsame.toml", &text.replace("entrypoint =", "times = \"source-date-epoch\"\nentrypoint ="));
    project.commit();
    home.ok(project.path(), &["image", "build"]);
    assert_ne!(layers(&project, "app.oci.tar")[0], before[0]);
}

#[test]
fn only_images_are_built_and_go_where_they_are_told() {
    let home = Home::shared();
    let more = "\n[[artifact]]\nname = \"app.tar\"\nformat = \"tar\"\nfrom = \"step:build/out\"\n";
    let project = with_program(&recipe(&format!("{APP}{more}")));
    let to = room();
    let place = |kind: &str| format!("{kind}:{}", to.path().join(kind).display());
    let (layout, archive) = (place("oci"), place("docker-archive"));
    let built = home.ok(project.path(), &["image", "build", "--to", &layout, "--to", &archive]);
    assert_eq!(built["artifacts"].as_array().map(Vec::len), Some(1));
    assert!(!project.file("selfsame-out/app.tar").exists());
    let inspected = json(&tool(to.path(), &["skopeo", "inspect", &layout]));
    assert_eq!(inspected["Digest"], image(&built, 0).as_str());
    assert_eq!(
        fs::read(to.path().join("docker-archive")).unwrap(),
        fs::read(project.file("selfsame-out/app.oci.tar")).unwrap()
    );
    let (code, refused) = home.json(project.path(), &["image", "build", "--only", "app.tar"]);
    assert_eq!((code, refused["title"].as_str()), (3, Some("the recipe has no image `app.tar`")));
}

#[test]
fn a_layer_that_would_take_something_away_is_no_layer() {
    let home = Home::shared();
    let text = APP.replace("echo kept > home/file", "echo > home/.wh.file");
    let project = with_program(&recipe(&text));
    let (code, refused) = home.json(project.path(), &["build"]);
    assert_eq!(code, 3, "{refused:#}");
    assert!(refused["title"].as_str().unwrap().contains(".wh."), "{refused:#}");
}
