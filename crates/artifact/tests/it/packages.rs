//! Packages packed from trees: installed by pip and dpkg, the same in any order, refused where they could not be.

use std::path::Path;
use std::process::Command;

use artifact::{NormalOptions, PackError, normalise, pack};
use model::recipe::Format;
use model::{Digest, Timestamp};

use crate::sample::{Noise, Sample, everything, options};

const EPOCH: i64 = 1_700_000_000;

fn run(folder: &Path, line: &str) -> String {
    let out = Command::new("sh").arg("-ec").arg(line).current_dir(folder).env("TZ", "UTC").output().unwrap();
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn wheel() -> Sample {
    Sample::default()
        .file("demo/__init__.py", "from importlib.resources import files\nANSWER = 42\n", false)
        .file("demo/a,b.txt", "a comma in its name\n", false)
        .directory("demo/empty")
        .file("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", false)
        .file(
            "demo-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            false,
        )
        .file("demo-1.0.dist-info/RECORD", "stale,sha256=x,1\n", false)
}

const CONTROL: &str =
    "Package: demo\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n";

fn deb() -> Sample {
    Sample::default()
        .file("DEBIAN/control", CONTROL, false)
        .file("DEBIAN/postinst", "#!/bin/sh\nset -e\n: >\"$DPKG_ROOT/ran\"\n", true)
        .file("usr/bin/demo", "#!/bin/sh\necho demo\n", true)
        .file("usr/share/demo/text", Noise(3).text(3_000_000), false)
        .symlink("usr/share/demo/link", "text")
}

fn refused(format: Format, sample: &Sample) -> String {
    let error = pack(format, &sample.members, &options(EPOCH, "."), sample, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, PackError::Layout { .. }), "{error}");
    error.to_string()
}

#[test]
fn packages_have_their_bytes_in_any_order() {
    let table = [
        (
            Format::FunctionZip,
            everything(),
            "sha256:6a283d9a8238db9aaefbe7f25490263d59f0ed99975c498e10fe26dad9a56539/86846",
        ),
        (
            Format::Wheel,
            wheel(),
            "sha256:8c490f7a7a0a44ffed33212f66bfbfc62c00f8b384cc3278b85839a72878b42f/1036",
        ),
        (
            Format::Deb,
            deb(),
            "sha256:e4babef7ccc79fd33ef008120a491947e56ab6ea5d807fd155f80a75195dbb4d/1024214",
        ),
    ];
    let mut noise = Noise(9);
    let mut found = Vec::new();
    for (format, mut sample, _) in table.clone() {
        let first = sample.pack(format, &options(EPOCH, "."));
        for _ in 0..4 {
            for at in (1..sample.members.len()).rev() {
                sample.members.swap(at, noise.below(at + 1));
            }
            assert!(sample.pack(format, &options(EPOCH, ".")) == first, "{format:?}");
        }
        found.push((format, Digest::of(&first).to_string()));
    }
    let expected: Vec<_> = table.iter().map(|(format, _, digest)| (*format, (*digest).to_owned())).collect();
    assert_eq!(found, expected);
}

/// What is packed needs no normalising: both write the one canonical form.
#[test]
fn what_was_packed_is_normal() {
    let mut samples: Vec<(Format, Sample)> =
        [Format::Tar, Format::TarGz, Format::TarZst, Format::Zip, Format::FunctionZip]
            .map(|f| (f, everything()))
            .into();
    samples.extend([(Format::Wheel, wheel()), (Format::Deb, deb())]);
    for (format, sample) in samples {
        let bytes = sample.pack(format, &options(EPOCH, "."));
        let name = if format == Format::Wheel {
            "demo-1.0-py3-none-any.whl".into()
        } else {
            format!("x.{}", format.as_str())
        };
        let made = normalise(&name, &bytes, &NormalOptions::all(Timestamp(EPOCH))).unwrap();
        assert!(made.kind.is_some() && made.bytes.is_none(), "{name}: {:?}", made.changes);
    }
}

#[test]
fn pip_installs_a_wheel_and_finds_every_file_listed() {
    let scratch = tempfile::tempdir().unwrap();
    let name = "demo-1.0-py3-none-any.whl";
    std::fs::write(scratch.path().join(name), wheel().pack(Format::Wheel, &options(EPOCH, "."))).unwrap();
    run(
        scratch.path(),
        &format!("python3 -m venv v; v/bin/pip install --quiet --no-index --no-deps ./{name}"),
    );
    assert_eq!(run(scratch.path(), "v/bin/python -c 'import demo; print(demo.ANSWER)'"), "42\n");
    let record = run(scratch.path(), &format!("unzip -p {name} demo-1.0.dist-info/RECORD"));
    let names: Vec<&str> = record.lines().map(|line| line.split(",sha256=").next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "demo/__init__.py",
            "\"demo/a,b.txt\"",
            "demo-1.0.dist-info/METADATA",
            "demo-1.0.dist-info/WHEEL",
            "demo-1.0.dist-info/RECORD,,"
        ]
    );
    assert!(run(scratch.path(), &format!("unzip -Z1 {name}")).ends_with("demo-1.0.dist-info/RECORD\n"));
}

#[test]
fn dpkg_installs_a_package() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("demo.deb"), deb().pack(Format::Deb, &options(EPOCH, "."))).unwrap();
    let list = run(scratch.path(), "dpkg-deb -c demo.deb");
    let names: Vec<&str> = list.lines().map(|line| line.split("22:13 ").nth(1).unwrap()).collect();
    assert_eq!(
        names,
        [
            "./",
            "./usr/",
            "./usr/bin/",
            "./usr/bin/demo",
            "./usr/share/",
            "./usr/share/demo/",
            "./usr/share/demo/link -> text",
            "./usr/share/demo/text"
        ]
    );
    assert_eq!(run(scratch.path(), "dpkg-deb -f demo.deb Package Version"), "Package: demo\nVersion: 1.0\n");
    run(
        scratch.path(),
        "mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates; : >root/var/lib/dpkg/status
         dpkg --root=$PWD/root --force-not-root --force-script-chrootless --force-bad-path --log=$PWD/log -i demo.deb >/dev/null
         test -e root/ran; test \"$(root/usr/bin/demo)\" = demo; test $(stat -c %s root/usr/share/demo/text) = 3000000",
    );
}

#[test]
fn a_function_follows_from_its_files_alone() {
    let at = |mtime| everything().pack(Format::FunctionZip, &options(mtime, "."));
    assert!(at(EPOCH) == at(EPOCH + 86_400));
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("f.zip"), at(EPOCH)).unwrap();
    let list = run(scratch.path(), "unzip -Z f.zip");
    let entries: Vec<&str> = list.lines().filter(|line| line.contains("80-Jan-01 00:00")).collect();
    assert!(entries.len() == 14 && entries.iter().all(|line| !line.starts_with('d')), "{list}");
}

#[test]
fn what_could_not_be_installed_is_refused() {
    let info = |name: &str| {
        Sample::default().file(&format!("{name}/METADATA"), "", false).file(
            &format!("{name}/WHEEL"),
            "",
            false,
        )
    };
    let table = [
        (
            Format::Wheel,
            Sample::default().file("demo.py", "", false),
            "`NAME-VERSION.dist-info` at its root, found none",
        ),
        (
            Format::Wheel,
            Sample::default().file("d-1.dist-info/WHEEL", "", false),
            "expected `d-1.dist-info/METADATA`",
        ),
        (
            Format::Wheel,
            info("d-1.dist-info").file("e-1.dist-info/WHEEL", "", false),
            "found d-1.dist-info, e-1.dist-info",
        ),
        (Format::Wheel, info("d-1.dist-info").symlink("x", "y"), "found `x`, a symlink"),
        (Format::Wheel, info("d-1.dist-info").file("d-1.dist-info/RECORD.jws", "", false), "no signature"),
        (
            Format::Deb,
            Sample::default().file("usr/x", "", false),
            "expected a file `DEBIAN/control`, found none",
        ),
        (Format::Deb, Sample::default().file("DEBIAN/control", "Package: x\n", false), "expected `Version`"),
        (Format::Deb, Sample::default().file("DEBIAN/control", CONTROL.trim_end(), false), "a line's end"),
        (
            Format::Deb,
            Sample::default().file("DEBIAN/control", CONTROL, false).file("DEBIAN/postinst", "", false),
            "`DEBIAN/postinst` executable",
        ),
        (
            Format::Deb,
            Sample::default().file("DEBIAN/control", CONTROL, false).file("DEBIAN/d/x", "", false),
            "files alone in `DEBIAN`",
        ),
    ];
    for (format, sample, expected) in table {
        let error = refused(format, &sample);
        assert!(error.contains(expected), "{error}");
    }
}
