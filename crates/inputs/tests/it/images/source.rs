//! Images as sources: the layout of one, as it is served.

use model::lock::{Lock, LockedSource, MANIFEST};
use model::recipe::{Locator, Source};

use super::layout::Layout;
use crate::debian_archive::{Archive, Member, toolchain, write_key};
use crate::world::{World, chain, recipe};

fn source(image: &str, platform: &str) -> Source {
    Source::Fetched(Locator::Image { image: image.parse().unwrap(), platform: platform.parse().unwrap() })
}

/// Locks it beside an empty toolchain.
fn lock(world: &World, image: &str, platform: &str) -> Result<(Lock, LockedSource), String> {
    let folder = world.folder.path().join("archive");
    let archive = Archive::new(&folder);
    archive.publish();
    write_key(&archive.key, &world.recipe_dir().join("keyring.gpg"));
    let mirror = format!("file://{}", folder.display());
    let recipe = recipe(toolchain(&mirror, &[]), [("base", source(image, platform))]);
    let lock = world.with(|cx| inputs::lock(cx, &recipe, None)).map_err(|e| chain(&e))?;
    assert_eq!(lock.stale(&recipe), []);
    assert_eq!(Lock::parse("l", &lock.to_text()).unwrap(), lock);
    let locked = lock.sources["base"].clone();
    // Again, with nothing but the lock, from where it was; then from the files alone.
    let other = World::new();
    let from = other.recipe_dir();
    for entry in std::fs::read_dir(world.recipe_dir()).unwrap() {
        let entry = entry.unwrap();
        let copied =
            std::process::Command::new("cp").arg("-r").arg(entry.path()).arg(&from).status().unwrap();
        assert!(copied.success());
    }
    other.with(|cx| inputs::fetch(cx, &lock, Some(&recipe))).map_err(|e| chain(&e))?;
    assert!(inputs::need(&lock, &other.store).is_empty());
    Ok((lock, locked))
}

const STATUS: &str = "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.5.12-2\n";

fn two(world: &World) {
    let mut layout = Layout::new();
    let first = layout.layer(
        "gzip",
        &[
            Member::File("etc/os-release", 0o644, "ID=debian\nVERSION_ID=\"12\"\n"),
            Member::File("var/lib/dpkg/status", 0o644, STATUS),
        ],
    );
    let second = layout.layer("zstd", &[Member::File("x", 0o755, "x")]);
    let here = layout.image("amd64", &[first.clone(), second], &["A=1"]);
    let there = layout.image("arm64", &[first], &[]);
    let index = layout.index(&[("amd64", &here), ("arm64", &there)]);
    layout.tag("all", &index);
    layout.write(&world.recipe_dir().join("img"));
}

#[test]
fn an_image_is_its_own_layout() {
    let world = World::new();
    two(&world);
    let (_, locked) = lock(&world, "oci-layout:img:all", "linux/amd64").unwrap_or_else(|e| panic!("{e}"));
    let files: Vec<&str> = locked.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(files, ["config", "layer/1", "layer/2", MANIFEST]);
    let mut expected: Vec<String> =
        locked.files.iter().map(|f| format!("blobs/sha256/{}", f.digest.hex())).collect();
    expected.extend(["blobs/", "blobs/sha256/", "index.json", "oci-layout"].map(str::to_owned));
    expected.sort();
    let mut found = world.paths(&locked.tree);
    found.sort();
    assert_eq!(found, expected);
    let manifest = locked.file(MANIFEST).unwrap().digest;
    assert_eq!(
        world.content(&locked.tree, "index.json"),
        format!(
            "{{\"manifests\":[{{\"digest\":\"sha256:{}\",\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"platform\":{{\"architecture\":\"amd64\",\"os\":\"linux\"}},\"size\":{}}}],\"mediaType\":\
             \"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}}",
            manifest.hex(),
            manifest.size
        )
    );
    let contents = locked.contents.unwrap();
    assert_eq!(contents.distro.as_deref(), Some("debian-12"));
    assert_eq!(contents.packages.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["dash"]);
    // The other platform of the index is another image.
    let (_, other) = lock(&world, "oci-layout:img:all", "linux/arm64").unwrap();
    assert_eq!(other.files.len(), 3);
    let none = lock(&world, "oci-layout:img:all", "linux/riscv64").unwrap_err();
    assert!(none.contains("no image for `linux/riscv64`"), "{none}");
}

#[test]
fn what_is_locked_stays_until_it_is_asked_to_move() {
    let world = World::new();
    two(&world);
    let (before, _) = lock(&world, "oci-layout:img:all", "linux/amd64").unwrap();
    let mut layout = Layout::new();
    let layer = layout.layer("plain", &[Member::File("new", 0o644, "new")]);
    let image = layout.image("amd64", &[layer], &[]);
    layout.tag("all", &image);
    layout.write(&world.recipe_dir().join("img"));
    let folder = world.folder.path().join("archive");
    let mirror = format!("file://{}", folder.display());
    let asked = recipe(toolchain(&mirror, &[]), [("base", source("oci-layout:img:all", "linux/amd64"))]);
    let again = world.with(|cx| inputs::lock(cx, &asked, Some(&before))).unwrap();
    assert_eq!(again, before);
    let others = world.with(|cx| inputs::update(cx, &asked, Some(&before), &|name| name == "other")).unwrap();
    assert_eq!(others, before);
    let moved = world.with(|cx| inputs::update(cx, &asked, Some(&before), &|name| name == "base")).unwrap();
    assert_ne!(moved.sources["base"].tree, before.sources["base"].tree);
    assert_eq!(moved.toolchain, before.toolchain);
}

#[test]
fn a_lock_that_names_other_files_is_refused() {
    let world = World::new();
    two(&world);
    let (lock, _) = lock(&world, "oci-layout:img:all", "linux/amd64").unwrap();
    let refused = |change: &dyn Fn(&mut LockedSource)| {
        let mut changed = lock.clone();
        change(changed.sources.get_mut("base").unwrap());
        chain(&world.with(|cx| inputs::fetch(cx, &changed, None)).unwrap_err())
    };
    let gone = refused(&|s| s.files.retain(|f| f.path != MANIFEST));
    assert!(gone.contains("no manifest"), "{gone}");
    let fewer = refused(&|s| s.files.retain(|f| f.path != "layer/2"));
    assert!(fewer.contains("not all that it names"), "{fewer}");
    let other = refused(&|s| {
        let layer = s.file("layer/1").unwrap().digest;
        s.files.iter_mut().find(|f| f.path == MANIFEST).unwrap().digest = layer;
    });
    assert!(other.contains("manifest"), "{other}");
}

#[test]
fn a_layer_that_the_configuration_does_not_know_is_refused() {
    let world = World::new();
    let mut layout = Layout::new();
    let mut layer = layout.layer("gzip", &[Member::File("x", 0o644, "x")]);
    layer.diff_id = format!("sha256:{}", "0".repeat(64));
    let image = layout.image("amd64", &[layer], &[]);
    layout.tag("a", &image);
    layout.write(&world.recipe_dir().join("img"));
    let told = lock(&world, "oci-layout:img:a", "linux/amd64").unwrap_err();
    assert!(told.contains("decompressed"), "{told}");
}
