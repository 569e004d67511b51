//! There and back, on every registry; and what other people's tools say of it.

use std::process::Command;

use inputs::{Pull, Target};
use model::oci::Platform;

use super::servers::{Server, all, docker, tool};
use super::{Given, PLAIN, hex, layout, noise, pull, pull_to, push, push_with};
use crate::images::layout::Layout;
use crate::images::registry::run;
use crate::world::{World, chain};

/// An index for two platforms with a layer in common, and a large one; called `both`.
fn both(world: &World) -> (std::path::PathBuf, String, String) {
    let mut layout = Layout::new();
    let shared = layout.packed(&noise(1, 300_000));
    let mut make = |arch: &str, seed: u64| {
        let own = layout.packed(&noise(seed, 3_000_000));
        layout.image(arch, &[shared.clone(), own], &[])
    };
    let (intel, arm) = (make("amd64", 2), make("arm64", 3));
    let index = layout.index(&[("amd64", &intel), ("arm64", &arm)]);
    layout.tag("both", &index);
    let folder = world.recipe_dir().join("both");
    layout.write(&folder);
    (folder, index.digest, arm.digest)
}

#[test]
fn an_image_is_the_same_there_and_back_on_every_registry() {
    let world = World::new();
    let (folder, digest, arm) = both(&world);
    let mut archives = Vec::new();
    for Server { name, address, .. } in &all() {
        let to = format!("{address}/group/app:1.0");
        let pushed = push(&world, &folder, &to).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            (hex(&pushed.digest), pushed.documents, pushed.tag_was),
            (digest.clone(), 3, None),
            "{name}"
        );
        let blobs = pushed.blobs;
        assert_eq!((blobs.sent, blobs.present, blobs.mounted), (5, 0, 0), "{name}");
        assert_eq!(pushed.repository, format!("{address}/group/app"));
        // Again: nothing is sent, and nothing is moved.
        let again = push(&world, &folder, &to).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((again.blobs.sent, again.blobs.bytes, again.blobs.present), (0, 0, 5), "{name}");
        assert_eq!(again.tag_was, Some(pushed.digest.sha256));

        let (pulled, path) =
            pull(&world, &to, &format!("{name}.tar")).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((hex(&pulled.digest), pulled.documents, pulled.blobs), (digest.clone(), 3, 5), "{name}");
        assert!(pulled.referrers.is_empty());
        archives.push(std::fs::read(&path).unwrap());
        // An archive is pushed as a folder is, and by digest alone too.
        let pinned = format!("{address}/other@{digest}");
        let other = push(&world, &path, &pinned).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(other.digest, pushed.digest, "{name}");

        let target = Target::Folder(world.folder.path().join(format!("{name}-arm")));
        let reference = pinned.parse().unwrap();
        let platform = Platform { architecture: "arm64".into(), os: "linux".into(), variant: String::new() };
        let one = Pull { from: &reference, to: &target, platform: Some(&platform), referrers: false };
        let one = world.with(|cx| inputs::pull(cx, &one)).unwrap_or_else(|e| panic!("{name}: {}", chain(&e)));
        assert_eq!((hex(&one.digest), one.documents, one.blobs), (arm.clone(), 1, 3), "{name}");
    }
    assert!(archives.windows(2).all(|pair| pair[0] == pair[1]), "an archive depends on what is in it alone");
}

#[test]
fn blobs_are_mounted_from_where_they_are_known_to_be() {
    for server in &all() {
        let (name, address) = (server.name, &server.address);
        let world = World::new();
        let (folder, _) = layout(&world, "img", 7, 2_000_000);
        push(&world, &folder, &format!("{address}/first:1")).unwrap();
        let second =
            push(&world, &folder, &format!("{address}/second:1")).unwrap_or_else(|e| panic!("{name}: {e}"));
        // The large one alone is remembered.
        let expected = if server.mounts { (1, 1) } else { (0, 0) };
        assert_eq!((second.blobs.sent, second.blobs.mounted), expected, "{name}");
        // Somebody who has not pushed it, but says where it is; and where it is not.
        let other = World::new();
        let (folder, _) = layout(&other, "img", 7, 2_000_000);
        let given = Given { mount_from: Some("first"), ..PLAIN };
        let third = push_with(&other, &folder, &format!("{address}/third:1"), &given).unwrap();
        let expected = if server.mounts { (0, 2) } else { (0, 0) };
        assert_eq!((third.blobs.sent, third.blobs.mounted), expected, "{name}");
        let given = Given { mount_from: Some("nowhere"), ..PLAIN };
        let fourth = push_with(&World::new(), &folder, &format!("{address}/fourth:1"), &given);
        let sent = fourth.unwrap_or_else(|e| panic!("{name}: {e}")).blobs.sent;
        assert_eq!(sent, if server.mounts { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn what_is_pushed_is_what_other_tools_push() {
    let server = docker();
    let world = World::new();
    let (folder, digest, _) = both(&world);
    let name = format!("{}/ours:1", server.address);
    push(&world, &folder, &name).unwrap();
    let crane = |arguments: &[&str]| {
        let output = Command::new(tool("root/usr/bin/crane")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(crane(&["digest", &name]).trim(), digest);
    crane(&["validate", "--fast", "--remote", &name]);
    let copied = world.folder.path().join("copied");
    let (from, to) = (format!("docker://{name}"), format!("oci:{}:x", copied.display()));
    let by_skopeo = ["--insecure-policy", "copy", "-q", "--all", "--src-tls-verify=false", &from, &to];
    run("skopeo", &by_skopeo);
    // What skopeo has copied is pushed and is the same; and what it pushed is pulled, into the bytes of our own archive.
    let back = push(&world, &copied, &format!("{}/back:1", server.address)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(hex(&back.digest), digest);
    let theirs = format!("{}/theirs:1", server.address);
    let from = format!("oci:{}:both", folder.display());
    let to = format!("docker://{theirs}");
    run("skopeo", &["--insecure-policy", "copy", "-q", "--all", "--dest-tls-verify=false", &from, &to]);
    let (_, ours) = pull(&world, &name, "ours.tar").unwrap();
    let (_, theirs) = pull(&world, &theirs, "theirs.tar").unwrap();
    assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap());
    // Skopeo reads our archive.
    let from = format!("oci-archive:{}:1", ours.display());
    let to = format!("oci:{}:x", world.folder.path().join("read").display());
    run("skopeo", &["--insecure-policy", "copy", "-q", "--all", &from, &to]);
}

#[test]
fn a_folder_is_filled_and_what_is_in_it_stays() {
    let server = docker();
    let world = World::new();
    let (one, first) = layout(&world, "one", 1, 2_000_000);
    let (two, second) = layout(&world, "two", 2, 2_000_000);
    let at = |tag: &str| format!("{}/app:{tag}", server.address);
    push(&world, &one, &at("1")).unwrap();
    push(&world, &two, &at("2")).unwrap();
    let target = world.folder.path().join("layout");
    let to = Target::Folder(target.clone());
    pull_to(&world, &at("1"), &to, false).unwrap();
    // The beginning of a blob from a run that was killed, and one that is damaged.
    let blobs = target.join("blobs/sha256");
    let large = |folder: &std::path::Path| {
        let files = std::fs::read_dir(folder.join("blobs/sha256")).unwrap().flatten();
        let mut files = files.filter(|f| f.metadata().unwrap().len() == 2_000_000);
        files.next().unwrap().path()
    };
    let begun = large(&two);
    let part = blobs.join(format!("{}.part", begun.file_name().unwrap().to_str().unwrap()));
    std::fs::write(&part, &std::fs::read(&begun).unwrap()[..1_500_000]).unwrap();
    std::fs::write(large(&target), noise(9, 2_000_000)).unwrap();
    pull_to(&world, &at("2"), &to, false).unwrap();
    pull_to(&world, &at("1"), &to, false).unwrap();
    assert!(!part.exists());
    for (image, digest) in [("1", &first), ("2", &second)] {
        let given = Given { image: Some(image), ..PLAIN };
        let pushed = push_with(&world, &target, &at(&format!("back-{image}")), &given).unwrap();
        assert_eq!(hex(&pushed.digest), *digest);
    }
    let error = push(&world, &target, &at("all")).unwrap_err();
    assert!(error.contains("expected one image, found 2, 1: say which with --image"), "{error}");
    // Neither a folder of something else nor an archive is written over.
    let other = world.folder.path().join("src");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("main.c"), "years of work").unwrap();
    let error = pull_to(&world, &at("1"), &Target::Folder(other), false).unwrap_err();
    assert!(error.contains("a folder of something else"), "{error}");
    pull(&world, &at("1"), "there.tar").unwrap();
    assert!(pull(&world, &at("1"), "there.tar").unwrap_err().contains("it is there already"));
}
