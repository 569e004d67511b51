//! Layers on disk: written, unpacked, seen through, and written again. They need ids to give, which only root has here; for
//! anybody else there is one thing to be seen.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use artifact::oci::{self, LayerEntry, What};
use model::Timestamp;
use store::Store;

use super::*;

fn entry(path: &str, what: What<Source>) -> LayerEntry<Source> {
    LayerEntry { path: path.to_owned(), what, mode: 0o755, uid: 0, gid: 0, attributes: BTreeMap::new() }
}

fn file(text: &str) -> What<Source> {
    What::File { content: Source::Bytes(text.into()), size: text.len() as u64 }
}

fn layer(store: &Store, entries: &[LayerEntry<Source>]) -> Layer {
    let mut writer = store.writer().unwrap();
    let open = |source: &Source| {
        let content: Box<dyn io::Read> = match source {
            Source::Disk(path) => Box::new(fs::File::open(path)?),
            Source::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Source::Blob(_) => return Err(io::Error::other("none is made of blobs here")),
        };
        Ok(content)
    };
    let tar = oci::entries(entries, Timestamp(1), &open, &mut writer).unwrap();
    Layer { blob: writer.finish().unwrap(), diff_id: tar.sha256, media_type: oci::LAYER.to_owned() }
}

struct Scene {
    dir: tempfile::TempDir,
    store: Store,
    first: u32,
}

impl Scene {
    fn new() -> Option<Self> {
        let Ok(first) = sandbox::first_id() else { return None };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        Some(Self { dir, store, first })
    }

    fn stack(&self, layers: &[&[LayerEntry<Source>]]) -> Stack {
        Stack::new(layers.iter().map(|entries| layer(&self.store, entries)).collect())
    }
}

macro_rules! scene {
    () => {
        match Scene::new() {
            Some(scene) => scene,
            None => {
                let error = sandbox::first_id().unwrap_err().to_string();
                assert!(error.contains("subuids"), "{error}");
                return;
            }
        }
    };
}

#[test]
fn a_layer_that_is_unpacked_and_written_is_the_same_layer() {
    let scene = scene!();
    let capability = vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let attributes = BTreeMap::from([
        ("security.capability".to_owned(), capability),
        ("user.note".to_owned(), b"x\0y".to_vec()),
    ]);
    let entries = [
        entry("d", What::Directory),
        LayerEntry { mode: 0o4711, uid: 1000, gid: 65_535, attributes, ..entry("d/tool", file("tool")) },
        // A name has what is the file's.
        LayerEntry { mode: 0o4711, uid: 1000, gid: 65_535, ..entry("d/zool", What::Link("d/tool".into())) },
        LayerEntry { mode: 0o777, ..entry("d/to", What::Symlink("/nowhere".into())) },
        entry("d/pipe", What::Pipe),
        entry("gone", What::Gone),
        entry("hides", What::Opaque),
    ];
    let stack = scene.stack(&[&entries]);
    let dirs = stack.unpacked(&scene.store).unwrap();
    let metadata = fs::metadata(dirs[0].join("d/tool")).unwrap();
    assert_eq!((metadata.uid(), metadata.mtime()), (scene.first + 1000, 1));
    let found = written(&dirs[0], &View::new(&[]), scene.first).unwrap();
    let found: Vec<_> = found.into_values().collect();
    assert_eq!(layer(&scene.store, &found).diff_id, stack.layers()[0].diff_id);
}

#[test]
fn layers_are_seen_through_as_a_container_sees_them() {
    let scene = scene!();
    let below = [
        entry("a", What::Directory),
        entry("a/one", file("1")),
        entry("a/two", file("2")),
        entry("b", What::Directory),
        entry("b/deep", What::Directory),
        entry("b/deep/x", file("x")),
        entry("lib", What::Symlink("usr/lib".into())),
        entry("usr", What::Directory),
        entry("usr/lib", What::Directory),
    ];
    let above = [
        entry("a", What::Directory),
        entry("a/two", What::Gone),
        entry("a/three", file("3")),
        entry("b", What::Opaque),
        entry("b/new", file("n")),
    ];
    let through = [entry("usr/lib/hard", What::Symlink("/a/one".into()))];
    let stack = scene.stack(&[&below, &above, &through]);
    let dirs = stack.unpacked(&scene.store).unwrap();
    let view = View::new(&dirs);
    let names = |path: &str| match view.look(path).unwrap() {
        Seen::Folder(folder) => view.list(&folder).unwrap(),
        _ => panic!("{path} is no folder"),
    };
    assert_eq!(names(""), ["a", "b", "lib", "usr"]);
    assert_eq!((names("a"), names("b")), (vec!["one".into(), "three".into()], vec!["new".to_owned()]));
    assert!(matches!(view.look("a/two").unwrap(), Seen::Nothing));
    assert!(matches!(view.look("b/deep/x").unwrap(), Seen::Nothing));
    assert!(matches!(view.look("a/one/below").unwrap(), Seen::Nothing));
    assert_eq!(view.resolve("lib/../lib/hard", true).unwrap(), "a/one");
    assert_eq!(view.resolve("/../../lib", true).unwrap(), "usr/lib");
    assert_eq!(view.resolve("lib", false).unwrap(), "lib");
    assert_eq!(view.text("lib/hard").unwrap().as_deref(), Some("1"));
    assert_eq!(view.text("a").unwrap(), None);
}

#[test]
fn nothing_is_written_outside_through_links_or_dots() {
    let scene = scene!();
    let outside = scene.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let out = outside.to_str().unwrap();
    let bad = tar_of(&[
        ("way", Kind::Link(out)),
        ("way/x", Kind::File("x")),
        ("up", Kind::Link("../../../../../../../../../..")),
        ("up/y", Kind::File("y")),
        ("../../z", Kind::File("z")),
    ]);
    let blob = scene.store.put(&bad).unwrap();
    let layer = Layer { blob, diff_id: Sha256::of(&bad), media_type: oci::LAYER.to_owned() };
    let dirs = Stack::new(vec![layer]).unpacked(&scene.store).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(dirs[0].join("y")).unwrap(), "y");
    assert_eq!(fs::read_to_string(dirs[0].join("z")).unwrap(), "z");
    let inner = dirs[0].join(out.trim_start_matches('/')).join("x");
    assert_eq!(fs::read_to_string(inner).unwrap(), "x");
}

#[test]
fn what_is_no_layer_leaves_nothing() {
    let scene = scene!();
    let good = tar_of(&[("x", Kind::File("x"))]);
    for (bytes, diff_id, expected) in [
        (good.clone(), Sha256::of(b"other"), "and the image says"),
        (good[..512].to_vec(), Sha256::of(&good[..512]), "cannot be read"),
        (tar_of(&[("a", Kind::Link("a")), ("a/b", Kind::File("b"))]), Sha256::of(b""), "leads in circles"),
        (tar_of(&[("a", Kind::File("a")), ("a/b", Kind::File("b"))]), Sha256::of(b""), "is no directory"),
        (tar_of(&[(".wh.", Kind::File(""))]), Sha256::of(b""), "nothing that has a name"),
        (tar_of(&[("a", Kind::Hard("/etc/passwd"))]), Sha256::of(b""), "which is no file"),
        (tar_of(&[("a", Kind::Owner(70_000))]), Sha256::of(b""), "ids below 65536"),
    ] {
        let blob = scene.store.put(&bytes).unwrap();
        let layer = Layer { blob, diff_id, media_type: oci::LAYER.to_owned() };
        let error = Stack::new(vec![layer]).unpacked(&scene.store).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let trees = scene.dir.path().join("store/trees");
    let left =
        fs::read_dir(trees).unwrap().flat_map(|boot| fs::read_dir(boot.unwrap().path()).unwrap()).count();
    assert_eq!(left, 0);
}

enum Kind<'a> {
    File(&'a str),
    Link(&'a str),
    Hard(&'a str),
    Owner(u64),
}

/// A tar as no packer of ours would write it.
fn tar_of(members: &[(&str, Kind<'_>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind) in members {
        let (flag, target, content, owner) = match kind {
            Kind::File(text) => (b'0', "", *text, 0),
            Kind::Link(target) => (b'2', *target, "", 0),
            Kind::Hard(target) => (b'1', *target, "", 0),
            Kind::Owner(owner) => (b'0', "", "", *owner),
        };
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[108..116].copy_from_slice(format!("{owner:07o}\0").as_bytes());
        block[116..124].copy_from_slice(b"0000000\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        block[136..148].copy_from_slice(b"00000000001\0");
        block[156] = flag;
        block[157..157 + target.len()].copy_from_slice(target.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(block);
        tar.extend(content.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

#[test]
fn names_of_stacks_are_those_of_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let (one, two) = (layer(&store, &[entry("a", file("1"))]), layer(&store, &[entry("a", file("2"))]));
    let name = |layers: &[&Layer]| Stack::new(layers.iter().map(|l| (*l).clone()).collect()).name();
    assert_ne!(name(&[&one, &two]), name(&[&two, &one]));
    // How it is compressed says nothing of what is in it.
    let packed = Layer { blob: two.blob, ..one.clone() };
    assert_eq!(name(&[&one]), name(&[&packed]));
    assert!(Path::new(&Stack::default().document()).to_str().is_some_and(|text| text == "{\"layers\":[]}"));
}
