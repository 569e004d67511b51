//! Who pushes: a name and password, or a token for exactly what is done; and nobody else is told.

use super::front::{Front, Rule, Seen};
use super::servers::docker;
use super::{Given, PLAIN, bundle, hex, layout, pull, push, push_with};
use crate::images::registry::Registry;
use crate::world::World;

/// A world that knows `me:s3cret` for these registries.
fn knowing(addresses: &[&str], password: &str) -> World {
    let mut world = World::new();
    let auths: Vec<_> = addresses
        .iter()
        .map(|address| format!(r#""{address}":{{"username":"me","password":"{password}"}}"#))
        .collect();
    let config = format!(r#"{{"auths":{{{}}}}}"#, auths.join(","));
    std::fs::write(world.folder.path().join("config.json"), config).unwrap();
    world.host.env.insert("DOCKER_CONFIG".into(), world.folder.path().display().to_string());
    world
}

#[test]
fn a_closed_registry_is_pushed_to_with_a_name() {
    let registry = Registry::start(true);
    let world = knowing(&[&registry.address], "s3cret");
    let (folder, digest) = layout(&world, "img", 1, 3_000_000);
    let to = format!("{}/app:1", registry.address);
    let given = Given { attach: &[bundle("{}")], ..PLAIN };
    let pushed = push_with(&world, &folder, &to, &given).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(hex(&pushed.digest), digest);
    assert_eq!(pull(&world, &to, "x.tar").unwrap().0.referrers.len(), 1);
    for (world, why) in [
        (World::new(), "this host has none for it"),
        (knowing(&[&registry.address], "wrong"), "what this host has for `me`"),
    ] {
        let error = push(&world, &folder, &to).unwrap_err();
        assert!(error.contains("does not let us write") && error.contains(why), "{error}");
        assert!(!error.contains("wrong"), "{error}");
    }
}

/// The scopes of a request for a token.
fn scopes(seen: &Seen) -> Vec<&str> {
    let query = seen.path.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|one| one.strip_prefix("scope=")).collect()
}

#[test]
fn a_token_is_asked_for_what_is_done_and_no_more() {
    let server = docker();
    let front = Front::before(&server.address, |seen, _| {
        if seen.path.starts_with("/token") {
            // `me:s3cret`.
            let knows = seen.header("authorization") == Some("Basic bWU6czNjcmV0");
            let (status, body) = if knows { (200, r#"{"token":"t0ken"}"#) } else { (401, "") };
            return Rule::Answer(status, vec![], body.into());
        }
        if seen.header("authorization") == Some("Bearer t0ken") {
            return Rule::Pass;
        }
        let host = seen.header("host").unwrap();
        let challenge =
            format!("Bearer realm=\"http://{host}/token\",service=\"s\",scope=\"repository:two:pull\"");
        Rule::Answer(401, vec![("WWW-Authenticate", challenge)], vec![])
    });
    let world = knowing(&[&front.address], "s3cret");
    let (folder, _) = layout(&world, "img", 1, 3_000_000);
    push(&world, &folder, &format!("{}/one:1", front.address)).unwrap_or_else(|e| panic!("{e}"));
    let seen = front.seen();
    let tokens: Vec<_> = seen.iter().filter(|s| s.path.starts_with("/token")).collect();
    assert!(
        !tokens.is_empty() && tokens.iter().all(|t| scopes(t) == ["repository:one:pull,push"]),
        "{tokens:?}"
    );
    // To take blobs from another repository, one must be let in there too.
    let second = push(&world, &folder, &format!("{}/two:1", front.address)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(second.blobs.mounted, 1);
    let seen = front.seen();
    let token = seen.iter().find(|s| s.path.starts_with("/token")).unwrap();
    assert_eq!(scopes(token), ["repository:two:pull,push", "repository:one:pull"]);
    let error = push(&World::new(), &folder, &format!("{}/two:1", front.address)).unwrap_err();
    assert!(error.contains("gives no token to a request without a name"), "{error}");
}

#[test]
fn an_identity_token_is_changed_for_one_of_the_moment() {
    let server = docker();
    let front = Front::before(&server.address, |seen, _| {
        if seen.path.starts_with("/token") {
            // In a form, and not in a header or an address, which others write down.
            let knows = seen.method == "POST"
                && seen.path == "/token"
                && seen.header("authorization").is_none()
                && seen.header("content-type") == Some("application/x-www-form-urlencoded");
            let (status, body) = if knows { (200, r#"{"access_token":"t0ken"}"#) } else { (401, "") };
            return Rule::Answer(status, vec![], body.into());
        }
        if seen.header("authorization") == Some("Bearer t0ken") {
            return Rule::Pass;
        }
        let challenge =
            format!("Bearer realm=\"http://{}/token\",service=\"s\"", seen.header("host").unwrap());
        Rule::Answer(401, vec![("WWW-Authenticate", challenge)], vec![])
    });
    let mut world = World::new();
    let config = format!(r#"{{"auths":{{"{}":{{"identitytoken":"r3fresh"}}}}}}"#, front.address);
    std::fs::write(world.folder.path().join("config.json"), config).unwrap();
    world.host.env.insert("DOCKER_CONFIG".into(), world.folder.path().display().to_string());
    let (folder, digest) = layout(&world, "img", 1, 1000);
    let pushed = push(&world, &folder, &format!("{}/app:1", front.address)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(hex(&pushed.digest), digest);
}

#[test]
fn another_host_is_told_nothing_of_who_asks() {
    let closed = Registry::start(true);
    // Takes the name for the registry itself, so that what it is told can be seen.
    let storage = Front::before(&closed.address, |seen, _| {
        // It has to say who asks itself, since nobody tells it.
        match seen.header("authorization") {
            Some(_) => Rule::Answer(418, vec![], vec![]),
            None => Rule::Answer(201, vec![], vec![]),
        }
    });
    let elsewhere = storage.address.clone();
    let front = Front::before(&closed.address, move |seen, _| {
        if seen.is("POST", "/blobs/uploads/") && seen.header("authorization").is_some() {
            return Rule::Answer(202, vec![("Location", format!("http://{elsewhere}/put?a=b"))], vec![]);
        }
        Rule::Pass
    });
    // This host knows a name for the other one, which is not asked for.
    let mut world = knowing(&[&front.address, &storage.address], "s3cret");
    let netrc = world.folder.path().join("netrc");
    std::fs::write(&netrc, "machine 127.0.0.1 login me password n3trc\n").unwrap();
    world.host.env.insert("NETRC".into(), netrc.display().to_string());
    let (folder, _) = layout(&world, "img", 1, 3_000_000);
    // The blobs go to the other host, so that the registry has none of them: it says so of the manifest.
    let error = push(&world, &folder, &format!("{}/app:1", front.address)).unwrap_err();
    assert!(error.contains("does not take the manifest") && error.contains("BLOB_UNKNOWN"), "{error}");
    let seen = storage.seen();
    assert_eq!(seen.iter().filter(|s| s.method == "PATCH").count(), 1);
    assert_eq!(seen.iter().filter(|s| s.method == "PUT").count(), 2);
    assert!(seen.iter().all(|s| s.header("authorization").is_none()), "{seen:?}");
    // The registry itself is told by one header, never two.
    let asked = front.seen();
    let names = |s: &Seen| s.headers.iter().filter(|(name, _)| name == "authorization").count();
    assert!(asked.iter().all(|s| names(s) <= 1) && asked.iter().any(|s| names(s) == 1));

    // Downloads are redirected to storage without a word of who asks.
    let direct = format!("{}/app:1", closed.address);
    let owner = knowing(&[&closed.address], "s3cret");
    push(&owner, &folder, &direct).unwrap();
    let blobs = folder.join("blobs/sha256");
    let storage = Front::before(&closed.address, move |seen, _| {
        let name = seen.path.rsplit("sha256:").next().unwrap().to_owned();
        Rule::Answer(200, vec![], std::fs::read(blobs.join(name)).unwrap_or_default())
    });
    let elsewhere = storage.address.clone();
    let front = Front::before(&closed.address, move |seen, _| {
        if seen.is("GET", "/blobs/") && seen.header("authorization").is_some() {
            return Rule::Answer(307, vec![("Location", format!("http://{elsewhere}{}", seen.path))], vec![]);
        }
        Rule::Pass
    });
    let world = knowing(&[&front.address], "s3cret");
    pull(&world, &format!("{}/app:1", front.address), "x.tar").unwrap_or_else(|e| panic!("{e}"));
    let seen = storage.seen();
    assert!(seen.len() == 2 && seen.iter().all(|s| s.header("authorization").is_none()), "{seen:?}");
}
