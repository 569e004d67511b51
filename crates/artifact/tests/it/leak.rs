//! Leaks in what real tools write, in one another: found at their place, and nothing else is.

use std::io::Cursor;

use artifact::{Machine, Scan, Scanner, Wanted};
use model::{Leak, LeakRule};

use crate::normal::scene::Scene;

fn wanted() -> Wanted {
    Wanted {
        build_paths: vec!["/build/src".into(), "/build/home".into()],
        machine: Machine {
            hosts: vec!["ci-runner-77".into()],
            users: vec!["alice".into()],
            paths: vec!["/home/alice/checkout".into(), "/home/alice".into()],
        },
        secrets: vec![("token".into(), b"correct horse battery".to_vec())],
        rules: LeakRule::ALL.into(),
    }
}

fn scan(name: &str, bytes: &[u8]) -> Scan {
    let scanner = Scanner::new(&wanted());
    let mut scanning = scanner.begin();
    scanning.file(name, &mut Cursor::new(bytes)).unwrap();
    scanning.finish()
}

/// Place and rule of each.
fn places(scan: &Scan) -> Vec<(&str, &'static str)> {
    scan.leaks.iter().map(|leak| (leak.place.as_str(), leak.rule.as_str())).collect()
}

fn only(scan: &Scan) -> &Leak {
    assert_eq!(scan.leaks.len(), 1, "{scan:?}");
    &scan.leaks[0]
}

#[test]
fn a_path_in_a_class_in_a_jar_in_an_archive_is_told_with_its_place() {
    let scene = Scene::new();
    scene.write(
        "Y.java",
        "class Y { static final String S = \"/build/src/app/Y.java\"; String s() { return S; } }",
    );
    scene.run(
        "javac Y.java; jar cf x.jar Y.class; mkdir d; cp x.jar d; cp Y.java d/plain.txt; tar -czf a.tar.gz d",
    );
    let scan = scan("a.tar.gz", &scene.read("a.tar.gz"));
    assert_eq!(places(&scan), [("d/plain.txt", "build-path"), ("d/x.jar!/Y.class", "build-path")]);
    let leak = &scan.leaks[1];
    assert_eq!((leak.id.as_str(), leak.excerpt.as_str(), leak.count), ("LEAK01", "/build/src/app/Y.java", 1));
    let class = scene.read("Y.class");
    let at = class.windows(10).position(|window| window == b"/build/src").unwrap();
    assert_eq!(leak.offset, at as u64);
    assert!(leak.advice.contains("relative"), "{}", leak.advice);
    assert!(scan.unread.is_empty() && scan.more.is_empty());
}

#[test]
fn every_wrapping_is_opened() {
    let scene = Scene::new();
    scene.run("mkdir p; echo 'host ci-runner-77 built this' >p/t");
    for (name, line, place) in [
        ("x.tar", "tar -cf x.tar p", "p/t"),
        ("x.tar.xz", "tar -cJf x.tar.xz p", "p/t"),
        ("x.tar.bz2", "tar -cjf x.tar.bz2 p", "p/t"),
        ("x.tar.zst", "tar --zstd -cf x.tar.zst p", "p/t"),
        ("t.gz", "gzip -c p/t >t.gz", "t"),
        ("x.zip", "zip -qr x.zip p", "p/t"),
        ("stored.zip", "zip -q0r stored.zip p", "p/t"),
        ("x.a", "ar rc x.a p/t", "t"),
        ("x.cpio", "find p | cpio -o -H newc >x.cpio 2>/dev/null", "p/t"),
        ("twice.tar.gz", "rm x.zip; tar -cf x.tar p; zip -q x.zip x.tar; tar -czf twice.tar.gz x.zip", "x.zip!/x.tar!/p/t"),
        (
            "x.deb",
            "mkdir -p r/DEBIAN r/usr; cp p/t r/usr; printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >r/DEBIAN/control
             dpkg-deb --root-owner-group -Zxz -b r x.deb >/dev/null",
            "data.tar.xz!/usr/t",
        ),
    ] {
        scene.run(line);
        let scan = scan(name, &scene.read(name));
        let leak = only(&scan);
        assert_eq!((leak.place.as_str(), leak.rule), (place, LeakRule::HostName), "{name}");
        assert_eq!((leak.offset, leak.excerpt.as_str()), (5, "ci-runner-77"), "{name}");
    }
}

#[test]
fn what_an_archive_says_of_a_member_counts() {
    let scene = Scene::new();
    scene.run("mkdir -p home; echo x >home/f; ln -s /home/alice/checkout/x home/l; echo x >built-by-ci-runner-77
               tar --owner=alice:1000 --group=users:100 -cf own.tar home; tar --owner=0 -cf n.tar built-by-ci-runner-77
               printf 'Manifest-Version: 1.0\\nBuilt-By: alice\\n' >m; jar cfm x.jar m home/f");
    assert_eq!(
        places(&scan("own.tar", &scene.read("own.tar"))),
        [("home", "user-name"), ("home/f", "user-name"), ("home/l", "host-path"), ("home/l", "user-name")]
    );
    let tar = scan("own.tar", &scene.read("own.tar"));
    assert_eq!(
        (tar.leaks[0].excerpt.as_str(), tar.leaks[0].advice.as_str()),
        ("user: alice", "normalize = [\"user-group\"]")
    );
    // A name in a word is none.
    assert!(scan("n.tar", &scene.read("n.tar")).leaks.is_empty());
    assert_eq!(places(&scan("x.jar", &scene.read("x.jar"))), [("META-INF/MANIFEST.MF", "user-name")]);
}

#[test]
fn debugging_information_is_told_apart_from_the_program() {
    let scene = Scene::new();
    scene.write("m.c", "#include <stdio.h>\nint main(void) { puts(WHERE); return 0; }\n");
    let compile = |flags: &str, out: &str| {
        scene.run(&format!("gcc -g {flags} -ffile-prefix-map=\"$PWD\"=/build/src -o {out} m.c"));
        scene.read(out)
    };
    for compressed in ["-gz=none", "-gz=zlib"] {
        let clean = compile(&format!("{compressed} -DWHERE='\"x\"'"), "clean");
        let found = scan("clean", &clean);
        assert_eq!(places(&found), [("", "debug-path")], "{compressed}");
        assert_eq!(found.leaks[0].severity.as_str(), "info");
        let file = compile(&format!("{compressed} -DWHERE='\"/build/src/m.c\"'"), "file");
        assert_eq!(places(&scan("file", &file)), [("", "build-path"), ("", "debug-path")], "{compressed}");
    }
    scene.run("strip clean file; ar rc lib.a clean");
    assert!(scan("clean", &scene.read("clean")).leaks.is_empty());
    let stripped = scan("file", &scene.read("file"));
    assert!(only(&stripped).advice.contains("-ffile-prefix-map"));
}

#[test]
fn secrets_keys_and_tokens_are_found_and_never_shown() {
    let scene = Scene::new();
    scene.run("openssl genpkey -algorithm RSA -out rsa.pem 2>/dev/null; openssl genpkey -algorithm ed25519 -out ed.pem
               openssl pkcs8 -topk8 -in rsa.pem -passout pass:x -out locked.pem; openssl pkey -in rsa.pem -pubout -out pub.pem
               ssh-keygen -q -t ed25519 -N '' -f ssh; ssh-keygen -q -t rsa -N pass -f sshlocked
               echo 'uses the correct horse battery' >secret; printf 'x = \"npm''_aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA3bC6\"' >token
               tar -cf k.tar *.pem ssh ssh.pub sshlocked secret token");
    let scan = scan("k.tar", &scene.read("k.tar"));
    let told: Vec<_> = scan
        .leaks
        .iter()
        .map(|leak| (leak.place.as_str(), leak.rule.as_str(), leak.severity.as_str(), leak.excerpt.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("ed.pem", "private-key", "error", "a private key: -----BEGIN …"),
            ("locked.pem", "private-key", "warn", "a private key with a password: -----BEGIN …"),
            ("rsa.pem", "private-key", "error", "a private key: -----BEGIN …"),
            ("secret", "secret", "error", "the secret `token`: ***"),
            ("ssh", "private-key", "error", "a private key: -----BEGIN …"),
            ("sshlocked", "private-key", "warn", "a private key with a password: -----BEGIN …"),
            ("token", "token", "error", "a registry token: npm_…"),
        ]
    );
}

/// Not written whole, so that no file here holds one.
fn token() -> String {
    ["npm", "_aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA3bC6"].concat()
}

#[test]
fn a_token_behind_a_thousand_paths_is_seen() {
    let scene = Scene::new();
    scene.write("token", token());
    scene.run(
        "mkdir p; for n in $(seq 1100); do echo /build/src/x >p/$n; done; mv token p/zz; tar -cf x.tar p",
    );
    let scan = scan("x.tar", &scene.read("x.tar"));
    assert_eq!(scan.leaks.len(), 1001);
    assert!(scan.leaks.iter().any(|leak| leak.rule == LeakRule::Token && leak.place == "p/zz"));
    assert_eq!(scan.more, [(LeakRule::BuildPath, 100)].into());
}

#[test]
fn no_token_or_secret_is_in_what_is_told() {
    let scene = Scene::new();
    let token = token();
    // In programs, texts follow each other without anything between.
    scene.write("rust", format!("\0/build/src/a.rs{token}\0"));
    scene.write("text", format!("/build/src/{token}/x and /build/src/correct horse battery\n"));
    scene.write("config", "password = /build/src/x\n");
    scene.run(&format!("mkdir -p 'd/{token}' 'd/correct horse battery'; cp config 'd/{token}/x'; cp config 'd/correct horse battery/y'"));
    scene.run(&format!("printf '\\037\\213\\010' >'d/{token}/x.gz'; tar -cf x.tar rust text d"));
    let scan = scan("x.tar", &scene.read("x.tar"));
    let told = format!("{scan:?}");
    assert!(!told.contains(&token[4..]) && !told.contains("correct horse"), "{scan:#?}");
    let found = |place: &str, rule: LeakRule| {
        let leak = scan.leaks.iter().find(|leak| leak.place == place && leak.rule == rule);
        leak.unwrap_or_else(|| panic!("{place} {rule:?}: {scan:#?}")).excerpt.clone()
    };
    assert_eq!(found("rust", LeakRule::Token), "a registry token: npm_…");
    assert_eq!(found("rust", LeakRule::BuildPath), "/build/src/a.rsnpm_***");
    assert_eq!(found("text", LeakRule::BuildPath), "/build/src/npm_***/x");
    assert_eq!(found("d/npm_***/x", LeakRule::BuildPath), "/build/src/x");
    assert_eq!(found("d/***/y", LeakRule::BuildPath), "/build/src/x");
}

#[test]
fn where_debuggers_look_can_be_asked_for_alone() {
    let scene = Scene::new();
    scene.write("x.c", "int main(void) { return 0; }");
    scene.run("gcc -g -fdebug-prefix-map=$PWD=/build/src -o x x.c");
    let wanted = Wanted { rules: [LeakRule::DebugPath].into(), ..wanted() };
    let scanner = Scanner::new(&wanted);
    let mut scanning = scanner.begin();
    scanning.file("x", &mut Cursor::new(scene.read("x"))).unwrap();
    assert_eq!(places(&scanning.finish()), [("", "debug-path")]);
}

#[test]
fn what_cannot_be_opened_is_told_and_looked_at_as_it_is() {
    let scene = Scene::new();
    scene.run("mkdir p; for n in 1 2 3 4 5; do head -c 40000 /dev/urandom >p/$n; done; echo /build/src/x >p/t; tar -cf x.tar p/t p; gzip -k x.tar; zip -qr x.zip p");
    let (gz, zip, tar) = (scene.read("x.tar.gz"), scene.read("x.zip"), scene.read("x.tar"));
    let cut = scan("x.tar.gz", &gz[..gz.len() - 20_000]);
    assert_eq!(places(&cut), [("p/t", "build-path")], "what came before counts");
    assert!(cut.unread[0].reason.starts_with("damaged gzip: "), "{:?}", cut.unread);
    let cut = scan("x.zip", &zip[..zip.len() - 30]);
    assert!(cut.unread[0].reason.starts_with("damaged zip at byte "), "{:?}", cut.unread);
    let mut broken = tar.clone();
    broken[512 + 512 + 148] ^= 1;
    let broken = scan("x.tar", &broken);
    assert_eq!(
        broken.unread[0].reason.split(':').next(),
        Some("damaged tar at byte 1024"),
        "{:?}",
        broken.unread
    );
    assert!(
        broken.leaks.iter().any(|leak| leak.rule == LeakRule::BuildPath),
        "the rest is looked at as it is"
    );
    // Whatever a file only begins like, nothing panics and what is plain in it is found.
    let magics: [&[u8]; 7] =
        [b"PK\x03\x04", b"\x1f\x8b\x08", b"!<arch>\n", b"070701", b"\x7fELF", b"BZh91AY&SY", b"\xfd7zXZ\0"];
    for magic in magics {
        let bytes = [magic, b" and /build/src/x"].concat();
        assert!(scan("x", &bytes).leaks.len() <= 1, "{magic:?}");
    }
    assert_eq!(places(&scan("x", b"!<arch>\n and /build/src/x")), [("", "build-path")]);
}

#[test]
fn containers_in_one_another_end_somewhere() {
    let scene = Scene::new();
    scene.run("echo x >x; for n in $(seq 40); do gzip -c x >y; mv y x; done");
    let scan = scan("x.gz", &scene.read("x"));
    assert_eq!(scan.unread.len(), 1, "{scan:?}");
    assert!(scan.unread[0].reason.contains("12 containers"));
}

#[test]
fn the_same_is_looked_for_under_the_same_name_and_secrets_have_none() {
    let mut wanted = wanted();
    assert_eq!(Scanner::new(&wanted).identity(), None);
    wanted.secrets.clear();
    let one = Scanner::new(&wanted).identity();
    assert!(one.is_some() && one == Scanner::new(&wanted).identity());
    wanted.machine.hosts = vec!["another-77".into()];
    assert_ne!(Scanner::new(&wanted).identity(), one);
}
