//! The main job: a real C library, the same twice, and the same wherever and whenever it is built.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::home::{Home, bare, copy_program, need, ran};
use crate::project::{Project, one_step};
use crate::seed;

/// What `examples/zlib` is on every machine.
const ZLIB: &str = "sha256:78003d00e464a37f5b39bf93fbebc3894a4ff6c55099b30cffd8181dbbc2f62b/352907";

/// An ordinary user whom the machine does not know.
const SOMEBODY: u32 = 12345;

#[test]
fn the_example_is_built_twice_the_same_and_signed() {
    let home = Home::empty();
    std::os::unix::fs::symlink(seed::zlib().join("store"), home.store()).unwrap();
    let out = home.path().join("out");
    let example = seed::zlib_recipe();
    let args = ["reproduce", example.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let first = home.ok(home.path(), &args);
    assert_eq!(first["build"]["artifacts"][0]["digest"], ZLIB);
    assert_eq!(first["rebuild"]["verdict"], "reproduced");
    assert_eq!(first["verified"], true);
    let bytes = fs::read(out.join("zlib-1.2.13.tar.gz")).unwrap();
    assert_eq!(model::Digest::of(&bytes).to_string(), ZLIB);
    for beside in ["zlib-1.2.13.tar.gz.sigstore.json", "zlib-1.2.13.cdx.json", "zlib-1.2.13.spdx.json"] {
        let text = fs::read_to_string(out.join(beside)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    // Again, as a person: all of it is known, and what is said is where, what and how sure.
    let second = home.run(home.path(), &args);
    assert_eq!(second.code, Some(0), "{second:?}");
    for said in [
        "artifact",
        "zlib-1.2.13.tar.gz",
        ZLIB,
        "zlib-1.2.13.tar.gz.sigstore.json",
        "reproduced (signature verified, rebuilt at ",
    ] {
        assert!(second.out.contains(said), "`{said}` in {second:?}");
    }
    let third = home.ok(home.path(), &args);
    assert_eq!(third["build"]["cached"], true);
    assert_eq!(third["build"]["bundle"], first["build"]["bundle"], "a known build is not attested anew");
}

/// Path, user, umask, time zone, locale, home, host name, date, processors, and a store that was deleted: all at once.
///
/// The test above ran as the user of the tests. This one runs as the other kind: as an ordinary user if that is root,
/// as root in a user namespace otherwise.
#[test]
fn the_example_is_the_same_in_every_other_surrounding() {
    need(&["faketime", "setpriv", "taskset", "unshare", "hostname"]);
    let place = tempfile::Builder::new().prefix("é p ").tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let here = place.path();
    let binary = here.join("selfsame");
    copy_program(Path::new(env!("CARGO_BIN_EXE_selfsame")), &binary);

    // The archive that the lock's packages are fetched from again: TLS and signatures have no place ten years later,
    // digests have.
    let mirror = here.join("mirror");
    seed::mirror_of(seed::zlib(), &seed::zlib_recipe().join("selfsame.lock"), &mirror);
    let project = here.join("project");
    fs::create_dir(&project).unwrap();
    let recipe = fs::read_to_string(seed::zlib_recipe().join("selfsame.toml")).unwrap();
    let address = format!("file://{}", mirror.display()).replace(' ', "%20");
    let recipe = recipe.replace("[toolchain]\n", &format!("[toolchain]\nmirror = \"{address}\"\n"));
    fs::write(project.join("selfsame.toml"), recipe).unwrap();
    fs::copy(seed::zlib_recipe().join("selfsame.lock"), project.join("selfsame.lock")).unwrap();
    let home = here.join("home");
    fs::create_dir(&home).unwrap();

    let root = rustix::process::geteuid().is_root();
    if root {
        for path in [&project, &home] {
            chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }
    let mut command = bare(Path::new("unshare"), &home, &project);
    command.args(if root { &["--uts"][..] } else { &["--user", "--map-root-user", "--uts"] });
    command.args(["sh", "-ec", "hostname somewhere-else; umask 077; exec \"$@\"", "sh"]);
    if root {
        let user = SOMEBODY.to_string();
        command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.args(["--bounding-set=-all", "--inh-caps=-all"]);
    }
    command.args(["taskset", "-c", "0", "faketime", "-f", "+3650d"]).arg(&binary);
    command.args(["build", "--json"]);
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "tr_TR.UTF-8");
    command.env("USER", "somebody").env("SOURCE_DATE_EPOCH", "1").env("CFLAGS", "-O0").env("MAKEFLAGS", "-i");
    let (code, result) = ran(&mut command).envelope("build");
    crate::home::open_up(here);
    assert_eq!(code, 0, "{result:#}");
    assert_eq!(result["artifacts"][0]["digest"], ZLIB);
    assert_eq!(result["cached"], false);
}

/// Directories and files that keep their own user out stop nobody but one who is not root.
#[test]
fn outputs_that_are_closed_are_the_same_for_root_and_others() {
    need(&["setpriv", "cp", "chown"]);
    let run =
        ["mkdir -p out/a out/b", "echo x >out/a/x; echo y >out/y", "chmod 000 out/y out/a/x out/a out/b out"];
    let project = Project::new(&one_step(&run), &[]);
    let home = Home::shared();
    let mine = home.ok(project.path(), &["build"])["artifacts"][0]["digest"].clone();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let here = place.path().join("theirs");
    let store = here.join("home/store");
    fs::create_dir_all(&store).unwrap();
    let binary = place.path().join("selfsame");
    copy_program(Path::new(env!("CARGO_BIN_EXE_selfsame")), &binary);
    let done =
        |command: &mut std::process::Command| assert!(command.status().unwrap().success(), "{command:?}");
    // Without the trees on disk, whose times would be new.
    for part in ["blobs", "memos", "VERSION"] {
        done(std::process::Command::new("cp").arg("-rH").arg(home.store().join(part)).arg(&store));
    }
    done(std::process::Command::new("cp").arg("-r").arg(project.path()).arg(here.join("project")));
    done(std::process::Command::new("chown").args(["-R", &format!("{SOMEBODY}:{SOMEBODY}")]).arg(&here));
    let user = SOMEBODY.to_string();
    let mut command = bare(Path::new("setpriv"), &here.join("home"), &here.join("project"));
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
        .arg(&binary)
        .args(["build", "--json"]);
    let (code, result) = ran(&mut command).envelope("build");
    crate::home::open_up(&here);
    assert_eq!(code, 0, "{result:#}");
    assert_eq!(result["artifacts"][0]["digest"], mine);
}
