//! Who the builder is, and what it sees of itself.

use sandbox::Mode;

use crate::world::{EPOCH, World};

#[test]
fn the_builder_is_who_the_conditions_say() {
    let world = World::new();
    let expected = "build\nuid=1000(build) gid=1000(build)\n/build/home\nselfsame\n0022\n/build/src\n";
    assert_eq!(world.prints("whoami; id; echo $HOME; hostname; umask; pwd"), expected);
}

#[test]
fn varied_conditions_are_applied() {
    let mut world = World::new();
    world.conditions.user = "someone".into();
    world.conditions.group = "somegroup".into();
    world.conditions.uid = 4321;
    world.conditions.gid = 1234;
    world.conditions.hostname = "elsewhere".into();
    world.conditions.umask = 0o077;
    world.conditions.build_path = "/home/someone/a build".into();
    world.conditions.home = "/home/someone".into();
    world.conditions.cpus = 1;
    world.env = world.conditions.environment();
    let expected = "uid=4321(someone) gid=1234(somegroup)\n/home/someone\nelsewhere\n0077\n\
                    /home/someone/a build\noriginal\n1\n";
    assert_eq!(world.prints("id; echo ~; hostname; umask; pwd; cat input.txt; nproc"), expected);
}

/// What every machine says to an ordinary user, whatever the namespace knows; fakeroot reckons with it.
#[test]
fn a_file_cannot_be_given_away() {
    let world = World::new();
    let seen = world.prints(
        "touch a; chown 1000:1000 a && echo mine; for who in 0 :0 5:5 :99 65534; do chown $who a 2>&1; done; stat -c %u:%g a",
    );
    let refused = seen.lines().filter(|line| line.ends_with("Operation not permitted")).count();
    assert!(seen.starts_with("mine\n") && seen.ends_with("1000:1000\n") && refused == 5, "{seen}");
}

#[test]
fn a_build_path_inside_the_toolchains_directories_works() {
    let mut world = World::new();
    world.conditions.build_path = "/usr/share/src/pkg".into();
    let seen = world.prints("pwd; cat input.txt; cat /usr/share/data; ls /usr/share; touch new");
    assert_eq!(seen, "/usr/share/src/pkg\noriginal\nof the toolchain\ndata\nempty\nsrc\n");
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let mut world = World::new();
    world.env = [("A", "1"), ("B", "two words"), ("PATH", "/bin")].map(|(k, v)| (k.into(), v.into())).into();
    let ran = world.try_run(&["env"]).expect("it runs");
    let mut lines: Vec<&str> = ran.log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=1", "B=two words", "PATH=/bin"]);
}

#[test]
fn no_privilege_is_left() {
    let world = World::new();
    let status = world.try_run(&["cat", "/proc/self/status"]).expect("it runs").log;
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "Uid:\t1000\t1000\t1000\t1000",
        "Gid:\t1000\t1000\t1000\t1000",
    ] {
        assert!(status.lines().any(|found| found == line), "{line} in\n{status}");
    }
    // A further user namespace would give capabilities back.
    assert_ne!(world.sh("unshare -r true").outcome.exit, sandbox::Exit::Code(0));
}

#[test]
fn the_builder_outside_is_no_user_of_the_host() {
    let world = World::new();
    let outcome = world.sh("cat /proc/self/uid_map > map").outcome;
    let map = crate::world::read_at(&outcome.work, "map").expect("it was written");
    let outside = map.split_whitespace().nth(1).map(str::to_owned);
    match outcome.achieved.mode {
        Mode::Privileged => assert_eq!(outside.as_deref(), Some("1879048192")),
        Mode::Rootless => assert_ne!(outside.as_deref(), Some("0")),
    }
}

/// What a step can see that might differ between modes; one text, the same for root and for everybody.
#[test]
fn the_view_is_the_same_in_both_modes() {
    let world = World::new();
    let seen = world.prints(
        "stat -c '%n %u %g %U %G %a %F' / /usr /usr/bin/busybox /usr/share/data /etc /etc/passwd \
         /etc/toolchain.conf /tmp /var/tmp /var /build /build/home /build/src input.txt sub/deep/file /dev /dev/null \
         /dev/shm /run /proc/self
         stat -c '%n %Y' / /etc /etc/passwd /dev /build /build/src
         ls /; ls -a /etc /dev /dev/pts
         awk '{print $2, $3, $4}' /proc/mounts | sed 's/,lowerdir=.*//; s/,relatime//; s/,inode64//; s/,uid=.*//; /devtmpfs/s/ rw.*//; s/^\\(.usr\\) .*/\\1/; /proc.acpi/d; /proc.scsi/d'
         ulimit -c; ulimit -s; ulimit -n; ulimit -u
         ls -a /build/home /tmp; echo $$; cat /proc/sys/kernel/randomize_va_space > /dev/null
         echo x > /dev/stdout; ls /proc | grep -c '^1$'; true",
    );
    let expected = include_str!("view.txt");
    assert_eq!(seen, expected, "\n{seen}");
    assert!(seen.contains(&EPOCH.to_string()));
}

#[test]
fn addresses_are_not_random() {
    let world = World::new();
    assert_eq!(world.prints("cat /proc/self/personality"), "00040000\n");
    let stack = |world: &World| world.prints("grep -E 'stack|vdso' /proc/self/maps | sed 's/ .*//'");
    assert_eq!(stack(&world), stack(&world));
}
