//! Limits of a step: each is reached by a real program, and told by name.

use std::time::{Duration, Instant};

use sandbox::{Exit, MemoryLimit};

use crate::world::{World, slow};

/// Processes without end, that stay.
const BOMB: &str = "while true; do sleep 1000 & done";

#[test]
fn a_fork_bomb_ends_where_nothing_is_limited() {
    let world = World::new();
    let ran = world.sh(BOMB);
    assert_eq!(ran.outcome.exit, Exit::OutOfProcesses, "{}", ran.log.lines().next().unwrap_or_default());
    assert_eq!(world.sh("true").outcome.exit, Exit::Code(0));
}

#[test]
fn processes_and_threads_are_counted_together() {
    let mut world = World::new();
    world.limits.processes = Some(40);
    // Once refused, a shell gives up at once.
    let many = "for i in $(seq 100); do sleep 1000 & done; wait";
    assert_eq!(world.sh(many).outcome.exit, Exit::OutOfProcesses);
    let few =
        "for i in $(seq 20); do sleep 0.1 & done; wait; grep -c 'Max processes *40 *40' /proc/self/limits";
    assert_eq!(world.prints(few), "1\n");
    world.add_this_program();
    world.env.insert("SANDBOX_TEST_THREADS".into(), "60".into());
    let threads = ["/opt/program", "used_up::step_with_threads", "--exact", "--nocapture"];
    let ran = world.try_run(&threads).expect("it runs");
    assert_eq!(ran.outcome.exit, Exit::OutOfProcesses, "{}", ran.log);
    world.limits.processes = Some(9000);
    assert_eq!(world.prints("grep -c 'Max processes *9000 *9000' /proc/self/limits"), "1\n");
}

/// The step's half of the test above.
#[test]
fn step_with_threads() {
    let Ok(count) = std::env::var("SANDBOX_TEST_THREADS") else { return };
    let all: Vec<_> = (0..count.parse().expect("a number"))
        .map_while(|_: u32| {
            std::thread::Builder::new().spawn(|| std::thread::sleep(Duration::from_secs(9))).ok()
        })
        .collect();
    all.into_iter().for_each(|thread| thread.join().expect("it sleeps"));
}

#[test]
fn processor_time_of_all_processes_counts() {
    let mut world = World::new();
    world.limits.cpu_time = Some(Duration::from_secs(1));
    // The lives and the dead, none of which takes a second.
    for script in [
        "spin() { n=0; while [ $n -lt 40000 ]; do n=$((n+1)); done; }; while true; do (spin) & spin; wait; done",
        "(while true; do :; done) & while true; do :; done",
    ] {
        let started = Instant::now();
        let ran = world.sh(script);
        assert_eq!(ran.outcome.exit, Exit::OutOfCpuTime, "{script}: {}", ran.log);
        assert!(started.elapsed() < Duration::from_secs(30) * slow());
    }
    assert_eq!(world.sh("sleep 1.5").outcome.exit, Exit::Code(0), "waiting takes none");
}

#[test]
fn a_file_has_a_largest_size() {
    let mut world = World::new();
    world.limits.file_size = Some(1 << 20);
    assert_eq!(world.sh("dd if=/dev/zero of=just bs=1M count=1").outcome.exit, Exit::Code(0));
    assert_eq!(world.sh("dd if=/dev/zero of=big bs=1M count=2").outcome.exit, Exit::FileTooLarge);
    assert_eq!(world.sh("dd if=/dev/zero of=/tmp/big bs=1M count=2").outcome.exit, Exit::FileTooLarge);
    // Found by what it left, where nobody tells of the signal.
    let hidden = world.sh("dd if=/dev/zero of=big bs=1M count=2 || exit 7");
    assert_eq!(hidden.outcome.exit, Exit::FileTooLarge);
    assert_eq!(world.sh("exit 7").outcome.exit, Exit::Code(7));
}

#[test]
fn what_it_writes_is_limited_wherever_it_lies() {
    let mut world = World::new();
    world.limits.disk = Some(30 << 20);
    for script in [
        "while true; do dd if=/dev/zero of=file bs=1M count=8 oflag=append conv=notrunc 2>/dev/null; done",
        "n=0; while true; do n=$((n+1)); mkdir -p d/$n; dd if=/dev/zero of=d/$n/f bs=64k count=16 2>/dev/null; done",
        "dd if=/dev/zero of=/tmp/file bs=1M count=1000",
        "dd if=/dev/zero of=/dev/shm/file bs=1M count=20 && dd if=/dev/zero of=$HOME/file bs=1M count=20; sleep 100",
        "dd if=/dev/zero of=file bs=1M count=20 && dd if=/dev/zero of=/tmp/file bs=1M count=20",
        "dd if=/dev/zero of=last bs=1M count=31",
    ] {
        let ran = world.sh(script);
        assert_eq!(ran.outcome.exit, Exit::OutOfDisk, "{script}: {}", ran.log);
    }
    // What is deleted does not count, nor what the inputs have.
    let within = "for i in 1 2 3 4 5; do dd if=/dev/zero of=file bs=1M count=20 2>/dev/null; rm file; done; cp input.txt x";
    assert_eq!(world.sh(within).outcome.exit, Exit::Code(0));
}

#[test]
fn how_limits_were_kept_is_recorded() {
    let mut world = World::new();
    assert_eq!(world.sh("true").outcome.achieved.memory, MemoryLimit::None);
    world.limits.memory = Some(1 << 30);
    let achieved = world.sh("true").outcome.achieved;
    let kept = if achieved.cgroup { MemoryLimit::Cgroup } else { MemoryLimit::Watched };
    assert_eq!(achieved.memory, kept);
    // Said by who knows that there is one.
    assert!(achieved.cgroup || std::env::var_os("SANDBOX_TEST_CGROUP").is_none());
    assert_eq!(
        world.prints("cat /proc/self/cgroup | grep -c -v ':/$'; true"),
        "0\n",
        "no name of a cgroup is seen"
    );
    let rows = sandbox::survey(world.dir.path());
    let row = rows.iter().find(|row| row.what == "cgroup").expect("a row");
    assert_eq!(row.state == sandbox::State::Ok, achieved.cgroup, "{row:?}");
}

/// Runs the next test on a disk of its own, of 200 MiB.
#[test]
fn a_disk_filler_leaves_a_reserve() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let script = "mount -t tmpfs -o size=200m tmpfs \"$2\"; TMPDIR=$2; export TMPDIR
         exec setpriv --bounding-set=-all,+setfcap --inh-caps=-all \"$1\" used_up::on_a_small_disk --exact --nocapture";
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"])
        .arg(std::env::current_exe().expect("a program"))
        .arg(dir.path())
        .env("SANDBOX_TEST_SMALL", "1")
        .output()
        .expect("unshare (util-linux)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
fn on_a_small_disk() {
    if std::env::var_os("SANDBOX_TEST_SMALL").is_none() {
        return;
    }
    let fill =
        "while true; do dd if=/dev/zero of=file bs=1M count=1 oflag=append conv=notrunc 2>/dev/null; done";
    // What is left of a world goes with it.
    assert_eq!(World::new().sh(fill).outcome.exit, Exit::DiskFull);
    // Filled before it could be seen.
    let once = World::new().sh("dd if=/dev/zero of=file bs=1M count=300");
    assert_eq!(once.outcome.exit, Exit::DiskFull, "{}", once.log);
}
