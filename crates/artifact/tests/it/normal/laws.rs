//! What holds for every format: nothing without rules, each change told, order without influence, members listed.

use artifact::{Body, Budget, Kind, Limits, NormalOptions, normalise, read};
use model::Timestamp;
use model::recipe::Rule;

use super::golden::files;
use super::scene::{EPOCH, Scene, made, normal, options};
use crate::sample::Noise;

#[test]
fn without_rules_nothing_changes() {
    for (name, _, bytes) in files() {
        let none = NormalOptions { rules: [].into(), ..options() };
        let made = normalise(name, &bytes, &none).unwrap();
        assert!(made.bytes.is_none() && made.changes.is_empty(), "{name}: {:?}", made.changes);
    }
}

#[test]
fn only_chosen_rules_change_something() {
    for (name, _, bytes) in files() {
        for rule in Rule::ALL {
            let one = NormalOptions { rules: [rule].into(), ..options() };
            let made = normalise(name, &bytes, &one).unwrap();
            assert!(
                made.changes
                    .iter()
                    .all(|change| change.rule == rule || change.rule == Rule::EmbeddedConsequence),
                "{name}, {rule}: {:?}",
                made.changes
            );
            assert_eq!(made.bytes.is_some(), !made.changes.is_empty(), "{name}, {rule}");
        }
    }
}

#[test]
fn twice_is_once_and_every_change_says_before_and_after() {
    for (name, _, bytes) in files() {
        let first = made(name, &bytes);
        for change in &first.changes {
            assert!(!change.before.is_empty() && change.before != change.after, "{name}: {change:?}");
        }
        let Some(new) = first.bytes else { continue };
        let second = made(name, &new);
        assert!(second.bytes.is_none(), "{name}: {:?}", second.changes);
    }
}

#[test]
fn times_before_the_epoch_stay() {
    for (name, _, bytes) in files() {
        let later = NormalOptions::all(Timestamp(4_000_000_000));
        let made = normalise(name, &bytes, &later).unwrap();
        let dated = |rule: Rule| matches!(rule, Rule::Timestamp | Rule::Documentation);
        // An extended time goes, the time itself stays.
        let told: Vec<_> =
            made.changes.iter().filter(|c| dated(c.rule) && !c.before.starts_with("extra")).collect();
        assert!(told.is_empty(), "{name}: {told:?}");
    }
}

#[test]
fn the_order_of_members_has_no_influence() {
    let scene = Scene::new();
    scene.run("mkdir -p a/b c; for n in a/x a/b/y c/z c.txt top; do echo $n >$n; done; find . -exec touch -d @1750000000 {} +");
    let mut names = ["a", "a/x", "a/b", "a/b/y", "c", "c/z", "c.txt", "top"];
    let mut noise = Noise(5);
    let mut first: Option<[Vec<u8>; 3]> = None;
    for round in 0..12 {
        for at in (1..names.len()).rev() {
            names.swap(at, noise.below(at + 1));
        }
        scene.write("names", names.join("\n"));
        scene.run(&format!(
            "tar --no-recursion -T names -cf {round}.tar; zip -q {round}.zip -@ <names; gzip -{} -k {round}.tar",
            1 + round % 9
        ));
        let here = ["tar", "zip", "tar.gz"].map(|ending| {
            let name = format!("{round}.{ending}");
            normal(&name, &scene.read(&name))
        });
        assert!(first.get_or_insert_with(|| here.clone()) == &here, "{names:?}");
    }
}

#[test]
fn members_are_listed_with_what_is_said_of_them() {
    let names = |name: &str, bytes: &[u8]| -> Vec<String> {
        let mut budget = Budget::new(Limits::default());
        let reading = read(name, bytes, &mut budget).unwrap().unwrap();
        reading.parts.into_iter().map(|part| part.name).collect()
    };
    let table: &[(&str, &[&str])] = &[
        ("x.tar", &["./y", "./l", "./d/", "./d/c", "./x", "./b"]),
        ("x.tar.gz", &["x.tar"]),
        ("x.tar.xz", &["x.tar"]),
        ("x.zip", &["x", "l", "d/", "d/c", "b"]),
        ("lib.a", &["/", "m.o"]),
        ("demo.deb", &["debian-binary", "control.tar.gz", "data.tar.gz"]),
        ("x.cpio", &[".", "d", "d/c", "l", "x"]),
        ("x.png", &["IHDR", "tIME", "tEXt", "IDAT", "IEND"]),
        ("x.json", &["a", "b"]),
        ("x.sqlite", &["page 1", "page 2"]),
        ("x.mo", &["", "yes"]),
        ("m.pyc", &["code"]),
    ];
    for (name, expected) in table {
        assert_eq!(names(name, &super::golden::file(name)), *expected, "{name}");
    }
    for (name, kind, bytes) in files() {
        let mut budget = Budget::new(Limits::default());
        let reading = read(name, &bytes, &mut budget).unwrap().unwrap();
        assert!(reading.kind == kind && !reading.parts.is_empty(), "{name}");
    }
    let mut budget = Budget::new(Limits::default());
    let bytes = super::golden::file("x.tar");
    let tar = read("x.tar", &bytes, &mut budget).unwrap().unwrap();
    assert!(matches!(&tar.parts[4].body, Body::Link(to) if to == "./y"), "{:?}", tar.parts[4]);
    let said: Vec<String> =
        tar.parts[0].attributes.iter().map(|a| format!("{} {}", a.name, a.value)).collect();
    assert!(said[7].starts_with("pax atime="), "{said:?}");
    assert_eq!(
        said[..7],
        [
            "type 0",
            "mode 0664",
            "uid 1000",
            "gid 100",
            "user builder",
            "group users",
            "mtime 2025-03-01T10:00:01Z"
        ]
    );
}

#[test]
fn programs_say_who_they_are() {
    let said = |name: &str| -> Vec<String> {
        let bytes = super::golden::file(name);
        let mut budget = Budget::new(Limits::default());
        let reading = read(name, &bytes, &mut budget).unwrap().unwrap();
        reading.attributes.iter().map(|a| format!("{} {}", a.name, a.value)).collect()
    };
    assert!(said("x.o").iter().any(|line| line.starts_with("comment GCC: ")), "{:?}", said("x.o"));
    assert!(said("x.macho").contains(&"uuid 000102030405060708090a0b0c0d0e0f".to_owned()));
    assert!(said("x.dll").contains(&"time header: 2025-01-02T03:04:05Z".to_owned()), "{:?}", said("x.dll"));
    assert!(said("x.rpm").contains(&"build-host example".to_owned()), "{:?}", said("x.rpm"));
    let scene = Scene::new();
    scene.write("m.c", "int main(void) { return 0; }");
    scene.run("cc -g -Wl,--build-id=0xabcdef m.c -o m; objcopy --only-keep-debug m m.debug; strip --add-gnu-debuglink=m.debug m 2>/dev/null || { strip m; objcopy --add-gnu-debuglink=m.debug m; }");
    let bytes = scene.read("m");
    let mut budget = Budget::new(Limits::default());
    let reading = read("m", &bytes, &mut budget).unwrap().unwrap();
    assert_eq!(reading.kind, Kind::Elf);
    let has = |name: &str, start: &str| {
        reading.attributes.iter().any(|a| a.name == name && a.value.starts_with(start))
    };
    assert!(has("build-id", "abcdef") && has("debuglink", "m.debug "), "{:?}", reading.attributes);
    assert!(EPOCH > 0 && reading.parts.iter().any(|part| part.name == ".text"));
}
