//! Our messages are the Remote Execution API's, byte for byte.

use std::collections::BTreeMap;
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as theirs;
use model::action::{Action, ActionResult};
use model::tree::{Node, Tree};
use model::{Conditions, Digest, Limits, Timestamp, reapi};
use prost::Message as _;

fn p(text: &str) -> model::RelPath {
    text.parse().unwrap()
}

#[test]
fn a_directory_is_a_directory() {
    let mut tree = Tree::default();
    tree.insert(&p("bin/tool"), Node::File { digest: Digest::of(b"x"), executable: true }).unwrap();
    tree.insert(&p("b"), Node::File { digest: Digest::of(b""), executable: false }).unwrap();
    tree.insert(&p("a"), Node::Symlink("/abs/target".into())).unwrap();
    let finished = tree.finish();
    for (digest, bytes) in &finished.directories {
        let message = theirs::Directory::decode(bytes.as_slice()).unwrap();
        assert_eq!(message.encode_to_vec(), *bytes, "no field is lost");
        assert_eq!(Digest::of(bytes), *digest);
    }
    let root = theirs::Directory::decode(finished.directories[&finished.root].as_slice()).unwrap();
    assert_eq!(root.files[0].name, "b");
    assert_eq!(root.directories[0].name, "bin");
    assert_eq!(root.symlinks[0].target, "/abs/target");
}

fn action() -> Action {
    Action {
        script: model::action::script(&[], &["echo it's".into()]),
        env: BTreeMap::from([("B".into(), "2".into()), ("A".into(), "1".into())]),
        outputs: vec![p("out")],
        toolchain: Digest::of(b"toolchain"),
        work: Digest::of(b"work"),
        conditions: Conditions::canonical(Timestamp(1_700_000_000)),
        timeout: Duration::from_secs(60),
        transcript: None,
        limits: Limits::default(),
        secrets: Vec::new(),
        normalize: None,
        degraded: false,
        isa: "x86_64".into(),
    }
}

#[test]
fn an_action_is_an_action() {
    let encoded = action().encode();
    let message = theirs::Action::decode(encoded.blobs[&encoded.digest].as_slice()).unwrap();
    assert_eq!(message.encode_to_vec(), encoded.blobs[&encoded.digest]);
    assert_eq!(message.timeout.unwrap().seconds, 60);
    let blob = |d: &theirs::Digest| {
        let key = reapi::Digest { hash: d.hash.clone(), size_bytes: d.size_bytes };
        encoded.blobs[&reapi::digest("", Some(&key)).unwrap()].clone()
    };
    let command_bytes = blob(message.command_digest.as_ref().unwrap());
    let command = theirs::Command::decode(command_bytes.as_slice()).unwrap();
    assert_eq!(command.encode_to_vec(), command_bytes);
    assert_eq!(command.output_paths, ["out"]);
    let names: Vec<_> = command.environment_variables.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
    let root =
        theirs::Directory::decode(blob(message.input_root_digest.as_ref().unwrap()).as_slice()).unwrap();
    assert_eq!(root.directories.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["toolchain", "work"]);
}

#[test]
fn the_action_digest_is_golden() {
    // Changing this digest misses every cache and every remote action: raise `action::RULES` with it.
    let golden = "sha256:7dcbb3ed73b97340de8b1ae1456e5a6849efebbafbf141aade7568ccee2ce490/200";
    assert_eq!(action().encode().digest.to_string(), golden);
}

#[test]
fn every_component_reaches_the_digest_and_is_named() {
    let base = action();
    type Change = fn(&mut Action);
    let change: [(&str, Change); 14] = [
        ("commands", |a| a.script.push_str("true\n")),
        ("env.A", |a| a.env.insert("A".into(), "3".into()).map_or((), drop)),
        ("outputs", |a| a.outputs.push("p".parse().unwrap())),
        ("toolchain", |a| a.toolchain = Digest::of(b"other")),
        ("inputs", |a| a.work = Digest::of(b"other")),
        ("conditions.hostname", |a| a.conditions.hostname = "other".into()),
        ("time limit", |a| a.timeout = Duration::from_secs(61)),
        ("memory limit", |a| a.limits.memory = Some(1)),
        ("processes limit", |a| a.limits.processes = Some(9)),
        ("cpu-time limit", |a| a.limits.cpu_time = Some(Duration::from_secs(9))),
        ("file-size limit", |a| a.limits.file_size = Some(9)),
        ("disk limit", |a| a.limits.disk = Some(9)),
        ("sandbox", |a| a.degraded = true),
        ("secrets", |a| a.secrets.push("token".into())),
    ];
    for (name, f) in change {
        let mut other = action();
        f(&mut other);
        assert_ne!(other.encode().digest, base.encode().digest, "{name}");
        let changed = other.components().changed_since(&base.components());
        assert_eq!(changed.iter().map(|c| c.0.as_str()).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn an_action_result_is_an_action_result() {
    let result = ActionResult {
        outputs: BTreeMap::from([
            (p("a"), Node::File { digest: Digest::of(b"a"), executable: true }),
            (p("d"), Node::Directory(Digest::of(b"d"))),
            (p("l"), Node::Symlink("a".into())),
        ]),
        log: Digest::of(b"log"),
    };
    let bytes = result.encode();
    assert_eq!(ActionResult::decode(&bytes).unwrap(), result);
    let message = theirs::ActionResult::decode(bytes.as_slice()).unwrap();
    assert_eq!(message.encode_to_vec(), bytes);
    assert_eq!(message.output_directories[0].path, "d");
}

#[test]
fn the_shown_command_survives_quotes() {
    let script = model::action::script(&[], &["echo 'a b' $HOME".into()]);
    assert_eq!(script, "printf '$ %s\\n' 'echo '\\''a b'\\'' $HOME'\necho 'a b' $HOME\n");
}
