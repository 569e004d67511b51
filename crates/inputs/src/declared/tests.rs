use std::io::Write as _;

use model::Digest;

use super::*;
use crate::ecosystem::Origin;

fn tar_gz(members: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn zip(members: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    lines: Vec<String>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { _folder: folder, store, lines: Vec::new() }
    }

    fn answer(&mut self, locator: &str, body: &[u8]) {
        let digest: Digest = self.store.put(body).unwrap();
        self.lines.push(format!("GET {locator} 200 {digest}"));
    }

    fn told(&self, pinned: &[Vec<Component>]) -> Vec<String> {
        let transcript = Transcript::from_lines(self.lines.iter().map(String::as_str)).unwrap();
        declared(&self.store, pinned, &transcript).iter().map(ToString::to_string).collect()
    }
}

fn component(adapter: Adapter, name: &str, version: &str, direct: bool, depends: &[usize]) -> Component {
    let mut one = Component::new(adapter, &"the.lock".parse().unwrap(), name, Some(version));
    one.origin = Origin::Registry(None);
    one.direct = direct;
    one.depends = depends.to_vec();
    one
}

#[test]
fn crates_have_the_edges_of_the_lockfile_and_their_own_licence() {
    let mut world = World::new();
    let manifest = "[package]\nname = 'a'\nlicense = 'MIT/Apache-2.0'\n";
    world.answer(
        "cargo:/crates/a/1.0.0/download",
        &tar_gz(&[("a-1.0.0/x/Cargo.toml", "[package]\nlicense = 'no'"), ("a-1.0.0/Cargo.toml", manifest)]),
    );
    world.answer("cargo:/crates/b/2.0.0/download", b"no archive at all");
    world.answer("cargo:/index/a/a", b"{}");
    let list = [
        component(Adapter::Cargo, "own", "0.1.0", false, &[1]),
        component(Adapter::Cargo, "a", "1.0.0", true, &[2, 3]),
        component(Adapter::Cargo, "b", "2.0.0", false, &[]),
        component(Adapter::Cargo, "not-fetched", "2.0.0", false, &[]),
    ];
    assert_eq!(
        world.told(&[list.to_vec()]),
        [
            "pkg:cargo/a@1.0.0 direct=true licence=MIT%20OR%20Apache-2.0 needs=pkg:cargo/b@2.0.0",
            "pkg:cargo/b@2.0.0 direct=false needs=",
        ]
    );
    // Without a lockfile nothing is said of edges; and places are those of each lockfile's own list.
    assert_eq!(world.told(&[])[1], "pkg:cargo/b@2.0.0");
    let other = vec![component(Adapter::Cargo, "x", "1.0.0", true, &[])];
    assert_eq!(world.told(&[other, list.to_vec()]), world.told(&[list.to_vec()]));
}

#[test]
fn what_no_lockfile_says_the_packages_say() {
    let mut world = World::new();
    let wheel = |needs: &str| {
        let metadata = format!("Metadata-Version: 2.4\nName: x\nLicense-Expression: BSD-3-Clause\n{needs}\n");
        zip(&[("x/METADATA", "License-Expression: no"), ("x-1.dist-info/METADATA", &metadata)])
    };
    world.answer("pypi:/files/flask/flask-3.0-py3-none-any.whl", &wheel("Requires-Dist: Markup_Safe>=2"));
    world.answer(
        "pypi:/files/markup-safe/markup_safe-3.0.tar.gz",
        &tar_gz(&[("m/PKG-INFO", "Name: m\nLicense: é")]),
    );
    let flat = vec![component(Adapter::Pypi, "flask", "3.0", false, &[])];
    assert_eq!(
        world.told(&[flat]),
        [
            "pkg:pypi/flask@3.0 licence=BSD-3-Clause needs=pkg:pypi/markup-safe@3.0",
            "pkg:pypi/markup-safe@3.0 licence=%C3%A9 needs=",
        ]
    );

    let mut world = World::new();
    world.answer("go:/example.org/!a/@v/v1.0.0.mod", b"module example.org/A\nrequire example.org/b v1.0.0\n");
    world.answer("go:/example.org/!a/@v/v1.0.0.zip", b"");
    world.answer("go:/example.org/b/@v/v1.2.0.zip", b"");
    assert_eq!(
        world.told(&[]),
        [
            "pkg:golang/example.org/a@v1.0.0 needs=pkg:golang/example.org/b@v1.2.0",
            "pkg:golang/example.org/b@v1.2.0"
        ]
    );

    let mut world = World::new();
    let pom = "<project><parent><groupId>g</groupId><artifactId>p</artifactId><version>1</version></parent>\
               <dependencies><dependency><groupId>h</groupId><artifactId>b</artifactId></dependency></dependencies></project>";
    let parent = "<project><licenses><license><name>MIT License</name></license></licenses></project>";
    world.answer("maven:/g/a/1/a-1.pom", pom.as_bytes());
    world.answer("maven:/g/p/1/p-1.pom", parent.as_bytes());
    world.answer("maven:/g/a/1/a-1.jar", b"");
    world.answer("maven:/h/b/2/b-2.jar", b"");
    assert_eq!(world.told(&[]), ["pkg:maven/g/a@1 licence=MIT needs=pkg:maven/h/b@2", "pkg:maven/h/b@2"]);
}

#[test]
fn what_is_hostile_says_nothing() {
    let mut world = World::new();
    let loop_of = "<project><parent><groupId>g</groupId><artifactId>a</artifactId><version>1</version></parent></project>";
    world.answer("maven:/g/a/1/a-1.pom", loop_of.as_bytes());
    world.answer("maven:/g/a/1/a-1.jar", b"");
    world.answer("npm:/a/-/a-1.0.0.tgz", &tar_gz(&[("package/package.json", &"[".repeat(100_000))]));
    world.answer(
        "npm:/b/-/b-1.0.0.tgz",
        &tar_gz(&[("package/package.json", "{\"license\": \"a\\u001b[31m\"}")]),
    );
    let long = format!("{{\"license\": \"{}\"}}", "x".repeat(1 << 20));
    world.answer("npm:/c/-/c-1.0.0.tgz", &tar_gz(&[("package/package.json", &long)]));
    // Five megabytes of text are no metadata, and 300 of zeros before it are not unpacked.
    world.answer("npm:/d/-/d-1.0.0.tgz", &tar_gz(&[("package/package.json", &" ".repeat(5 << 20))]));
    world.answer("cargo:/crates/e/1.0.0/download", &tar_gz(&[("e/Cargo.toml", "a = { b = [")]));
    let mut whole = tar_gz(&[("f-1/Cargo.toml", "[package]\nlicense = 'MIT'")]);
    whole.truncate(whole.len() / 2);
    world.answer("cargo:/crates/f/1.0.0/download", &whole);
    assert!(world.told(&[]).iter().all(|line| !line.contains("licence")), "{:?}", world.told(&[]));
}
