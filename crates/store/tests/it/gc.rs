//! Collection removes what nothing names, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use model::action::ActionResult;
use model::tree::Node;
use model::{Digest, Timestamp};
use store::{Roots, Store, StoreError};

use crate::{assert_clean, blob_path, file, flip_a_bit, fresh, path, sample};

#[test]
fn roots_keep_all_they_name() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let kept_file = store.put(b"kept by itself").unwrap();
    let (kept, lost) = (Digest::of(b"kept action"), Digest::of(b"lost action"));
    let result = |text: &str| ActionResult {
        outputs: BTreeMap::from([(path("o"), file(&store, format!("output of {text}").as_bytes()))]),
        log: store.put(format!("log of {text}").as_bytes()).unwrap(),
    };
    store.put_action_result(&kept, &result("kept")).unwrap();
    store.put_action_result(&lost, &result("lost")).unwrap();
    let other = store.compose(&[(path("x"), Node::Directory(root))]).unwrap();
    store.materialise(&root, Timestamp(0)).unwrap();
    store.materialise(&other, Timestamp(0)).unwrap();
    let bad = store.put(b"bad").unwrap();
    flip_a_bit(&blob_path(&store, &bad));
    assert!(store.read(&bad).is_err());

    let keep = Roots {
        digests: BTreeSet::from([root, kept_file, Digest::of(b"was never here")]),
        actions: BTreeSet::from([kept, Digest::of(b"was never run")]),
    };
    let before = store.stats().unwrap();
    let planned = store.alone().unwrap().gc(&keep, true).unwrap();
    assert_eq!(store.stats().unwrap(), before, "a dry run removes nothing");
    let freed = store.alone().unwrap().gc(&keep, false).unwrap();
    assert_eq!(freed, planned);
    assert_eq!((freed.blobs, freed.trees, freed.actions, freed.quarantined), (3, 1, 1, 1));
    let after = store.stats().unwrap();
    assert_eq!(after.blobs, before.blobs - freed.blobs);
    assert_eq!(after.bytes, before.bytes - freed.bytes);
    assert_eq!((after.trees, after.actions, after.quarantined), (1, 1, 0));

    assert_eq!(store.missing(&root).unwrap(), []);
    assert!(store.contains(&kept_file));
    assert!(store.action_result(&kept).unwrap().is_some());
    assert_eq!(store.action_result(&lost).unwrap(), None);
    assert_clean(&store);

    store.alone().unwrap().gc(&Roots::default(), false).unwrap();
    let after = store.stats().unwrap();
    assert_eq!((after.blobs, after.trees, after.actions), (0, 0, 0));
}

#[test]
fn a_running_build_keeps_collection_away() {
    let (_dir, store) = fresh();
    let digest = store.put(b"in use").unwrap();
    let other = Store::open(store.dir()).unwrap();
    let leases = (store.lease().unwrap(), other.lease().unwrap());
    assert!(matches!(other.alone(), Err(StoreError::Busy { .. })));
    drop(leases.0);
    assert!(matches!(store.alone(), Err(StoreError::Busy { .. })));
    drop(leases.1);
    assert!(store.contains(&digest));
    store.alone().unwrap().gc(&Roots::default(), false).unwrap();
    assert!(!store.contains(&digest));
}

#[test]
fn damage_in_what_must_be_kept_stops_collection_before_it_removes() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let loose = store.put(b"nothing names this").unwrap();
    let Some(Node::Directory(below)) = store.lookup(&root, &path("many/5")).unwrap() else { panic!() };
    flip_a_bit(&blob_path(&store, &below));
    let keep = Roots { digests: BTreeSet::from([root]), ..Roots::default() };
    let error = store.alone().unwrap().gc(&keep, false).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { digest, .. } if digest == below));
    assert!(store.contains(&loose));
    assert!(fs::metadata(blob_path(&store, &Digest::of(b"5"))).is_ok());
}
