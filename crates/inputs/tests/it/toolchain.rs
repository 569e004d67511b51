//! A toolchain from a small archive: what is right, and everything that is wrong.

use inputs::InputError;
use model::Event;
use model::lock::Lock;
use tempfile::TempDir;

use crate::debian_archive::{
    Archive, SUITE, closure, debian, fingerprint, new_key, packages, tiny, toolchain, write_key,
};
use crate::server::{Mishap, Server};
use crate::world::{World, chain, recipe};

struct Site {
    _folder: TempDir,
    archive: Archive,
    server: Server,
    world: World,
}

fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let archive = tiny(folder.path());
    let server = Server::of(folder.path());
    let world = World::new();
    write_key(&archive.key, &world.recipe_dir().join("keyring.gpg"));
    Site { _folder: folder, archive, server, world }
}

impl Site {
    fn lock(&self, packages: &[&str]) -> Result<Lock, InputError> {
        self.lock_in(&self.world, packages)
    }

    fn lock_in(&self, world: &World, packages: &[&str]) -> Result<Lock, InputError> {
        world.with(|cx| inputs::lock(cx, &recipe(toolchain(&self.server.base, packages), []), None))
    }

    fn refused(&self, packages: &[&str]) -> String {
        chain(&self.lock(packages).unwrap_err())
    }

    /// Another empty store with the same keyring.
    fn elsewhere(&self) -> World {
        let world = World::new();
        write_key(&self.archive.key, &world.recipe_dir().join("keyring.gpg"));
        world
    }
}

const DEB: &str = "/pool/cc_2:1.0-1_amd64.deb";

#[test]
fn a_toolchain_is_resolved_verified_and_assembled() {
    let site = site();
    let lock = site.lock(&["cc"]).unwrap_or_else(|e| panic!("{}", chain(&e)));
    let expected = [("base", "1"), ("cc", "2:1.0-1"), ("dash", "1"), ("libc", "2.36"), ("mawk", "1")];
    assert_eq!(closure(&lock).into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(lock.toolchain.debian().unwrap().signed_by, [fingerprint(&site.archive.key)]);
    let cc = &lock.toolchain.packages()[1];
    assert_eq!((cc.source.as_str(), cc.source_version.as_str()), ("gcc-src", "1.0-1"));
    assert_eq!(
        (cc.licence.as_deref(), cc.depends.as_slice()),
        (Some("GPL-3.0-or-later"), &["libc".to_owned(), "mawk".to_owned()][..])
    );

    let paths = site.world.paths(&lock.toolchain.tree);
    for wanted in [
        "bin -> usr/bin",
        "lib64 -> usr/lib64",
        "usr/bin/dash*",
        "usr/bin/sh -> dash",
        "usr/bin/awk -> /etc/alternatives/awk",
        "usr/bin/nawk -> /etc/alternatives/nawk",
        "etc/alternatives/awk -> /usr/bin/mawk",
        "usr/lib64/ld.so*",
        "var/run -> /run",
        "proc/",
        "build/",
    ] {
        assert!(paths.iter().any(|p| p == wanted), "{wanted} is not in {paths:#?}");
    }
    assert!(!paths.iter().any(|p| p.contains("man")
        || p.contains("doc/")
        || p.contains("dev/null")
        || p == "lib32 -> usr/lib32"));
    assert_eq!(
        site.world.content(&lock.toolchain.tree, "usr/share/cc/shared"),
        "of libc",
        "it says that it replaces"
    );
    let said = site.world.said();
    assert!(said.contains("`dev/null` is a device") && said.contains("/usr/bin/$x"), "{said}");

    let other = site.elsewhere();
    assert_eq!(site.lock_in(&other, &["cc"]).unwrap().to_text(), lock.to_text(), "the same elsewhere");
    assert_eq!(Lock::parse("x", &lock.to_text()).unwrap(), lock);
}

#[test]
fn what_is_there_is_not_brought_again_and_what_is_not_comes_from_the_lock() {
    let site = site();
    let lock = site.lock(&["cc", "gawk"]).unwrap();
    site.server.log();
    site.world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap();
    assert_eq!(site.server.log(), Vec::<String>::new());

    let empty = World::new();
    assert_eq!(inputs::need(&lock, &empty.store).len(), lock.toolchain.packages().len());
    let recipe = recipe(toolchain(&site.server.base, &["cc", "gawk"]), []);
    empty.with(|cx| inputs::fetch(cx, &lock, Some(&recipe))).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::need(&lock, &empty.store).is_empty());
    let events = empty.events.lock().unwrap();
    assert!(events.iter().any(|e| matches!(e, Event::Started { stage: "fetch", total: Some(1..), .. })));
    assert!(events.iter().any(|e| matches!(e, Event::Finished { stage: "unpack", .. })));
    let paths = empty.paths(&lock.toolchain.tree);
    assert!(paths.contains(&"etc/alternatives/awk -> /usr/bin/gawk".to_owned()), "the higher priority");
    assert!(paths.contains(&"usr/bin/gawk-1*".to_owned()), "a hard link is a copy");

    let mut wrong = lock.clone();
    wrong.toolchain.tree = model::Digest::of(b"another");
    let error = World::new().with(|cx| inputs::fetch(cx, &wrong, Some(&recipe))).unwrap_err().to_string();
    assert!(
        error.contains(&wrong.toolchain.tree.to_string()) && error.contains(&lock.toolchain.tree.to_string()),
        "{error}"
    );
}

#[test]
fn another_tree_of_the_store_is_not_taken_for_the_locked_packages() {
    let site = site();
    let (cc, gawk) = (site.lock(&["cc"]).unwrap(), site.lock(&["cc", "gawk"]).unwrap());
    let world = &site.world;
    assert!(inputs::confirmed(&world.store, &cc) && inputs::confirmed(&world.store, &gawk));

    let mut forged = cc.clone();
    forged.toolchain.tree = gawk.toolchain.tree;
    assert!(!inputs::confirmed(&world.store, &forged));
    let error = world.with(|cx| inputs::fetch(cx, &forged, None)).unwrap_err();
    assert!(
        matches!(&error, InputError::Tree { expected, found, .. }
            if *expected == gawk.toolchain.tree && *found == cc.toolchain.tree),
        "{}",
        chain(&error)
    );

    // A name that tries to look like the line of another package.
    let mut forged = gawk.clone();
    let first = packages(&mut forged).remove(0);
    let second = &mut packages(&mut forged)[0];
    second.name = format!("{} {}\n{}", first.name, first.digest, second.name);
    assert!(!inputs::confirmed(&world.store, &forged));

    // A store that lost its memos unpacks again, from what it holds.
    std::fs::remove_dir_all(world.folder.path().join("store/memos")).unwrap();
    std::fs::create_dir(world.folder.path().join("store/memos")).unwrap();
    assert!(!inputs::confirmed(&world.store, &cc));
    assert!(inputs::need(&cc, &world.store).is_empty());
    site.server.log();
    world.with(|cx| inputs::fetch(cx, &cc, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(site.server.log(), Vec::<String>::new());
    assert!(inputs::confirmed(&world.store, &cc));
}

#[test]
fn a_signature_that_does_not_hold_stops_everything() {
    let site = site();
    let trusted = fingerprint(&site.archive.key);
    let signed = std::fs::read_to_string(site.archive.release()).unwrap();

    std::fs::write(site.archive.release(), signed.replace("Origin: Tiny", "Origin: Tony")).unwrap();
    let error = site.refused(&["cc"]);
    assert!(
        error.contains(&format!("one of {trusted}")) && error.contains("the signature is bad"),
        "{error}"
    );

    std::fs::write(site.archive.release(), "Suite: tiny\n").unwrap();
    assert!(site.refused(&["cc"]).contains("no signed text"));

    // What stands around the signed text is not signed.
    std::fs::write(site.archive.release(), format!("Suite: other\n{signed}")).unwrap();
    assert!(
        site.lock(&["cc"]).is_ok_and(|l| !l.toolchain.debian().unwrap().signed_by.is_empty())
            || site.refused(&["cc"]).contains("no signed text")
    );

    std::fs::write(site.archive.release(), &signed).unwrap();
    let stranger = new_key();
    write_key(&stranger, &site.world.recipe_dir().join("keyring.gpg"));
    let error = site.refused(&["cc"]);
    assert!(
        error.contains(&fingerprint(&stranger))
            && error.contains(&format!("{trusted}: the key is not in the keyring")),
        "{error}"
    );

    std::fs::write(site.world.recipe_dir().join("keyring.gpg"), "junk").unwrap();
    assert!(site.refused(&["cc"]).contains("keyring.gpg"));
}

#[test]
fn an_index_of_another_suite_or_out_of_date_is_refused() {
    let mut site = site();
    site.archive.extra_release = "Valid-Until: Sat, 01 Jan 2000 00:00:00 UTC\n".into();
    site.archive.publish();
    assert!(site.refused(&["cc"]).contains("was valid until Sat, 01 Jan 2000"));
    let release = site.archive.sign("Suite: other\nSHA256:\n");
    std::fs::write(site.archive.release(), release).unwrap();
    assert!(site.refused(&["cc"]).contains("expected suite `tiny`, found `other`"));
}

#[test]
fn wrong_bytes_are_named_with_both_hashes() {
    let site = site();
    let index = site.archive.folder.join("dists").join(SUITE).join("main/binary-amd64/Packages.gz");
    let good = std::fs::read(&index).unwrap();
    let mut bad = good.clone();
    bad[10] ^= 1;
    std::fs::write(&index, &bad).unwrap();
    let error = site.refused(&["cc"]);
    let both = |error: &str, good: &[u8], bad: &[u8]| {
        let [good, bad] = [good, bad].map(|b| model::Digest::of(b).to_string());
        error.contains(&format!("expected {good}")) && error.contains(&format!("found    {bad}"))
    };
    assert!(both(&error, &good, &bad), "{error}");
    std::fs::write(&index, &good).unwrap();

    let deb = site.archive.folder.join(&DEB[1..]);
    let good = std::fs::read(&deb).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&deb, &bad).unwrap();
    let error = site.refused(&["cc"]);
    assert!(both(&error, &good, &bad) && error.contains(DEB), "{error}");

    bad.extend(b"more");
    std::fs::write(&deb, &bad).unwrap();
    assert!(site.refused(&["cc"]).contains(&format!("more than {} bytes", good.len())));

    std::fs::remove_file(&deb).unwrap();
    let error = site.refused(&["cc"]);
    assert!(
        error.contains("no mirror has it")
            && error.contains(&site.server.base)
            && error.contains("`selfsame lock`"),
        "{error}"
    );

    std::fs::write(&deb, &good).unwrap();
    assert!(site.lock(&["cc"]).is_ok(), "nothing of it stays behind");
}

#[test]
fn a_transfer_that_breaks_is_continued() {
    let site = site();
    let deb = std::fs::read(site.archive.folder.join(&DEB[1..])).unwrap();
    site.server.mishap(DEB, Mishap::Drop(vec![100, 50]));
    site.lock(&["cc"]).unwrap_or_else(|e| panic!("{}", chain(&e)));
    let log: Vec<String> = site.server.log().into_iter().filter(|l| l.contains(DEB)).collect();
    assert_eq!(log, [format!("GET {DEB}"), format!("GET {DEB} 100-"), format!("GET {DEB} 150-")]);
    assert!(deb.len() > 150);

    let world = site.elsewhere();
    site.server.mishap(DEB, Mishap::WholeOnly(vec![100]));
    site.lock_in(&world, &["cc"]).unwrap();

    let world = site.elsewhere();
    site.server.mishap(DEB, Mishap::Status(vec![503, 429]));
    site.lock_in(&world, &["cc"]).unwrap();

    let world = site.elsewhere();
    site.server.mishap(DEB, Mishap::Redirect("/pool/dash_1_amd64.deb".into()));
    let error = chain(&site.lock_in(&world, &["cc"]).unwrap_err());
    assert!(error.contains("is not what the archive's index says"), "followed, and checked: {error}");

    site.server.mishap(DEB, Mishap::Status(vec![500; 9]));
    assert!(chain(&site.lock_in(&world, &["cc"]).unwrap_err()).contains("answers 500"));
    site.server.mishap(DEB, Mishap::Status(vec![403]));
    assert!(chain(&site.lock_in(&world, &["cc"]).unwrap_err()).contains("answers 403"));
}

#[test]
fn a_server_cannot_keep_a_transfer_going_for_ever_nor_count_past_all_numbers() {
    let site = site();
    let deb = std::fs::read(site.archive.folder.join(&DEB[1..])).unwrap();
    assert!(deb.len() > 150);
    // A byte for each attempt is progress, and would go on until the file is whole.
    site.server.mishap(DEB, Mishap::Drop(vec![1; deb.len()]));
    let error = site.refused(&["cc"]);
    assert!(error.contains("could not be read in 100 attempts"), "{error}");
    assert_eq!(site.server.log().iter().filter(|l| l.contains(DEB)).count(), 100);

    site.server.mishap(DEB, Mishap::Announce(100, u64::MAX - 50));
    let error = site.refused(&["cc"]);
    assert!(error.contains(&format!("more than {} bytes", deb.len())), "{error}");
}

#[test]
fn what_cannot_be_resolved_says_why() {
    let site = site();
    let error = site.refused(&["broken"]);
    assert!(
        error.contains("`nothing-such (>= 3)` cannot be satisfied") && error.contains("the recipe → broken"),
        "{error}"
    );
    assert!(site.refused(&["awk"]).contains("virtual package; name one of gawk, mawk"));
    let nowhere = World::new();
    let mut asked = toolchain("", &["cc"]);
    debian(&mut asked).mirror = None;
    let error = nowhere.with(|cx| inputs::lock(cx, &recipe(asked, []), None)).unwrap_err().to_string();
    assert!(error.contains("set `mirror`"), "{error}");
}

#[test]
fn a_snapshot_is_read_from_its_own_mirror_whatever_its_age() {
    let mut site = site();
    site.archive.extra_release = "Valid-Until: Sat, 01 Jan 2000 00:00:00 UTC\n".into();
    site.archive.publish();
    let time = "20260101T000000Z";
    let whole = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&site.archive.folder, whole.path().join(time)).unwrap();
    let mut asked = toolchain("http://127.0.0.1:1", &["cc"]);
    debian(&mut asked).snapshot = Some(time.into());
    debian(&mut asked).snapshot_mirror = Some(format!("file://{}/{{snapshot}}", whole.path().display()));
    let lock = site.world.with(|cx| inputs::lock(cx, &recipe(asked.clone(), []), None));
    let lock = lock.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(lock.toolchain.debian().unwrap().snapshot.as_deref(), Some(time));
    debian(&mut asked).snapshot_mirror = None;
    let error = site.world.with(|cx| inputs::lock(cx, &recipe(asked, []), None)).unwrap_err();
    assert!(error.to_string().contains("snapshot-mirror"), "{error}");
}

#[test]
fn a_mirror_that_does_not_answer_is_passed_over() {
    let site = site();
    let lock = site.lock(&["cc"]).unwrap();
    let mut host = inputs::Host::empty();
    host.retry = vec![std::time::Duration::ZERO; 2];
    // Nobody listens at the first.
    host.apt = ["http://127.0.0.1:9", site.server.base.as_str()]
        .map(|uri| inputs::AptSource {
            uri: uri.to_owned(),
            suite: lock.toolchain.debian().unwrap().suite.clone(),
            components: lock.toolchain.debian().unwrap().components.clone(),
            signed_by: None,
        })
        .to_vec();
    let world = World::on(host);
    world.with(|cx| inputs::fetch(cx, &lock, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(inputs::need(&lock, &world.store).is_empty());
}

/// A key of 2020 with a subkey that signs; what is said of either can be said anew, with a life of so many seconds.
mod life {
    use pgp::composed::{KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder};
    use pgp::packet::{Signature, SignatureConfig, Subpacket, SubpacketData};
    use pgp::types::{Duration, Password, Tag, Timestamp};

    pub(super) fn key() -> SignedSecretKey {
        let sub = SubkeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .created_at(Timestamp::from_secs(1_600_000_000))
            .build()
            .unwrap();
        let params = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_certify(true)
            .created_at(Timestamp::from_secs(1_600_000_000))
            .primary_user_id("Tiny Archive <tiny@example.org>".into())
            .subkey(sub)
            .build()
            .unwrap();
        params.generate(rand::thread_rng()).unwrap()
    }

    fn again(key: &SignedSecretKey, old: &Signature, seconds: u32) -> SignatureConfig {
        let typ = old.typ().unwrap();
        let mut new = SignatureConfig::from_key(rand::thread_rng(), &key.primary_key, typ).unwrap();
        new.hashed_subpackets = old.config().unwrap().hashed_subpackets.clone();
        let life = SubpacketData::KeyExpirationTime(Duration::from_secs(seconds));
        new.hashed_subpackets.push(Subpacket::regular(life).unwrap());
        new
    }

    pub(super) fn of_subkey(key: &mut SignedSecretKey, seconds: u32) {
        let sub = &key.secret_subkeys[0];
        let config = again(key, &sub.signatures[0], seconds);
        let (primary, public) = (&key.primary_key, key.primary_key.public_key());
        let new =
            config.sign_subkey_binding(primary, public, &Password::empty(), sub.key.public_key()).unwrap();
        key.secret_subkeys[0].signatures = vec![new];
    }

    pub(super) fn forged(key: &SignedSecretKey, by: &SignedSecretKey) -> Signature {
        let user = &key.details.users[0];
        let config = again(key, &user.signatures[0], 0);
        let config = SignatureConfig {
            hashed_subpackets: config
                .hashed_subpackets
                .into_iter()
                .filter(|s| !matches!(s.data, SubpacketData::KeyExpirationTime(d) if d.as_secs() > 0))
                .collect(),
            ..config
        };
        let public = key.primary_key.public_key();
        config.sign_certification(&by.primary_key, public, &Password::empty(), Tag::UserId, &user.id).unwrap()
    }

    pub(super) fn of_primary(key: &mut SignedSecretKey, seconds: u32) {
        let user = &key.details.users[0];
        let config = again(key, &user.signatures[0], seconds);
        let (primary, public) = (&key.primary_key, key.primary_key.public_key());
        let new =
            config.sign_certification(primary, public, &Password::empty(), Tag::UserId, &user.id).unwrap();
        key.details.users[0].signatures = vec![new];
    }
}

#[test]
fn a_key_or_subkey_that_had_expired_does_not_count() {
    let site = site();
    let keyring = site.world.recipe_dir().join("keyring.gpg");
    let text = std::fs::read_to_string(site.archive.release()).unwrap();
    let signed_text =
        text.split("\n\n").nth(1).unwrap().split("-----BEGIN PGP SIGNATURE").next().unwrap().to_owned();
    let publish = |key: &pgp::composed::SignedSecretKey, by_subkey: bool| {
        use pgp::composed::CleartextSignedMessage;
        use pgp::types::Password;
        let rng = rand::thread_rng();
        let message = if by_subkey {
            CleartextSignedMessage::sign(rng, &signed_text, &key.secret_subkeys[0].key, &Password::empty())
        } else {
            CleartextSignedMessage::sign(rng, &signed_text, &key.primary_key, &Password::empty())
        };
        let armoured = message.unwrap().to_armored_string(pgp::composed::ArmorOptions::default()).unwrap();
        std::fs::write(site.archive.release(), armoured).unwrap();
        write_key(key, &keyring);
    };
    let mut key = life::key();
    for by_subkey in [false, true] {
        publish(&key, by_subkey);
        site.lock(&["cc"]).unwrap_or_else(|e| panic!("{by_subkey}: {}", chain(&e)));
    }
    life::of_subkey(&mut key, 86400);
    publish(&key, true);
    assert!(site.refused(&["cc"]).contains("the subkey had expired when it signed"));
    publish(&key, false);
    assert!(site.lock(&["cc"]).is_ok());
    life::of_primary(&mut key, 86400);
    publish(&key, false);
    assert!(site.refused(&["cc"]).contains("the key had expired when it signed"));
    // A later word in the key's name, of one who does not have the key, that it lives for ever.
    let forged = life::forged(&key, &life::key());
    key.details.users[0].signatures.push(forged);
    publish(&key, false);
    assert!(site.refused(&["cc"]).contains("the key had expired when it signed"));
}

/// What is locked stays though the archive has moved on, until it is told to move; and it moves if it is gone.
#[test]
fn only_update_takes_what_an_archive_has_newly() {
    let mut site = site();
    let asked = recipe(toolchain(&site.server.base, &["cc"]), []);
    let first =
        site.world.with(|cx| inputs::lock(cx, &asked, None)).unwrap_or_else(|e| panic!("{}", chain(&e)));
    site.archive.package("mawk", "2", "Provides: awk\n", "", &[]);
    site.archive.publish();
    site.server.log();
    let again = site.world.with(|cx| inputs::lock(cx, &asked, Some(&first))).unwrap();
    assert_eq!(again.to_text(), first.to_text());
    assert_eq!(site.server.log(), Vec::<String>::new(), "nobody is asked");
    // An empty store brings what is locked, and does not look at the index.
    let other = site.elsewhere();
    let again =
        other.with(|cx| inputs::lock(cx, &asked, Some(&first))).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(again.to_text(), first.to_text());
    assert!(!site.server.log().iter().any(|l| l.contains("/dists/")));

    let moved = site.world.with(|cx| inputs::update(cx, &asked, Some(&first), &|_| true)).unwrap();
    let changes = first.toolchain.changes(&moved.toolchain);
    let version = |c: &model::lock::Change| c.after.as_ref().and_then(|p| p.version.clone());
    let named: Vec<_> = changes.iter().map(|c| (c.name.as_str(), version(c))).collect();
    assert_eq!(named, [("mawk", Some("2".to_owned()))]);

    // A recipe that asks for something else moves, with all of it.
    let more = recipe(toolchain(&site.server.base, &["cc", "dash"]), []);
    let lock = site.world.with(|cx| inputs::lock(cx, &more, Some(&first))).unwrap();
    assert_eq!(closure(&lock)["mawk"], "2");

    // What is locked and gone cannot stay.
    let gone = first.toolchain.packages().iter().find(|p| p.name == "mawk").unwrap();
    std::fs::remove_file(site.archive.folder.join(&gone.path)).unwrap();
    let third = site.elsewhere();
    let anew =
        third.with(|cx| inputs::lock(cx, &asked, Some(&first))).unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(anew.to_text(), moved.to_text());
    assert!(third.said().contains("cannot be had any more"), "{}", third.said());
}
