//! Nothing outlives a step.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::Exit;

use crate::world::{World, slow};

/// A daemon as stubborn as they come; it holds the log open.
const DAEMON: &str = "(setsid sh -c 'trap \"\" TERM HUP INT; (while true; do sleep 0.05; done) & wait' &) ; ";

/// Whether a process of this machine has `marker` among its arguments.
fn alive(marker: &str) -> bool {
    std::fs::read_dir("/proc").expect("there is a /proc").flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|text| String::from_utf8_lossy(&text).contains(marker) && !text.is_empty())
            && entry.file_name().to_string_lossy() != std::process::id().to_string()
    })
}

#[test]
fn a_daemon_dies_with_its_step() {
    let world = World::new();
    let marker = format!("daemon-{}", world.dir.path().display());
    let ran = world.sh(&format!("{DAEMON} : {marker}; echo started"));
    assert_eq!((ran.outcome.exit, ran.log.as_str()), (Exit::Code(0), "started\n"));
    assert!(ran.outcome.survivors_killed);
    assert!(!alive(&marker));
    assert!(!world.sh("true").outcome.survivors_killed);
}

#[test]
fn a_time_out_kills_everything() {
    let mut world = World::new();
    world.timeout = Some(Duration::from_millis(300) * slow());
    let marker = format!("timeout-{}", world.dir.path().display());
    let started = Instant::now();
    let ran = world.sh(&format!(
        "{DAEMON} trap '' TERM; echo begun > begun; echo log; while true; do sleep 1; done # {marker}"
    ));
    assert_eq!((ran.outcome.exit, ran.log.as_str()), (Exit::TimedOut, "log\n"));
    assert!(started.elapsed() < Duration::from_secs(20) * slow());
    assert!(ran.outcome.usage.wall >= Duration::from_millis(300));
    assert_eq!(crate::world::read_at(&ran.outcome.work, "begun").as_deref(), Some("begun\n"));
    assert!(!alive(&marker));
}

#[test]
fn a_cancel_kills_everything_at_once() {
    let world = World::new();
    let marker = format!("cancel-{}", world.dir.path().display());
    let script = format!("{DAEMON} echo ready; while true; do sleep 1; done # {marker}");
    let cancel = &world.cancel;
    let mut log = Vec::new();
    let outcome = world
        .run_into(&["/bin/sh", "-c", &script], &mut |bytes| {
            log.extend_from_slice(bytes);
            std::thread::scope(|scope| {
                scope.spawn(|| cancel.cancel());
            });
        })
        .expect("it runs");
    assert_eq!(outcome.exit, Exit::Cancelled);
    assert!(!alive(&marker));
    // Raised is raised: the next run does not start.
    assert_eq!(world.sh("sleep 1000").outcome.exit, Exit::Cancelled);
}

#[test]
fn too_much_memory_ends_it() {
    let mut world = World::new();
    world.limits.memory = Some(64 << 20);
    let hungry = world.sh("dd if=/dev/zero of=/dev/null bs=400M count=1000");
    assert_eq!(hungry.outcome.exit, Exit::OutOfMemory, "{}", hungry.log);
    let full = world.sh("dd if=/dev/zero of=/tmp/file bs=1M count=400; sleep 1000");
    assert_eq!(full.outcome.exit, Exit::OutOfMemory, "{}", full.log);
    assert_eq!(world.sh("true").outcome.exit, Exit::Code(0));
}

#[test]
fn usage_is_measured() {
    let world = World::new();
    let usage = world.sh("n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done").outcome.usage;
    assert!(usage.user > Duration::from_millis(20), "{usage:?}");
    assert!(usage.wall >= usage.user && usage.max_rss > 100 << 10, "{usage:?}");
}

/// The child's half of the next test: a caller that waits for an endless step.
#[test]
fn caller_to_be_killed() {
    let Ok(marker) = std::env::var("SANDBOX_TEST_MARKER") else { return };
    let world = World::new();
    let script = format!("{DAEMON} echo ready; while true; do sleep 1; done # {marker}");
    let _ = world.run_into(&["/bin/sh", "-c", &script], &mut |_| {
        let mut out = std::io::stdout();
        std::io::Write::write_all(&mut out, b"ready\n").expect("the test reads");
    });
}

#[test]
fn the_death_of_the_caller_kills_everything() {
    let marker = format!("caller-{}", std::process::id());
    let mut child = Command::new(std::env::current_exe().expect("a program"))
        .args(["end::caller_to_be_killed", "--exact", "--nocapture"])
        .env("SANDBOX_TEST_MARKER", &marker)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains("ready"));
    assert!(ready && alive(&marker));
    child.kill().expect("it runs");
    child.wait().expect("it is ours");
    let deadline = Instant::now() + Duration::from_secs(20);
    while alive(&marker) {
        assert!(Instant::now() < deadline, "the step outlived its caller");
        std::thread::yield_now();
    }
}

#[test]
fn ended_sandboxes_do_not_pile_up() {
    let world = World::new();
    for _ in 0..100 {
        assert_eq!(world.sh("true").outcome.exit, Exit::Code(0));
    }
    let own = format!("PPid:\t{}\n", std::process::id());
    let children = std::fs::read_dir("/proc").expect("there is a /proc").flatten().filter(|entry| {
        std::fs::read_to_string(entry.path().join("status")).is_ok_and(|status| status.contains(&own))
    });
    // Those that let go of their mounts, and those of the tests beside this one.
    let count = children.count();
    assert!(count < 60, "{count} children");
}
