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
