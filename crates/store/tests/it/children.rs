//! Several processes on one store, and processes that are killed.
//!
//! A child is this test binary again, running the one test [`role_of_a_child`] with a role in its environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::action::ActionResult;
use model::tree::{Node, Tree};
use model::{Digest, Timestamp};
use store::Store;
use tempfile::TempDir;

use crate::{assert_clean, file, fresh, materialise, path, sample};

/// Starts this binary in a role; `shell` runs first, and must end by running `"$@"`.
pub(crate) fn child(role: &str, place: &Path, shell: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-e", "-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "children::role_of_a_child", "--nocapture", "--test-threads=1"])
        .env("STORE_TEST_ROLE", role)
        .env("STORE_TEST_PLACE", place);
    command
}

/// Not a test: what a child does. Without a role in the environment it is not a child.
#[test]
fn role_of_a_child() {
    let Ok(role) = std::env::var("STORE_TEST_ROLE") else { return };
    let place = std::env::var_os("STORE_TEST_PLACE").expect("a place");
    let place = Path::new(&place);
    match role.as_str() {
        "same work" => same_work(&Store::open(place).unwrap()),
        "endless work" => endless_work(&Store::open(place).unwrap()),
        "strict umask" => {
            let store = Store::open(&place.join("store")).unwrap();
            let root = sample(&store);
            let tree = store.materialise(&root, Timestamp(9)).unwrap();
            materialise::check(&store, &root, &tree, Timestamp(9));
        }
        "what is closed" => crate::import::take_what_is_closed(place),
        "fill the disk" => crate::disk_full::fill(place),
        other => panic!("no role is called {other}"),
    }
    println!("role done");
}

/// What several processes do at once.
fn same_work(store: &Store) {
    let _lease = store.lease().unwrap();
    for round in 0..20u8 {
        let mut tree = Tree::default();
        for i in 0..60 {
            let content = format!("{round} {i}").repeat(200);
            tree.insert(&path(&format!("d{}/{i}", i % 5)), file(store, content.as_bytes())).unwrap();
        }
        tree.insert(&path("big"), file(store, &vec![round; 600_000])).unwrap();
        let finished = tree.finish();
        store.put_tree(&finished).unwrap();
        let on_disk = store.materialise(&finished.root, Timestamp(3)).unwrap();
        assert_eq!(fs::read(on_disk.join("big")).unwrap(), vec![round; 600_000]);
        let outputs = BTreeMap::from([(path("out"), Node::Directory(finished.root))]);
        let result = ActionResult { outputs, log: store.put(b"log").unwrap() };
        let action = Digest::of(&[round]);
        store.put_action_result(&action, &result).unwrap();
        assert_eq!(store.action_result(&action).unwrap(), Some(result));
    }
}

/// Works for ever, and tells of each step so that it can be killed in the middle of any.
fn endless_work(store: &Store) {
    let mut out = std::io::stdout();
    let mut tell = |text: &str| writeln!(out, "{text}").unwrap();
    let _scratch = store.scratch().unwrap();
    for round in std::process::id().. {
        let mut tree = Tree::default();
        for i in 0..30usize {
            let content = format!("{round} {i}").repeat(i * i * 20);
            tell("putting");
            let digest = store.put_reader(&mut content.as_bytes()).unwrap();
            tell(&format!("put {digest}"));
            tree.insert(&path(&format!("{}/{i}", i % 4)), Node::File { digest, executable: i % 2 == 0 })
                .unwrap();
        }
        let finished = tree.finish();
        store.put_tree(&finished).unwrap();
        tell("materialising");
        store.materialise(&finished.root, Timestamp(i64::from(round))).unwrap();
        tell("recording");
        let outputs = BTreeMap::from([(path("out"), Node::Directory(finished.root))]);
        let log = store.put(format!("log {round}").as_bytes()).unwrap();
        store.put_action_result(&Digest::of(&round.to_le_bytes()), &ActionResult { outputs, log }).unwrap();
    }
}

#[test]
fn four_processes_do_the_same_work_at_once() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("store");
    // Not opened here first: they also make the store at once.
    let children: Vec<Child> = (0..4)
        .map(|_| child("same work", &place, r#"exec "$@""#).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("role done"), "{text}");
    }
    let store = Store::open(&place).unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.trees, stats.actions, stats.quarantined), (20, 20, 0));
    assert_clean(&store);
}

#[test]
fn processes_killed_anywhere_leave_a_clean_store() {
    let (_dir, store) = fresh();
    for round in 0..24usize {
        let mut child =
            child("endless work", store.dir(), r#"exec "$@""#).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut finished = Vec::new();
        // 62 lines a round: the end falls on puts, on materialise and on the record, by turns.
        let steps = lines.map(|line| line.unwrap()).filter(|line| {
            line.starts_with("put") || line.starts_with("materialising") || line.starts_with("recording")
        });
        for line in steps.take(1 + round * 7 % 130) {
            if let Some(digest) = line.strip_prefix("put ") {
                finished.push(digest.parse::<Digest>().unwrap());
            }
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was killed, and did not fail by itself");
        let report = store.verify(&mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        for digest in finished {
            assert!(store.read(&digest).is_ok(), "what was finished stays");
        }
        if round % 8 == 7 {
            assert!(report.leftovers > 0, "dead processes leave their scratch");
            let next = Store::open(store.dir()).unwrap();
            assert_eq!(next.verify(&mut |_, _| {}).unwrap().leftovers, 0, "and the next one removes it");
        }
    }
}

#[test]
fn trees_are_readable_whatever_the_umask() {
    let dir = TempDir::new().unwrap();
    let output = child("strict umask", dir.path(), r#"umask 0077; exec "$@""#).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("role done"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
