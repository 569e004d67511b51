//! Copies for people.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use model::tree::Node;
use store::StoreError;

use crate::{blob_path, file, flip_a_bit, fresh, sample};

#[test]
fn files_links_and_directories_arrive_writable_and_replace_files() {
    let (dir, store) = fresh();
    let root = sample(&store);
    let dest = dir.path().join("dest");
    let tool = Node::File { digest: store.put(b"tool").unwrap(), executable: true };
    store.export(&file(&store, b"one"), &dest).unwrap();
    assert_eq!(fs::read(&dest).unwrap(), b"one");
    assert_eq!(fs::metadata(&dest).unwrap().permissions().mode() & 0o700, 0o600);
    store.export(&tool, &dest).unwrap();
    assert_eq!(fs::read(&dest).unwrap(), b"tool");
    assert_eq!(fs::metadata(&dest).unwrap().permissions().mode() & 0o700, 0o700);
    store.export(&Node::Symlink("somewhere".into()), &dest).unwrap();
    assert_eq!(fs::read_link(&dest).unwrap(), Path::new("somewhere"));
    // A symlink at the destination is replaced, and what it points to is left alone.
    let precious = dir.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::remove_file(&dest).unwrap();
    symlink(&precious, &dest).unwrap();
    store.export(&file(&store, b"two"), &dest).unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    store.export(&Node::Directory(root), &dest).unwrap();
    assert_eq!(fs::read(dest.join("README")).unwrap(), b"read me");
    fs::write(dest.join("README"), "mine now").unwrap();
    fs::write(dest.join("bin/new"), "mine too").unwrap();

    let error = store.export(&Node::Directory(root), &dest).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::IsADirectory)
    );
    assert!(store.export(&tool, &dest).is_err());
    assert_eq!(fs::read(dest.join("README")).unwrap(), b"mine now");
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing is left beside it: {names:?}");
    assert!(store.export(&tool, &dir.path().join("no/such/parent")).is_err());
    assert!(store.export(&tool, Path::new("/")).is_err());
}

#[test]
fn a_file_that_is_there_already_is_left_only_if_it_is_what_would_be_written() {
    let (dir, store) = fresh();
    let dest = dir.path().join("dest");
    let node = file(&store, b"one");
    let inode = || fs::metadata(&dest).unwrap().ino();
    let mode = |mode| fs::set_permissions(&dest, fs::Permissions::from_mode(mode)).unwrap();
    store.export(&node, &dest).unwrap();
    mode(0o644);
    let first = inode();
    store.export(&node, &dest).unwrap();
    assert_eq!(inode(), first);

    let other = dir.path().join("other");
    let spoil: [(&str, &dyn Fn()); 5] = [
        ("other bytes", &|| fs::write(&dest, b"two").unwrap()),
        ("other size", &|| fs::write(&dest, b"one more").unwrap()),
        ("executable", &|| mode(0o755)),
        ("others may write", &|| mode(0o666)),
        ("another name", &|| fs::hard_link(&dest, &other).unwrap()),
    ];
    for (what, spoil) in spoil {
        spoil();
        let before = inode();
        // Held open, so that the number is not given again.
        let _held = fs::File::open(&dest).unwrap();
        store.export(&node, &dest).unwrap();
        assert_ne!(inode(), before, "{what}");
        assert_eq!(fs::read(&dest).unwrap(), b"one", "{what}");
        mode(0o644);
    }
    let Node::File { digest, .. } = node else { unreachable!() };
    flip_a_bit(&blob_path(&store, &digest));
    assert!(matches!(store.export(&node, &dest), Err(StoreError::Corrupt { .. })));
    assert_eq!(fs::read(&dest).unwrap(), b"one");
}

#[test]
fn a_damaged_blob_replaces_nothing() {
    let (dir, store) = fresh();
    let dest = dir.path().join("dest");
    fs::write(&dest, "old").unwrap();
    let digest = store.put(b"new").unwrap();
    flip_a_bit(&blob_path(&store, &digest));
    let error = store.export(&Node::File { digest, executable: false }, &dest).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }));
    assert_eq!(fs::read(&dest).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
