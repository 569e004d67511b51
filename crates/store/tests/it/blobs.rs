//! Bytes in, the same bytes out, or an error that says what is wrong.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use model::{Digest, Sha256};
use store::StoreError;

use crate::{assert_clean, blob_path, flip_a_bit, fresh};

/// Sizes around every border inside.
const SIZES: [usize; 8] = [0, 1, 4096, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 512 << 10, 3_000_001];

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from((i * 31 + i / 253) % 256).expect("below 256")).collect()
}

#[test]
fn every_way_in_gives_the_same_blob() {
    for size in SIZES {
        let bytes = bytes(size);
        let digest = Digest::of(&bytes);
        for way in 0..4 {
            let (_dir, store) = fresh();
            match way {
                0 => assert_eq!(store.put(&bytes).unwrap(), digest),
                1 => assert_eq!(store.put_reader(&mut &bytes[..]).unwrap(), digest),
                2 => store.put_expecting(&mut &bytes[..], &digest).unwrap(),
                _ => {
                    let mut writer = store.writer().unwrap();
                    for part in bytes.chunks(70_001) {
                        writer.write_all(part).unwrap();
                    }
                    assert_eq!(writer.size(), size as u64);
                    assert_eq!(writer.finish().unwrap(), digest);
                }
            }
            assert!(store.contains(&digest));
            assert_eq!(store.read(&digest).unwrap(), bytes);
            let mut read = Vec::new();
            store.open_blob(&digest).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
            let mode = fs::metadata(blob_path(&store, &digest)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o444);
            assert_clean(&store);
        }
    }
}

#[test]
fn a_reader_that_gives_little_at_a_time_is_read_to_its_end() {
    struct Drip(Vec<u8>);
    impl Read for Drip {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0.len() % 5 == 3 {
                self.0.pop();
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let Some(byte) = self.0.pop() else { return Ok(0) };
            out[0] = byte;
            Ok(1)
        }
    }
    let (_dir, store) = fresh();
    let digest = store.put_reader(&mut Drip(vec![7; 1000])).unwrap();
    assert_eq!(store.read(&digest).unwrap().len(), 800);
}

#[test]
fn what_was_not_promised_is_not_kept() {
    for size in SIZES {
        let (_dir, store) = fresh();
        let good = bytes(size);
        let expected = Digest::of(&good);
        let longer = [&good[..], b"x"].concat();
        let mut other = good.clone();
        other.push(0);
        other.remove(0);
        for wrong in [longer, other, vec![1; size / 2 + 1]] {
            if wrong == good {
                continue;
            }
            match store.put_expecting(&mut &wrong[..], &expected).unwrap_err() {
                StoreError::Mismatch { expected: e, found } => {
                    assert_eq!((e, found), (expected, Digest::of(&wrong)));
                }
                error => panic!("{error}"),
            }
        }
        assert_eq!(store.stats().unwrap().blobs, 0);
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let (_dir, store) = fresh();
    let mut writer = store.writer().unwrap();
    writer.write_all(&bytes(1_000_000)).unwrap();
    drop(writer);
    assert_eq!(store.stats().unwrap().blobs, 0);
    let sessions: Vec<_> = fs::read_dir(store.dir().join("tmp")).unwrap().collect();
    for session in sessions {
        assert_eq!(fs::read_dir(session.unwrap().path()).unwrap().count(), 0);
    }
}

#[test]
fn one_flipped_bit_is_seen_quarantined_and_healed() {
    for size in [1, 5000, 700_000] {
        let (_dir, store) = fresh();
        let bytes = bytes(size);
        let digest = store.put(&bytes).unwrap();
        for by_read in [true, false] {
            flip_a_bit(&blob_path(&store, &digest));
            let error = if by_read {
                store.read(&digest).unwrap_err()
            } else {
                store.open_blob(&digest).unwrap_err()
            };
            let StoreError::Corrupt { digest: said, found, quarantined_at } = error else {
                panic!("{error}")
            };
            assert_eq!(said, digest);
            assert_eq!(Digest::of(&fs::read(quarantined_at).unwrap()), found);
            assert!(!store.contains(&digest));
            assert!(matches!(store.read(&digest), Err(StoreError::Missing { .. })));
            store.put(&bytes).unwrap();
            assert_eq!(store.read(&digest).unwrap(), bytes);
        }
    }
}

#[test]
fn putting_heals_what_no_one_has_read_yet() {
    for size in [1, 5000, 700_000] {
        let (_dir, store) = fresh();
        let bytes = bytes(size);
        let digest = store.put(&bytes).unwrap();
        flip_a_bit(&blob_path(&store, &digest));
        store.put(&bytes).unwrap();
        assert_eq!(store.read(&digest).unwrap(), bytes);
        flip_a_bit(&blob_path(&store, &digest));
        store.put_reader(&mut &bytes[..]).unwrap();
        assert_eq!(store.read(&digest).unwrap(), bytes);
        fs::remove_file(blob_path(&store, &digest)).unwrap();
        fs::write(blob_path(&store, &digest), &bytes[..size / 2]).unwrap();
        assert!(!store.contains(&digest));
        store.put(&bytes).unwrap();
        assert_eq!(store.read(&digest).unwrap(), bytes);
        assert_clean(&store);
    }
}

#[test]
fn a_wrong_size_in_the_question_harms_no_blob() {
    let (_dir, store) = fresh();
    let digest = store.put(b"content").unwrap();
    for size in [0, 6, 8, u64::MAX] {
        let asked = Digest { sha256: digest.sha256, size };
        assert!(!store.contains(&asked));
        assert!(matches!(store.read(&asked), Err(StoreError::Missing { .. })), "{size}");
        assert!(matches!(store.open_blob(&asked), Err(StoreError::Missing { .. })), "{size}");
    }
    let nothing = Digest { sha256: Sha256::of(b"never put"), size: 9 };
    assert!(matches!(store.read(&nothing), Err(StoreError::Missing { .. })));
    assert_eq!(store.read(&digest).unwrap(), b"content");
}

#[test]
fn many_threads_put_and_read_the_same_blobs() {
    let (_dir, store) = fresh();
    thread::scope(|scope| {
        for offset in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..200 {
                    let bytes = format!("blob {}", (i + offset * 25) % 200).repeat(50).into_bytes();
                    let digest = store.put(&bytes).unwrap();
                    assert_eq!(store.read(&digest).unwrap(), bytes);
                }
            });
        }
    });
    assert_eq!(store.stats().unwrap().blobs, 200);
    assert_clean(&store);
}

#[test]
fn memos_are_given_back_or_forgotten() {
    let (_dir, store) = fresh();
    let key = Digest::of(b"key");
    assert_eq!(store.memo_get("stat-1", &key), None);
    store.memo_put("stat-1", &key, b"one").unwrap();
    store.memo_put("stat-1", &key, b"two").unwrap();
    assert_eq!(store.memo_get("stat-1", &key).as_deref(), Some(&b"two"[..]));
    assert_eq!(store.memo_get("stat-2", &key), None);
    assert!(store.memo_put("../escape", &key, b"x").is_err());
    let hex = key.hex();
    flip_a_bit(&store.dir().join("memos/stat-1").join(&hex[..2]).join(&hex));
    assert_eq!(store.memo_get("stat-1", &key), None);
}

#[test]
fn a_directory_that_is_no_store_of_this_layout_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let error = store::Store::open(dir.path()).unwrap_err();
    assert!(matches!(&error, StoreError::Version { found, .. } if found.contains("letter.txt")), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is made in it");

    let (_dir, store) = fresh();
    fs::write(store.dir().join("VERSION"), "selfsame-store/99\n").unwrap();
    let error = store::Store::open(store.dir()).unwrap_err();
    assert!(matches!(&error, StoreError::Version { found, .. } if found.contains("/99")), "{error}");
}

#[test]
fn what_is_discarded_is_gone() {
    let (_dir, store) = fresh();
    let digest = store.put(b"never to be kept").unwrap();
    store.discard(&digest).unwrap();
    assert!(!store.contains(&digest));
    assert!(matches!(store.read(&digest), Err(StoreError::Missing { .. })));
    store.discard(&digest).unwrap();
    assert_eq!(store.put(b"never to be kept").unwrap(), digest);
}
