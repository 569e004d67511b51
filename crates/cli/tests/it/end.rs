//! Ends nobody planned: killed, stopped, no room left, two at once. The next run works.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::{Home, bare, need, open_up, ran, room};
use crate::project::{Project, one_step, recipe};
use crate::seed;

/// A project that brings its toolchain from a folder, and that folder.
fn with_mirror(text: &str, files: &[(&str, &str)]) -> (Project, tempfile::TempDir) {
    let mirror = room();
    let address = format!("[toolchain]\nmirror = \"file://{}\"\n", mirror.path().display());
    let project = Project::new(&text.replace("[toolchain]\n", &address), files);
    seed::mirror_of(seed::small(), &project.file("selfsame.lock"), mirror.path());
    (project, mirror)
}

/// Starts a build, and kills it without a warning after `delay`, unless it has ended.
fn kill_after(home: &Home, project: &Project, delay: Duration) -> bool {
    let mut command = home.command(project.path(), &["build", "--quiet"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    let early = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    early
}

#[test]
fn killed_at_any_moment_the_next_run_works() {
    let home = Home::empty();
    let text = one_step(&["mkdir out", "for i in $(seq 300); do echo $i > out/$i; done", "cp text out"]);
    let (project, _mirror) = with_mirror(&text, &[("text", "survives\n")]);
    // While it fetches, unpacks, lays out the toolchain: whichever it is at each of these moments.
    let mut killed = 0;
    for millis in [15, 90, 300, 800, 2000, 4500] {
        killed += u32::from(kill_after(&home, &project, Duration::from_millis(millis)));
    }
    assert!(killed >= 4, "most of them died in the middle of it: {killed}");
    let whole = home.ok(project.path(), &["build"]);
    home.assert_clean();

    // While it builds, packs, signs, writes.
    let begin = Instant::now();
    project.write("text", "survives as well\n");
    project.commit();
    home.ok(project.path(), &["build"]);
    let whole_run = begin.elapsed();
    for tenth in [1, 3, 5, 7, 8, 9, 10] {
        project.write("text", &format!("survives {tenth}\n"));
        project.commit();
        kill_after(&home, &project, whole_run * tenth / 10);
    }
    project.write("text", "survives\n");
    project.commit();
    let again = home.ok(project.path(), &["build", "--fresh"]);
    assert_eq!(again["artifacts"], whole["artifacts"]);
    home.ok(project.path(), &["verify", "selfsame-out/out.tar"]);
    home.ok(project.path(), &["log", "--audit"]);
    home.assert_clean();
    let leftovers = fs::read_dir(home.store().join("tmp")).unwrap().count();
    assert_eq!(leftovers, 0, "what the dead left in tmp is removed");
}

/// A small disk in a mount namespace, made larger each time it was full.
#[test]
fn a_full_disk_is_said_and_with_room_it_works() {
    need(&["unshare", "mount", "df"]);
    let home = Home::empty();
    let text = one_step(&["mkdir out", "cp text out"]);
    let (project, _mirror) = with_mirror(&text, &[("text", "much\n")]);
    let script = r#"
        mount -t tmpfs -o size=12m tmpfs "$1"
        for size in 12m 70m 170m; do
            mount -o remount,size=$size tmpfs "$1"
            code=0; "$2" build --quiet 2>"$3/$size" || code=$?
            echo "$size $code"
        done
        mount -o remount,size=2g tmpfs "$1"
        "$2" store verify >"$3/after-full" || echo damaged
        "$2" build --quiet --json >"$3/whole"
        "$2" store verify >"$3/after" || echo damaged
        "$2" verify selfsame-out/out.tar >"$3/verified"
        echo done
    "#;
    let notes = room();
    let root = rustix::process::geteuid().is_root();
    let mut command = bare(Path::new("unshare"), home.path(), project.path());
    command.args(if root { &["--mount"][..] } else { &["--user", "--map-root-user", "--mount"] });
    command.args(["sh", "-ec", script, "sh"]).arg(home.path());
    command.args([env!("CARGO_BIN_EXE_selfsame")]).arg(notes.path());
    let ran = ran(&mut command);
    assert_eq!(ran.out, "12m 1\n70m 1\n170m 1\ndone\n", "{ran:?}");
    for size in ["12m", "70m", "170m"] {
        let said = fs::read_to_string(notes.path().join(size)).unwrap();
        assert!(said.contains("no space left for") && said.contains("selfsame store gc"), "{size}: {said}");
    }
    let whole: Value = serde_json::from_slice(&fs::read(notes.path().join("whole")).unwrap()).unwrap();
    assert_eq!(whole["ok"], true, "{whole:#}");
}

#[test]
fn two_builds_at_once_give_the_same() {
    let home = Home::own();
    let project = Project::new(
        &one_step(&["mkdir out", "for i in $(seq 200); do echo $i > out/$i; done", "cp text out"]),
        &[("text", "twice at once\n")],
    );
    for tree in fs::read_dir(home.store().join("trees")).unwrap() {
        let tree = tree.unwrap().path();
        open_up(&tree);
        fs::remove_dir_all(&tree).unwrap();
    }
    let start = || {
        let mut command = home.command(project.path(), &["build", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let digests: Vec<Value> = [start(), start(), start()]
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            let value: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert!(output.status.success(), "{value:#}");
            value["result"]["artifacts"][0]["digest"].clone()
        })
        .to_vec();
    assert!(digests.iter().all(|d| *d == digests[0]), "{digests:?}");
    home.ok(project.path(), &["verify", "selfsame-out/out.tar"]);
    home.ok(project.path(), &["log", "--audit"]);
    home.assert_clean();
}

#[test]
fn ctrl_c_ends_a_step_at_once_and_all_of_it() {
    let home = Home::shared();
    // A number that no other process on this machine sleeps for.
    let mark = format!("4{:08}", std::process::id());
    let stubborn = format!("trap '' INT TERM; sleep {mark} & setsid sleep {mark} & echo begun; sleep {mark}");
    let project = Project::new(&one_step(&["mkdir out", &stubborn]), &[]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = home.command(project.path(), &["build", "--progress", "json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut events = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(events.read_line(&mut line).unwrap(), 0, "it ended before its step began");
            if line.contains("\"begun\"") {
                break;
            }
        }
        let patience = Instant::now();
        while sleepers(&mark) < 3 {
            assert!(patience.elapsed() < Duration::from_secs(20), "the step runs three of them");
        }
        let begin = Instant::now();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let mut rest = String::new();
        events.read_to_string(&mut rest).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{rest}");
        let told = (rest.contains(r#""outcome":"stopped""#), rest.contains(r#""outcome":"failed""#));
        assert_eq!(told, (true, false), "{rest}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(sleepers(&mark), 0, "nothing of the step lives on");
    }
    project.write("selfsame.toml", &one_step(&["mkdir out", "echo calm > out/a"]));
    home.ok(project.path(), &["build"]);
}

/// Processes with this argument.
fn sleepers(mark: &str) -> usize {
    let of = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.ok()?.path().join("cmdline")).ok();
    let all = fs::read_dir("/proc").unwrap().filter_map(of);
    all.filter(|line| line.split(|b| *b == 0).nth(1) == Some(mark.as_bytes())).count()
}

#[test]
fn a_step_that_takes_too_long_is_ended() {
    let home = Home::shared();
    let text = one_step(&["mkdir out", "sleep 600"]).replace("outputs", "timeout = \"1s\"\noutputs");
    let (code, error) = home.json(Project::new(&text, &[]).path(), &["build"]);
    assert_eq!(code, 10, "{error:#}");
    assert_eq!(error["title"], "step `build` failed: its time limit passed");
}

/// What one step made while another failed is not lost, and is not waited for longer than it needs.
#[test]
fn garbage_is_not_collected_under_a_running_build() {
    let home = Home::own();
    let text = recipe(
        "[[step]]\nname = \"wait\"\nrun = [\"echo begun\", \"sleep 600\"]\noutputs = [\"out\"]\n\n\
         [[artifact]]\nname = \"out\"\nformat = \"file\"\nfrom = \"step:wait/out\"\n",
    );
    let project = Project::new(&text, &[]);
    let mut command = home.command(project.path(), &["build", "--progress", "json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(events.any(|line| line.unwrap().contains("\"begun\"")));
    let (code, error) = home.json(project.path(), &["store", "gc"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(code, 1, "{error:#}");
    assert!(error["title"].as_str().unwrap().contains("in use"), "{error:#}");
    home.ok(project.path(), &["store", "gc"]);
}
