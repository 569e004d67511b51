//! A full disk is a typed error, and leaves nothing half-written.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use model::{Digest, Timestamp};
use store::{Store, StoreError};
use tempfile::TempDir;

use crate::children::child;
use crate::{assert_clean, path, sample};

/// The only test that needs more than files: a small filesystem of its own, in a user namespace.
#[test]
fn a_full_disk_is_said_and_nothing_half_written_stays() {
    let dir = TempDir::new().unwrap();
    let shell = r#"exec unshare --user --map-root-user --mount sh -e -c '
        mount -t tmpfs -o size=8m tmpfs "$STORE_TEST_PLACE"; exec "$@"' sh "$@""#;
    let output = child("fill the disk", dir.path(), shell).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("role done"),
        "needs util-linux `unshare` and user namespaces, as selfsame itself does:\n{text}{errors}"
    );
}

/// Run by the child, on a filesystem of 8 MiB.
pub(crate) fn fill(place: &Path) {
    let store = Store::open(&place.join("store")).unwrap();
    let root = sample(&store);
    let before = store.stats().unwrap();
    let full = |error: StoreError| assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    let nothing_left = || {
        assert_eq!(store.stats().unwrap(), before);
        for session in fs::read_dir(store.dir().join("tmp")).unwrap() {
            assert_eq!(fs::read_dir(session.unwrap().path()).unwrap().count(), 0);
        }
        assert_clean(&store);
    };

    full(store.put_reader(&mut std::io::repeat(7).take(20 << 20)).unwrap_err());
    nothing_left();
    let size = 20 << 20;
    let expected = Digest { sha256: Digest::of(b"").sha256, size };
    full(store.put_expecting(&mut std::io::repeat(7).take(size), &expected).unwrap_err());
    nothing_left();
    full(store.put(&vec![7; 20 << 20]).unwrap_err());
    nothing_left();
    let sparse = place.join("sparse");
    File::create(&sparse).unwrap().set_len(size).unwrap();
    full(store.import(File::open(place).unwrap().as_fd(), &path("sparse")).unwrap_err());
    nothing_left();

    // Less room than the tree needs, then none at all.
    let ballast = place.join("ballast");
    let fill_up = |leave: u64| {
        let mut file = File::create(&ballast).unwrap();
        std::io::copy(&mut std::io::repeat(1).take(size), &mut file).unwrap_err();
        file.set_len(file.metadata().unwrap().len() - leave).unwrap();
    };
    fill_up(1 << 20);
    full(store.materialise(&root, Timestamp(0)).unwrap_err());
    nothing_left();
    fill_up(0);
    full(store.put(&vec![1; 5000]).unwrap_err());
    full(store.memo_put("space", &Digest::of(b"key"), &[1; 5000]).unwrap_err());
    assert_eq!(store.memo_get("space", &Digest::of(b"key")), None);
    nothing_left();
    full(store.export(&model::tree::Node::Directory(root), &place.join("copy")).unwrap_err());
    assert!(!place.join("copy").exists());
    fs::remove_file(&ballast).unwrap();
    store.put(&vec![1; 5000]).unwrap();
    store.materialise(&root, Timestamp(0)).unwrap();
    assert_clean(&store);
}
