//! Transfers that break are gone on with where they broke.

use super::front::{Front, Rule};
use super::servers::{all, docker};
use super::{hex, layout, pull, push};
use crate::world::World;

const SIZE: usize = 6_000_000;

/// The `Content-Range` of each piece that was sent.
fn pieces(front: &Front) -> Vec<String> {
    let seen = front.seen();
    let sent = seen.iter().filter(|s| s.method == "PATCH");
    sent.map(|s| s.header("content-range").unwrap().to_owned()).collect()
}

#[test]
fn a_broken_upload_is_gone_on_with() {
    for server in &all() {
        let name = server.name;
        let front = Front::before(&server.address, |seen, _| match seen.header("content-range") {
            Some(range) if range.starts_with("0-") => Rule::CutRequest(4_000_000),
            _ => Rule::Pass,
        });
        let world = World::new();
        let (folder, digest) = layout(&world, "img", 1, SIZE);
        let to = format!("{}/app:1", front.address);
        let pushed = push(&world, &folder, &to);
        if !server.resumes {
            // Whoever forgets what came is sent all of it again, but not for ever.
            let error = pushed.unwrap_err();
            assert!(
                error.contains("does not take a blob") || error.contains("could not be read"),
                "{name}: {error}"
            );
            continue;
        }
        assert_eq!(hex(&pushed.unwrap_or_else(|e| panic!("{name}: {e}")).digest), digest);
        let pieces = pieces(&front);
        // What was under way still arrives while the registry is asked: then it has to be asked again, or forgets all of it.
        let from: Vec<usize> = pieces.iter().map(|p| p.split_once('-').unwrap().0.parse().unwrap()).collect();
        assert!(from[0] == 0 && from.iter().all(|from| *from <= 4_000_000), "{name}: {pieces:?}");
        assert!(
            from.last().is_some_and(|last| *last > 0),
            "gone on with, not sent whole: {name}: {pieces:?}"
        );
        let direct = World::new();
        assert_eq!(
            hex(&pull(&direct, &format!("{}/app:1", server.address), "x.tar").unwrap().0.digest),
            digest
        );
    }
}

#[test]
fn a_registry_that_forgets_an_upload_is_sent_all_of_it_again() {
    for server in &all() {
        let cut = std::sync::atomic::AtomicBool::new(true);
        let front = Front::before(&server.address, move |seen, _| match seen.method.as_str() {
            "PATCH" if cut.swap(false, std::sync::atomic::Ordering::Relaxed) => Rule::CutRequest(2_000_000),
            "GET" if seen.path.contains("/blobs/uploads/") => Rule::Answer(404, vec![], vec![]),
            _ => Rule::Pass,
        });
        let world = World::new();
        let (folder, digest) = layout(&world, "img", 1, SIZE);
        let pushed = push(&world, &folder, &format!("{}/app:1", front.address));
        assert_eq!(hex(&pushed.unwrap_or_else(|e| panic!("{}: {e}", server.name)).digest), digest);
        let whole = format!("0-{}", SIZE - 1);
        assert_eq!(pieces(&front), [whole.clone(), whole], "{}", server.name);
    }
}

#[test]
fn a_registry_that_finds_a_piece_too_large_is_sent_smaller_ones() {
    let server = docker();
    let front = Front::before(&server.address, |seen, _| {
        let length = seen.header("content-length").map_or(0, |n| n.parse::<usize>().unwrap());
        if seen.method == "PATCH" && length > 2_000_000 {
            Rule::Answer(413, vec![], vec![])
        } else {
            Rule::Pass
        }
    });
    let world = World::new();
    let (folder, digest) = layout(&world, "img", 1, SIZE);
    let pushed = push(&world, &folder, &format!("{}/app:1", front.address)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(hex(&pushed.digest), digest);
    let pieces = pieces(&front);
    assert!(pieces.ends_with(&["4500000-5999999".to_owned()]), "{pieces:?}");
}

#[test]
fn a_server_that_asks_to_come_back_is_come_back_to() {
    let server = docker();
    let front = Front::before(&server.address, |_, before| {
        // Every third request, whatever it is.
        if before % 3 == 0 { Rule::Answer(503, vec![], vec![]) } else { Rule::Pass }
    });
    let world = World::new();
    let (folder, digest) = layout(&world, "img", 1, SIZE);
    let mut one_at_a_time = world;
    one_at_a_time.host.connections = 1;
    let to = format!("{}/app:1", front.address);
    let pushed = push(&one_at_a_time, &folder, &to).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(hex(&pushed.digest), digest);
}

#[test]
fn a_broken_download_is_gone_on_with() {
    for server in &all() {
        let front = Front::before(&server.address, |seen, _| match seen.header("range") {
            None if seen.is("GET", "/blobs/") => Rule::CutAnswer(4_000_000),
            _ => Rule::Pass,
        });
        let world = World::new();
        let (folder, digest) = layout(&world, "img", 1, SIZE);
        push(&world, &folder, &format!("{}/app:1", server.address)).unwrap();
        let (pulled, path) = pull(&world, &format!("{}/app:1", front.address), "x.tar")
            .unwrap_or_else(|e| panic!("{}: {e}", server.name));
        assert_eq!(hex(&pulled.digest), digest);
        let seen = front.seen();
        let ranges: Vec<_> = seen.iter().filter_map(|s| s.header("range")).collect();
        assert_eq!(ranges, ["bytes=4000000-5999999"], "{}", server.name);
        push(&World::new(), &path, &format!("{}/again:1", server.address)).unwrap();
    }
}
