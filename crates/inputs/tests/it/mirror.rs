//! Mirrors: carried to a store that never had a network, asked by others, and everything that is wrong with them.

mod asked;
mod hostile;
mod served;

use std::path::{Path, PathBuf};

use inputs::{Form, Index};
use model::lock::{Lock, LockedStep};
use model::recipe::{Locator, Recipe, Source};
use model::transcript::{Answered, Asked, Place};
use model::{Digest, Ecosystem, Sha256, Transcript};
use tempfile::TempDir;

use crate::debian_archive::{Member, tar, tiny, toolchain, write_key};
use crate::server::Server;
use crate::world::{World, chain, git, recipe};

/// A lock with an input of each kind, and a store that holds them all.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) world: World,
    pub(crate) recipe: Recipe,
    pub(crate) lock: Lock,
}

const FORMS: [(Form, &str); 4] = [
    (Form::Archive { compressed: false }, "m.tar"),
    (Form::Archive { compressed: true }, "m.tar.zst"),
    (Form::Folder, "folder"),
    (Form::Oci, "oci"),
];

/// A repository with a submodule, folders, a link and a program; so many files more.
fn repository(folder: &Path, more: usize) -> (String, String) {
    let (inner, outer) = (folder.join("inner"), folder.join("outer"));
    for (path, text) in [(&inner, "inner"), (&outer, "outer")] {
        std::fs::create_dir_all(path.join("sub/deep")).unwrap();
        git(path, &["init", "-q"]);
        std::fs::write(path.join("sub/deep/file"), text).unwrap();
    }
    std::os::unix::fs::symlink("sub/deep", outer.join("link")).unwrap();
    std::fs::write(outer.join("run"), "#!/bin/sh\n").unwrap();
    for nth in 0..more {
        std::fs::write(outer.join(format!("sub/{nth}")), nth.to_string()).unwrap();
    }
    git(&inner, &["add", "."]);
    git(&inner, &["commit", "-qm", "inner"]);
    git(&outer, &["add", "."]);
    git(&outer, &["update-index", "--chmod=+x", "run"]);
    let inner = format!("file://{}", inner.display());
    git(&outer, &["submodule", "--quiet", "add", &inner, "module"]);
    git(&outer, &["commit", "-qm", "outer"]);
    (format!("file://{}", outer.display()), git(&outer, &["rev-parse", "HEAD"]))
}

pub(crate) fn site_of(more: usize) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let archive = tiny(folder.path());
    let server = Server::of(folder.path());
    let world = World::new();
    write_key(&archive.key, &world.recipe_dir().join("keyring.gpg"));
    let bytes = tar(&[Member::File("x-1/a", 0o644, "a"), Member::File("x-1/empty", 0o644, "")]);
    std::fs::write(folder.path().join("x.tar.gz"), &bytes).unwrap();
    let url = format!("{}/x.tar.gz", server.base);
    let (repository, commit) = repository(folder.path(), more);
    let recipe = recipe(
        toolchain(&server.base, &["cc"]),
        [
            ("x", Source::Fetched(Locator::Url { url, sha256: Sha256::of(&bytes), strip: 1 })),
            ("git", Source::Fetched(Locator::Git { url: repository, commit })),
        ],
    );
    let mut lock =
        world.with(|cx| inputs::lock(cx, &recipe, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    let (sent, body) = (world.store.put(b"question").unwrap(), world.store.put(b"answer").unwrap());
    let asked = Asked {
        method: "POST".into(),
        body: Some(sent),
        ..Asked::get(Place::Url("https://example.org/ask".into()))
    };
    let answered = Answered { status: 200, body, content_type: None, location: None };
    let nothing = Answered { status: 404, body: Digest::of(b""), content_type: None, location: None };
    let gone = Asked::get(Place::Url("https://example.org/none".into()));
    let requests = Transcript([(asked, answered), (gone, nothing)].into());
    let step =
        LockedStep { uses: vec![Ecosystem::Web], record: vec!["ask".into()], requests, packages: Vec::new() };
    lock.steps.insert("build".into(), step);
    Site { folder, world, recipe, lock }
}

pub(crate) fn site() -> Site {
    site_of(0)
}

impl Site {
    pub(crate) fn export(&self, form: Form, name: &str) -> (PathBuf, Index) {
        export(&self.world, &self.lock, form, &self.folder.path().join(name))
    }
}

fn export(world: &World, lock: &Lock, form: Form, out: &Path) -> (PathBuf, Index) {
    let locks = [(lock.clone(), lock.to_text(), None)];
    let index = world.with(|cx| inputs::export(cx, &locks, form, out));
    (out.to_owned(), index.unwrap_or_else(|e| panic!("{}", chain(&e))))
}

/// A machine without any network: no registry, no archive, and git cannot be found.
pub(crate) fn island() -> World {
    let mut world = World::new();
    world.host.env.insert("PATH".into(), "/nonexistent".into());
    world
}

#[track_caller]
pub(crate) fn whole(world: &World, lock: &Lock) {
    assert_eq!(inputs::need(lock, &world.store), Vec::<String>::new());
    world.with(|cx| inputs::fetch(cx, lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::confirmed(&world.store, lock));
    assert!(world.store.verify(&mut |_, _| {}).unwrap().is_clean());
}

#[test]
fn a_store_that_never_had_a_network_has_all_of_it_after_import() {
    let site = site();
    for (form, name) in FORMS {
        let (path, index) = site.export(form, name);
        let world = island();
        let imported = world.with(|cx| inputs::import(cx, &path)).unwrap_or_else(|e| panic!("{}", chain(&e)));
        assert_eq!((&imported.index, imported.new), (&index, index.blobs.len()), "{name}");
        whole(&world, &site.lock);
        let again = world.with(|cx| inputs::import(cx, &path)).unwrap();
        assert_eq!(again.new, 0);
    }
    let names: Vec<String> = std::fs::read_dir(site.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|n| n.ends_with(".part")), "{names:?}");
}

#[test]
fn the_same_locks_give_the_same_bytes_from_any_store_in_any_order() {
    let site = site();
    let other = {
        let mut lock = site.lock.clone();
        lock.sources.remove("x");
        lock
    };
    let folder = site.folder.path();
    let both = |world: &World, locks: [&Lock; 2], form, name: &str| {
        let locks = locks.map(|l| (l.clone(), l.to_text(), None));
        world.with(|cx| inputs::export(cx, &locks, form, &folder.join(name))).unwrap();
        std::fs::read(folder.join(name)).unwrap()
    };
    for compressed in [false, true] {
        let form = Form::Archive { compressed };
        let first = both(&site.world, [&site.lock, &other], form, &format!("first{compressed}"));
        let world = island();
        world.with(|cx| inputs::import(cx, &folder.join(format!("first{compressed}")))).unwrap();
        let second = both(&world, [&other, &site.lock], form, &format!("second{compressed}"));
        assert!(first == second, "compressed: {compressed}");
    }
    let text =
        String::from_utf8(std::fs::read(folder.join("firstfalse")).unwrap()[512..4096].to_vec()).unwrap();
    assert!(text.starts_with("{\n  \"selfsame-mirror\": 1"), "the index is first: {text}");
    assert!(!text.contains(folder.to_str().unwrap()), "no path of this machine: {text}");
}

#[test]
fn what_is_in_the_way_stays() {
    let site = site();
    for (form, name) in FORMS {
        let out = site.folder.path().join(name);
        std::fs::write(&out, "mine").unwrap();
        let locks = [(site.lock.clone(), site.lock.to_text(), None)];
        let error = site.world.with(|cx| inputs::export(cx, &locks, form, &out)).unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    }
}

/// The files of a toolchain may be gone while its tree is there: who exports brings them again.
#[test]
fn files_that_the_store_has_lost_are_brought_before_they_are_carried() {
    let site = site();
    let package = site.lock.toolchain.packages()[0].digest.hex();
    std::fs::remove_file(site.world.folder.path().join("store/blobs").join(&package[..2]).join(&package))
        .unwrap();
    let locks = [(site.lock.clone(), site.lock.to_text(), Some(&site.recipe))];
    let out = site.folder.path().join("m.tar");
    site.world.with(|cx| inputs::export(cx, &locks, Form::Archive { compressed: false }, &out)).unwrap();
    let world = island();
    world.with(|cx| inputs::import(cx, &out)).unwrap();
    whole(&world, &site.lock);
}

#[test]
fn many_blobs_become_one_layer() {
    let site = site_of(1001);
    let (path, index) = site.export(Form::Oci, "oci");
    assert!(index.blobs.len() > 1000);
    assert_eq!(std::fs::read_dir(path.join("blobs/sha256")).unwrap().count(), 3, "manifest, index, archive");
    let world = island();
    world.with(|cx| inputs::import(cx, &path)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    whole(&world, &site.lock);
}

/// That a mirror holds a tree does not say that it is that of the commit.
#[test]
fn another_tree_than_the_commits_is_not_believed() {
    let site = site();
    let world = island();
    let mut forged = site.lock.clone();
    let tree = forged.sources["x"].tree;
    forged.sources.get_mut("git").unwrap().tree = tree;
    let (path, _) = site.export(Form::Folder, "m");
    world.with(|cx| inputs::import(cx, &path)).unwrap();
    let error = world.with(|cx| inputs::fetch(cx, &forged, None)).unwrap_err();
    assert!(chain(&error).contains("`git` cannot be started"), "the server is asked: {}", chain(&error));
    assert_eq!(inputs::need(&forged, &world.store).len(), 1);
    whole(&world, &site.lock);
}
