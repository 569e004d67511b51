//! Mirrors that somebody has made to harm: a typed error, and a store that is sound.

use std::path::Path;

use inputs::{Form, InputError, MirrorError};
use model::Digest;

use super::{island, site};
use crate::world::chain;

/// An archive by hand: kind, name, content.
fn archive(members: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn index(blobs: &[Digest]) -> Vec<u8> {
    let mut blobs = blobs.to_vec();
    blobs.sort();
    let list: Vec<_> = blobs.iter().map(|b| format!(r#"{{"digest":"{b}","for":["x"]}}"#)).collect();
    format!(r#"{{"selfsame-mirror":1,"locks":[],"commits":{{}},"blobs":[{}]}}"#, list.join(",")).into_bytes()
}

fn name(content: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(content).hex())
}

#[test]
fn what_the_index_does_not_say_is_refused_and_the_store_is_sound() {
    let (good, bad) = (b"good".as_slice(), b"evil".as_slice());
    let (good_name, bad_name) = (name(good), name(bad));
    let (good_digest, bad_digest) = (Digest::of(good), Digest::of(bad));
    let listed = index(&[good_digest]);
    let two = index(&[good_digest, bad_digest]);
    let first = (b'0', "MIRROR.json", listed.as_slice());
    let both = (b'0', "MIRROR.json", two.as_slice());
    let blob = (b'0', good_name.as_str(), good);
    let huge = format!("20 path={}\n", "x".repeat(10));
    let one = archive(&[both, blob, (b'0', &bad_name, bad)]);
    let cases: Vec<(&str, Vec<u8>, &str, bool)> = vec![
        ("empty", Vec::new(), "begins with `MIRROR.json`", false),
        ("no archive", b"text".repeat(300), "begins with `MIRROR.json`", false),
        ("no index", archive(&[blob]), "begins with `MIRROR.json`", false),
        ("an index that is a link", archive(&[(b'2', "MIRROR.json", b"")]), "begins with", false),
        ("nothing but an index", archive(&[first]), "is not whole: 1 of the 1", false),
        (
            "other bytes",
            archive(&[both, blob, (b'0', &bad_name, b"evi1")]),
            "is not what its name says",
            true,
        ),
        (
            "longer",
            archive(&[both, blob, (b'0', &bad_name, b"evil and more")]),
            "has 13 bytes, the index says 4",
            true,
        ),
        ("twice", archive(&[both, blob, blob]), "is there twice", true),
        ("out of the folder", archive(&[both, blob, (b'0', "../../evil", bad)]), "is not in the index", true),
        ("absolute", archive(&[both, blob, (b'0', "/etc/evil", bad)]), "is not in the index", true),
        ("not listed", archive(&[first, blob, (b'0', &bad_name, bad)]), "is not in the index", true),
        (
            "in capitals",
            archive(&[first, (b'0', &good_name.to_uppercase(), good)]),
            "is not in the index",
            false,
        ),
        ("a link", archive(&[both, blob, (b'2', &bad_name, b"")]), "is neither a blob", true),
        ("a device", archive(&[both, blob, (b'3', &bad_name, b"")]), "is neither a blob", true),
        ("a long name", archive(&[both, blob, (b'L', "././@LongLink", bad)]), "is neither a blob", true),
        ("pax", archive(&[both, blob, (b'x', "././@PaxHeader", huge.as_bytes())]), "is neither a blob", true),
        ("a folder", archive(&[both, blob, (b'5', "blobs/md5/", b"")]), "is neither a blob", true),
        ("cut", one[..one.len() - 1024 - 512 - 256].to_vec(), "", true),
        ("cut in a blob", one[..one.len() - 1024 - 510].to_vec(), "", true),
        (
            "cut in zstd",
            {
                let packed = zstd::encode_all(one.as_slice(), 1).unwrap();
                packed[..packed.len() / 2].to_vec()
            },
            "",
            false,
        ),
    ];
    for (what, bytes, reason, kept) in cases {
        let world = island();
        let path = world.folder.path().join("m.tar");
        std::fs::write(&path, bytes).unwrap();
        let error = world.with(|cx| inputs::import(cx, &path)).unwrap_err();
        assert!(matches!(&error, InputError::Mirror(_)), "{what}: {error:?}");
        assert!(chain(&error).contains(reason), "{what}: {}", chain(&error));
        assert_eq!(world.store.contains(&good_digest), kept, "{what}: what was good stays");
        assert!(!world.store.contains(&bad_digest), "{what}");
        assert!(world.store.verify(&mut |_, _| {}).unwrap().is_clean(), "{what}");
        assert!(!world.folder.path().join("evil").exists() && !Path::new("/etc/evil").exists());
    }
}

/// A small file that would fill the disk: no more is unpacked than the index says.
#[test]
fn a_bomb_is_not_unpacked() {
    let world = island();
    let zeros = vec![0; 64 << 20];
    let digest = Digest { size: 4, ..Digest::of(&zeros) };
    let index = index(&[digest]);
    let packed = |members: &[(u8, &str, &[u8])]| zstd::encode_all(archive(members).as_slice(), 1).unwrap();
    let path = world.folder.path().join("m.tar.zst");
    for (bytes, reason) in [
        (packed(&[(b'0', "MIRROR.json", &index), (b'0', &name(&zeros), &zeros)]), "the index says 4"),
        (packed(&[(b'0', "MIRROR.json", &vec![b' '; 257 << 20])]), "its index has more than"),
        (packed(&[(b'0', "MIRROR.json", &index), (b'x', "x", &zeros)]), "is neither a blob"),
    ] {
        assert!(bytes.len() < 1 << 20);
        std::fs::write(&path, bytes).unwrap();
        let error = chain(&world.with(|cx| inputs::import(cx, &path)).unwrap_err());
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(world.store.stats().unwrap().blobs, 1, "the empty one");
}

#[test]
fn a_folder_is_believed_no_more_than_an_archive() {
    let site = site();
    let first = |path: &Path| {
        let folder = path.join("blobs/sha256");
        let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        names.remove(0)
    };
    type Harm<'a> = &'a dyn Fn(&Path);
    let cases: [(Form, Harm<'_>, &str); 8] = [
        (Form::Folder, &|p| std::fs::remove_file(first(p)).unwrap(), "is not whole: 1 of the"),
        (
            Form::Folder,
            &|p| std::fs::remove_file(p.join("MIRROR.json")).unwrap(),
            "neither `MIRROR.json` nor",
        ),
        (Form::Folder, &|p| std::fs::write(p.join("MIRROR.json"), "{}").unwrap(), "its index"),
        (
            Form::Folder,
            &|p| {
                let mut bytes = std::fs::read(first(p)).unwrap();
                bytes[0] ^= 1;
                std::fs::remove_file(first(p)).unwrap();
                std::fs::write(first(p).with_file_name(first(p).file_name().unwrap()), &bytes).unwrap_or(());
                let index = std::fs::read_to_string(p.join("MIRROR.json")).unwrap();
                let hex = index.split("\"digest\": \"sha256:").nth(1).unwrap().split('/').next().unwrap();
                std::fs::write(p.join("blobs/sha256").join(hex), &bytes).unwrap();
            },
            "is not what its name says",
        ),
        (
            Form::Folder,
            &|p| {
                let name = first(p);
                std::fs::remove_file(&name).unwrap();
                std::os::unix::fs::symlink("/dev/zero", name).unwrap();
            },
            "is not whole",
        ),
        (
            Form::Oci,
            &|p| std::fs::write(p.join("index.json"), r#"{"manifests":[]}"#).unwrap(),
            "no manifest of it",
        ),
        (Form::Oci, &|p| std::fs::write(p.join("index.json"), "[]").unwrap(), "is no mirror"),
        (
            Form::Oci,
            &|p| {
                let text = std::fs::read_to_string(p.join("index.json")).unwrap();
                std::fs::write(p.join("index.json"), text.replace("sha256:", "sha256:../")).unwrap();
            },
            "is no mirror",
        ),
    ];
    for (nth, (form, harm, reason)) in cases.into_iter().enumerate() {
        let (path, _) = site.export(form, &format!("m{nth}"));
        harm(&path);
        let world = island();
        let error = world.with(|cx| inputs::import(cx, &path)).unwrap_err();
        assert!(matches!(&error, InputError::Mirror(_)), "{nth}: {error:?}");
        assert!(chain(&error).contains(reason), "{nth}: {}", chain(&error));
        assert!(world.store.verify(&mut |_, _| {}).unwrap().is_clean(), "{nth}");
    }
    let error = island().with(|cx| inputs::import(cx, Path::new("/dev/zero"))).unwrap_err();
    assert!(matches!(error, InputError::Mirror(MirrorError::Format { .. })), "{error:?}");
}
