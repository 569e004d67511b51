//! Recorded answers brought again from registries that are slow, break off, or go down.

use std::collections::BTreeMap;

use model::Digest;
use model::ecosystem::Ecosystem;
use model::event::{Event, Outcome};
use model::lock::{Lock, LockedStep};
use model::recipe::{Base, Toolchain};
use model::transcript::{Answered, Asked, Place, Transcript};
use tempfile::TempDir;

use crate::server::{Mishap, Server};
use crate::world::{World, chain, recipe};

/// A registry of npm that is also a host of the web, and a lock of what it was asked for.
struct Site {
    folder: TempDir,
    server: Server,
    exchanges: BTreeMap<Asked, Answered>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::of(folder.path());
        Self { folder, server, exchanges: BTreeMap::new() }
    }

    /// Has a file of this many bytes, and it was asked for; of the registry unless `web`.
    fn has(&mut self, path: &str, size: usize, web: bool) -> Digest {
        let bytes: Vec<u8> = path.bytes().cycle().take(size).collect();
        let file = self.folder.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, &bytes).unwrap();
        let place = match web {
            true => Place::Url(format!("{}{path}", self.server.base)),
            false => Place::Registry(Ecosystem::Npm, path.to_owned()),
        };
        let body = Digest::of(&bytes);
        let answered = Answered { status: 200, body, content_type: None, location: None };
        self.exchanges.insert(Asked::get(place), answered);
        body
    }

    fn world(&self) -> World {
        let mut world = World::new();
        world.host.registries.insert("npm".into(), self.server.base.clone());
        world.host.connections = 1;
        world
    }

    fn lock(&self, world: &World) -> Lock {
        let toolchain = Toolchain { arch: "amd64".into(), base: Base::Empty, archives: Vec::new() };
        let mut lock = world.with(|cx| inputs::lock(cx, &recipe(toolchain, []), None)).unwrap();
        let requests = Transcript(self.exchanges.clone());
        let uses = vec![Ecosystem::Npm, Ecosystem::Web];
        lock.steps
            .insert("build".into(), LockedStep { uses, record: Vec::new(), requests, packages: Vec::new() });
        lock
    }
}

/// What was told of the answers: how many bytes had come each time, and how it ended.
fn told(world: &World) -> (Vec<u64>, Vec<(Outcome, String)>) {
    let (mut advanced, mut ended) = (Vec::new(), Vec::new());
    for event in world.events.lock().unwrap().iter() {
        match event {
            Event::Advanced { name, done, .. } if name == "requests of build" => advanced.push(*done),
            Event::Finished { name, outcome, detail, .. } if name == "requests of build" => {
                ended.push((*outcome, detail.clone()));
            }
            _ => {}
        }
    }
    (advanced, ended)
}

#[test]
fn a_connection_that_breaks_is_continued_where_it_broke() {
    let mut site = Site::new();
    let files = [
        ("/a/-/a-1.0.0.tgz", site.has("/a/-/a-1.0.0.tgz", 300_000, false)),
        ("/web/data", site.has("/web/data", 300_000, true)),
    ];
    for (path, _) in files {
        site.server.mishap(path, Mishap::Drop(vec![100_000, 50_000]));
    }
    let world = site.world();
    let lock = site.lock(&world);
    world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    let log = site.server.log();
    for (path, digest) in files {
        let asked: Vec<_> = log.iter().filter(|line| line.contains(path)).collect();
        let from = [String::new(), " 100000-".into(), " 150000-".into()];
        let expected: Vec<_> = from.iter().map(|from| format!("GET {path}{from}")).collect();
        assert_eq!(asked, expected.iter().collect::<Vec<_>>(), "one byte is asked for once");
        assert!(world.store.contains(&digest));
    }
    // Also where little of a file has come, people are told of it.
    let (advanced, ended) = told(&world);
    assert!(advanced.is_sorted() && advanced.last() == Some(&600_000), "{advanced:?}");
    assert!(advanced.iter().any(|done| (1..300_000).contains(done)), "{advanced:?}");
    assert_eq!(ended, [(Outcome::Done, "2 answers".to_owned())]);
}

#[test]
fn what_cannot_be_continued_is_brought_anew() {
    let mut site = Site::new();
    let files = [
        ("/a/-/a-1.0.0.tgz", site.has("/a/-/a-1.0.0.tgz", 90_000, false)),
        ("/web/data", site.has("/web/data", 90_000, true)),
    ];
    for (path, _) in files {
        site.server.mishap(path, Mishap::WholeOnly(vec![40_000]));
    }
    let world = site.world();
    let lock = site.lock(&world);
    world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(files.iter().all(|(_, digest)| world.store.contains(digest)));
    assert_eq!(told(&world).0.last(), Some(&180_000), "what came twice counts once");
}

#[test]
fn of_a_registry_that_goes_down_stays_what_has_come() {
    let mut site = Site::new();
    for path in ["/a/-/a-1.0.0.tgz", "/b/-/b-1.0.0.tgz", "/c/-/c-1.0.0.tgz"] {
        site.has(path, 1_000, false);
    }
    site.server.mishap("/b/-/b-1.0.0.tgz", Mishap::Status(vec![503; 100]));
    let world = site.world();
    let lock = site.lock(&world);
    let error = chain(&world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_err());
    assert!(error.contains("1 of 3 answers of step `build` are in the store"), "{error}");
    assert!(error.contains(&site.server.base) && error.contains("503"), "who, and what it said: {error}");
    assert_eq!(told(&world).1, [(Outcome::Failed, "1 of 3 answers".to_owned())]);
    assert!(site.server.log().len() > 2, "it was tried again");

    site.server.mishap("/b/-/b-1.0.0.tgz", Mishap::Status(Vec::new()));
    world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(site.server.log(), ["GET /b/-/b-1.0.0.tgz", "GET /c/-/c-1.0.0.tgz"], "the rest alone");
}
