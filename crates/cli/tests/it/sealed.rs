//! What a step cannot reach, and what it is told then.

use std::fs;

use crate::home::{Home, ran};
use crate::project::{Project, one_step};

#[test]
fn nothing_of_the_host_can_be_reached_and_the_error_says_what_was_tried() {
    let home = Home::shared();
    fs::write(home.path().join("canary.txt"), "secret\n").unwrap();
    let in_home = home.path().join("canary.txt").display().to_string();
    let here = env!("CARGO_MANIFEST_DIR");
    let probes = [
        ("curl -sS http://127.0.0.1:9/", "`curl` is not in the toolchain"),
        ("python3 -c 'print(1)'", "`python3` is not in the toolchain"),
        ("/usr/bin/env python3 -c 'print(1)'", "`python3` is not in the toolchain"),
        ("getent hosts example.org", "a step has no network"),
        (
            "perl -MSocket -e 'inet_aton(q(example.org)) or die qq(example.org: Name or service not known\\n)'",
            "a step has no network",
        ),
        ("grep -qx selfsame /etc/hostname; cat /etc/sudoers", "`/etc/sudoers` is not there"),
        (&format!("cat {in_home}"), &format!("`{in_home}` is not there")),
        (&format!("ls {here}/Cargo.toml"), &format!("`{here}/Cargo.toml` is not there")),
        ("cat /srv/of/the/host", "`/srv/of/the/host` is not there"),
    ];
    for (command, told) in probes {
        let project = Project::new(&one_step(&["mkdir out", command]), &[]);
        let (code, error) = home.json(project.path(), &["build"]);
        assert_eq!(code, 12, "{command}: {error:#}");
        let help: Vec<_> = error["help"].as_array().unwrap().iter().map(|h| h.as_str().unwrap()).collect();
        assert!(help.iter().any(|h| h.contains(told)), "{command}: expected `{told}`: {error:#}");
        assert!(help.iter().any(|h| h.contains("selfsame show --raw sha256:")), "{error:#}");
        assert!(help.iter().any(|h| h.contains("selfsame shell build")), "{error:#}");
        assert!(!error.to_string().contains("secret\\n"), "{error:#}");
    }
}

/// The loopback interface is the step's own: what listens on the host's does not hear it.
#[test]
fn the_hosts_own_ports_are_out_of_reach() {
    let home = Home::shared();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dial =
        format!("perl -MIO::Socket::INET -e 'IO::Socket::INET->new(q(127.0.0.1:{port})) or die qq($!\\n)'");
    let project = Project::new(&one_step(&["mkdir out", &dial]), &[]);
    let (code, error) = home.json(project.path(), &["build"]);
    assert_eq!(code, 10, "{error:#}");
    assert!(error["lines"].to_string().contains("Connection refused"), "{error:#}");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_a_step_sees_of_its_world_is_the_canonical_one() {
    let home = Home::shared();
    let look = [
        "mkdir out",
        "env | sort > out/env",
        "(hostname; cat /etc/hostname /etc/hosts; id; umask; pwd; date +%Z) > out/self",
        "ls -A / > out/root",
        "(ls -A $HOME /tmp /var/tmp; ls /proc | grep -c '^[0-9]') > out/private",
        "tail -n +3 /proc/net/dev | cut -d: -f1 > out/net",
        "stat -c %Y text > out/time",
    ];
    let project = Project::new(&one_step(&look), &[("text", "x")]);
    let mut command = home.command(project.path(), &["build", "--json"]);
    command.env("SELFSAME_CANARY", "yellow").env("TZ", "Asia/Tokyo").env("LC_ALL", "de_DE.UTF-8");
    let (code, result) = ran(&mut command).envelope("build");
    assert_eq!(code, 0, "{result:#}");
    let tar = std::process::Command::new("tar")
        .args(["-C", project.path().to_str().unwrap(), "-xf"])
        .arg(project.file("selfsame-out/out.tar"))
        .status();
    assert!(tar.unwrap().success());
    let seen = |name: &str| fs::read_to_string(project.file(name)).unwrap();
    let env = seen("env");
    assert!(!env.contains("yellow") && !env.contains("Tokyo") && !env.contains("de_DE"), "{env}");
    for line in ["HOME=/build/home", "LC_ALL=C.UTF-8", "TZ=UTC", "SOURCE_DATE_EPOCH=1600000000", "USER=build"]
    {
        assert!(env.lines().any(|l| l == line), "{line} in {env}");
    }
    let own = seen("self");
    assert!(own.starts_with("selfsame\n") && own.contains("uid=1000(build) gid=1000(build)"), "{own}");
    assert!(own.contains("/build/src\n") && own.ends_with("UTC\n"), "{own}");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(!own.contains(host.trim()), "{own}");
    let root = seen("root");
    assert!(root.lines().any(|l| l == "build") && !root.lines().any(|l| l == "work"), "{root}");
    assert_eq!(seen("net").trim(), "lo");
    assert_eq!(seen("time"), "1600000000\n");
}
