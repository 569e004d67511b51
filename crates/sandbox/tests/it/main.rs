//! The sandbox, tried from inside: real commands under real namespaces.
//!
//! Started as root, the suite also runs itself as an ordinary user (`both_modes`), so that every test passes in
//! both modes. It needs a static busybox (Debian: `busybox-static`) and, as root, `setpriv`; and `setsid`, `taskset`, `prlimit` (util-linux) and `ldd`.

mod command;
mod degraded;
mod end;
mod escapes;
mod files;
mod identity;
mod image;
mod isolation;
mod limits;
mod pinned;
mod probe;
mod secrets;
mod terminal;
mod used_up;
mod violations;
mod world;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

/// Runs every test of this binary as an ordinary user, and compares what a step sees.
#[test]
fn both_modes() {
    let own = std::fs::metadata("/proc/self").expect("there is a /proc").uid();
    if own != 0 {
        return; // this is the ordinary user's half
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let suite = dir.path().join("suite");
    world::copy_program(&std::env::current_exe().expect("a program"), &suite);
    let home = dir.path().join("home");
    std::fs::create_dir(&home).expect("it is new");
    std::os::unix::fs::chown(&home, Some(12345), Some(12345)).expect("this is root");
    let output = Command::new("setpriv")
        .args(["--reuid=12345", "--regid=12345", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"])
        .arg(&suite)
        .args(["--test-threads=2", "--color=never"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", &home)
        .env("TMPDIR", "/tmp")
        .env("SANDBOX_TEST_SLOW", world::slow().to_string())
        .current_dir("/")
        .output()
        .expect("setpriv (util-linux) runs the suite as an ordinary user");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "as an ordinary user:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("running 0 tests"), "{text}");
}
