//! Secrets: who can read them, where they are, and where not.

use std::process::Command;

use sandbox::{Exit, SandboxError};

use crate::world::World;

const TOKEN: &str = "correct horse battery staple";

fn with_secrets() -> World {
    let mut world = World::new();
    world.secrets = vec![("key", b"a\nb\n"), ("token", TOKEN.as_bytes())];
    world
}

#[test]
fn each_is_a_file_of_the_builder_in_memory_that_nobody_can_change() {
    let world = with_secrets();
    let seen = world.prints(
        "cat /run/secrets/token; echo; cat /run/secrets/key; cd /run/secrets
         stat -c '%A %U %G %Y %s %n' . *; stat -c %Y /run; grep ' /run/secrets ' /proc/mounts | cut -d' ' -f3,4",
    );
    let expected = format!(
        "{TOKEN}\na\nb\ndr-x------ build build 1600000000 0 .\n-r-------- build build 1600000000 4 key\n\
         -r-------- build build 1600000000 {} token\n1600000000\n\
         ramfs ro,nosuid,nodev,noexec,relatime,mode=500\n",
        TOKEN.len()
    );
    assert_eq!(seen, expected);
    for attempt in [
        "echo x > /run/secrets/token",
        "echo x > /run/secrets/new",
        "rm -f /run/secrets/key",
        "chmod 0644 /run/secrets/key",
    ] {
        let ran = world.sh(attempt);
        assert_eq!(ran.outcome.exit, Exit::Code(1), "{attempt}: {}", ran.log);
        assert!(ran.log.contains("Read-only file system"), "{attempt}: {}", ran.log);
    }
}

#[test]
fn it_is_in_no_other_place() {
    let world = with_secrets();
    let environment = world
        .prints("env; cat /proc/self/environ /proc/self/cmdline; cat /proc/acpi/secrets/* 2>/dev/null; true");
    assert!(!environment.contains("correct horse"), "{environment}");
    let found =
        Command::new("grep").args(["-rlF", "correct horse"]).arg(world.dir.path()).output().expect("grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "nothing of it is on disk");
}

#[test]
fn without_secrets_there_is_no_place_for_them() {
    assert_eq!(World::new().prints("ls -A /run"), "");
}

#[test]
fn a_name_stays_in_the_place() {
    for name in ["", "..", "../x", "a/b"] {
        let mut world = World::new();
        world.secrets = vec![(name, b"something")];
        let refused = world.try_run(&["/bin/true"]).map(drop);
        assert!(
            matches!(refused, Err(SandboxError::Invalid { what: "a secret", .. })),
            "{name}: {refused:?}"
        );
    }
}
