//! What cannot be packed is refused with a typed error, never a panic or a wrong archive.

use std::io::{self, Read, Write};

use artifact::{Contents, Member, PackError, pack};
use model::recipe::Format;
use model::tree::Node;
use model::{Digest, Timestamp};

use crate::sample::{ARCHIVES, Sample, options, p};

fn refused(format: Format, sample: &Sample, mtime: i64) -> PackError {
    pack(format, &sample.members, &options(mtime, "."), sample, &mut Vec::new()).unwrap_err()
}

#[test]
fn content_that_is_not_what_was_declared_ends_the_packing() {
    for (declared, came) in [("12345", "1234"), ("12345", "123456"), ("12345", "12346"), ("", "1"), ("1", "")]
    {
        let mut sample = Sample::default().file("d/f", declared, false);
        sample.blobs.insert(Digest::of(declared.as_bytes()), came.into());
        for format in ARCHIVES.into_iter().chain([Format::File]) {
            match refused(format, &sample, 0) {
                PackError::Content { path, expected, found } => {
                    assert_eq!(path, p("d/f"));
                    assert_eq!(expected, Digest::of(declared.as_bytes()));
                    assert_eq!(found, Digest::of(came.as_bytes()));
                }
                other => unreachable!("{format:?}: {other}"),
            }
        }
    }
}

#[test]
fn endless_content_ends() {
    struct Endless;
    impl Contents for Endless {
        fn open(&self, _: &Digest) -> io::Result<Box<dyn Read + '_>> {
            Ok(Box::new(io::repeat(b'x')))
        }
    }
    let sample = Sample::default().file("f", "short", false);
    for format in ARCHIVES {
        let error = pack(format, &sample.members, &options(0, "."), &Endless, &mut io::sink()).unwrap_err();
        assert!(matches!(error, PackError::Content { found, .. } if found.size == 6), "{error}");
    }
}

#[test]
fn missing_content_and_failing_output_are_told_apart() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut sample = Sample::default().file("f", "content", false);
    for format in ARCHIVES {
        let error = pack(format, &sample.members, &options(0, "."), &sample, &mut Full).unwrap_err();
        assert!(matches!(error, PackError::Write(_)), "{error}");
    }
    sample.blobs.clear();
    for format in ARCHIVES {
        assert!(matches!(refused(format, &sample, 0), PackError::Read { .. }));
    }
}

#[test]
fn times_beyond_a_header_are_refused() {
    let sample = Sample::default().file("f", "", false);
    for format in ARCHIVES {
        for mtime in [-1, i64::MIN, 0o777_7777_7777 + 1, i64::MAX] {
            assert!(matches!(refused(format, &sample, mtime), PackError::Mtime(Timestamp(t)) if t == mtime));
        }
        sample.pack(format, &options(0o777_7777_7777, "."));
    }
}

#[test]
fn clashing_and_nameless_members_are_refused() {
    let twice = Sample::default().file("a", "1", false).file("a", "1", false);
    let below = Sample::default().symlink("a", "b").file("a/b", "1", false);
    let target = Sample::default().symlink("a", "");
    let long = Sample::default().directory(&"x".repeat(65_535));
    for format in ARCHIVES {
        assert!(matches!(refused(format, &twice, 0), PackError::Twice(path) if path == p("a")));
        assert!(
            matches!(refused(format, &below, 0), PackError::NotADirectory { path, .. } if path == p("a"))
        );
        assert!(matches!(refused(format, &target, 0), PackError::Unwritable { .. }));
        assert!(matches!(refused(format, &long, 0), PackError::Unwritable { .. }));
    }
}

#[test]
fn only_one_file_is_a_file_and_a_directory_is_no_stream() {
    let file = Sample::default().file("a", "1", false);
    assert!(matches!(refused(Format::Dir, &file, 0), PackError::NotAStream));
    let two = Sample::default().file("a", "1", false).file("b", "1", false);
    for (sample, found) in [
        (Sample::default(), "0 members"),
        (two, "2 members"),
        (Sample::default().directory("a"), "`a`, a directory"),
        (Sample::default().symlink("a", "b"), "`a`, a symlink"),
    ] {
        assert!(refused(Format::File, &sample, 0).to_string().ends_with(found));
    }
}

#[test]
fn the_largest_declared_size_does_not_overflow() {
    let digest = Digest { size: u64::MAX, ..Digest::of(b"") };
    let members = [Member { path: p("f"), node: Node::File { digest, executable: false } }];
    for format in ARCHIVES {
        let empty = |_: &Digest| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::empty())) };
        let error = pack(format, &members, &options(0, "."), &empty, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, PackError::Content { .. }), "{error}");
    }
}
