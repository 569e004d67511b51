//! The lock: stable text, and what makes it stale.

use std::collections::BTreeMap;

use model::lock::{
    FORMAT, Installed, Lock, LockedArchive, LockedBase, LockedDebian, LockedFile, LockedImage, LockedPackage,
    LockedSource, LockedToolchain,
};
use model::recipe::Locator;
use model::{Digest, Timestamp, recipe};

fn package(name: &str) -> LockedPackage {
    LockedPackage {
        name: name.into(),
        version: "1:2.3-4".into(),
        arch: "amd64".into(),
        source: name.into(),
        source_version: "1:2.3-4".into(),
        licence: None,
        depends: vec!["libc6".into()],
        path: format!("pool/main/{name}_2.3-4_amd64.deb"),
        digest: Digest::of(name.as_bytes()),
    }
}

fn lock(names: &[&str]) -> Lock {
    let source = LockedSource {
        origin: Locator::Package { purl: "pkg:cargo/libz-sys@1.1.31".parse().unwrap(), packed: false },
        licence: Some("MIT OR Apache-2.0".into()),
        epoch: Timestamp(1_700_000_000),
        tree: Digest::of(b"tree"),
        files: vec![LockedFile { path: "x".into(), digest: Digest::of(b"x"), registry_hash: None }],
        contents: None,
    };
    Lock {
        format: FORMAT,
        toolchain: LockedToolchain {
            arch: "amd64".into(),
            assembler: 1,
            tree: Digest::of(b"toolchain"),
            base: LockedBase::Debian(LockedDebian {
                suite: "bookworm".into(),
                components: vec!["main".into()],
                snapshot: None,
                requested: vec!["gcc".into(), "make".into()],
                signed_by: vec!["AB".into()],
                packages: names.iter().map(|n| package(n)).collect(),
            }),
            base_tree: Digest::of(b"toolchain"),
            archives: Vec::new(),
        },
        sources: BTreeMap::from([("zlib".to_owned(), source)]),
        steps: BTreeMap::new(),
    }
}

#[test]
fn text_is_stable_and_reads_back() {
    let text = lock(&["make", "gcc"]).to_text();
    assert_eq!(text, lock(&["gcc", "make"]).to_text());
    assert_eq!(Lock::parse("selfsame.lock", &text).unwrap(), lock(&["gcc", "make"]));
}

#[test]
fn damage_is_told_with_its_place() {
    let text = lock(&["gcc"]).to_text();
    for (from, to, told) in [
        ("selfsame-lock = 1", "selfsame-lock = 7", "unknown version"),
        ("sha256:", "sha256:zz", "damaged"),
        ("pool/main", "../main", "leaves the archive"),
        ("suite =", "siute =", "damaged"),
    ] {
        let error = Lock::parse("selfsame.lock", &text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains("selfsame lock"), "{to}: {error}");
    }
}

#[test]
fn a_changed_recipe_makes_it_stale_and_says_where() {
    let text = r#"selfsame = 1
name = "z"
version = "1"
[sources.zlib]
purl = "pkg:cargo/libz-sys@1.1.31"
[toolchain]
kind = "debian"
suite = "bookworm"
packages = ["gcc", "make"]
[[step]]
name = "s"
run = ["true"]
outputs = ["o"]
[[artifact]]
name = "a"
format = "file"
from = "step:s/o"
"#;
    let fits = recipe::parse("r", text).unwrap();
    assert_eq!(lock(&["gcc"]).stale(&fits), []);
    let changed = text.replace("\"make\"]", "\"make\", \"perl\"]").replace("1.1.31", "1.1.30");
    let stale = lock(&["gcc"]).stale(&recipe::parse("r", &changed).unwrap());
    let what: Vec<_> = stale.iter().map(|s| s.what.as_str()).collect();
    assert_eq!(what, ["toolchain.packages", "sources.zlib"]);
    assert_eq!(stale[0].recipe, "gcc make perl");
    let packed = text.replace("1.1.31\"", "1.1.31\"\npacked = true");
    let stale = lock(&["gcc"]).stale(&recipe::parse("r", &packed).unwrap());
    assert_eq!(stale.iter().map(|s| s.what.as_str()).collect::<Vec<_>>(), ["sources.zlib.packed"]);
    let mut packed = lock(&["gcc"]);
    let Locator::Package { packed: is, .. } = &mut packed.sources.get_mut("zlib").unwrap().origin else {
        panic!()
    };
    *is = true;
    assert_eq!(Lock::parse("selfsame.lock", &packed.to_text()).unwrap(), packed);
    // A URL with another hash is another file.
    let by_url = |sha256: &str, strip: u32| {
        let source =
            format!("url = \"https://example.org/x\"\nsha256 = \"{}\"\nstrip = {strip}", sha256.repeat(64));
        recipe::parse("r", &text.replace("purl = \"pkg:cargo/libz-sys@1.1.31\"", &source)).unwrap()
    };
    let recipe::Source::Fetched(origin) = by_url("0", 1).sources["zlib"].clone() else { panic!() };
    packed.sources.get_mut("zlib").unwrap().origin = origin;
    let what = |recipe: &recipe::Recipe| packed.stale(recipe).into_iter().map(|s| s.what).collect::<Vec<_>>();
    assert_eq!(what(&by_url("0", 1)), Vec::<String>::new());
    assert_eq!(what(&by_url("1", 0)), ["sources.zlib.sha256", "sources.zlib.strip"]);
}

/// Locks of earlier versions are read, and written as they were.
#[test]
fn committed_locks_keep_their_text() {
    for text in [
        include_str!("../../../../examples/jq/selfsame.lock"),
        include_str!("../../../../examples/zlib/selfsame.lock"),
    ] {
        assert_eq!(Lock::parse("selfsame.lock", text).unwrap().to_text(), text);
    }
}

#[test]
fn a_key_of_another_kind_is_damage() {
    let text = lock(&["gcc"]).to_text();
    for (from, to, told) in [
        ("kind = \"debian\"", "kind = \"nix\"", "unknown kind of toolchain `nix`"),
        ("kind = \"debian\"", "kind = \"host\"", "`suite` does not belong to a toolchain of kind `host`"),
        ("suite = \"bookworm\"\n", "", "missing field `suite`"),
        ("assembler = 1", "assembler = 1\nmachine = \"x\"", "`machine` does not belong"),
        ("assembler = 1", "assembler = 1\nstrange = 1", "unknown field"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = Lock::parse("l", &text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "{to}: {error}");
    }
}

/// A lock whose toolchain is an image with an archive over it.
fn other() -> Lock {
    let mut lock = lock(&[]);
    lock.toolchain.base = LockedBase::Image(LockedImage {
        image: "a.example.org/b:1".parse().unwrap(),
        index: None,
        manifest: Some(Digest::of(b"m")),
        config: Digest::of(b"c"),
        layers: vec![Digest::of(b"1")],
        env: BTreeMap::from([("PATH".to_owned(), "/i".to_owned())]),
        distro: Some("debian-12".into()),
        installed: vec![Installed {
            kind: "deb".into(),
            name: "libc6".into(),
            version: "2.36".into(),
            arch: "amd64".into(),
            source: Some("glibc".into()),
            source_version: None,
            licence: None,
        }],
    });
    lock.toolchain.base_tree = Digest::of(b"base");
    lock.toolchain.archives = vec![LockedArchive {
        name: "go".into(),
        version: Some("1".into()),
        origin: Locator::Package { purl: "pkg:golang/example.org/go@1".parse().unwrap(), packed: false },
        purl: None,
        strip: None,
        at: "opt/go".parse().unwrap(),
        path: vec!["opt/go/bin".parse().unwrap()],
        link: BTreeMap::new(),
        env: BTreeMap::new(),
        licence: None,
        tree: Digest::of(b"go"),
        files: vec![LockedFile { path: "go.zip".into(), digest: Digest::of(b"z"), registry_hash: None }],
    }];
    lock
}

#[test]
fn a_toolchain_of_another_kind_reads_back_and_says_what_is_stale() {
    let locked = other();
    assert_eq!(Lock::parse("l", &locked.to_text()).unwrap(), locked);
    let recipe = |toolchain: &str| {
        let text = format!(
            "selfsame = 1\nname = \"x\"\nversion = \"1\"\n[sources.zlib]\npurl = \"pkg:cargo/libz-sys@1.1.31\"\n[toolchain]\n\
             {toolchain}\n[[step]]\nname = \"s\"\nrun = [\"x\"]\noutputs = [\"o\"]\n[[artifact]]\nname = \"a\"\n\
             format = \"file\"\nfrom = \"step:s/o\"\n"
        );
        recipe::parse("r", &text).unwrap()
    };
    let go = "[[toolchain.archive]]\nname = \"go\"\npurl = \"pkg:golang/example.org/go@1\"\nat = \"opt/go\"\npath = \
              [\"opt/go/bin\"]\n";
    let image = "kind = \"image\"\nimage = \"a.example.org/b:1\"\n";
    let stale = |toolchain: &str| -> Vec<String> {
        locked.stale(&recipe(toolchain)).into_iter().map(|s| s.what).collect()
    };
    // An archive without its own version has that of the purl.
    assert_eq!(stale(&format!("{image}{go}")), Vec::<String>::new());
    assert_eq!(stale(&format!("{}{go}", image.replace(":1", ":2"))), ["toolchain.image"]);
    assert_eq!(stale(&format!("{image}arch = \"arm64\"\n{go}")), ["toolchain.arch"]);
    assert_eq!(stale(image), ["toolchain.archive.go"]);
    assert_eq!(stale(&format!("kind = \"host\"\nprograms = [\"cc\"]\n{go}")), ["toolchain.kind"]);
    for (from, to, what) in [
        ("at = \"opt/go\"\n", "at = \"opt\"\n", "at"),
        ("path = [\"opt/go/bin\"]\n", "", "path"),
        ("@1\"\n", "@1\"\nstrip = 1\n", "strip"),
        ("@1\"\n", "@1\"\nversion = \"2\"\n", "version"),
        ("@1\"\n", "@1\"\nenv = { A = \"b\" }\n", "env"),
        ("@1\"\n", "@1\"\nlink = { g = \"opt/go/g\" }\n", "link"),
    ] {
        let changed = go.replacen(from, to, 1);
        assert_eq!(stale(&format!("{image}{changed}")), [format!("toolchain.archive.go.{what}")]);
    }
}

#[test]
fn what_changed_between_two_toolchains_is_named() {
    let (before, mut after) = (lock(&["gcc", "make"]).toolchain, lock(&["gcc", "perl"]).toolchain);
    if let LockedBase::Debian(debian) = &mut after.base {
        debian.packages[0].version = "99".into();
    }
    let list: Vec<_> = before
        .changes(&after)
        .into_iter()
        .map(|c| (c.name, c.before.is_some(), c.after.and_then(|a| a.version)))
        .collect();
    let version = before.packages()[0].version.clone();
    assert_eq!(
        list,
        [
            ("gcc".to_owned(), true, Some("99".to_owned())),
            ("make".to_owned(), true, None),
            ("perl".to_owned(), false, Some(version)),
        ]
    );
    assert!(before.changes(&before).is_empty());
    let kinds: Vec<_> = other().toolchain.parts().into_iter().map(|p| p.kind).collect();
    assert_eq!(kinds, ["image", "layer", "installed", "archive"]);
}
