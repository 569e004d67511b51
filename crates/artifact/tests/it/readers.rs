//! Programs that share no code with the packer read its archives: GNU tar, gzip, zstd, unzip, Python.
//!
//! They are needed (Debian: tar, gzip, zstd, unzip, python3); a missing one fails the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use artifact::pack;
use model::recipe::Format;
use model::tree::Node;

use crate::sample::{ARCHIVES, Noise, Sample, everything, large, options};

fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    assert_eq!(error, "", "{program} {arguments:?} warns");
    String::from_utf8(output.stdout).unwrap()
}

/// Every member of `sample` is in `directory` as it should be, and nothing else.
fn assert_unpacked(sample: &Sample, directory: &Path) {
    for member in &sample.members {
        let place = directory.join(member.path.as_str());
        let found =
            fs::symlink_metadata(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        let mode = found.permissions().mode() & 0o7777;
        match &member.node {
            Node::Directory(_) => assert!(found.is_dir() && mode == 0o755),
            Node::Symlink(target) => {
                assert_eq!(fs::read_link(&place).unwrap().to_str(), Some(target.as_str()));
            }
            Node::File { digest, executable } => {
                assert!(fs::read(&place).unwrap() == sample.blobs[digest], "{}", place.display());
                assert_eq!(mode, if *executable { 0o755 } else { 0o644 });
            }
        }
    }
}

fn suffix(format: Format) -> String {
    format!("archive.{}", format.as_str())
}

#[test]
fn gnu_tar_unpacks_every_tar() {
    for sample in [everything(), large(), Sample::default()] {
        for (format, flag) in
            [(Format::Tar, None), (Format::TarGz, Some("-z")), (Format::TarZst, Some("--zstd"))]
        {
            let scratch = tempfile::tempdir().unwrap();
            fs::write(scratch.path().join("a"), sample.pack(format, &options(1_700_000_000, "."))).unwrap();
            fs::create_dir(scratch.path().join("out")).unwrap();
            run(scratch.path(), "tar", &[&["-xpf", "a", "-C", "out"], flag.as_slice()].concat());
            assert_unpacked(&sample, &scratch.path().join("out"));
        }
    }
}

#[test]
fn gnu_tar_lists_owners_times_and_order() {
    let sample = Sample::default().file("b/x", "12", true).symlink("b-", "b/x").file("b.", "", false);
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("a"), sample.pack(Format::Tar, &options(1_700_000_000, "p"))).unwrap();
    let listed = run(scratch.path(), "tar", &["-tvf", "a", "--full-time"]);
    let lines: Vec<String> =
        listed.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "drwxr-xr-x 0/0 0 2023-11-14 22:13:20 p/",
            "drwxr-xr-x 0/0 0 2023-11-14 22:13:20 p/b/",
            "-rwxr-xr-x 0/0 2 2023-11-14 22:13:20 p/b/x",
            "lrwxrwxrwx 0/0 0 2023-11-14 22:13:20 p/b- -> b/x",
            "-rw-r--r-- 0/0 0 2023-11-14 22:13:20 p/b.",
        ]
    );
}

#[test]
fn unzip_unpacks_zip() {
    for sample in [everything(), large()] {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a"), sample.pack(Format::Zip, &options(1_700_000_000, "."))).unwrap();
        run(scratch.path(), "unzip", &["-tq", "a"]);
        run(scratch.path(), "unzip", &["-q", "a", "-d", "out"]);
        assert_unpacked(&sample, &scratch.path().join("out"));
    }
}

#[test]
fn gzip_and_zstd_give_the_tar_back() {
    for sample in [everything(), large()] {
        let scratch = tempfile::tempdir().unwrap();
        for format in [Format::TarGz, Format::TarZst] {
            fs::write(scratch.path().join(suffix(format)), sample.pack(format, &options(1, "x"))).unwrap();
        }
        run(scratch.path(), "gzip", &["-t", "archive.tar.gz"]);
        run(scratch.path(), "gzip", &["-dk", "archive.tar.gz"]);
        run(scratch.path(), "zstd", &["-q", "-d", "archive.tar.zst", "-o", "other.tar"]);
        let tar = sample.pack(Format::Tar, &options(1, "x"));
        assert!(fs::read(scratch.path().join("archive.tar")).unwrap() == tar);
        assert!(fs::read(scratch.path().join("other.tar")).unwrap() == tar);
    }
}

/// Prints one line for each entry: name, kind, mode, time, hash of the content or the target.
const PYTHON: &str = r"
import hashlib, sys, tarfile, zipfile, calendar
def line(name, kind, mode, time, what):
    print(ascii(name.rstrip('/')), kind, oct(mode), time, what)
sha = lambda b: hashlib.sha256(b).hexdigest()
if sys.argv[1] == 'zip':
    z = zipfile.ZipFile(sys.argv[2])
    assert z.testzip() is None
    for i in z.infolist():
        mode = i.external_attr >> 16
        kind = {0o10: 'file', 0o4: 'dir', 0o12: 'link'}[mode >> 12]
        what = '-' if kind == 'dir' else ascii(z.read(i).decode()) if kind == 'link' else sha(z.read(i))
        assert i.is_dir() == (kind == 'dir') and not i.extra and not i.comment and i.create_system == 3
        assert i.flag_bits == (0 if i.filename.isascii() else 0x800)
        line(i.filename, kind, mode & 0o7777, calendar.timegm(i.date_time), what)
else:
    t = tarfile.open(sys.argv[2], 'r:gz' if sys.argv[1] == 'tar.gz' else 'r:')
    for i in t:
        kind = 'file' if i.isreg() else 'dir' if i.isdir() else 'link'
        what = '-' if kind == 'dir' else ascii(i.linkname) if kind == 'link' else sha(t.extractfile(i).read())
        assert (i.uid, i.gid, i.uname, i.gname) == (0, 0, '', '') and not set(i.pax_headers) - {'path', 'linkpath'}
        line(i.name, kind, i.mode, i.mtime, what)
";

#[test]
fn python_reads_what_was_packed() {
    let mut noise = Noise(99);
    for round in 0..12 {
        let sample = if round == 0 { everything() } else { random(&mut noise) };
        let listings = [Format::Tar, Format::TarGz, Format::Zip].map(|format| {
            let scratch = tempfile::tempdir().unwrap();
            fs::write(scratch.path().join("a"), sample.pack(format, &options(1_700_000_000, "."))).unwrap();
            run(scratch.path(), "python3", &["-c", PYTHON, format.as_str(), "a"])
        });
        let expected = expected(&sample);
        for listing in listings {
            assert_eq!(listing, expected);
        }
    }
}

/// What [`PYTHON`] prints of `sample`, made without the packer.
fn expected(sample: &Sample) -> String {
    let mut lines = Vec::new();
    let mut members: Vec<_> = sample.members.iter().collect();
    for member in &sample.members {
        let mut path = member.path.clone();
        while let Some(parent) = path.parent().filter(|p| !p.is_root()) {
            lines.push((parent.clone(), "dir 0o755 1700000000 -".to_owned()));
            path = parent;
        }
    }
    members.sort_by(|a, b| a.path.cmp(&b.path));
    for member in members {
        let what = match &member.node {
            Node::Directory(_) => "dir 0o755 1700000000 -".to_owned(),
            Node::Symlink(target) => format!("link 0o777 1700000000 {}", ascii(target)),
            Node::File { digest, executable } => {
                format!("file 0o{} 1700000000 {}", if *executable { 755 } else { 644 }, digest.hex())
            }
        };
        lines.push((member.path.clone(), what));
    }
    lines.sort();
    lines.dedup();
    lines.iter().map(|(path, what)| format!("{} {what}\n", ascii(path.as_str()))).collect()
}

/// Python's `ascii()`.
fn ascii(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match (c, u32::from(c)) {
            ('\\', _) => out.push_str("\\\\"),
            (c, _) if c == quote => out.extend(['\\', c]),
            (' '..='~', _) => out.push(c),
            (_, code @ 0..=0xff) => out.push_str(&format!("\\x{code:02x}")),
            (_, code @ 0..=0xffff) => out.push_str(&format!("\\u{code:04x}")),
            (_, code) => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out.push(quote);
    out
}

/// A random tree: names short and long, ASCII and not; files, symlinks, empty directories.
fn random(noise: &mut Noise) -> Sample {
    const PARTS: [&str; 10] = ["a", "b.c", "-x", "é", "名前", "with space", "🦀", "long", "Z", "~'"];
    let mut sample = Sample::default();
    for number in 0..40 {
        let mut path = String::new();
        for _ in 0..noise.below(4) {
            let part = PARTS[noise.below(PARTS.len())];
            // Directories end in `d`, leaves in a number: they never clash.
            path.push_str(&format!("{}d/", part.repeat(1 + noise.below(60) * noise.below(2))));
        }
        path.push_str(&format!("{}{number}", PARTS[noise.below(PARTS.len())]));
        sample = match noise.below(5) {
            0 => sample.directory(&path),
            1 => {
                let target = format!("{}{}", "../".repeat(noise.below(50)), PARTS[noise.below(PARTS.len())]);
                sample.symlink(&path, &target)
            }
            kind => {
                let size = noise.below(if kind == 2 { 3 } else { 3_000 });
                let content = if noise.below(2) == 0 { noise.bytes(size) } else { noise.text(size) };
                sample.file(&path, content, kind == 4)
            }
        };
    }
    sample
}

#[test]
fn more_entries_than_16_bits_count_are_read_by_both() {
    let mut sample = Sample::default();
    for number in 0..70_000 {
        sample = sample.symlink(&format!("{number:05}"), "x");
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut zip = Vec::new();
    pack(Format::Zip, &sample.members, &options(0, "."), &sample, &mut zip).unwrap();
    fs::write(scratch.path().join("a"), zip).unwrap();
    let script = "import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).infolist()))";
    assert_eq!(run(scratch.path(), "python3", &["-c", script, "a"]), "70000\n");
    run(scratch.path(), "unzip", &["-tqq", "a"]);
}

#[test]
fn archives_are_no_larger_than_the_usual_tools_make_them() {
    let sample = large();
    let sizes = ARCHIVES.map(|format| sample.pack(format, &options(0, ".")).len());
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("a"), sample.pack(Format::Tar, &options(0, "."))).unwrap();
    run(scratch.path(), "gzip", &["-nk", "a"]);
    let gzip = fs::read(scratch.path().join("a.gz")).unwrap().len();
    assert!(
        sizes[1] < gzip + gzip / 50 && sizes[2] < gzip && sizes[3] < gzip + gzip / 50,
        "{sizes:?} {gzip}"
    );
}
