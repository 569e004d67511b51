//! Registries that lie, and layouts that are damaged.

use std::path::Path;
use std::process::Command;

use super::front::{Front, Rule};
use super::servers::{cuereg, docker};
use super::{Given, PLAIN, hex, layout, noise, pull, push, push_with};
use crate::world::World;

/// What a front does.
type Lie = Box<dyn Fn(&super::front::Seen, usize) -> Rule + Send + Sync>;

#[test]
fn what_a_registry_answers_is_checked() {
    let server = docker();
    let zeros = format!("sha256:{}", "0".repeat(64));
    let at = |rule: Lie| Front::before(&server.address, rule);
    let world = World::new();
    let (folder, digest) = layout(&world, "img", 1, 3_000_000);
    let (other, _) = layout(&world, "other", 2, 10);
    push(&world, &other, &format!("{}/app:other", server.address)).unwrap();
    let wrong = zeros.clone();
    let taken = at(Box::new(move |seen, _| match seen.method.as_str() {
        "PUT" if seen.path.contains("/manifests/") => {
            Rule::Replace("Docker-Content-Digest: ", format!("Docker-Content-Digest: {wrong}\r\nX: "))
        }
        _ => Rule::Pass,
    }));
    let served = at(Box::new(|seen, _| match seen.method.as_str() {
        "GET" if seen.path.contains("/manifests/sha256:") => Rule::Answer(200, vec![], b"{}".to_vec()),
        _ => Rule::Pass,
    }));
    let location = |to: &str| {
        let to = to.to_owned();
        at(Box::new(move |seen, _| match seen.method.as_str() {
            "POST" => Rule::Answer(202, vec![("Location", to.clone())], vec![]),
            _ => Rule::Pass,
        }))
    };
    let status = |status: u16, body: &'static str| {
        at(Box::new(move |seen, _| match seen.method.as_str() {
            "PATCH" => Rule::Answer(status, vec![], body.into()),
            _ => Rule::Pass,
        }))
    };
    let ranged = |range: &str| {
        let range = range.to_owned();
        at(Box::new(move |seen, _| match seen.method.as_str() {
            "PATCH" => {
                Rule::Answer(202, vec![("Range", range.clone()), ("Location", seen.path.clone())], vec![])
            }
            _ => Rule::Pass,
        }))
    };
    let cases: [(Front, &str); 12] = [
        (taken, "what it is given: nothing in it can be relied on"),
        (served, "serves as `sha256:"),
        (location("http://r.example.org/put"), "it wants a blob sent to `http://r.example.org/put`"),
        (location("https://me:you@127.0.0.1/put"), "it wants a blob sent to"),
        (location(""), "it wants a blob sent to ``"),
        (status(307, ""), "does not take a blob"),
        (status(403, r#"{"errors":[{"code":"DENIED","message":"\u001b[31mno"}]}"#), "DENIED: [31mno"),
        (status(404, ""), "it answers 404"),
        (status(503, ""), "it answers 503"),
        (ranged("0-99999999999"), "does not take a blob"),
        (ranged("0-18446744073709551615"), "does not take a blob"),
        (ranged("5-1"), "does not take a blob"),
    ];
    for (number, (front, why)) in cases.iter().enumerate() {
        let error = push(&world, &folder, &format!("{}/case{number}:1", front.address));
        let error = error.expect_err(why);
        assert!(error.contains(why), "{number} {why}: {error}");
        assert!(front.seen().len() < 60, "{number} {why}: asked for ever");
    }
    // A tag that says it is ours, and serves something else.
    let lying = at(Box::new(move |seen, _| match seen.method.as_str() {
        "GET" if seen.path.ends_with("/manifests/1") => Rule::Answer(200, vec![], b"{}".to_vec()),
        _ => Rule::Pass,
    }));
    let error = push(&world, &folder, &format!("{}/app:1", lying.address)).unwrap_err();
    assert!(error.contains(&format!("expected {digest}")) && error.contains("serves as `1`"), "{error}");
}

#[test]
fn what_is_pulled_is_what_its_digest_says() {
    let server = docker();
    let world = World::new();
    let (folder, digest) = layout(&world, "img", 1, 300_000);
    push(&world, &folder, &format!("{}/app:1", server.address)).unwrap();
    let layer = format!("/blobs/sha256:{}", model::Digest::of(&noise(1, 300_000)).hex());
    let manifests = "/manifests/".to_owned();
    let answers: [(&String, Vec<u8>, &str); 5] = [
        (&layer, noise(2, 300_000), "a blob of"),
        (&layer, noise(2, 300_001), "is larger than the"),
        (&layer, Vec::new(), "a blob of"),
        (&manifests, b"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}".to_vec(), "the manifest of image"),
        (&manifests, vec![b'['; 33 << 20], "is larger than the"),
    ];
    for (number, (place, body, why)) in answers.into_iter().enumerate() {
        let place = place.clone();
        let front = Front::before(&server.address, move |seen, _| {
            if seen.is("GET", &place) { Rule::Answer(200, vec![], body.clone()) } else { Rule::Pass }
        });
        let name = format!("{number}.tar");
        let error = pull(&world, &format!("{}/app@{digest}", front.address), &name).unwrap_err();
        assert!(error.contains(why), "{number}: {error}");
        let left = std::fs::read_dir(world.folder.path()).unwrap().flatten();
        let left: Vec<_> = left.filter(|e| e.file_name().to_string_lossy().starts_with(&name)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // Sizes that no image has, and images in one another.
    let config = r#"{"mediaType":"c","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
    let layer = |size: u64| {
        let digest = format!("sha256:{}", "1".repeat(64));
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{{"digest":"{digest}","size":{size}}}]}}"#)
    };
    for (body, why) in [
        (layer(u64::MAX), "more blobs, or larger ones, than any image"),
        (
            r#"{"schemaVersion":2,"manifests":[{"digest":"md5:0","size":1}]}"#.to_owned(),
            "not a digest that can be checked",
        ),
        ("{}".to_owned(), "is of type"),
    ] {
        let front = Front::before(&server.address, move |seen, _| {
            if seen.is("GET", "/manifests/") {
                Rule::Answer(200, vec![], body.clone().into_bytes())
            } else {
                Rule::Pass
            }
        });
        let error = pull(&world, &format!("{}/app:1", front.address), "never.tar").unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
}

/// Damages a copy of a layout's large blob.
fn damaged(world: &World, folder: &Path, name: &str, change: impl Fn(&mut Vec<u8>)) -> std::path::PathBuf {
    let copy = world.folder.path().join(name);
    let status = Command::new("cp").arg("-r").arg(folder).arg(&copy).status().unwrap();
    assert!(status.success());
    for entry in std::fs::read_dir(copy.join("blobs/sha256")).unwrap().flatten() {
        let mut bytes = std::fs::read(entry.path()).unwrap();
        if bytes.len() > 1_000_000 {
            change(&mut bytes);
            std::fs::write(entry.path(), bytes).unwrap();
        }
    }
    copy
}

#[test]
fn a_damaged_layout_is_not_pushed() {
    let server = cuereg();
    let world = World::new();
    let (folder, _) = layout(&world, "img", 1, 3_000_000);
    let flipped = damaged(&world, &folder, "flipped", |bytes| bytes[2_999_999] ^= 1);
    let cut = damaged(&world, &folder, "cut", |bytes| bytes.truncate(2_999_999));
    let front = Front::before(&server.address, |_, _| Rule::Pass);
    let to = format!("{}/app:1", front.address);
    for (layout, why) in [(&flipped, "a blob of"), (&cut, "the size of")] {
        let error = push(&world, layout, &to).unwrap_err();
        assert!(error.contains(why) && error.contains("found "), "{error}");
        assert!(front.seen().iter().all(|s| !s.is("PUT", "/manifests/")));
    }
    // Archives of it, as others make them: compressed, twice the same member, a link for a file, no layout at all.
    let tar = |name: &str, arguments: &[&str]| {
        let path = world.folder.path().join(name);
        let status =
            Command::new("tar").arg("-C").arg(&folder).arg("-cf").arg(&path).args(arguments).status();
        assert!(status.unwrap().success());
        path
    };
    let good = tar("good.tar", &["."]);
    push(&world, &good, &to).unwrap_or_else(|e| panic!("{e}"));
    std::os::unix::fs::symlink("index.json", folder.join("link")).unwrap();
    for (path, why) in [
        (tar("packed.tar.gz", &["-z", "."]), "as a tar archive"),
        (
            tar("twice.tar", &["--hard-dereference", "index.json", "index.json", "oci-layout"]),
            "is there twice",
        ),
        (tar("link.tar", &["."]), "its member `link` is no file"),
        (tar("none.tar", &["oci-layout"]), "it has no index.json"),
        (world.folder.path().join("nothing"), "No such file"),
        ("/dev/zero".into(), "neither a folder nor a file"),
    ] {
        let error = push(&world, &path, &to).unwrap_err();
        assert!(
            error.contains("is not an OCI image layout that can be pushed") && error.contains(why),
            "{why}: {error}"
        );
    }
    let error = push_with(&world, &good, &to, &Given { image: Some("y"), ..PLAIN }).unwrap_err();
    assert!(error.contains("expected the image `y`, found x"), "{error}");
    let pushed = push_with(&world, &good, &to, &Given { image: Some("x"), ..PLAIN }).unwrap();
    assert_eq!(hex(&pushed.digest), hex(&inputs::image_in(&good, None).unwrap()));
}
