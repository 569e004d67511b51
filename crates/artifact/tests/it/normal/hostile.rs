//! Bombs, escapes, nesting and truncation: a typed error, at once, and never other bytes.

use artifact::{Kind, Limits, NormalOptions, ReadError, normalise};

use super::golden::files;
use super::scene::{Scene, made, normal, options, refused};

#[test]
fn a_file_cut_anywhere_is_an_error_or_nothing_that_is_known() {
    for (name, kind, bytes) in files() {
        // Texts and pages have no end that could be missing; a library's is wherever a member ends.
        if matches!(kind, Kind::Man | Kind::Javadoc | Kind::Ar) || !kind.is_normalised() {
            continue;
        }
        let whole = normal(name, &bytes);
        // A document ends with its mark, and a newline behind it may be missing.
        let end = bytes.len() - usize::from(kind == Kind::Pdf);
        for length in 0..end {
            let Ok(made) = normalise(name, &bytes[..length], &options()) else { continue };
            // What may be missing is padding, which means nothing.
            let bare = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let same = made.bytes.as_ref().is_some_and(|new| new[..bare(new)] == whole[..bare(&whole)]);
            assert!(
                made.kind != Some(kind) || same,
                "{name} cut at {length} of {}: {:?}",
                bytes.len(),
                made.changes
            );
        }
    }
}

#[test]
fn no_byte_makes_a_reader_panic() {
    for (name, _, bytes) in files() {
        let step = 1 + bytes.len() / 1500;
        for at in (0..bytes.len()).step_by(step) {
            for mask in [0xff, 0x80, 1] {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                let _ = normalise(name, &damaged, &options());
                let _ = artifact::read(name, &damaged, &mut artifact::Budget::new(Limits::default()));
            }
        }
    }
}

#[test]
fn bombs_end_at_the_limit() {
    let scene = Scene::new();
    scene.run("head -c 3000000 /dev/zero >z; tar -cf z.tar z; gzip -k z.tar; xz -k z.tar; zstd -q z.tar; bzip2 -k z.tar; zip -q z.zip z.tar");
    let small = NormalOptions { limits: Limits { bytes: 1 << 20, ..Limits::default() }, ..options() };
    for ending in ["tar.gz", "tar.xz", "tar.zst", "tar.bz2", "zip"] {
        let name = format!("z.{ending}");
        let error = normalise(&name, &scene.read(&name), &small).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { limit: 1_048_576, .. }), "{name}: {error}");
    }
    let few = NormalOptions { limits: Limits { members: 0, ..Limits::default() }, ..options() };
    let error = normalise("z.tar", &scene.read("z.tar"), &few).unwrap_err();
    assert_eq!(error.to_string(), "there are more than 0 members in it");
    // A size that is invented is refused before so much memory is asked for.
    let mut bytes = scene.read("z.zip");
    let sizes: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, four)| four == b"PK\x01\x02").map(|(at, _)| at).collect();
    for at in sizes {
        bytes[at + 24..at + 28].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    }
    assert!(matches!(refused("z.zip", &bytes), ReadError::Damaged { .. }));
}

#[test]
fn a_hundred_containers_in_one_another_are_too_many() {
    let scene = Scene::new();
    scene.run("echo x >x; tar -cf x.tar x; cp x.tar n; for i in $(seq 100); do gzip -c n >m; mv m n; done");
    let error = refused("n.gz", &scene.read("n"));
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    assert_eq!(text, "more than 12 containers lie in one another");
    scene.run(
        "cp x.tar n.zip; for i in $(seq 100); do mv n.zip m; mv m i.zip; zip -q n.zip i.zip; rm i.zip; done",
    );
    assert!(refused("n.zip", &scene.read("n.zip")).is_beyond_limits());
}

#[test]
fn members_that_lead_out_are_refused() {
    let scene = Scene::new();
    scene.write(
        "make.py",
        "import tarfile, zipfile, io
def tar(name, *members):
    with tarfile.open(name, 'w') as t:
        for n, kind, link in members:
            i = tarfile.TarInfo(n); i.type = kind; i.linkname = link; t.addfile(i)
tar('up.tar', ('a/../../x', b'0', ''))
tar('root.tar', ('/etc/x', b'0', ''))
tar('hard.tar', ('x', b'1', '../../etc/passwd'))
tar('behind.tar', ('d', b'2', '/etc'), ('d/passwd', b'0', ''))
for name, member in ('up.zip', '../x'), ('root.zip', '/x'):
    with zipfile.ZipFile(name, 'w') as z: z.writestr(member, 'x')
with zipfile.ZipFile('behind.zip', 'w') as z:
    i = zipfile.ZipInfo('d'); i.external_attr = 0o120777 << 16; i.create_system = 3
    z.writestr(i, '/etc'); z.writestr('d/passwd', 'x')
import warnings; warnings.simplefilter('ignore')
with zipfile.ZipFile('twice.zip', 'w') as z:
    z.writestr('x', 'one'); z.writestr('x', 'two')
tar('fine.tar', ('d', b'2', '/etc'), ('e', b'2', '../../x'), ('f', b'0', ''))
",
    );
    scene.run("python3 make.py; mkdir -p o/i; cd o/i; echo x >../x; echo ../x | cpio -o -H newc --quiet >../../up.cpio");
    for (name, what) in [
        ("up.tar", "leads out of the archive"),
        ("root.tar", "leads out of the archive"),
        ("hard.tar", "is a hard link to something outside"),
        ("behind.tar", "lies behind a symbolic link"),
        ("up.zip", "leads out of the archive"),
        ("root.zip", "leads out of the archive"),
        ("behind.zip", "lies behind a symbolic link"),
        ("twice.zip", "is there twice"),
        ("up.cpio", "leads out of the archive"),
    ] {
        match refused(name, &scene.read(name)) {
            ReadError::Hostile { what: found, .. } => assert_eq!(found, what, "{name}"),
            other => unreachable!("{name}: {other}"),
        }
    }
    // A symbolic link may lead anywhere: nothing follows it.
    assert!(made("fine.tar", &scene.read("fine.tar")).bytes.is_some());
}

#[test]
fn a_zip_that_readers_see_differently_is_refused() {
    let scene = Scene::new();
    scene.run("echo one >x; echo two >y; zip -q x.zip x y");
    let bytes = scene.read("x.zip");
    let central = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let change = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        refused("x.zip", &bytes)
    };
    assert!(change(30, b'z').to_string().contains("found `z`"), "another name in the local header");
    assert!(change(8, 8).to_string().contains("method"), "another method");
    assert!(matches!(change(central + 20, 9), ReadError::Damaged { .. }), "another size");
    let end = bytes.len() - 22;
    assert!(matches!(change(end + 10, 1), ReadError::Damaged { .. }), "fewer entries than there are");
    // Two entries with one place.
    let second =
        bytes[central + 4..].windows(4).position(|four| four == b"PK\x01\x02").unwrap() + central + 4;
    let mut overlap = bytes.clone();
    overlap.copy_within(central + 42..central + 46, second + 42);
    overlap[second + 46] = b'x';
    assert!(matches!(refused("x.zip", &overlap), ReadError::Damaged { .. } | ReadError::Hostile { .. }));
}

#[test]
fn a_variety_that_is_not_handled_is_left_with_a_reason() {
    let scene = Scene::new();
    scene.run("truncate -s 5M z; echo x >>z; tar -S -cf s.tar z");
    let made = made("s.tar", &scene.read("s.tar"));
    assert!(made.bytes.is_none() && made.changes.is_empty());
    assert_eq!(made.left[0].reason, "this tar is not handled: a member has type 'S'");
}

#[test]
fn a_damaged_member_stays_and_the_rest_is_normalised() {
    let scene = Scene::new();
    scene.run("echo text >t; gzip -c t | head -c 12 >broken.gz; gzip -c t >whole.gz; tar -cf x.tar broken.gz whole.gz");
    let made = made("x.tar", &scene.read("x.tar"));
    let places: Vec<&str> = made.left.iter().map(|left| left.place.as_str()).collect();
    assert_eq!(places, ["broken.gz"]);
    assert!(
        made.left[0].reason.starts_with("damaged gzip at byte 0: expected a whole stream"),
        "{:?}",
        made.left
    );
    assert!(made.changes.iter().any(|change| change.place == "whole.gz"), "{:?}", made.changes);
}

/// GNU tar writes numbers that octal digits do not hold in base 256, in fields of 8 bytes and of 12.
#[test]
fn numbers_that_octal_digits_do_not_hold_are_read() {
    let scene = Scene::new();
    scene.run(
        "echo x >x; tar --format=gnu --owner=u:3000000 --group=g:4000000000 --mtime=@9000000000 -cf x.tar x",
    );
    let told = made("x.tar", &scene.read("x.tar")).changes;
    let told: Vec<_> = told.iter().map(|change| change.before.as_str()).collect();
    assert!(told.contains(&"3000000:4000000000 u:g"), "{told:?}");
    scene.run("tar --format=gnu --mtime=@-9000000000 -cf x.tar x");
    assert!(
        !made("x.tar", &scene.read("x.tar")).left.is_empty(),
        "a time before 1970 is left with its reason"
    );
}
