//! The action cache: a hit only if all of it is here.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use model::Digest;
use model::action::ActionResult;
use model::tree::Node;
use store::{Store, StoreError};

use crate::{assert_clean, blob_path, file, flip_a_bit, fresh, path, sample};

fn entry_path(store: &Store, action: &Digest) -> PathBuf {
    let hex = action.hex();
    store.dir().join("actions").join(&hex[..2]).join(hex)
}

fn result(store: &Store) -> ActionResult {
    let outputs = BTreeMap::from([
        (path("out/tree"), Node::Directory(sample(store))),
        (path("out/file"), file(store, b"output")),
        (path("out/link"), Node::Symlink("file".into())),
    ]);
    ActionResult { outputs, log: store.put(b"the log").unwrap() }
}

#[test]
fn a_result_is_given_back_to_every_process() {
    let (_dir, store) = fresh();
    let action = Digest::of(b"action");
    assert_eq!(store.action_result(&action).unwrap(), None);
    let result = result(&store);
    store.put_action_result(&action, &result).unwrap();
    assert_eq!(store.action_result(&action).unwrap(), Some(result.clone()));
    let other = Store::open(store.dir()).unwrap();
    assert_eq!(other.action_result(&action).unwrap(), Some(result));
    assert_eq!(other.action_result(&Digest::of(b"another")).unwrap(), None);
    assert_clean(&store);
}

#[test]
fn a_blob_gone_at_any_depth_is_a_miss() {
    let (_dir, store) = fresh();
    let action = Digest::of(b"action");
    let result = result(&store);
    let deep = Digest::of(b"31");
    for gone in [result.log, Digest::of(b"output"), deep] {
        store.put_action_result(&action, &result).unwrap();
        let kept = blob_path(&store, &gone);
        let aside = store.dir().join("tmp/aside");
        fs::rename(&kept, &aside).unwrap();
        // Another process: this one may remember that the tree was complete.
        assert_eq!(Store::open(store.dir()).unwrap().action_result(&action).unwrap(), None, "{gone}");
        fs::rename(&aside, &kept).unwrap();
        assert!(store.action_result(&action).unwrap().is_some());
    }
    // This process forgets what it remembered when it sees a loss itself.
    flip_a_bit(&blob_path(&store, &deep));
    assert!(store.read(&deep).is_err());
    assert_eq!(store.action_result(&action).unwrap(), None);
}

#[test]
fn a_flipped_bit_in_an_entry_is_a_miss() {
    let (_dir, store) = fresh();
    let action = Digest::of(b"action");
    let result = result(&store);
    store.put_action_result(&action, &result).unwrap();
    flip_a_bit(&entry_path(&store, &action));
    assert_eq!(store.action_result(&action).unwrap(), None);
    assert_eq!(store.stats().unwrap().quarantined, 1);
    store.put_action_result(&action, &result).unwrap();
    assert_eq!(store.action_result(&action).unwrap(), Some(result));
}

#[test]
fn an_entry_under_another_name_is_a_miss() {
    let (_dir, store) = fresh();
    let (action, other) = (Digest::of(b"action"), Digest::of(b"other"));
    store.put_action_result(&action, &result(&store)).unwrap();
    fs::create_dir_all(entry_path(&store, &other).parent().unwrap()).unwrap();
    fs::copy(entry_path(&store, &action), entry_path(&store, &other)).unwrap();
    assert_eq!(store.action_result(&other).unwrap(), None);
}

#[test]
fn a_result_whose_outputs_were_never_put_is_refused() {
    let (_dir, store) = fresh();
    let log = Digest::of(b"no such log");
    let result = ActionResult { outputs: BTreeMap::new(), log };
    let error = store.put_action_result(&Digest::of(b"action"), &result).unwrap_err();
    assert!(matches!(error, StoreError::Missing { digest } if digest == log));
}
