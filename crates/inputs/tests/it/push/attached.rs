//! What is attached to an image: beside it, listed by the registry or under a tag, and the image's digest as it was.

use std::process::Command;

use model::Digest;
use serde_json::Value;

use super::front::{Front, Rule};
use super::servers::{all, docker, tool};
use super::{Given, PLAIN, bundle, hex, layout, pull, push, push_with, sbom};
use crate::world::World;

/// What a registry answers to a plain request.
fn get(world: &World, url: &str, accept: &str) -> (u16, String) {
    let body = world.folder.path().join("body");
    let output = Command::new("curl")
        .args([
            "-s",
            "-o",
            body.to_str().unwrap(),
            "-w",
            "%{http_code}",
            "-H",
            &format!("Accept: {accept}"),
            url,
        ])
        .output()
        .unwrap();
    let status = String::from_utf8(output.stdout).unwrap().parse().unwrap();
    (status, std::fs::read_to_string(&body).unwrap_or_default())
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn bundle_and_sbom_are_found_on_every_registry() {
    for server in &all() {
        let (name, address) = (server.name, &server.address);
        let world = World::new();
        let (folder, digest) = layout(&world, "img", 1, 1000);
        let attach = [bundle("{\"a\":1}"), sbom("{\"b\":2}")];
        let given = Given { attach: &attach, ..PLAIN };
        let to = format!("{address}/app:1");
        let pushed = push_with(&world, &folder, &to, &given).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(hex(&pushed.digest), digest, "what is attached changes nothing");
        assert_eq!(pushed.attached.len(), 2);
        assert!(pushed.attached.iter().all(|a| a.listed == server.says_so), "{name}");

        let (pulled, path) =
            pull(&world, &to, &format!("{name}.tar")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut kinds: Vec<_> =
            pulled.referrers.iter().map(|r| (r.kind.as_str(), r.layers[0].clone())).collect();
        kinds.sort();
        let expected = [
            ("application/spdx+json", (Digest::of(b"{\"b\":2}"), Some("x.spdx.json".to_owned()))),
            (attach[0].kind.as_str(), (Digest::of(b"{\"a\":1}"), Some("x.sigstore.json".to_owned()))),
        ];
        assert_eq!(kinds, expected, "{name}");
        assert_eq!(hex(&pulled.digest), digest);

        // The list under a tag, where the registry did not say that it keeps one.
        let tag = format!("http://{address}/v2/app/manifests/{}", digest.replace(':', "-"));
        let (status, body) = get(&world, &tag, INDEX);
        assert_eq!(status == 200, !server.says_so, "{name}: {body}");
        if status == 200 {
            let list: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(list["mediaType"], INDEX);
            let entries = list["manifests"].as_array().unwrap();
            let types: Vec<_> = entries.iter().map(|e| e["artifactType"].as_str().unwrap()).collect();
            assert_eq!(types, [attach[0].kind.as_str(), "application/spdx+json"], "{name}");
            assert_eq!(entries[0]["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
        }
        let (status, _) = get(&world, &format!("http://{address}/v2/app/referrers/{digest}"), INDEX);
        assert_eq!(status == 200, server.lists, "{name}");

        // Once more: the same manifests, no second entry. And what was pulled carries them to another place.
        push_with(&world, &folder, &to, &given).unwrap();
        assert_eq!(
            pull(&world, &to, &format!("{name}-2.tar")).unwrap().0.referrers,
            pulled.referrers,
            "{name}"
        );
        let elsewhere = format!("{address}/elsewhere:1");
        assert_eq!(push(&world, &path, &elsewhere).unwrap().attached.len(), 2, "{name}");
        let there = pull(&world, &elsewhere, &format!("{name}-3.tar")).unwrap().0;
        assert_eq!(there.referrers, pulled.referrers, "{name}");
    }
}

#[test]
fn an_image_without_anything_attached_has_nothing() {
    for server in &all() {
        let world = World::new();
        let (folder, _) = layout(&world, "img", 1, 1000);
        let to = format!("{}/app:1", server.address);
        push(&world, &folder, &to).unwrap();
        let pulled = pull(&world, &to, &format!("{}.tar", server.name)).unwrap_or_else(|e| panic!("{e}")).0;
        assert_eq!(pulled.referrers, []);
    }
}

#[test]
fn oras_attaches_beside_us_and_finds_ours() {
    for server in &all() {
        let (name, address) = (server.name, &server.address);
        let world = World::new();
        let (folder, digest) = layout(&world, "img", 1, 1000);
        let to = format!("{address}/app:1");
        push_with(&world, &folder, &to, &Given { attach: &[bundle("{}")], ..PLAIN }).unwrap();
        let oras = |arguments: &[&str]| {
            let mut command = Command::new(tool("root/usr/bin/oras"));
            let output = command.args(arguments).current_dir(world.folder.path()).output().unwrap();
            assert!(
                output.status.success(),
                "{name} {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        std::fs::write(world.folder.path().join("note.txt"), "theirs").unwrap();
        let image = format!("{address}/app@{digest}");
        oras(&["attach", "--plain-http", "--artifact-type", "text/x-note", &image, "note.txt:text/plain"]);
        let found = oras(&["discover", "--plain-http", "--format", "json", &image]);
        assert!(found.contains(&format!("{address}/app@sha256:")), "{name}: {found}");
        // And ours after theirs.
        push_with(&world, &folder, &to, &Given { attach: &[sbom("{}")], ..PLAIN }).unwrap();
        let pulled = pull(&world, &to, &format!("{name}.tar")).unwrap().0;
        let mut kinds: Vec<_> = pulled.referrers.iter().map(|r| r.kind.as_str()).collect();
        kinds.sort_unstable();
        let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
        assert_eq!(kinds, ["application/spdx+json", bundle, "text/x-note"], "{name}");
    }
}

#[test]
fn who_attaches_at_the_same_time_does_not_write_over_others() {
    let server = docker();
    let world = World::new();
    let (folder, _) = layout(&world, "img", 1, 1000);
    let to = format!("{}/app:1", server.address);
    push(&world, &folder, &to).unwrap();
    // The list is read, then another one attaches, then it is written: by the front, at the worst moment.
    let (other, second) = (folder.clone(), to.clone());
    let between = std::sync::Mutex::new(Some(()));
    let front = Front::before(&server.address, move |seen, _| {
        if seen.is("PUT", "/manifests/sha256-") && between.lock().unwrap().take().is_some() {
            let attach = [sbom("{\"from\":\"another\"}")];
            push_with(&World::new(), &other, &second, &Given { attach: &attach, ..PLAIN }).unwrap();
        }
        Rule::Pass
    });
    let attach = [bundle("{\"from\":\"us\"}")];
    let through = format!("{}/app:1", front.address);
    push_with(&world, &folder, &through, &Given { attach: &attach, ..PLAIN }).unwrap();
    // What was overwritten so is the other's to see, when it looks again at what it wrote. Here it had ended; so it says it
    // once more, and then both are there.
    let again = [sbom("{\"from\":\"another\"}")];
    push_with(&world, &folder, &to, &Given { attach: &again, ..PLAIN }).unwrap();
    let pulled = pull(&world, &to, "x.tar").unwrap().0;
    assert_eq!(pulled.referrers.len(), 2);

    let threads: Vec<_> = (0..4)
        .map(|n| {
            let (folder, to) = (folder.clone(), to.clone());
            std::thread::spawn(move || {
                let attach = [sbom(&format!("{{\"n\":{n}}}")), bundle(&format!("{{\"n\":{n}}}"))];
                push_with(&World::new(), &folder, &to, &Given { attach: &attach, ..PLAIN }).unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    let pulled = pull(&world, &to, "y.tar").unwrap().0;
    assert_eq!(pulled.referrers.len(), 2 + 8);
}

#[test]
fn lists_that_lie_are_not_believed() {
    let server = docker();
    let world = World::new();
    let (folder, digest) = layout(&world, "img", 1, 1000);
    let (other, _) = layout(&world, "other", 2, 1000);
    let to = format!("{}/app:1", server.address);
    push_with(&world, &folder, &to, &Given { attach: &[bundle("{}")], ..PLAIN }).unwrap();
    let beside = push_with(
        &world,
        &other,
        &format!("{}/app:2", server.address),
        &Given { attach: &[sbom("{}")], ..PLAIN },
    );
    let about_other = hex(&beside.unwrap().attached[0].manifest);
    let path = format!("/v2/app/referrers/{digest}");
    let answered = |status: u16, kind: &'static str, link: Option<String>, body: String| {
        let path = path.clone();
        Front::before(&server.address, move |seen, _| {
            if !seen.path.starts_with(&path) {
                return Rule::Pass;
            }
            let mut headers = vec![("Content-Type", kind.to_owned())];
            headers.extend(link.clone().map(|l| ("Link", l)));
            Rule::Answer(status, headers, body.clone().into_bytes())
        })
    };
    let list = |entries: &str| format!(r#"{{"schemaVersion":2,"manifests":{entries}}}"#);
    let none = "0".repeat(64);
    // Passed over or taken for no list, so that the one under the tag counts.
    let lies = format!(
        r#"[{{"digest":"{about_other}"}},{{"digest":"sha256:{none}"}},{{"digest":"sha512:00"}},{{"digest":7}},{{}}]"#
    );
    for (number, (status, kind, body, found)) in [
        (200, INDEX, list("null"), 1),
        (200, "text/html", "<html>".to_owned(), 1),
        (405, "text/plain", String::new(), 1),
        (200, INDEX, list(&lies), 0),
    ]
    .into_iter()
    .enumerate()
    {
        let front = answered(status, kind, None, body);
        let pulled = pull(&world, &format!("{}/app:1", front.address), &format!("{number}.tar"));
        assert_eq!(pulled.unwrap_or_else(|e| panic!("{number}: {e}")).0.referrers.len(), found, "{number}");
    }
    let said = world.said();
    assert!(said.contains("it is about sha256:") && said.contains("it is not there"), "{said}");
    for (kind, link, body, why) in [
        (INDEX, None, "{}".to_owned(), "its list of what is attached is none"),
        (INDEX, Some("<http://127.0.0.1:9/next>; rel=\"next\"".to_owned()), list("[]"), "is elsewhere"),
        (INDEX, Some(format!("<{path}>; rel=\"next\"")), list("[]"), "is elsewhere"),
        (INDEX, None, list(&format!("[{}]", vec!["{}"; 2001].join(","))), "is none"),
    ] {
        let front = answered(200, kind, link, body);
        let error = pull(&world, &format!("{}/app:1", front.address), "never.tar").unwrap_err();
        assert!(error.contains("answers nonsense") && error.contains(why), "{why}: {error}");
        assert!(!world.folder.path().join("never.tar").exists());
    }
    // Something else under the tag is not written over.
    let tag = format!("{}/app:{}", server.address, digest.replace(':', "-"));
    push_with(&world, &other, &tag, &Given { move_tag: true, ..PLAIN }).unwrap();
    let error = push_with(&world, &folder, &to, &Given { attach: &[sbom("{}")], ..PLAIN }).unwrap_err();
    assert!(error.contains("is no list of what is attached"), "{error}");
}
