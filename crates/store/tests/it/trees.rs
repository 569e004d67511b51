//! Trees, level by level and put together.

use std::collections::BTreeMap;
use std::fs;

use model::Digest;
use model::tree::{Directory, Node, Tree};
use store::{StoreError, TreeProblem};

use crate::{blob_path, file, flip_a_bit, fresh, path, sample};

#[test]
fn walking_lists_everything_in_order() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let entries = store.walk(&root).unwrap();
    let mut sorted = entries.clone();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(entries, sorted);
    assert_eq!(entries.len(), 1 + 3 + 4 + 1 + 80);
    for (path, node) in &entries {
        assert_eq!(store.lookup(&root, path).unwrap().as_ref(), Some(node), "{path}");
    }
    let mut again = Tree::default();
    for (path, node) in entries {
        match node {
            Node::Directory(_) => again.make_directory(&path).unwrap(),
            node => again.insert(&path, node).unwrap(),
        }
    }
    assert_eq!(again.finish().root, root);
}

#[test]
fn looking_up_never_follows_a_symlink() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    assert_eq!(store.lookup(&root, &path(".")).unwrap(), Some(Node::Directory(root)));
    for nothing in ["bin/link/x", "README/x", "nope", "bin/nope/x"] {
        assert_eq!(store.lookup(&root, &path(nothing)).unwrap(), None, "{nothing}");
    }
}

#[test]
fn missing_names_blobs_at_any_depth() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    assert_eq!(store.missing(&root).unwrap(), []);
    let gone = Digest::of(b"17");
    fs::remove_file(blob_path(&store, &gone)).unwrap();
    assert_eq!(store.missing(&root).unwrap(), [gone]);
    let Some(Node::Directory(below)) = store.lookup(&root, &path("many/3")).unwrap() else { panic!() };
    flip_a_bit(&blob_path(&store, &below));
    let mut both = [gone, below];
    both.sort();
    assert_eq!(store.missing(&root).unwrap(), both);
    fs::remove_file(blob_path(&store, &root)).unwrap();
    assert_eq!(store.missing(&root).unwrap(), [root]);
}

#[test]
fn the_same_bytes_as_a_file_and_as_a_directory_are_two_things() {
    let (_dir, store) = fresh();
    let inner = Directory(BTreeMap::from([(
        "leaf".parse().unwrap(),
        Node::File { digest: Digest::of(b"not here"), executable: false },
    )]));
    let inner = store.put(&inner.encode()).unwrap();
    let outer = Directory(BTreeMap::from([
        ("a".parse().unwrap(), Node::File { digest: inner, executable: false }),
        ("b".parse().unwrap(), Node::Directory(inner)),
    ]));
    let outer = store.put(&outer.encode()).unwrap();
    assert_eq!(store.missing(&outer).unwrap(), [Digest::of(b"not here")]);
}

#[test]
fn a_blob_that_is_no_tree_is_said_to_be_none() {
    let (_dir, store) = fresh();
    let digest = store.put(b"just text").unwrap();
    for error in [
        store.directory(&digest).unwrap_err(),
        store.walk(&digest).unwrap_err(),
        store.missing(&digest).unwrap_err(),
        store.materialise(&digest, model::Timestamp(0)).unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::Tree { digest: d, .. } if *d == digest), "{error}");
    }
}

/// A few blobs that stand for a tree far too large or too deep.
#[test]
fn trees_that_explode_are_refused() {
    let (_dir, store) = fresh();
    let mut node = store.put(b"").unwrap();
    for _ in 0..40 {
        let twice = ["a", "b"].map(|name| (name.parse().unwrap(), Node::Directory(node)));
        node = store.put(&Directory(BTreeMap::from(twice)).encode()).unwrap();
    }
    assert_eq!(store.missing(&node).unwrap(), [], "each distinct directory is read once");

    let mut deep = store.put(b"").unwrap();
    for _ in 0..5000 {
        let once = BTreeMap::from([("d".parse().unwrap(), Node::Directory(deep))]);
        deep = store.put(&Directory(once).encode()).unwrap();
    }
    assert_eq!(store.missing(&deep).unwrap(), []);
    for error in [store.walk(&deep).unwrap_err(), store.materialise(&deep, model::Timestamp(0)).unwrap_err()]
    {
        assert!(matches!(error, StoreError::Tree { source: TreeProblem::Depth(_), .. }), "{error}");
    }
}

#[test]
fn composing_merges_directories_in_any_order() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let extra = file(&store, b"extra");
    let mut tree = Tree::default();
    tree.insert(&path("tool2"), extra.clone()).unwrap();
    tree.insert(&path("deep/x"), extra.clone()).unwrap();
    let second = tree.finish();
    store.put_tree(&second).unwrap();

    let parts = [
        (path("."), Node::Directory(root)),
        (path("bin"), Node::Directory(second.root)),
        (path("new/place/file"), extra.clone()),
        (path("README"), file(&store, b"read me")),
        (path("data/nothing"), Node::Directory(store.put(b"").unwrap())),
    ];
    let forward = store.compose(&parts).unwrap();
    let mut reversed = parts.clone();
    reversed.reverse();
    assert_eq!(store.compose(&reversed).unwrap(), forward);
    for there in ["bin/tool", "bin/tool2", "bin/deep/x", "new/place/file", "many/39/file", "data/nothing"] {
        assert!(store.lookup(&forward, &path(there)).unwrap().is_some(), "{there}");
    }
    assert_eq!(store.missing(&forward).unwrap(), []);
    assert_eq!(store.compose(&[(path("."), Node::Directory(root))]).unwrap(), root);
    assert_eq!(store.compose(&[]).unwrap(), Digest::of(b""));
}

#[test]
fn two_different_things_at_one_path_are_a_conflict_in_any_order() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let a = file(&store, b"a");
    let Node::File { digest, .. } = a else { panic!() };
    let cases = [
        ("x", (path("x"), a.clone()), (path("x"), file(&store, b"b"))),
        ("x", (path("x"), a.clone()), (path("x"), Node::File { digest, executable: true })),
        ("x", (path("x"), a.clone()), (path("x"), Node::Symlink("a".into()))),
        ("x", (path("x"), a.clone()), (path("x/below"), a.clone())),
        ("x", (path("x"), a.clone()), (path("x"), Node::Directory(root))),
        ("x", (path("x"), a.clone()), (path("x"), Node::Directory(store.put(b"").unwrap()))),
        ("x/README", (path("x"), Node::Directory(root)), (path("x/README"), a.clone())),
        ("bin", (path("."), Node::Directory(root)), (path("bin"), Node::Symlink("usr/bin".into()))),
        ("bin/link", (path("."), Node::Directory(root)), (path("bin/link/x"), a.clone())),
        (".", (path("y"), a.clone()), (path("."), a.clone())),
    ];
    for (at, first, second) in cases {
        for parts in [[first.clone(), second.clone()], [second.clone(), first.clone()]] {
            let error = store.compose(&parts).unwrap_err();
            assert!(matches!(&error, StoreError::Conflict { path, .. } if path.as_str() == at), "{error}");
        }
    }
}

#[test]
fn what_differs_between_two_trees_is_told_by_path() {
    let (_dir, store) = fresh();
    let make = |entries: &[(&str, Node)], folders: &[&str]| {
        let mut tree = Tree::default();
        for (at, node) in entries {
            tree.insert(&path(at), node.clone()).unwrap();
        }
        for at in folders {
            tree.make_directory(&path(at)).unwrap();
        }
        let finished = tree.finish();
        store.put_tree(&finished).unwrap();
        finished.root
    };
    let file = |content: &[u8]| Node::File { digest: Digest::of(content), executable: false };
    let before = make(
        &[
            ("a/same", file(b"1")),
            ("a/changed", file(b"2")),
            ("gone/deep/x", file(b"3")),
            ("kind", file(b"4")),
        ],
        &["empty"],
    );
    let after = make(
        &[
            ("a/same", file(b"1")),
            ("a/changed", file(b"5")),
            ("new", Node::Symlink("a".into())),
            ("kind/y", file(b"6")),
        ],
        &[],
    );
    let told: Vec<_> = store
        .differences(&before, &after)
        .unwrap()
        .into_iter()
        .map(|d| (d.path.to_string(), d.before.is_some(), d.after.is_some()))
        .collect();
    let expected = [
        ("a/changed", true, true),
        ("empty", true, false),
        ("gone/deep/x", true, false),
        ("kind", true, false),
        ("kind/y", false, true),
        ("new", false, true),
    ];
    assert_eq!(told, expected.map(|(path, before, after)| (path.to_owned(), before, after)));
    assert!(store.differences(&before, &before).unwrap().is_empty());
    assert!(store.differences(&before, &Digest::of(b"not here")).is_err());
}
