//! Toolchains captured of a machine: this one, and one made up.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use model::lock::{Lock, LockedBase, LockedHost};
use model::recipe::{Base, Toolchain};

use crate::world::{World, chain, recipe};

fn toolchain(programs: &[&str]) -> Toolchain {
    let programs = programs.iter().map(|p| (*p).to_owned()).collect();
    Toolchain { arch: "amd64".into(), base: Base::Host { programs }, archives: Vec::new() }
}

fn lock(world: &World, programs: &[&str]) -> Result<Lock, String> {
    let recipe = recipe(toolchain(programs), []);
    let lock = world.with(|cx| inputs::lock(cx, &recipe, None)).map_err(|e| chain(&e))?;
    assert_eq!(lock.stale(&recipe), []);
    assert_eq!(Lock::parse("l", &lock.to_text()).unwrap(), lock);
    Ok(lock)
}

fn host(lock: &Lock) -> &LockedHost {
    match &lock.toolchain.base {
        LockedBase::Host(host) => host,
        other => panic!("{other:?}"),
    }
}

/// A machine with two packages, one that nothing needs, and a program of none.
fn machine() -> World {
    let mut world = World::new();
    let root = world.folder.path().join("root");
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("usr/bin/dash", "dash");
    write("usr/bin/cc-1", "cc");
    write("usr/bin/unneeded", "unneeded");
    write("usr/include/h.h", "h");
    write("usr/local/bin/own", "own");
    write(
        "usr/share/doc/cc/copyright",
        "Format: https://www.example.org/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+\n",
    );
    write("etc/cc.conf", "as it came\n");
    write("etc/cc.secret", "changed here\n");
    write("etc/os-release", "PRETTY_NAME=\"A machine\"\nID=debian\nVERSION_ID=\"12\"\n");
    for (link, target) in [
        ("bin", "usr/bin"),
        ("usr/bin/sh", "dash"),
        ("usr/bin/cc", "/etc/alternatives/cc"),
        ("etc/alternatives/cc", "/usr/bin/cc-1"),
        ("etc/alternatives/nothing", "/usr/bin/nothing"),
    ]
    .iter()
    .map(|(link, target)| (root.join(link), target))
    {
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    write("var/lib/dpkg/alternatives/cc", "auto\n/usr/bin/cc\nc++\n/usr/bin/c++\n\n/usr/bin/cc-1\n10\n\n\n");
    write("var/lib/dpkg/alternatives/nothing", "auto\n/usr/bin/no\n\n");
    let stanza = |name: &str, rest: &str| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0\n{rest}\n")
    };
    let conffiles = "Conffiles:\n /etc/cc.conf 63d2ac8ae3b2b4ceeb95a2b3a1c23f5b\n /etc/cc.secret 00000000000000000000000000000000\n";
    let conffiles = conffiles.replace("63d2ac8ae3b2b4ceeb95a2b3a1c23f5b", &md5_of(&root.join("etc/cc.conf")));
    let status = [
        stanza("dash", "Essential: yes\n"),
        stanza("cc", &format!("Depends: libthing (>= 1) | other\nRecommends: headers, gone\n{conffiles}")),
        stanza("other", "Source: src (2)\n"),
        stanza("headers", "Recommends: unneeded\n"),
        stanza("unneeded", ""),
    ];
    write("var/lib/dpkg/status", &status.concat());
    for (package, files) in [
        ("dash", "/.\n/bin\n/bin/dash\n/bin/sh\n"),
        (
            "cc",
            "/.\n/usr\n/usr/bin\n/usr/bin/cc-1\n/etc/cc.conf\n/etc/cc.secret\n/usr/share/doc/cc/copyright\n/usr/lost\n",
        ),
        ("other", "/.\n/usr/lib\n/usr/lib/other\n"),
        ("headers", "/usr/include\n/usr/include/h.h\n"),
        ("unneeded", "/usr/bin/unneeded\n"),
    ] {
        write(&format!("var/lib/dpkg/info/{package}.list"), files);
    }
    fs::create_dir_all(root.join("usr/lib/other")).unwrap();
    world.host.root = root;
    world.host.env.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
    world
}

fn md5_of(path: &std::path::Path) -> String {
    let output = std::process::Command::new("md5sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..32].to_owned()
}

#[test]
fn programs_come_with_their_packages_and_nothing_else() {
    let world = machine();
    let lock = lock(&world, &["cc", "own"]).unwrap_or_else(|e| panic!("{e}"));
    let paths = world.paths(&lock.toolchain.tree);
    for wanted in [
        "bin -> usr/bin",
        "usr/bin/cc -> /etc/alternatives/cc",
        "etc/alternatives/cc -> /usr/bin/cc-1",
        "usr/bin/cc-1*",
        "usr/bin/dash*",
        "usr/bin/sh -> dash",
        "usr/lib/other/",
        "usr/include/h.h*",
        "usr/local/bin/own*",
        "etc/cc.conf*",
        "proc/",
    ] {
        assert!(paths.iter().any(|p| p == wanted), "{wanted}: {paths:#?}");
    }
    for other in ["unneeded", "secret", "copyright", "nothing"] {
        assert!(!paths.iter().any(|p| p.contains(other)), "{other}: {paths:#?}");
    }
    assert!(world.said().contains("1 files of /etc were changed on this machine"), "{}", world.said());
    assert!(world.said().contains("no other can bring it"), "{}", world.said());
    let of = host(&lock);
    let names: Vec<_> = of.installed.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["cc", "dash", "headers", "other"]);
    assert_eq!(of.installed[0].licence.as_deref(), Some("GPL-3.0-or-later"));
    assert_eq!(of.installed[3].source_version.as_deref(), Some("2"));
    assert_eq!((of.machine.as_str(), of.distro.as_deref()), ("A machine", Some("debian-12")));
    assert_eq!(of.files, ["/usr/local/bin/own"]);
    // Again: the same.
    assert_eq!(self::lock(&world, &["cc", "own"]).unwrap(), lock);
}

#[test]
fn another_machine_cannot_bring_it() {
    let world = machine();
    let locked = lock(&world, &["cc"]).unwrap();
    let mut empty = machine();
    assert_eq!(inputs::need(&locked, &empty.store), ["what was captured of A machine"]);
    // A machine that is the same can.
    empty.with(|cx| inputs::fetch(cx, &locked, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    let other = machine();
    fs::write(other.host.root.join("usr/bin/cc-1"), "another compiler").unwrap();
    let error = other.with(|cx| inputs::fetch(cx, &locked, None)).unwrap_err().to_string();
    for said in ["captured of another machine", "(A machine)", "expected sha256:", "found    sha256:"] {
        assert!(error.contains(said), "{said}: {error}");
    }
    empty = World::new();
    empty.host.root = empty.folder.path().join("nothing");
    let error = empty.with(|cx| inputs::fetch(cx, &locked, None)).unwrap_err().to_string();
    assert!(error.contains("captured of another machine") && error.contains("no program `cc`"), "{error}");
    // A mirror carries the tree itself.
    let (out, locks) = (world.folder.path().join("m.tar"), [(locked.clone(), locked.to_text(), None)]);
    let form = inputs::Form::Archive { compressed: false };
    world.with(|cx| inputs::export(cx, &locks, form, &out)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    empty.with(|cx| inputs::import(cx, &out)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    crate::mirror::whole(&empty, &locked);
}

#[test]
fn what_is_not_there_is_told() {
    let world = machine();
    let error = lock(&world, &["flex"]).unwrap_err();
    assert!(error.contains("no program `flex` (looked in /usr/local/bin:"), "{error}");
    let recipe = recipe(Toolchain { arch: "s390x".into(), ..toolchain(&["cc"]) }, []);
    let error = world.with(|cx| inputs::lock(cx, &recipe, None)).unwrap_err().to_string();
    assert!(error.contains("expected s390x"), "{error}");
}

#[test]
fn without_a_record_the_libraries_come_along() {
    let mut world = World::new();
    let root = world.folder.path().join("root");
    // The real programs and libraries of this machine, of no package there.
    for path in ["bin/sh", "bin/ls"] {
        let to = root.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fs::canonicalize(std::path::Path::new("/").join(path)).unwrap(), to).unwrap();
    }
    let output = std::process::Command::new("ldd").arg("/bin/ls").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let libraries: Vec<&str> =
        text.lines().filter_map(|l| l.split_whitespace().find(|w| w.starts_with('/'))).collect();
    assert!(libraries.len() > 1, "{text}");
    for library in &libraries {
        let to = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(library, to).unwrap();
    }
    world.host.root = root;
    world.host.env.insert("PATH".into(), "/bin".into());
    let locked = lock(&world, &["ls"]).unwrap_or_else(|e| panic!("{e}"));
    let of = host(&locked);
    assert!(of.installed.is_empty() && of.files.contains(&"/bin/ls".to_owned()), "{of:?}");
    for library in libraries {
        assert!(of.files.iter().any(|f| f == library), "{library}: {of:?}");
    }
}
