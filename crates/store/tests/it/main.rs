//! The store from outside: one binary, one file per promise.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy takes the helpers of tests for ordinary code"
)]

mod actions;
mod blobs;
mod children;
mod disk_full;
mod export;
mod gc;
mod import;
mod materialise;
mod scratch;
mod trees;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use model::tree::{Node, Tree};
use model::{Digest, RelPath};
use store::Store;
use tempfile::TempDir;

/// A store in a directory that goes with it.
fn fresh() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn path(text: &str) -> RelPath {
    text.parse().unwrap()
}

fn file(store: &Store, content: &[u8]) -> Node {
    Node::File { digest: store.put(content).unwrap(), executable: false }
}

/// A tree of the kinds of things there are; gives its root.
fn sample(store: &Store) -> Digest {
    let mut tree = Tree::default();
    let big: Vec<u8> = (0..700_000u32).flat_map(u32::to_le_bytes).collect();
    tree.insert(&path("README"), file(store, b"read me")).unwrap();
    tree.insert(
        &path("bin/tool"),
        Node::File { digest: store.put(b"#!/bin/sh\n").unwrap(), executable: true },
    )
    .unwrap();
    tree.insert(&path("bin/link"), Node::Symlink("../../outside".into())).unwrap();
    tree.insert(&path("data/big"), file(store, &big)).unwrap();
    tree.insert(&path("data/empty"), file(store, b"")).unwrap();
    tree.make_directory(&path("data/nothing")).unwrap();
    for i in 0..40 {
        tree.insert(&path(&format!("many/{i}/file")), file(store, format!("{i}").as_bytes())).unwrap();
    }
    let finished = tree.finish();
    store.put_tree(&finished).unwrap();
    finished.root
}

fn blob_path(store: &Store, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    store.dir().join("blobs").join(&hex[..2]).join(hex)
}

/// Changes one bit of a file and nothing else.
fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    // Another file in its place: the file's mode forbids writing to all but root.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn assert_clean(store: &Store) {
    let report = store.verify(&mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
