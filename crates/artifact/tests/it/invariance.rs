//! What must not reach the bytes: order of members, directories left out, threads, how readers cut contents.

use std::io::{self, Cursor, Read};
use std::num::NonZeroUsize;

use artifact::{Contents, Piece, pack, pack_on, tar_pieces};
use model::Digest;
use model::tree::Node;

use crate::sample::{ARCHIVES, Noise, Sample, everything, large, options};

#[test]
fn order_of_members_does_not_reach_the_bytes() {
    let mut sample = everything();
    let mut noise = Noise(3);
    for format in ARCHIVES {
        let expected = sample.pack(format, &options(1, "x"));
        for _ in 0..5 {
            for last in (1..sample.members.len()).rev() {
                sample.members.swap(last, noise.below(last + 1));
            }
            assert!(sample.pack(format, &options(1, "x")) == expected, "{format:?}");
        }
    }
}

#[test]
fn directories_may_be_left_out() {
    let sparse = Sample::default().file("a/b/c", "1", false).file("a/d", "2", false);
    let full = Sample::default()
        .file("a/b/c", "1", false)
        .file("a/d", "2", false)
        .directory("a/b")
        .directory("a")
        .directory(".");
    for format in ARCHIVES {
        for prefix in [".", "x", "x/y"] {
            assert!(sparse.pack(format, &options(1, prefix)) == full.pack(format, &options(1, prefix)));
        }
    }
}

#[test]
fn a_prefix_is_only_a_longer_path() {
    let inner = Sample::default().file("f", "1", true);
    let outer = Sample::default().file("x/y/f", "1", true);
    for format in ARCHIVES {
        assert!(inner.pack(format, &options(1, "x/y")) == outer.pack(format, &options(1, ".")));
    }
}

#[test]
fn threads_do_not_reach_the_bytes() {
    for sample in [everything(), large()] {
        for format in ARCHIVES {
            let expected = sample.pack(format, &options(1, "."));
            for workers in [1, 2, 3, 16] {
                let mut found = Vec::new();
                let workers = NonZeroUsize::new(workers).unwrap();
                pack_on(workers, format, &sample.members, &options(1, "."), &sample, &mut found).unwrap();
                assert!(found == expected, "{format:?} on {workers}");
            }
        }
    }
}

#[test]
fn a_tar_in_pieces_is_the_same_tar() {
    for sample in [everything(), large()] {
        let mut found = Vec::new();
        for piece in tar_pieces(&sample.members, &options(1, "x")).unwrap() {
            match piece {
                Piece::Bytes(bytes) => found.extend(bytes),
                Piece::Content(digest) => {
                    sample.open(&digest).unwrap().read_to_end(&mut found).unwrap();
                }
            }
        }
        assert!(found == sample.pack(model::recipe::Format::Tar, &options(1, "x")));
    }
}

/// Gives contents in pieces of changing sizes, with interruptions.
struct Dribble<'a>(&'a Sample);

struct Pieces<R>(R, Noise);

impl<R: Read> Read for Pieces<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.below(10) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(1 + self.1.below(9_000));
        self.0.read(&mut buffer[..most])
    }
}

impl Contents for Dribble<'_> {
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        let blob = self.0.blobs.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Pieces(Cursor::new(blob), Noise(5))))
    }
}

#[test]
fn how_contents_are_cut_does_not_reach_the_bytes() {
    for sample in [everything(), large()] {
        for format in ARCHIVES {
            let mut found = Vec::new();
            pack(format, &sample.members, &options(1, "."), &Dribble(&sample), &mut found).unwrap();
            assert!(found == sample.pack(format, &options(1, ".")), "{format:?}");
        }
    }
}

#[test]
fn a_directorys_digest_does_not_reach_the_bytes() {
    let sample = Sample::default().directory("d");
    let mut other = Sample::default().directory("d");
    other.members[0].node = Node::Directory(Digest::of(b"something"));
    for format in ARCHIVES {
        assert!(sample.pack(format, &options(1, ".")) == other.pack(format, &options(1, ".")));
    }
}

#[test]
fn everything_that_should_reaches_the_bytes() {
    let base = Sample::default().file("f", "1", false);
    let others = [
        Sample::default().file("g", "1", false),
        Sample::default().file("f", "2", false),
        Sample::default().file("f", "1", true),
        Sample::default().symlink("f", "1"),
    ];
    for format in ARCHIVES {
        let bytes = base.pack(format, &options(1_700_000_000, "."));
        for other in &others {
            assert!(bytes != other.pack(format, &options(1_700_000_000, ".")));
        }
        assert!(bytes != base.pack(format, &options(1_700_000_002, ".")));
        assert!(bytes != base.pack(format, &options(1_700_000_000, "x")));
    }
}
