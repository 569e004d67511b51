//! What stands on disk becomes a tree; nothing outside is ever reached.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use model::Digest;
use model::tree::{Node, Tree};
use rustix::fs::{CWD, FileType, Mode};
use store::{ImportProblem, Store, StoreError};
use tempfile::TempDir;

use crate::{file, fresh, path, sample};

fn import(store: &Store, dir: &Path, at: &str) -> Result<Option<Node>, StoreError> {
    store.import(File::open(dir).unwrap().as_fd(), &path(at))
}

fn problem(store: &Store, dir: &Path, at: &str) -> (String, ImportProblem) {
    match import(store, dir, at).unwrap_err() {
        StoreError::Import { path, problem } => (path, problem),
        error => panic!("{error}"),
    }
}

#[test]
fn exported_and_imported_again_a_tree_is_the_same() {
    let (dir, store) = fresh();
    let root = sample(&store);
    store.export(&Node::Directory(root), &dir.path().join("out")).unwrap();
    assert_eq!(import(&store, dir.path(), "out").unwrap(), Some(Node::Directory(root)));
    assert_eq!(import(&store, &dir.path().join("out"), ".").unwrap(), Some(Node::Directory(root)));
    let (_other_dir, other) = fresh();
    assert_eq!(import(&other, dir.path(), "out").unwrap(), Some(Node::Directory(root)));
    assert_eq!(other.missing(&root).unwrap(), []);
}

#[test]
fn every_kind_of_thing_is_taken_as_it_stands() {
    let (dir, store) = fresh();
    let here = dir.path().join("here");
    fs::create_dir_all(here.join("sub/empty")).unwrap();
    fs::write(here.join("sub/plain"), "text").unwrap();
    for (name, mode) in [("owner", 0o700), ("others", 0o655), ("all", 0o755)] {
        fs::write(here.join(name), name).unwrap();
        fs::set_permissions(here.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("/etc/passwd", here.join("absolute")).unwrap();
    symlink("nowhere", here.join("dangling")).unwrap();

    let executable = |name: &[u8], executable| Some(Node::File { digest: Digest::of(name), executable });
    assert_eq!(import(&store, &here, "owner").unwrap(), executable(b"owner", true));
    assert_eq!(import(&store, &here, "others").unwrap(), executable(b"others", false));
    assert_eq!(import(&store, &here, "all").unwrap(), executable(b"all", true));
    assert_eq!(import(&store, &here, "sub/plain").unwrap(), executable(b"text", false));
    assert_eq!(import(&store, &here, "absolute").unwrap(), Some(Node::Symlink("/etc/passwd".into())));
    assert_eq!(import(&store, &here, "dangling").unwrap(), Some(Node::Symlink("nowhere".into())));
    for nothing in ["nope", "sub/nope", "nope/nope", "owner/below"] {
        assert_eq!(import(&store, &here, nothing).unwrap(), None, "{nothing}");
    }
    let mut tree = Tree::default();
    tree.make_directory(&path("empty")).unwrap();
    tree.insert(&path("plain"), file(&store, b"text")).unwrap();
    assert_eq!(import(&store, &here, "sub").unwrap(), Some(Node::Directory(tree.finish().root)));
}

#[test]
fn no_symlink_leads_out() {
    let (dir, store) = fresh();
    let (here, outside) = (dir.path().join("here"), dir.path().join("outside"));
    fs::create_dir_all(here.join("real")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink("../outside", here.join("way")).unwrap();
    symlink(&outside, here.join("real/way")).unwrap();
    symlink("real", here.join("inside")).unwrap();
    for (at, link) in [
        ("way/secret", "way"),
        ("real/way/secret", "real/way"),
        ("inside/way/secret", "inside"),
        ("inside/way", "inside"),
    ] {
        let (said, problem) = problem(&store, &here, at);
        assert_eq!((said.as_str(), problem), (at, ImportProblem::SymlinkAbove(link.into())));
    }
    let Some(Node::Directory(root)) = import(&store, &here, ".").unwrap() else { panic!() };
    assert!(store.walk(&root).unwrap().iter().all(|(_, node)| !matches!(node, Node::File { .. })));
    assert!(!store.contains(&Digest::of(b"secret")));
}

#[test]
fn what_no_tree_can_hold_is_named() {
    let (dir, store) = fresh();
    let here = dir.path().join("here");
    let make = |sub: &str| {
        let sub = here.join(sub);
        fs::create_dir_all(&sub).unwrap();
        sub
    };
    let _listener = UnixListener::bind(make("a").join("socket")).unwrap();
    assert_eq!(problem(&store, &here, "a"), ("a/socket".into(), ImportProblem::Kind("socket")));
    rustix::fs::mknodat(CWD, make("b").join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert_eq!(problem(&store, &here, "b"), ("b/pipe".into(), ImportProblem::Kind("named pipe")));
    assert_eq!(problem(&store, &here, "b/pipe"), ("b/pipe".into(), ImportProblem::Kind("named pipe")));
    assert_eq!(
        problem(&store, Path::new("/dev"), "null"),
        ("null".into(), ImportProblem::Kind("character device"))
    );
    let latin = OsStr::from_bytes(b"caf\xe9");
    fs::write(make("c/d").join(latin), "x").unwrap();
    let (said, why) = problem(&store, &here, "c");
    assert!(said.starts_with("c/d/caf"), "{said}");
    assert_eq!(why, ImportProblem::NameNotUtf8);
    symlink(latin, make("e").join("link")).unwrap();
    assert_eq!(problem(&store, &here, "e"), ("e/link".into(), ImportProblem::TargetNotUtf8));
}

#[test]
fn a_large_directory_is_taken_whole() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let mut tree = Tree::default();
    let big = vec![9u8; 1 << 20];
    for i in 0..3000 {
        let at = format!("here/{}/{}/{i}", i % 7, i % 31);
        let on_disk = dir.path().join(&at);
        fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
        let content = if i % 500 == 0 { big.clone() } else { i.to_string().into_bytes() };
        fs::write(&on_disk, &content).unwrap();
        let node = Node::File { digest: Digest::of(&content), executable: false };
        tree.insert(&path(at.strip_prefix("here/").unwrap()), node).unwrap();
    }
    let root = tree.finish().root;
    assert_eq!(import(&store, dir.path(), "here").unwrap(), Some(Node::Directory(root)));
    assert_eq!(store.missing(&root).unwrap(), []);
}

/// What a step may leave: directories and files that keep their own user out. Under `left`, which is closed as well.
fn closed(place: &Path) -> std::path::PathBuf {
    let here = place.join("here");
    fs::create_dir_all(here.join("left/none/deep")).unwrap();
    fs::create_dir_all(here.join("left/list")).unwrap();
    fs::create_dir_all(here.join("left/search")).unwrap();
    symlink("nowhere", here.join("left/list/link")).unwrap();
    let files =
        [("none/deep/f", 0o000), ("none/x", 0o111), ("list/w", 0o222), ("search/g", 0o055), ("f", 0o000)];
    for (name, mode) in files {
        fs::write(here.join("left").join(name), name).unwrap();
        fs::set_permissions(here.join("left").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let directories = [
        ("left/none/deep", 0o000),
        ("left/none", 0o000),
        ("left/list", 0o444),
        ("left/search", 0o111),
        ("left", 0),
    ];
    for (name, mode) in directories {
        fs::set_permissions(here.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    here
}

/// In a process of its own, which is not root's.
pub(crate) fn take_what_is_closed(place: &Path) {
    let store = Store::open(&place.join("store")).unwrap();
    let mut expected = Tree::default();
    for (name, executable) in
        [("none/deep/f", false), ("none/x", true), ("list/w", false), ("search/g", false), ("f", false)]
    {
        let digest = Digest::of(name.as_bytes());
        expected.insert(&path(name), Node::File { digest, executable }).unwrap();
    }
    expected.insert(&path("list/link"), Node::Symlink("nowhere".into())).unwrap();
    let expected = expected.finish().root;
    let take = |here: &Path, at: &str| store.take(File::open(here).unwrap().as_fd(), &path(at)).unwrap();
    assert_eq!(take(&closed(&place.join("a")), "left"), Some(Node::Directory(expected)));
    let here = closed(&place.join("b"));
    assert_eq!(
        take(&here, "left/none/deep/f"),
        Some(Node::File { digest: Digest::of(b"none/deep/f"), executable: false })
    );
    let dir = File::open(&here).unwrap();
    fs::set_permissions(&here, fs::Permissions::from_mode(0o000)).unwrap();
    assert!(matches!(store.take(dir.as_fd(), &path(".")), Ok(Some(Node::Directory(_)))));
    // What a person has is left as it is.
    let here = closed(&place.join("c"));
    if rustix::process::geteuid().is_root() {
        return;
    }
    assert!(import(&store, &here, "left").is_err());
    assert_eq!(fs::metadata(here.join("left")).unwrap().permissions().mode() & 0o777, 0);
}

#[test]
fn what_is_closed_to_its_owner_is_taken_by_root_and_others_alike() {
    let dir = tempfile::tempdir().unwrap();
    take_what_is_closed(&dir.path().join("mine"));
    if rustix::process::geteuid().is_root() {
        let place = dir.path().join("theirs");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&place, Some(12345), Some(12345)).unwrap();
        let shell = "exec setpriv --reuid 12345 --regid 12345 --clear-groups \"$@\"";
        let ran = crate::children::child("what is closed", &place, shell).output().unwrap();
        assert!(String::from_utf8_lossy(&ran.stdout).contains("role done"), "{ran:?}");
    }
    let _removed = std::process::Command::new("chmod").args(["-R", "u+rwx"]).arg(dir.path()).status();
}
