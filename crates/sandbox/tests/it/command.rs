//! The command: its log, its exit, its failure to start.

use sandbox::{Exit, SandboxError};

use crate::world::World;

#[test]
fn exits_are_told_apart() {
    let world = World::new();
    assert_eq!(world.sh("exit 0").outcome.exit, Exit::Code(0));
    assert_eq!(world.sh("exit 77").outcome.exit, Exit::Code(77));
    assert_eq!(world.sh("kill -SEGV $$").outcome.exit, Exit::Signal(11));
    assert_eq!(world.sh("kill -KILL $$").outcome.exit, Exit::Signal(9));
    assert_eq!(world.sh("kill -TERM $$").outcome.exit, Exit::Signal(15));
}

#[test]
fn output_and_error_come_in_order() {
    let world = World::new();
    let mut expected = String::new();
    for n in 0..200 {
        expected.push_str(&format!("out {n}\nerr {n}\n"));
    }
    let log = world.prints("n=0; while [ $n -lt 200 ]; do echo out $n; echo err $n >&2; n=$((n+1)); done");
    assert_eq!(log, expected);
}

#[test]
fn a_log_of_ten_megabytes_is_complete() {
    let world = World::new();
    let log = world.prints("seq 1 1500000");
    assert!(log.len() > 10_000_000);
    let expected: String = (1..=1_500_000).map(|n| format!("{n}\n")).collect();
    assert!(log == expected, "the log differs");
}

#[test]
fn a_program_that_is_not_there_is_an_error_with_the_places_looked_at() {
    let world = World::new();
    match world.try_run(&["python3", "x.py"]).map(|ran| ran.outcome.exit) {
        Err(SandboxError::Exec { program, looked, source }) => {
            assert_eq!(program, "python3");
            assert!(looked.contains(&"/usr/bin/python3".to_owned()), "{looked:?}");
            assert_eq!(source.raw_os_error(), Some(libc_enoent()));
        }
        other => panic!("{other:?}"),
    }
    match world.try_run(&["/usr/share/data"]).map(|ran| ran.outcome.exit) {
        Err(SandboxError::Exec { source, .. }) => {
            assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
        }
        other => panic!("{other:?}"),
    }
    std::fs::remove_file(world.root().join("usr/bin/sh")).expect("ours");
    assert!(matches!(world.try_run(&["/bin/sh", "-c", "true"]), Err(SandboxError::Exec { .. })));
}

fn libc_enoent() -> i32 {
    2
}

#[test]
fn conditions_that_cannot_be_applied_are_refused() {
    let change: &[fn(&mut World)] = &[
        |world| world.conditions.uid = 0,
        |world| world.conditions.gid = 0,
        |world| world.conditions.user = "a:b".into(),
        |world| world.conditions.user = String::new(),
        |world| world.conditions.build_path = "relative".into(),
        |world| world.conditions.build_path = "/a/../b".into(),
        |world| world.conditions.build_path = "/".into(),
        |world| world.conditions.build_path = "/proc/x".into(),
        |world| world.conditions.home = "/build/src/home".into(),
        |world| world.conditions.hostname = "x".repeat(65),
        |world| world.conditions.cpus = 0,
        |world| drop(world.env.insert("A=B".into(), String::new())),
        |world| drop(world.env.insert("A".into(), "nul \0".into())),
    ];
    for (n, change) in change.iter().enumerate() {
        let mut world = World::new();
        change(&mut world);
        let result = world.try_run(&["/bin/true"]).map(|ran| ran.outcome.exit);
        assert!(matches!(result, Err(SandboxError::Invalid { .. })), "{n}: {result:?}");
    }
}

#[test]
fn this_host_supports_the_sandbox() {
    let support = sandbox::probe().expect("this host allows sandboxes");
    let world = World::new();
    assert_eq!(world.sh("true").outcome.achieved.mode, support.mode);
}

#[test]
fn achieved_is_plain_json() {
    let world = World::new();
    let achieved = world.sh("true").outcome.achieved;
    let text = serde_json::to_string(&achieved).expect("it is plain");
    assert!(
        text.contains(r#""nested-namespaces-refused":true"#) && text.contains(r#""memory":"none""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<sandbox::Achieved>(&text).expect("it is its own"), achieved);
}
