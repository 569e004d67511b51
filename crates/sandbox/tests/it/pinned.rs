//! Conditions below the program: each shows what was asked, also to static programs, in both modes.

use model::Timestamp;
use model::conditions::{Clock, DirectoryOrder, Random};

use crate::world::World;

const THEN: i64 = 1_234_567_890; // 2009-02-13T23:31:30Z

fn fixed() -> World {
    let mut world = World::new();
    world.conditions.clock = Clock::Fixed(Timestamp(THEN));
    world
}

#[test]
fn a_fixed_clock_stands_still_for_static_and_dynamic_programs() {
    let world = fixed();
    world.add_this_program();
    // busybox is static; this program is not.
    assert_eq!(world.prints("date -u +%s; sleep 1; date -u +%s"), format!("{THEN}\n{THEN}\n"));
    for name in ["now", "now in a thread", "time call", "gettimeofday call", "clock_gettime call"] {
        assert_eq!(world.probed(name), Ok(THEN), "{name}");
    }
}

#[test]
fn a_running_clock_begins_where_it_was_set() {
    let mut world = World::new();
    world.conditions.clock = Clock::Running(Timestamp(THEN));
    let seconds: Vec<i64> =
        world.prints("date +%s; sleep 2; date +%s").lines().map(|line| line.parse().unwrap()).collect();
    assert!((THEN..THEN + 30).contains(&seconds[0]) && seconds[1] >= seconds[0] + 2, "{seconds:?}");
}

#[test]
fn files_have_the_times_of_the_clock() {
    let world = fixed();
    let epoch = world.conditions.source_date_epoch.0;
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(epoch.cast_unsigned());
    std::fs::File::open(world.work().join("gone.txt")).unwrap().set_modified(old).unwrap();
    let made = "echo x > made; touch input.txt; mkdir -p d; stat -c %Y made d input.txt gone.txt .";
    assert_eq!(world.prints(made), format!("{THEN}\n{THEN}\n{THEN}\n{epoch}\n{THEN}\n"));
    let owner = "echo x > made; stat -c '%u %g %U' made; ls -ln made | awk '{print $3, $4, $6, $7, $8}'";
    assert_eq!(world.prints(owner), "1000 1000 build\n1000 1000 Feb 13 23:31\n");
    assert_eq!(world.prints("stat -L -c %s input.txt; stat nothing 2>/dev/null; echo $?"), "9\n1\n");
    world.add_this_program();
    assert_eq!(world.probed("mtime of a new file"), Ok(THEN));
}

#[test]
fn a_seed_gives_the_same_numbers_each_time_and_others_for_another() {
    let mut world = World::new();
    world.add_this_program();
    let script = "head -c 16 /dev/urandom | od -An -tx1; head -c 16 /dev/random | od -An -tx1; \
                  mktemp -u x.XXXXXX; mktemp -u x.XXXXXX";
    let with = |world: &mut World, seed| {
        world.conditions.random = Random::Seed(seed);
        let numbers: Vec<_> =
            ["getrandom", "bytes at the start"].iter().map(|name| world.probed(name).unwrap()).collect();
        (world.prints(script), numbers)
    };
    let (first, other) = (with(&mut world, 1), with(&mut world, 2));
    assert_eq!(first, with(&mut world, 1));
    assert_ne!(first.0, other.0);
    assert!(first.1.iter().zip(&other.1).all(|(a, b)| a != b), "{first:?} {other:?}");
    let names: Vec<_> = first.0.lines().rev().take(2).collect();
    assert_ne!(names[0], names[1], "two alike get different numbers");
}

#[test]
fn directories_have_the_order_that_was_asked() {
    let mut world = World::new();
    let script = "mkdir d; for n in c a e b d f; do echo > d/$n; done; find d | tail -n +2 | sed 's,d/,,' | tr -d '\\n'";
    assert_eq!(world.prints(script), "abcdef");
    world.conditions.directory_order = DirectoryOrder::Reversed;
    assert_eq!(world.prints(script), "fedcba");
    world.conditions.directory_order = DirectoryOrder::Shuffled(1);
    let one = world.prints(script);
    assert_eq!(one, world.prints(script));
    world.conditions.directory_order = DirectoryOrder::Shuffled(2);
    assert_ne!(one, world.prints(script));
}

#[test]
fn a_directory_that_is_emptied_while_it_is_read_is_read_to_its_end() {
    let world = World::new();
    world.add_this_program();
    let many = "mkdir many; seq 1 3000 | sed 's,^,many/a-rather-long-name-,' | xargs touch; ";
    let many = many.replace("xargs touch", "while read f; do : > $f; done");
    assert_eq!(
        world.prints(&format!("{many} ls many | wc -l; rm -rf many; ls")),
        "3000\ngone.txt\ninput.txt\nsub\n"
    );
    assert_eq!(world.probed("empty a directory while reading it"), Ok(3000));
    assert_eq!(world.probed("seek in a directory"), Ok(1));
}

#[test]
fn a_call_that_is_listened_to_is_not_interrupted_by_the_end_of_a_child() {
    let mut world = fixed();
    world.add_this_program();
    assert_eq!(world.probed("calls that ends of children interrupted"), Ok(0));
    world.trace = true;
    assert_eq!(world.probed("calls that ends of children interrupted"), Ok(0));
}

#[test]
fn the_machine_is_what_the_conditions_say() {
    let mut world = World::new();
    world.add_this_program();
    let look = "uname -snrv; nproc; grep -c ^processor /proc/cpuinfo; grep -c ^cpu[0-9] /proc/stat; \
                head -n 1 /proc/meminfo; cat /proc/loadavg /proc/uptime /proc/sys/kernel/osrelease; \
                cut -c-26 /proc/version; cat /proc/cmdline /proc/sys/kernel/random/boot_id; echo $$";
    let canonical = "Linux selfsame 6.1.0 #1 SMP selfsame\n4\n4\n4\nMemTotal:        8388608 kB\n\
                     0.00 0.00 0.00 1/1 1\n1.00 1.00\n6.1.0\nLinux version 6.1.0 (selfs\n\n\
                     00000000-0000-4000-8000-000000000000\n3\n";
    assert_eq!(world.prints(look), canonical);
    assert_eq!(world.probed("memory of sysinfo"), Ok(8 << 30));
    let c = &mut world.conditions;
    c.cpus = 70;
    c.kernel_release = "5.4.0-varied".into();
    c.kernel_version = "#7".into();
    c.domain = "example.org".into();
    c.hostname = "other".into();
    c.memory_seen = 1 << 30;
    c.process_ids_after = 500;
    let varied = world.prints(
        "uname -snrv; nproc; grep -c ^processor /proc/cpuinfo; cat /proc/sys/kernel/domainname; echo $$",
    );
    assert_eq!(varied, "Linux other 5.4.0-varied #7\n70\n70\nexample.org\n501\n");
    assert_eq!(world.probed("memory of sysinfo"), Ok(1 << 30));
    assert!(world.prints("(free || true) 2>/dev/null; taskset 1 true 2>/dev/null; true").len() < 1000);
}

#[test]
fn addresses_are_random_if_asked() {
    let mut world = World::new();
    let stack = "grep stack /proc/self/maps";
    assert_eq!(world.prints(stack), world.prints(stack));
    world.conditions.address_randomness = true;
    assert_ne!(world.prints(stack), world.prints(stack));
}
