//! What `doctor` says of a host that can, and of one that cannot.

use serde_json::Value;

use crate::home::{Home, bare, need, ran};

fn row<'a>(result: &'a Value, what: &str) -> &'a Value {
    let rows = result["rows"].as_array().unwrap();
    rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("no {what}: {result:#}"))
}

#[test]
fn a_host_that_runs_these_tests_can_run_a_sealed_build() {
    let home = Home::empty();
    let result = home.ok(home.path(), &["doctor"]);
    assert_eq!(result["sealed"], true);
    for what in [
        "kernel",
        "user-namespaces",
        "network-namespace",
        "proc",
        "overlay",
        "addresses",
        "seccomp",
        "seccomp-notify",
        "disk",
    ] {
        assert_eq!(row(&result, what)["needed"], true);
        assert_ne!(row(&result, what)["state"], "missing", "{result:#}");
    }
    for what in [
        "processors",
        "memory",
        "mode",
        "pinned-clock",
        "landlock",
        "cgroup",
        "yama",
        "image-users",
        "fuse",
        "git",
        "keyring",
        "mirror",
    ] {
        assert_eq!(row(&result, what)["needed"], false);
    }
    assert!(!home.store().exists(), "nothing is made by looking");
    let text = home.run(home.path(), &["doctor"]).out;
    assert!(text.ends_with("a sealed build can run here\n"), "{text}");
}

#[test]
fn a_host_that_refuses_is_told_with_what_would_allow_it() {
    need(&["unshare", "setpriv"]);
    let home = Home::empty();
    // Namespaces are used up in there; and no capability is left that could do without.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" doctor --json";
    let mut command = bare("unshare".as_ref(), home.path(), home.path());
    command.args(["--user", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_selfsame")]);
    let (code, result) = ran(&mut command).envelope("doctor");
    assert_eq!(code, 11, "{result:#}");
    assert_eq!(result["sealed"], false);
    let namespaces = row(&result, "user-namespaces");
    assert_eq!(namespaces["state"], "missing");
    assert!(namespaces["detail"].as_str().unwrap().contains("user.max_user_namespaces"), "{namespaces:#}");
    assert_eq!(namespaces["fix"], "sudo sysctl -w user.max_user_namespaces=65536");
    assert!(row(&result, "overlay")["detail"].as_str().unwrap().starts_with("not known without"));
}
