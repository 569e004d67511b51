//! The build directory: an overlay that leaves its inputs alone.

use std::fs;

use crate::world::{World, read_at};

#[test]
fn changes_are_seen_in_the_outcome_and_not_in_the_inputs() {
    let world = World::new();
    let ran = world.sh(
        "set -e; echo changed >> input.txt; sed -i s/y/z/ sub/deep/file; rm gone.txt; mkdir out; echo new > out/file
         chmod 755 input.txt; ln -s out/file link; cp /usr/share/data . ; mv sub/deep sub/moved",
    );
    assert_eq!(ran.outcome.exit, sandbox::Exit::Code(0), "{}", ran.log);
    let work = &ran.outcome.work;
    assert_eq!(read_at(work, "input.txt").as_deref(), Some("original\nchanged\n"));
    assert_eq!(read_at(work, "sub/moved/file").as_deref(), Some("z"));
    assert_eq!(read_at(work, "sub/deep/file"), None);
    assert_eq!(read_at(work, "gone.txt"), None);
    assert_eq!(read_at(work, "link").as_deref(), Some("new\n"));
    assert_eq!(read_at(work, "data").as_deref(), Some("of the toolchain\n"));
    let mut names: Vec<String> =
        fs::read_dir(format!("/proc/self/fd/{}/.", std::os::fd::AsRawFd::as_raw_fd(work)))
            .expect("it can be listed")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
    names.sort();
    assert_eq!(names, ["data", "input.txt", "link", "out", "sub"]);
    let disk = world.work();
    assert_eq!(fs::read_to_string(disk.join("input.txt")).expect("there"), "original\n");
    assert_eq!(fs::read_to_string(disk.join("gone.txt")).expect("there"), "x");
    assert_eq!(fs::read_to_string(disk.join("sub/deep/file")).expect("there"), "y");
}

#[test]
fn a_directory_deleted_and_made_again_is_empty() {
    let world = World::new();
    let ran =
        world.sh("rm -r sub && mkdir sub && ls -A sub && mkdir -m 0 closed && mkdir -m 555 ro && touch f");
    assert_eq!((ran.outcome.exit, ran.log.as_str()), (sandbox::Exit::Code(0), ""));
    assert_eq!(read_at(&ran.outcome.work, "sub/deep/file"), None);
    assert!(world.work().join("sub/deep/file").exists());
}

#[test]
fn times_of_inputs_are_kept() {
    let world = World::new();
    let file = fs::File::options().write(true).open(world.work().join("input.txt")).expect("ours");
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400)).expect("ours");
    assert_eq!(world.prints("stat -c %Y input.txt"), "86400\n");
}

#[test]
fn runs_at_the_same_time_do_not_meet() {
    std::thread::scope(|scope| {
        for n in 0..4 {
            scope.spawn(move || {
                let world = World::new();
                for _ in 0..5 {
                    let log =
                        world.prints(&format!("echo {n} > /tmp/x; echo {n} > x; cat /tmp/x x; ls /tmp"));
                    assert_eq!(log, format!("{n}\n{n}\nx\n"));
                }
            });
        }
    });
}
