//! Room to work in, and what becomes of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use rustix::fs::{Mode, OFlags};
use store::Store;

use crate::{fresh, sample};

#[test]
fn a_scratch_directory_goes_whatever_is_in_it() {
    let (dir, store) = fresh();
    let root = sample(&store);
    let precious = dir.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "precious").unwrap();

    let scratch = store.scratch().unwrap();
    let place = scratch.path().to_owned();
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(&place).unwrap().dev(), fs::metadata(store.dir()).unwrap().dev());
    symlink(&precious, place.join("link")).unwrap();
    let closed = place.join("closed/inner");
    fs::create_dir_all(&closed).unwrap();
    fs::write(closed.join("file"), "x").unwrap();
    for dir in [&closed, closed.parent().unwrap()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let tree = store.materialise(&root, model::Timestamp(0)).unwrap();
    let moved = place.join("sealed");
    fs::rename(tree.parent().unwrap(), &moved).unwrap();
    // Far deeper than there are file descriptors, and than a path can be long.
    let mut here = rustix::fs::open(&place, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&here, "deep", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "deep", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    drop(here);
    drop(scratch);
    assert!(!place.exists());
    assert_eq!(fs::read(precious.join("file")).unwrap(), b"precious");
}

#[test]
fn scratch_outlives_the_store_and_then_nothing_is_left() {
    let (_dir, store) = fresh();
    let tmp = store.dir().join("tmp");
    let (a, b) = (store.scratch().unwrap(), store.scratch().unwrap());
    assert_ne!(a.path(), b.path());
    drop(store);
    fs::write(a.path().join("still"), "here").unwrap();
    drop((a, b));
    assert_eq!(fs::read_dir(tmp).unwrap().count(), 0);
}

#[test]
fn opening_again_leaves_the_living_alone() {
    let (_dir, store) = fresh();
    let scratch = store.scratch().unwrap();
    let other = Store::open(store.dir()).unwrap();
    drop(other.scratch().unwrap());
    assert!(scratch.path().is_dir());
    other.alone().unwrap().gc(&store::Roots::default(), false).unwrap();
    assert!(scratch.path().is_dir());
}
