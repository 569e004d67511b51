//! Attempts at what is not declared: refused, seen, and told with who made them.

use model::Violation;
use model::violation::Kind;

use crate::world::World;

fn told(list: &[Violation]) -> Vec<String> {
    list.iter().map(|v| format!("{} {} ×{}", v.kind, v.what, v.count)).collect()
}

#[test]
fn an_address_beyond_the_loopback_is_told_with_its_port_and_who_wanted_it() {
    let world = World::new();
    let ran =
        world.sh("nc 192.0.2.7 8080; nc 192.0.2.7 8080; nc 2001:db8::1 443; nc 127.0.0.1 1; nc ::1 1; true");
    let list = ran.outcome.violations;
    assert_eq!(told(&list), ["network 192.0.2.7:8080 ×2", "network [2001:db8::1]:443 ×1"]);
    let by: Vec<_> = list[0].by.iter().map(|p| p.command.as_str()).collect();
    assert_eq!(by[0], "nc 192.0.2.7 8080");
    assert!(by[1].starts_with("/bin/sh -c nc 192"), "{by:?}");
    assert_eq!(
        list[0].by.last().unwrap().pid,
        3,
        "the command is process 3, and process 1 is not told: {by:?}"
    );
    assert!(ran.outcome.achieved.watched);
}

#[test]
fn a_name_is_told_once_per_question_and_its_port_is_no_attempt() {
    let world = World::new();
    let list = world.sh("nslookup mirror.example.org; true").outcome.violations;
    let names: Vec<_> = list.iter().map(|v| v.what.as_str()).collect();
    assert_eq!(names, ["mirror.example.org"]);
    assert_eq!(list[0].by.first().unwrap().command, "nslookup mirror.example.org");
}

#[test]
fn a_datagram_without_a_connection_is_told() {
    let world = World::new();
    world.add_this_program();
    for (how, what) in
        [("sendto", "192.0.2.9:9"), ("sendmsg", "192.0.2.10:10"), ("sendmmsg", "192.0.2.11:11")]
    {
        let ran = world.probe(how);
        assert_eq!(told(&ran.outcome.violations), [format!("network {what} ×1")], "{}", ran.log);
    }
}

#[test]
fn an_ordinary_command_is_no_violation() {
    let world = World::new();
    let script = "echo x | tee a | sort; mkdir -p d/e; find . | head; (sleep 0.01 &) ; wait; ls -l / /usr /nowhere; \
                  nproc; id; hostname; df /; ip addr; cat /proc/self/status > /dev/null; test -e /usr/bin/python3; \
                  command -v gcc; /nowhere/program; cp -r sub copy; mv copy moved; ln -s a b; rm -rf moved";
    let ran = world.sh(script);
    assert_eq!(told(&ran.outcome.violations), [""; 0], "{}", ran.log);
}

#[test]
fn a_trace_names_what_was_read_written_executed_and_missed() {
    let mut world = World::new();
    world.trace = true;
    let ran = world
        .sh("cat input.txt > made; /usr/bin/cp /usr/share/data copy; test -e nothing; cat /usr/none; true");
    let trace = ran.outcome.trace.expect("it was asked for");
    let used = |path: &str| trace.files.get(path).unwrap_or_else(|| panic!("{path} in {:#?}", trace.files));
    assert!(used("/build/src/input.txt").read && !used("/build/src/input.txt").written);
    assert!(used("/build/src/made").written && !used("/build/src/made").missing);
    assert!(used("/usr/share/data").read && used("/build/src/copy").written);
    assert!(used("/build/src/nothing").missing && used("/build/src/nothing").asked);
    assert!(used("/usr/none").missing && used("/usr/none").read);
    assert!(used("/usr/bin/busybox").executed, "a link is followed");
    let who = |path: &str| {
        used(path).by.iter().map(|n| trace.processes[*n as usize].command.clone()).collect::<Vec<_>>()
    };
    assert!(who("/build/src/made")[0].starts_with("/bin/sh -c"), "{:?}", who("/build/src/made"));
    assert_eq!(who("/build/src/copy"), ["/usr/bin/cp /usr/share/data copy"]);
    assert_eq!(trace.lost, 0);
    assert!(!trace.files.keys().any(|path| path.starts_with("/proc")));
}

#[test]
fn a_traced_run_tells_of_writes_to_the_toolchain_and_of_programs_that_are_not_there() {
    let mut world = World::new();
    world.trace = true;
    let list = world
        .sh("echo x > /usr/share/new; mkdir /opt/dir; env nothing; echo > $HOME/x; echo > /tmp/y")
        .outcome
        .violations;
    let kinds = |kind| list.iter().filter(|v| v.kind == kind).map(|v| v.what.as_str()).collect::<Vec<_>>();
    assert_eq!(kinds(Kind::Write), ["/usr/share/new", "/opt/dir"]);
    assert_eq!(kinds(Kind::Program).iter().filter(|name| **name != "nothing").count(), 0, "{list:?}");
    assert!(kinds(Kind::Program).contains(&"nothing"), "{list:?}");
}
