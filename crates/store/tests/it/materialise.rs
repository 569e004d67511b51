//! Trees on disk: complete, read-only, the same for everyone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;

use model::tree::Node;
use model::{Digest, Timestamp};
use store::{Store, StoreError};

use crate::{assert_clean, blob_path, file, flip_a_bit, fresh, path, sample};

const TIME: Timestamp = Timestamp(1_700_000_000);

/// Every entry is as the contract says.
pub(crate) fn check(store: &Store, root: &Digest, place: &Path, time: Timestamp) {
    let sealed = |at: &Path, mode: u32| {
        let meta = fs::symlink_metadata(at).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (time.0, 0), "{}", at.display());
        if !meta.is_symlink() {
            assert_eq!(meta.permissions().mode() & 0o7777, mode, "{}", at.display());
        }
        meta
    };
    sealed(place, 0o555);
    for (path, node) in store.walk(root).unwrap() {
        let at = place.join(path.as_str());
        match node {
            Node::Directory(_) => assert!(sealed(&at, 0o555).is_dir()),
            Node::Symlink(target) => {
                assert!(sealed(&at, 0).is_symlink());
                assert_eq!(fs::read_link(&at).unwrap(), Path::new(&target));
            }
            Node::File { digest, executable } => {
                let meta = sealed(&at, if executable { 0o555 } else { 0o444 });
                assert_eq!(meta.nlink(), 1, "no hard links");
                assert_ne!(meta.ino(), fs::metadata(blob_path(store, &digest)).unwrap().ino());
                assert_eq!(Digest::of(&fs::read(&at).unwrap()), digest);
            }
        }
    }
}

#[test]
fn modes_times_and_contents_are_as_promised() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    for time in [TIME, Timestamp(0), Timestamp(1)] {
        let place = store.materialise(&root, time).unwrap();
        check(&store, &root, &place, time);
        assert_eq!(store.materialise(&root, time).unwrap(), place, "asking again gives the same");
        for above in [place.parent().unwrap(), place.parent().unwrap().parent().unwrap()] {
            assert_eq!(fs::metadata(above).unwrap().permissions().mode() & 0o755, 0o755);
        }
    }
    let empty = store.put(b"").unwrap();
    let place = store.materialise(&empty, TIME).unwrap();
    check(&store, &empty, &place, TIME);
    assert_eq!(store.stats().unwrap().trees, 4);
    assert_clean(&store);
}

#[test]
fn many_threads_get_one_tree() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| check(&store, &root, &store.materialise(&root, TIME).unwrap(), TIME));
        }
    });
    assert_eq!(store.stats().unwrap().trees, 1);
}

#[test]
fn a_damaged_or_missing_blob_leaves_nothing_behind() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let Some(Node::File { digest, .. }) = store.lookup(&root, &path("data/big")).unwrap() else { panic!() };
    let bytes = store.read(&digest).unwrap();
    flip_a_bit(&blob_path(&store, &digest));
    let error = store.materialise(&root, TIME).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { digest: d, .. } if d == digest));
    let error = store.materialise(&root, TIME).unwrap_err();
    assert!(matches!(error, StoreError::Missing { digest: d } if d == digest));
    assert_eq!(store.stats().unwrap().trees, 0);
    for session in fs::read_dir(store.dir().join("tmp")).unwrap() {
        assert_eq!(fs::read_dir(session.unwrap().path()).unwrap().count(), 0);
    }
    store.put(&bytes).unwrap();
    check(&store, &root, &store.materialise(&root, TIME).unwrap(), TIME);
}

/// As after a power failure: the tree is of another boot, and may or may not be whole.
#[test]
fn a_tree_of_an_earlier_boot_is_hashed_before_it_is_used() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    for damage in [false, true] {
        let place = store.materialise(&root, TIME).unwrap();
        let home = place.parent().unwrap();
        let earlier = store.dir().join("trees/an-earlier-boot");
        fs::create_dir_all(&earlier).unwrap();
        let old = earlier.join(home.file_name().unwrap());
        fs::rename(home, &old).unwrap();
        let inode = fs::metadata(old.join("root")).unwrap().ino();
        if damage {
            let victim = old.join("root/README");
            fs::set_permissions(old.join("root"), fs::Permissions::from_mode(0o755)).unwrap();
            fs::remove_file(&victim).unwrap();
            fs::write(&victim, "").unwrap();
        }
        let again = store.materialise(&root, TIME).unwrap();
        assert_eq!(again, place);
        check(&store, &root, &again, TIME);
        if !damage {
            assert_eq!(fs::metadata(&again).unwrap().ino(), inode, "taken over, not made again");
        }
        assert!(!old.exists());
    }
}

#[test]
fn a_file_is_not_a_tree() {
    let (_dir, store) = fresh();
    let Node::File { digest, .. } = file(&store, b"plain") else { panic!() };
    assert!(matches!(store.materialise(&digest, TIME), Err(StoreError::Tree { .. })));
}
