//! Layers of images: bytes for ever, the same on any number of workers, owners and modes, read again.

use std::num::NonZeroUsize;

use artifact::PackError;
use artifact::oci::{LayerMember, LayerOptions, MemberError, layer, layer_on, members, plain};
use model::{Digest, Timestamp};

use crate::sample::{Noise, Sample, everything, large, p};

fn to(place: &str, owner: &str) -> LayerOptions {
    LayerOptions { mtime: Timestamp(1), to: p(place), owner: owner.parse().unwrap() }
}

/// The blob, and the tar in it.
fn made(sample: &Sample, options: &LayerOptions) -> (Vec<u8>, Digest) {
    let mut out = Vec::new();
    let tar = layer(&sample.members, options, sample, &mut out).unwrap();
    (out, tar)
}

fn listed(blob: &[u8]) -> Vec<LayerMember> {
    let mut list = Vec::new();
    let mut reader = plain(blob).unwrap();
    members(&mut reader, |member, _| {
        list.push(member);
        Ok::<(), MemberError>(())
    })
    .unwrap();
    list
}

#[test]
fn layers_have_their_bytes() {
    let digests = |sample: &Sample, options: &LayerOptions| {
        let (blob, tar) = made(sample, options);
        [Digest::of(&blob).to_string(), tar.to_string()]
    };
    assert_eq!(
        digests(&everything(), &to("opt/app", "1000:100")),
        [
            "sha256:4e7e924785009c724cef103960ffcebc3a52be59b193194633a17e8aeec97603/85784",
            "sha256:c0386728984cb9ccd515643ef721cfdce17c683efd4b0f5ec6e276c653ad41ad/172032",
        ]
    );
    assert_eq!(
        digests(&large(), &to(".", "0:0")),
        [
            "sha256:6c999731091dc7dbfccf16414748fcb698608140b45fdd89bbf499d3a7ed3d01/4563962",
            "sha256:1db1d67f9b11793e55f13148d2d2b8fa05c688e958bdac697d80534fdd682d79/8552448",
        ]
    );
}

/// Of root, at the time that archives have, a layer is a `tar.gz`.
#[test]
fn a_layer_is_an_archive_like_any_other() {
    let archive = large().pack(model::recipe::Format::TarGz, &crate::sample::options(1, "usr"));
    assert!(made(&large(), &to("usr", "0:0")).0 == archive);
}

#[test]
fn workers_and_order_do_not_show() {
    let mut sample = large();
    sample.members.extend(everything().members);
    sample.blobs.extend(everything().blobs);
    let options = to("srv", "7:8");
    let expected = made(&sample, &options);
    for seed in [1, 2] {
        let mut noise = Noise(seed);
        for at in (1..sample.members.len()).rev() {
            sample.members.swap(at, noise.below(at + 1));
        }
        for workers in [1, 2, 5] {
            let mut out = Vec::new();
            let workers = NonZeroUsize::new(workers).unwrap();
            let tar = layer_on(workers, &sample.members, &options, &sample, &mut out).unwrap();
            assert!((out, tar) == expected, "{workers} workers, shuffled by {seed}");
        }
    }
}

#[test]
fn owners_are_of_what_was_put_there_and_not_of_what_is_above() {
    let app = |sample: Sample| sample.file("bin/app", "app", true).file("data", "x", false);
    let told = |sample: &Sample, place: &str| -> Vec<String> {
        let line =
            |m: &LayerMember| format!("{} {} {:o} {}:{} {}", m.name, m.kind, m.mode, m.uid, m.gid, m.mtime);
        listed(&made(sample, &to(place, "1000:100")).0).iter().map(line).collect()
    };
    assert_eq!(
        told(&app(Sample::default().directory(".")), "home/app"),
        [
            "home 5 755 0:0 1",
            "home/app 5 755 1000:100 1",
            "home/app/bin 5 755 1000:100 1",
            "home/app/bin/app 0 755 1000:100 1",
            "home/app/data 0 644 1000:100 1",
        ]
    );
    // A single file does not own where it lies.
    assert_eq!(
        told(&Sample::default().file("app", "app", true), "usr/bin"),
        ["usr 5 755 0:0 1", "usr/bin 5 755 0:0 1", "usr/bin/app 0 755 1000:100 1"]
    );
    // Nobody could use a `/tmp` that is like any other directory.
    let sample = Sample::default().directory("tmp").directory("var/tmp").directory("srv/tmp");
    let open: Vec<String> = told(&sample, ".").into_iter().filter(|line| line.contains("1777")).collect();
    assert_eq!(open, ["tmp 5 1777 1000:100 1", "var/tmp 5 1777 1000:100 1"]);
}

#[test]
fn what_would_take_something_away_is_refused() {
    for (path, place) in [(".wh.etc", "."), ("a/.wh..wh..opq", "."), ("a", "x/.wh.b")] {
        let sample = Sample::default().file(path, "", false);
        let error = layer(&sample.members, &to(place, "0:0"), &sample, &mut Vec::new()).unwrap_err();
        assert!(
            matches!(&error, PackError::Unwritable { .. }) && error.to_string().contains(".wh."),
            "{error}"
        );
    }
    let nothing = Sample::default();
    let late = LayerOptions { mtime: Timestamp(-1), ..to(".", "0:0") };
    assert!(matches!(layer(&[], &late, &nothing, &mut Vec::new()), Err(PackError::Mtime(_))));
}

#[test]
fn layers_of_others_are_read_and_damaged_ones_are_not() {
    let sample = everything();
    let tar = sample.pack(model::recipe::Format::Tar, &crate::sample::options(5, "."));
    let expected = listed(&tar);
    assert_eq!(
        expected.len(),
        listed(&sample.pack(model::recipe::Format::TarZst, &crate::sample::options(5, "."))).len()
    );
    let link = expected.iter().find(|m| m.name == "bin/run-link").unwrap();
    assert_eq!((link.kind, link.target.as_str(), link.mtime), ('2', "run", 5));
    let text = expected.iter().find(|m| m.name == "text").unwrap();
    assert_eq!(text.size, 100_000);
    assert_eq!(
        &tar[usize::try_from(text.at).unwrap()..][..64],
        &sample.blobs[&digest_of(&sample, "text")][..64]
    );
    for cut in [100, 700, tar.len() / 2] {
        let mut reader = plain(&tar[..cut]).unwrap();
        let read = members(&mut reader, |_, content| {
            std::io::copy(content, &mut std::io::sink()).map_err(MemberError::Damaged)?;
            Ok::<(), MemberError>(())
        });
        assert!(read.is_err(), "cut at {cut}");
    }
}

fn digest_of(sample: &Sample, path: &str) -> Digest {
    let member = sample.members.iter().find(|m| m.path.as_str() == path).unwrap();
    match &member.node {
        model::tree::Node::File { digest, .. } => *digest,
        other => panic!("{other:?}"),
    }
}
