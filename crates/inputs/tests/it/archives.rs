//! Archives over a base: where they go, what they may not do, and that they come back.

use std::collections::BTreeMap;

use model::Sha256;
use model::lock::Lock;
use model::recipe::{Base, Locator, ToolArchive, Toolchain};

use crate::debian_archive::{Member, tar};
use crate::server::Server;
use crate::world::{World, chain, recipe};

/// A toolchain of archives alone.
fn toolchain(archives: Vec<ToolArchive>) -> Toolchain {
    Toolchain { arch: "amd64".into(), base: Base::Empty, archives }
}

fn archive(name: &str, url: String, bytes: &[u8], at: &str) -> ToolArchive {
    ToolArchive {
        name: name.into(),
        version: Some("1.0".into()),
        origin: Locator::Url { url, sha256: Sha256::of(bytes), strip: 1 },
        sha256: None,
        purl: Some(format!("pkg:generic/{name}@1.0").parse().unwrap()),
        strip: None,
        at: at.parse().unwrap(),
        path: Vec::new(),
        link: BTreeMap::new(),
        env: BTreeMap::new(),
    }
}

/// Files of a folder that is served, and the world that asks for them.
struct Site {
    world: World,
    server: Server,
    _files: tempfile::TempDir,
}

fn site(files: &[(&str, &[u8])]) -> Site {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let server = Server::of(folder.path());
    Site { world: World::new(), server, _files: folder }
}

impl Site {
    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.base)
    }

    fn lock(&self, archives: Vec<ToolArchive>) -> Result<Lock, String> {
        let recipe = recipe(toolchain(archives), []);
        let lock = self.world.with(|cx| inputs::lock(cx, &recipe, None)).map_err(|e| chain(&e))?;
        assert_eq!(lock.stale(&recipe), []);
        // What is written is what is read.
        assert_eq!(Lock::parse("l", &lock.to_text()).unwrap(), lock);
        Ok(lock)
    }
}

fn go() -> Vec<u8> {
    tar(&[
        Member::File("go1/bin/go", 0o755, "go"),
        Member::Link("go1/bin/gofmt", "go"),
        Member::File("go1/VERSION", 0o644, "1"),
    ])
}

#[test]
fn archives_make_a_root_and_come_back() {
    let (bytes, single) = (go(), b"#!/bin/sh\n");
    let site = site(&[("go.tar.gz", &bytes), ("tool", single)]);
    let mut go = archive("go", site.url("go.tar.gz"), &bytes, "opt/go");
    go.path = vec!["opt/go/bin".parse().unwrap()];
    go.env = BTreeMap::from([("GOROOT".to_owned(), "/opt/go".to_owned())]);
    let mut tool = archive("tool", site.url("tool"), single, "opt/tool");
    tool.link = BTreeMap::from([("t".to_owned(), "opt/tool/tool".parse().unwrap())]);
    let lock = site.lock(vec![go.clone(), tool.clone()]).unwrap();
    let paths = site.world.paths(&lock.toolchain.tree);
    for wanted in [
        "opt/go/bin/go*",
        "opt/go/bin/gofmt -> go",
        "opt/go/VERSION",
        // One file and no archive, but a program.
        "opt/tool/tool*",
        "usr/local/bin/t -> /opt/tool/tool",
        "proc/",
        "tmp/",
    ] {
        assert!(paths.iter().any(|p| p == wanted), "{wanted}: {paths:#?}");
    }
    let given = BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]);
    let env = lock.toolchain.environment(given);
    assert_eq!((env["PATH"].as_str(), env["GOROOT"].as_str()), ("/opt/go/bin:/usr/bin", "/opt/go"));

    // Again: the same, and nobody is asked.
    site.server.log();
    assert_eq!(site.lock(vec![go.clone(), tool.clone()]).unwrap(), lock);
    assert_eq!(site.server.log(), Vec::<String>::new());
    // The order of archives is that of PATH, and does not reach the tree.
    let turned = site.lock(vec![tool, go]).unwrap();
    assert_eq!(turned.toolchain.tree, lock.toolchain.tree);

    let empty = World::new();
    assert_eq!(inputs::need(&lock, &empty.store).len(), 2);
    assert!(!inputs::confirmed(&empty.store, &lock));
    empty.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::confirmed(&empty.store, &lock) && inputs::need(&lock, &empty.store).is_empty());
    assert_eq!(empty.paths(&lock.toolchain.tree), paths);

    // A lock in which one tree was edited is not believed.
    for edit in [0, 1, 2] {
        let mut forged = lock.clone();
        let other = forged.toolchain.archives[1].tree;
        match edit {
            0 => forged.toolchain.tree = other,
            1 => forged.toolchain.archives[0].tree = other,
            _ => forged.toolchain.base_tree = other,
        }
        assert!(!inputs::confirmed(&empty.store, &forged));
        let error = empty.with(|cx| inputs::fetch(cx, &forged, None)).unwrap_err();
        assert!(error.to_string().contains("gives another tree than the lock says"), "{error}");
    }
}

#[test]
fn what_does_not_go_together_is_told_with_both_origins() {
    let other = tar(&[Member::File("x/bin/go", 0o755, "another go")]);
    let site = site(&[("go.tar.gz", &go()), ("other.tar.gz", &other), ("same.tar.gz", &go())]);
    let first = archive("go", site.url("go.tar.gz"), &go(), "opt");
    let second = archive("other", site.url("other.tar.gz"), &other, "opt");
    let error = site.lock(vec![first.clone(), second]).unwrap_err();
    for said in ["`opt/bin/go` would be two things", "archive `go`: the executable file", "archive `other`: "]
    {
        assert!(error.contains(said), "{said}: {error}");
    }
    // The same thing twice is no collision.
    site.lock(vec![first.clone(), archive("same", site.url("same.tar.gz"), &go(), "opt")]).unwrap();
    // In the way of a folder.
    let error = site.lock(vec![first.clone(), archive("below", site.url("go.tar.gz"), &go(), "opt/VERSION")]);
    assert!(error.unwrap_err().contains("`opt/VERSION` would be two things"));

    let mut nowhere = first.clone();
    nowhere.path = vec!["opt/sbin".parse().unwrap()];
    let error = site.lock(vec![nowhere]).unwrap_err();
    assert!(error.contains("puts `opt/sbin` on PATH") && error.contains("it has VERSION, bin"), "{error}");
    let mut nothing = first.clone();
    nothing.link = BTreeMap::from([("x".to_owned(), "opt/bin/x".parse().unwrap())]);
    assert!(site.lock(vec![nothing]).unwrap_err().contains("links to `opt/bin/x`"));
    let mut wrong = first;
    wrong.origin = Locator::Url { url: site.url("other.tar.gz"), sha256: Sha256::of(b"?"), strip: 1 };
    let error = site.lock(vec![wrong]).unwrap_err();
    assert!(error.contains("archive `go` of the toolchain") && error.contains("expected sha256:"), "{error}");
}

/// A module's archive as the proxy has it: no modes, and the module's name and version before every file.
/// The archive of a Go module, as a proxy has it.
pub(crate) fn module() -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in [("bin/go", "go"), ("pkg/tool/x/compile", "c"), ("src/a.go", "package a")] {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("example.org/Tools@v0.0.1/{name}"), options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_go_module_is_checked_with_the_checksum_database() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("example.org/!tools/@v/v0.0.1.zip", &module());
    let server = Server::of(folder.path());
    let on_proxy = || {
        let mut world = World::new();
        world.host.env.insert("GOPROXY".into(), format!("off,{}|direct", server.base));
        world.host.env.insert("GOSUMDB".into(), "sums.example.org+key".into());
        world
    };
    let world = on_proxy();
    let purl = "pkg:golang/example.org/Tools@v0.0.1";
    let mut tools = archive("tools", String::new(), b"", "opt");
    tools.purl = None;
    tools.origin = Locator::Package { purl: purl.parse().unwrap(), packed: false };
    let lock = |world: &World, tools: &ToolArchive| {
        let recipe = recipe(toolchain(vec![tools.clone()]), []);
        world.with(|cx| inputs::lock(cx, &recipe, None)).map_err(|e| chain(&e))
    };
    // No database passes the question on: told, and locked as it came.
    let first = lock(&world, &tools).unwrap();
    assert!(world.said().contains("is not compared"), "{}", world.said());
    let file = &first.toolchain.archives[0].files[0];
    let h1 = file.registry_hash.clone().unwrap();
    assert!(h1.starts_with("h1:") && h1.len() == 47, "{h1}");
    let paths = world.paths(&first.toolchain.tree);
    for wanted in ["opt/bin/go*", "opt/pkg/tool/x/compile*", "opt/src/a.go"] {
        assert!(paths.iter().any(|p| p == wanted), "{wanted}: {paths:#?}");
    }
    // The database agrees.
    let lookup = "sumdb/sums.example.org/lookup/example.org/!tools@v0.0.1";
    let says =
        |hash: &str| format!("17\nexample.org/Tools v0.0.1 {hash}\nexample.org/Tools v0.0.1/go.mod h1:x=\n");
    write(lookup, says(&h1).as_bytes());
    let fresh = on_proxy();
    assert_eq!(lock(&fresh, &tools).unwrap(), first);
    assert!(!fresh.said().contains("is not compared"));
    // It does not.
    write(lookup, says("h1:AAAA").as_bytes());
    let error = lock(&fresh, &ToolArchive { name: "again".into(), ..tools.clone() }).unwrap_err();
    assert!(error.contains("expected h1:AAAA") && error.contains(&format!("found    {h1}")), "{error}");
    // The recipe may know its hash, too.
    write(lookup, says(&h1).as_bytes());
    tools.sha256 = Some(Sha256::of(b"another"));
    assert!(lock(&fresh, &tools).unwrap_err().contains("expected sha256:"));
}
