//! Mirrors that are asked before the locators: a good one, and those that are wrong, dead, slow or empty.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use inputs::Form;
use model::Event;

use super::{Site, island, site, whole};
use crate::server::Server;
use crate::world::{World, chain};

/// A world that asks these mirrors, and has no other way to anything.
fn asking(mirrors: &[&str]) -> World {
    let mut world = island();
    world.host.mirrors = mirrors.iter().map(|m| (*m).to_owned()).collect();
    world
}

#[track_caller]
fn fetched(world: &World, site: &Site) {
    world.with(|cx| inputs::fetch(cx, &site.lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    whole(world, &site.lock);
}

/// An address at which nobody listens.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What `mirror serve` serves, by another server: a folder, and the proofs as it names them.
fn served(folder: &Path) -> Server {
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("MIRROR.json")).unwrap()).unwrap();
    std::fs::create_dir_all(folder.join("commits")).unwrap();
    for (commit, digest) in index["commits"].as_object().unwrap() {
        std::fs::write(folder.join("commits").join(commit), digest.as_str().unwrap()).unwrap();
    }
    Server::of(folder)
}

/// The same folder with every blob altered by one byte.
fn altered(folder: &Path) {
    for entry in std::fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn every_form_of_mirror_can_be_asked() {
    let site = site();
    for (form, name) in super::FORMS {
        let (path, _) = site.export(form, name);
        fetched(&asking(&[path.to_str().unwrap()]), &site);
    }
    let server = served(&site.folder.path().join("folder"));
    fetched(&asking(&[&format!("{}/", server.base)]), &site);
}

#[test]
fn the_first_good_hash_wins_and_what_was_wrong_is_told() {
    let site = site();
    let (good, _) = site.export(Form::Folder, "good");
    let (bad, _) = site.export(Form::Folder, "bad");
    altered(&bad);
    let (good_server, bad_server) = (served(&good), served(&bad));
    let dead = dead();
    let none = site.folder.path().join("none");
    let world =
        asking(&[&dead, none.to_str().unwrap(), &bad_server.base, bad.to_str().unwrap(), &good_server.base]);
    fetched(&world, &site);
    let said = world.said();
    assert_eq!(said.matches(&format!("mirror {dead}")).count(), 1, "told once: {said}");
    assert!(said.contains(&format!("mirror {}", none.display())), "{said}");
    let package = site.lock.toolchain.packages()[0].digest;
    let wrong =
        said.split("\nmirror ").find(|t| t.starts_with(&bad_server.base) && t.contains(&package.hex()));
    let wrong = wrong.unwrap_or_else(|| panic!("{said}"));
    assert!(wrong.contains(&format!("expected {package}")) && wrong.contains("found    sha256:"), "{wrong}");
    let log = good_server.log();
    assert!(log.iter().any(|l| l.contains(&package.hex())), "{log:?}");
    let events = world.events.lock().unwrap();
    let done = |e: &Event| matches!(e, Event::Finished { stage: "fetch", name, .. } if name.contains(&good_server.base));
    assert!(events.iter().any(done));
}

/// No mirror has it: then where the lock says, and the error is that of the locator.
#[test]
fn what_no_mirror_has_comes_from_where_the_lock_says() {
    let site = site();
    let (path, _) = site.export(Form::Folder, "m");
    let package = site.lock.toolchain.packages()[0].digest;
    std::fs::remove_file(path.join("blobs/sha256").join(package.hex())).unwrap();
    let mut world = World::new();
    world.host.mirrors = vec![path.display().to_string()];
    world
        .with(|cx| inputs::fetch(cx, &site.lock, Some(&site.recipe)))
        .unwrap_or_else(|e| panic!("{}", chain(&e)));
    whole(&world, &site.lock);

    let error = asking(&[path.to_str().unwrap()]).with(|cx| inputs::fetch(cx, &site.lock, None)).unwrap_err();
    assert!(chain(&error).contains("no http, https or file entry for suite"), "{}", chain(&error));
}

/// A mirror that sends a few bytes at a time is waited for, and several are in flight at once.
#[test]
fn a_slow_mirror_is_waited_for() {
    let site = site();
    let (path, _) = site.export(Form::Folder, "m");
    let inner = served(&path);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let to = inner.base.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (to, mut client) = (to.clone(), client);
            std::thread::spawn(move || {
                let mut server = std::net::TcpStream::connect(to).ok()?;
                let (mut up, mut from) = (server.try_clone().ok()?, client.try_clone().ok()?);
                std::thread::spawn(move || std::io::copy(&mut from, &mut up));
                let mut piece = [0; 512];
                loop {
                    let count = server.read(&mut piece).ok().filter(|n| *n > 0)?;
                    std::thread::sleep(Duration::from_millis(20));
                    client.write_all(&piece[..count]).ok()?;
                }
                #[allow(unreachable_code, reason = "it ends by `?`")]
                Some(())
            });
        }
    });
    fetched(&asking(&[&base]), &site);
}

/// What `lock` has locked before comes from a mirror too.
#[test]
fn a_store_that_is_whole_asks_nobody() {
    let site = site();
    let (path, _) = site.export(Form::Folder, "m");
    let server = served(&path);
    let mut world = site.world;
    world.host.mirrors = vec![server.base.clone()];
    world.with(|cx| inputs::fetch(cx, &site.lock, None)).unwrap();
    assert_eq!(server.log(), Vec::<String>::new());
}
