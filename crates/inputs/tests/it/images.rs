//! Toolchains that are images: layers as their makers write them, from disk and from a real registry.

pub(crate) mod layout;
pub(crate) mod registry;
mod source;

use model::lock::{Lock, LockedBase, LockedImage};
use model::recipe::{Base, Toolchain};

use crate::debian_archive::Member;
use crate::world::{World, chain, recipe};
use layout::Layout;

fn toolchain(image: &str) -> Toolchain {
    let base = Base::Image { image: image.parse().unwrap() };
    Toolchain { arch: "amd64".into(), base, archives: Vec::new() }
}

fn lock_of(world: &World, toolchain: Toolchain) -> Result<Lock, String> {
    let recipe = recipe(toolchain, []);
    let lock = world.with(|cx| inputs::lock(cx, &recipe, None)).map_err(|e| chain(&e))?;
    assert_eq!(lock.stale(&recipe), []);
    assert_eq!(Lock::parse("l", &lock.to_text()).unwrap(), lock);
    Ok(lock)
}

fn lock(world: &World, image: &str) -> Result<Lock, String> {
    lock_of(world, toolchain(image))
}

fn image(lock: &Lock) -> &LockedImage {
    match &lock.toolchain.base {
        LockedBase::Image(image) => image,
        other => panic!("{other:?}"),
    }
}

/// What of a tree is the image's own, and not a folder that every root has.
fn own(world: &World, lock: &Lock) -> Vec<String> {
    let every = ["build/", "dev/", "etc/", "home/", "mnt/", "opt/", "proc/", "root/", "run/", "sys/", "tmp/"];
    let more = ["usr/", "usr/local/", "var/", "var/tmp/"];
    let paths = world.paths(&lock.toolchain.tree);
    paths.into_iter().filter(|p| !every.contains(&p.as_str()) && !more.contains(&p.as_str())).collect()
}

const STATUS: &str = "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.5.12-2\n\nPackage: libc6\n\
                      Status: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: 2.36-9\n";

#[test]
fn layers_are_laid_over_one_another() {
    use Member::{Device, File, Folder, Hard, Link};
    let mut layout = Layout::new();
    let first = layout.layer(
        "gzip",
        &[
            Folder("usr/"),
            Folder("usr/lib/"),
            Link("lib", "usr/lib"),
            File("usr/lib/old", 0o644, "old"),
            File("usr/lib/kept", 0o644, "kept"),
            File("usr/bin/su", 0o4755, "su"),
            File("dir/a", 0o644, "a"),
            File("dir/b/c", 0o644, "c"),
            File("gone/x", 0o644, "x"),
            File("file", 0o644, "file"),
            Link("up", "../../../../usr/lib"),
            Device("dev/null"),
            File("etc/os-release", 0o644, "ID=debian\nVERSION_ID=\"12\"\n"),
            File("var/lib/dpkg/status", 0o644, STATUS),
        ],
    );
    let second = layout.layer(
        "zstd",
        &[
            // Of lower layers only, wherever it stands.
            File("dir/new", 0o644, "new"),
            File("dir/.wh..wh..opq", 0o644, ""),
            File(".wh.gone", 0o644, ""),
            File("lib/.wh.old", 0o644, ""),
            File("lib/added", 0o755, "added"),
            File("up/through", 0o644, "up"),
            Hard("second", "lib/kept"),
            Folder("file/"),
            File("file/now", 0o644, "a folder"),
            File("again", 0o644, "1"),
        ],
    );
    let third = layout.layer("plain", &[File(".wh.again", 0o644, ""), File("again", 0o600, "2")]);
    let manifest =
        layout.image("amd64", &[first, second, third], &["PATH=/opt/bin:/usr/bin", "X=y", "HOME=/root"]);
    layout.tag("latest", &manifest);
    let world = World::new();
    layout.write(&world.recipe_dir().join("img"));
    let locked = lock(&world, "oci-layout:img:latest").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        own(&world, &locked),
        [
            "again",
            "dir/",
            "dir/new",
            "etc/os-release",
            "file/",
            "file/now",
            "lib -> usr/lib",
            "second",
            "up -> ../../../../usr/lib",
            "usr/bin/",
            "usr/bin/su*",
            "usr/lib/",
            "usr/lib/added*",
            "usr/lib/kept",
            "usr/lib/through",
            "var/lib/",
            "var/lib/dpkg/",
            "var/lib/dpkg/status",
        ]
    );
    assert_eq!(world.content(&locked.toolchain.tree, "again"), "2");
    let said = world.said();
    assert!(said.contains("1 devices and pipes") && said.contains("dev/null"), "{said}");
    assert!(said.contains("1 setuid or setgid programs") && said.contains("usr/bin/su"), "{said}");
    let of = image(&locked);
    assert_eq!((of.layers.len(), of.distro.as_deref()), (3, Some("debian-12")));
    let names: Vec<_> = of.installed.iter().map(|i| (i.name.as_str(), i.version.as_str())).collect();
    assert_eq!(names, [("dash", "0.5.12-2"), ("libc6", "2.36-9")]);
    assert_eq!(of.installed[1].source.as_deref(), Some("glibc"));
    // What the conditions give is theirs; the rest is the image's.
    let given = [("PATH", "/bin"), ("HOME", "/build/home")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let env = locked.toolchain.environment(given);
    assert_eq!((env["PATH"].as_str(), env["HOME"].as_str()), ("/opt/bin:/usr/bin", "/build/home"));
    assert_eq!(env["X"], "y");

    // A tar archive of the same layout; the same tree, and an empty store is filled again.
    let tar = world.recipe_dir().join("img.tar");
    let run = |arguments: &[&str]| {
        let status = std::process::Command::new("tar").args(arguments).status().unwrap();
        assert!(status.success());
    };
    let folder = world.recipe_dir().join("img");
    run(&["-C", folder.to_str().unwrap(), "-cf", tar.to_str().unwrap(), "."]);
    let packed = lock(&world, "oci-layout:img.tar").unwrap();
    assert_eq!(packed.toolchain.tree, locked.toolchain.tree);
    assert_eq!(image(&packed).manifest, of.manifest);
    let empty = World::new();
    layout.write(&empty.recipe_dir().join("img"));
    assert_eq!(inputs::need(&locked, &empty.store).len(), 4);
    empty.with(|cx| inputs::fetch(cx, &locked, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::confirmed(&empty.store, &locked) && inputs::need(&locked, &empty.store).is_empty());
    let mut forged = locked.clone();
    forged.toolchain.tree = model::Digest::of(b"");
    forged.toolchain.base_tree = forged.toolchain.tree;
    assert!(!inputs::confirmed(&empty.store, &forged));
    let error = empty.with(|cx| inputs::fetch(cx, &forged, None)).unwrap_err().to_string();
    assert!(error.contains("gives another tree"), "{error}");
}

#[test]
fn an_index_is_resolved_for_the_platform() {
    let mut layout = Layout::new();
    let make = |layout: &mut Layout, arch: &str| {
        let layer = layout.layer("gzip", &[Member::File("arch", 0o644, arch)]);
        layout.image(arch, &[layer], &[])
    };
    let (intel, arm) = (make(&mut layout, "amd64"), make(&mut layout, "arm64"));
    let index = layout.index(&[("arm64", &arm), ("amd64", &intel)]);
    // One that says it is for another machine than it is.
    let lying = layout.index(&[("amd64", &arm)]);
    layout.tag("all", &index);
    layout.tag("lying", &lying);
    layout.tag("arm", &arm);
    let world = World::new();
    layout.write(&world.recipe_dir().join("img"));
    for (arch, content) in [("amd64", "amd64"), ("arm64", "arm64")] {
        let toolchain = Toolchain { arch: arch.into(), ..toolchain("oci-layout:img:all") };
        let locked = lock_of(&world, toolchain).unwrap();
        assert_eq!(world.content(&locked.toolchain.tree, "arch"), content);
        assert!(image(&locked).index.is_some() && image(&locked).manifest.is_some());
    }
    let toolchain = Toolchain { arch: "s390x".into(), ..toolchain("oci-layout:img:all") };
    let error = lock_of(&world, toolchain).unwrap_err();
    assert!(error.contains("expected linux/s390x") && error.contains("linux/arm64"), "{error}");
    for tag in ["lying", "arm"] {
        let error = lock(&world, &format!("oci-layout:img:{tag}")).unwrap_err();
        assert!(error.contains("is for another platform") && error.contains("linux/arm64"), "{error}");
    }
    let error = lock(&world, "oci-layout:img").unwrap_err();
    assert!(error.contains("several fit; it holds all, lying, arm"), "{error}");
    assert!(lock(&world, "oci-layout:img:none").unwrap_err().contains("it holds all, lying, arm"));
    assert!(lock(&world, "oci-layout:nothing").unwrap_err().contains("is not an OCI image layout"));
}

#[test]
fn an_image_is_carried_to_where_no_registry_is() {
    let world = World::new();
    let mut layout = Layout::new();
    let layer = layout.layer("gzip", &[Member::File("tool", 0o755, "tool")]);
    let manifest = layout.image("amd64", &[layer], &[]);
    layout.tag("x", &manifest);
    layout.write(&world.recipe_dir().join("img"));
    let locked = lock(&world, "oci-layout:img").unwrap();
    let (out, locks) = (world.folder.path().join("m.tar"), [(locked.clone(), locked.to_text(), None)]);
    let form = inputs::Form::Archive { compressed: false };
    let index =
        world.with(|cx| inputs::export(cx, &locks, form, &out)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(index.blobs.len(), 2, "configuration and layer");
    let other = crate::mirror::island();
    other.with(|cx| inputs::import(cx, &out)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    crate::mirror::whole(&other, &locked);
}

#[test]
fn an_image_that_means_harm_is_refused() {
    use Member::{File, Folder, Hard, Link};
    let cases: [(&[Member<'_>], &str); 6] = [
        (&[File("../escaped", 0o644, "x")], "leaves the archive"),
        (&[File("/escaped", 0o644, "x")], "its name is absolute"),
        (&[Hard("a", "../../etc/passwd")], "leaves the archive"),
        (&[Hard("a", "etc/passwd")], "which is not in the image"),
        (&[File("a/.wh...", 0o644, "")], "the whiteout of no name"),
        (&[File("a", 0o644, ""), File("a/b", 0o644, "")], "is not a directory"),
    ];
    for (members, why) in cases {
        let world = World::new();
        let mut layout = Layout::new();
        let layer = layout.layer("gzip", members);
        let manifest = layout.image("amd64", &[layer], &[]);
        layout.tag("x", &manifest);
        layout.write(&world.recipe_dir().join("img"));
        let error = lock(&world, "oci-layout:img").unwrap_err();
        assert!(error.contains("layer 1 of image") && error.contains(why), "{why}: {error}");
        assert!(!world.folder.path().join("escaped").exists());
    }
    // Links that point out, and round in a circle, lead nowhere but into the tree.
    let world = World::new();
    let mut layout = Layout::new();
    let layer = layout.layer(
        "gzip",
        &[
            Link("out", "/../../tmp"),
            Link("round", "round"),
            File("out/escaped", 0o644, ""),
            Folder("round/x/"),
        ],
    );
    let manifest = layout.image("amd64", &[layer], &[]);
    layout.tag("x", &manifest);
    layout.write(&world.recipe_dir().join("img"));
    match lock(&world, "oci-layout:img") {
        Ok(locked) => assert!(own(&world, &locked).contains(&"tmp/escaped".to_owned())),
        Err(error) => assert!(error.contains("`round` is not a directory"), "{error}"),
    }
    assert!(!std::path::Path::new("/tmp/escaped").exists());
}

#[test]
fn what_is_not_what_its_digest_says_is_refused() {
    let world = World::new();
    let mut layout = Layout::new();
    let layer = layout.layer("gzip", &[Member::File("a", 0o644, "a")]);
    let good = layout.image("amd64", std::slice::from_ref(&layer), &[]);
    // Its configuration speaks of another layer.
    let mut other = layer.clone();
    other.diff_id = format!("sha256:{}", "0".repeat(64));
    let bad = layout.image("amd64", &[other], &[]);
    let mut strange = layer.clone();
    strange.media_type = "application/vnd.oci.image.layer.v1.tar+encrypted".into();
    let strange = layout.image("amd64", &[strange], &[]);
    for (tag, manifest) in [("good", &good), ("bad", &bad), ("strange", &strange)] {
        layout.tag(tag, manifest);
    }
    let folder = world.recipe_dir().join("img");
    layout.write(&folder);
    let error = lock(&world, "oci-layout:img:bad").unwrap_err();
    assert!(error.contains("decompressed is not what was expected"), "{error}");
    assert!(lock(&world, "oci-layout:img:strange").unwrap_err().contains("tar+encrypted"));
    // By digest; and one byte of it altered.
    let digest = &good.digest;
    lock(&world, &format!("oci-layout:img@{digest}")).unwrap_or_else(|e| panic!("{e}"));
    for blob in [digest.clone(), layer.digest.clone()] {
        let other = World::new();
        let folder = other.recipe_dir().join("img");
        layout.write(&folder);
        let path = folder.join("blobs/sha256").join(blob.trim_start_matches("sha256:"));
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = lock(&other, &format!("oci-layout:img@{digest}")).unwrap_err();
        assert!(error.contains("expected sha256:") && error.contains("found    sha256:"), "{error}");
    }
}
