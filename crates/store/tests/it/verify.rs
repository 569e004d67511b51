//! Looking at every byte finds every kind of damage, once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use model::action::ActionResult;
use model::{Digest, Timestamp};
use store::DamageKind;

use crate::{assert_clean, blob_path, flip_a_bit, fresh, sample};

#[test]
fn every_kind_of_damage_is_found_and_dealt_with() {
    let (_dir, store) = fresh();
    let root = sample(&store);
    let log = store.put(b"log").unwrap();
    let [fine, flipped, incomplete] = ["fine", "flipped", "incomplete"].map(|n| Digest::of(n.as_bytes()));
    for action in [&fine, &flipped] {
        store.put_action_result(action, &ActionResult { outputs: BTreeMap::new(), log }).unwrap();
    }
    let lost = store.put(b"lost log").unwrap();
    store.put_action_result(&incomplete, &ActionResult { outputs: BTreeMap::new(), log: lost }).unwrap();
    let memo = Digest::of(b"memo");
    store.memo_put("space", &memo, b"content").unwrap();
    let tree = store.materialise(&root, Timestamp(5)).unwrap();
    store.materialise(&root, Timestamp(6)).unwrap();
    assert_clean(&store);

    let place = |at: &str, digest: &Digest| {
        let hex = digest.hex();
        store.dir().join(at).join(&hex[..2]).join(hex)
    };
    let bad = Digest::of(b"7");
    flip_a_bit(&blob_path(&store, &bad));
    flip_a_bit(&place("actions", &flipped));
    fs::remove_file(blob_path(&store, &lost)).unwrap();
    flip_a_bit(&place("memos/space", &memo));
    fs::set_permissions(tree.join("README"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(place("blobs", &fine).parent().unwrap().join("stray"), "x")
        .or_else(|_| fs::write(blob_path(&store, &log).parent().unwrap().join("stray"), "x"))
        .unwrap();

    let mut last = (0, 0);
    let report = store.verify(&mut |done, total| last = (done, total)).unwrap();
    assert_eq!(last.0, last.1);
    let mut kinds: Vec<_> = report.damaged.iter().map(|damage| damage.kind).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            DamageKind::Blob,
            DamageKind::Action,
            DamageKind::Incomplete,
            DamageKind::Memo,
            DamageKind::Tree,
            DamageKind::Stray
        ],
        "{report:#?}"
    );
    let blob = report.damaged.iter().find(|damage| damage.kind == DamageKind::Blob).unwrap();
    assert!(blob.why.contains(&bad.hex()), "{}", blob.why);
    assert!(blob.moved_to.as_ref().unwrap().is_file());
    assert!(!store.contains(&bad));
    assert_eq!(store.action_result(&flipped).unwrap(), None);
    assert!(store.action_result(&fine).unwrap().is_some());
    assert_clean(&store);
    assert_eq!(store.stats().unwrap().trees, 1);
    store.put(b"7").unwrap();
    store.materialise(&root, Timestamp(5)).unwrap();
    assert_clean(&store);
}
