//! Against the registries that this host is configured for.

use inputs::Host;
use model::recipe::{Base, Debian, Locator, Source, Toolchain};

use crate::world::{World, chain, recipe};

fn world() -> World {
    World::on(Host::discover(&std::env::vars().collect()))
}

fn toolchain(packages: &[&str]) -> Toolchain {
    let base = Base::Debian(Debian {
        packages: packages.iter().map(|p| (*p).to_owned()).collect(),
        suite: "bookworm".into(),
        components: vec!["main".into()],
        mirror: None,
        snapshot_mirror: None,
        snapshot: None,
        keyring: None,
    });
    Toolchain { arch: "amd64".into(), base, archives: Vec::new() }
}

#[test]
fn a_c_toolchain_and_a_source_of_every_registry() {
    let world = world();
    let purl = |text: &str| Source::Fetched(Locator::Package { purl: text.parse().unwrap(), packed: false });
    let recipe = recipe(
        toolchain(&["g++", "gcc", "libc6-dev", "make"]),
        [
            ("crate", purl("pkg:cargo/cfg-if@1.0.0")),
            ("debian", purl("pkg:deb/debian/hello@2.10-3?distro=bookworm")),
            ("npm", purl("pkg:npm/is-number@7.0.0")),
            ("python", purl("pkg:pypi/six@1.16.0")),
        ],
    );
    let start = std::time::Instant::now();
    let lock = world.with(|cx| inputs::lock(cx, &recipe, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    println!("lock: {:?}, {} packages", start.elapsed(), lock.toolchain.packages().len());
    for event in world.events.lock().unwrap().iter() {
        if let model::Event::Finished { stage, name, millis, detail, .. } = event {
            println!("{stage} {name}: {millis} ms ({detail})");
        }
    }
    assert!(lock.stale(&recipe).is_empty());
    assert!(!lock.toolchain.debian().unwrap().signed_by.is_empty());
    let tree = &lock.toolchain.tree;
    let paths = world.paths(tree);
    println!("{} entries, {}", paths.len(), tree);
    for wanted in [
        "bin -> usr/bin",
        "lib -> usr/lib",
        "lib64 -> usr/lib64",
        "sbin -> usr/sbin",
        "usr/bin/awk -> /etc/alternatives/awk",
        "etc/alternatives/awk -> /usr/bin/mawk",
        "usr/bin/cc -> /etc/alternatives/cc",
        "etc/alternatives/cc -> /usr/bin/gcc",
        "usr/bin/c++ -> /etc/alternatives/c++",
        "usr/bin/gcc -> gcc-12",
        "usr/bin/sh -> dash",
        "usr/bin/which -> /etc/alternatives/which",
        "usr/bin/make*",
        "usr/bin/x86_64-linux-gnu-gcc-12*",
        "usr/include/stdio.h",
        "proc/",
        "tmp/",
    ] {
        assert!(paths.iter().any(|p| p == wanted), "{wanted} is not among {} paths", paths.len());
    }
    assert!(!paths.iter().any(|p| p.starts_with("usr/share/man/")));
    let licence =
        |n: &str| lock.toolchain.packages().iter().find(|p| p.name == n).and_then(|p| p.licence.clone());
    assert_eq!(licence("zlib1g"), Some("Zlib".to_owned()));

    let source = |name: &str| &lock.sources[name];
    assert_eq!(source("crate").licence.as_deref(), Some("MIT OR Apache-2.0"));
    assert!(world.content(&source("crate").tree, "Cargo.toml").contains("cfg-if"));
    assert!(source("npm").files[0].registry_hash.as_deref().unwrap().starts_with("sha512:"));
    assert_eq!(source("npm").licence.as_deref(), Some("MIT"));
    assert!(world.content(&source("python").tree, "PKG-INFO").contains("Name: six"));
    let debian = world.paths(&source("debian").tree);
    assert!(debian.contains(&"configure*".to_owned()) && debian.contains(&"debian/rules*".to_owned()));

    // Again: nothing is brought, and the text is the same.
    let start = std::time::Instant::now();
    let again = world.with(|cx| inputs::lock(cx, &recipe, None)).unwrap();
    println!("again: {:?}", start.elapsed());
    assert_eq!(again.to_text(), lock.to_text());
    let start = std::time::Instant::now();
    world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap();
    println!("fetch: {:?}", start.elapsed());
    assert_eq!(inputs::need(&lock, &world.store), Vec::<String>::new());

    // An empty store, from the lock alone.
    let empty = self::world();
    assert!(inputs::need(&lock, &empty.store).len() > lock.toolchain.packages().len());
    let start = std::time::Instant::now();
    empty.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    println!("fetch into an empty store: {:?}", start.elapsed());
    assert_eq!(inputs::need(&lock, &empty.store), Vec::<String>::new());
}
