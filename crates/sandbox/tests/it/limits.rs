//! What a step has does not depend on how its caller was started: CPUs, limits, keys.

#![allow(unsafe_code, reason = "keys have no function in the standard library")]

use std::ffi::CStr;
use std::fs;
use std::process::Command;

use crate::world::World;

/// Runs the test `name` of this program once more, started by `starter`.
fn again(starter: &[&str], name: &str) {
    let output = Command::new(starter[0])
        .args(&starter[1..])
        .arg(std::env::current_exe().expect("a program"))
        .args([name, "--exact"])
        .output()
        .expect("taskset and prlimit (util-linux) are there");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{starter:?}: {text}");
}

#[test]
fn the_cpu_count_does_not_depend_on_the_callers_mask() {
    let mut world = World::new();
    world.conditions.cpus = 2;
    let machine = fs::read_to_string("/proc/cpuinfo").expect("proc").matches("processor\t").count().min(2);
    let ran = world.sh("nproc");
    assert_eq!(ran.log, format!("{machine}\n"));
    assert_eq!(usize::try_from(ran.outcome.achieved.cpus), Ok(machine));
}

#[test]
fn a_caller_on_one_cpu_gives_as_many() {
    again(&["taskset", "-c", "0"], "limits::the_cpu_count_does_not_depend_on_the_callers_mask");
}

#[test]
fn limits_are_those_of_a_login() {
    let world = World::new();
    let limits = world.prints("cat /proc/self/limits");
    // Hard limits that the caller cannot raise may be lower; the soft ones are what programs see.
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{limits}"));
        line[26..].split_whitespace().next().map(str::to_owned).expect("a number")
    };
    for (name, expected) in [
        ("Max cpu time", "unlimited"),
        ("Max file size", "unlimited"),
        ("Max data size", "unlimited"),
        ("Max stack size", "8388608"),
        ("Max core file size", "0"),
        ("Max resident set", "unlimited"),
        ("Max processes", "8192"),
        ("Max open files", "1024"),
        ("Max locked memory", "8388608"),
        ("Max address space", "unlimited"),
        ("Max pending signals", "8192"),
        ("Max msgqueue size", "819200"),
        ("Max nice priority", "0"),
        ("Max realtime priority", "0"),
    ] {
        assert_eq!(soft(name), expected, "{name}\n{limits}");
    }
}

#[test]
fn a_caller_with_other_limits_gives_the_same() {
    let starter = ["prlimit", "--nofile=256:4096", "--stack=1048576:", "--core=4096:", "--fsize=1073741824:"];
    again(&starter, "limits::limits_are_those_of_a_login");
}

const KEY: &CStr = c"selfsame-sandbox-test";
const SESSION: i64 = -3; // KEY_SPEC_SESSION_KEYRING

/// Whether the session keyring of this process leads to [`KEY`].
fn key_is_found() -> bool {
    let search = 10; // KEYCTL_SEARCH
    // SAFETY: C strings; no destination.
    unsafe { libc::syscall(libc::SYS_keyctl, search, SESSION, c"user".as_ptr(), KEY.as_ptr(), 0) >= 0 }
}

/// The step's half of the next test.
#[test]
fn step_that_looks_for_a_key() {
    if std::env::var_os("SANDBOX_TEST_KEY").is_some() {
        println!("found: {}", key_is_found());
    }
}

/// Runs as a test of its own process: a session keyring belongs to a thread.
#[test]
fn caller_with_a_key() {
    if std::env::var_os("SANDBOX_TEST_WITH_KEY").is_none() {
        return;
    }
    // SAFETY: no name; then C strings and four bytes.
    unsafe {
        libc::syscall(libc::SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, std::ptr::null::<u8>());
        let bytes = b"word".as_ptr();
        let key = libc::syscall(libc::SYS_add_key, c"user".as_ptr(), KEY.as_ptr(), bytes, 4, SESSION);
        assert!(key > 0, "{}", std::io::Error::last_os_error());
    }
    assert!(key_is_found());
    let mut world = World::new();
    world.add_this_program();
    world.env.insert("SANDBOX_TEST_KEY".into(), "1".into());
    let test = "limits::step_that_looks_for_a_key";
    let ran = world.try_run(&["/opt/program", test, "--exact", "--nocapture"]).expect("it runs");
    assert!(ran.log.contains("found: false") && ran.log.contains("1 passed"), "{}", ran.log);
    assert!(ran.outcome.achieved.keyring);
    assert!(key_is_found(), "the caller keeps its own");
}

#[test]
fn the_callers_keys_are_out_of_reach() {
    again(&["env", "SANDBOX_TEST_WITH_KEY=1"], "limits::caller_with_a_key");
}
