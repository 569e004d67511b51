//! Bytes of normalised files are kept for ever, as those of packed ones are: a digest that changes is a new version in
//! [`artifact::NORMAL_VERSION`]. The files are those of real tools, made once.

use artifact::Kind;
use model::Digest;

use super::scene::made;

/// File, kind, what it becomes, by which rules.
const TABLE: &[(&str, Kind, &str, &str)] = &[
    (
        "x.tar",
        Kind::Tar,
        "sha256:8ec5c0815417d729fdda9c63c399f5e3eedf387e911913a32d91dc29986434d4/5632",
        "archive-metadata file-order timestamp umask-mode user-group",
    ),
    (
        "x.tar.gz",
        Kind::Gzip,
        "sha256:0ea0f6f3ab0124613ceab02e83371a567d52bf233ee0d9d5e03cca255b9e702f/205",
        "archive-metadata compression file-order timestamp umask-mode user-group",
    ),
    (
        "t.gz",
        Kind::Gzip,
        "sha256:d8630a6d6422b276786cb2a85e6e67ddab1d6bc43d5dfc41c70704742c894318/26",
        "timestamp",
    ),
    (
        "x.tar.zst",
        Kind::Zstd,
        "sha256:8ce9b40acbe484b461da237a89312cddd51a7d393a74e6e17d641085a02f3445/186",
        "archive-metadata compression file-order timestamp umask-mode user-group",
    ),
    (
        "x.tar.xz",
        Kind::Xz,
        "sha256:e178316132fefc2561e712c06215a6945854835c267dea44336df21c66b1d89a/240",
        "archive-metadata compression file-order timestamp umask-mode user-group",
    ),
    (
        "x.tar.bz2",
        Kind::Bzip2,
        "sha256:b55c8da68a086665f160a9f0af39ef1a34798844323ba0aa18bf8054a4bc4977/214",
        "archive-metadata compression file-order timestamp umask-mode user-group",
    ),
    (
        "x.zip",
        Kind::Zip,
        "sha256:e408090b02111af1b6627ae649dbd4675bfba22091437bda0b1738947f26dd8a/433",
        "file-order timestamp umask-mode user-group",
    ),
    (
        "x.jar",
        Kind::Jar,
        "sha256:7c4f76acf77a683154cd4a9554fc7ce771f4a2a5e324ace29bcc40f51dad614f/494",
        "jar-class timestamp",
    ),
    (
        "demo-1.0-py3-none-any.whl",
        Kind::Wheel,
        "sha256:d6eff7b009b2b3f4ce0df9dd10a9bdb9000f78a018520ec9e932d9d099961337/992",
        "embedded-consequence file-order timestamp umask-mode",
    ),
    (
        "lib.a",
        Kind::Ar,
        "sha256:8d8051c410d016ad7e9c7ee5e7504e90bdee28c31f0d8553e69d633a41290322/1248",
        "timestamp umask-mode",
    ),
    (
        "demo.deb",
        Kind::Deb,
        "sha256:20a4e2995ba8b9023257d0bdf5f172bf8ea6c893b0da7fc4488cbe9e3a05f73d/692",
        "compression embedded-consequence timestamp umask-mode",
    ),
    (
        "x.cpio",
        Kind::Cpio,
        "sha256:9d0971093ff830e70b8bf6c005e85057016378c731b4ba7b6ff3ab7f899723a7/1024",
        "archive-metadata timestamp umask-mode",
    ),
    ("x.rpm", Kind::Rpm, "-", ""),
    ("x.o", Kind::Elf, "-", ""),
    (
        "x.dll",
        Kind::Pe,
        "sha256:40855472ccf3a40ada4747fe0f082f85b7eac8c2cc9cabc617d328c08518b643/3584",
        "embedded-consequence timestamp",
    ),
    ("x.macho", Kind::MachO, "-", ""),
    (
        "m.pyc",
        Kind::Pyc,
        "sha256:8d02396dcefccf287a6a9b4891da8adb097b3b484ab39581056c863cbe7b1e15/151",
        "pyc timestamp",
    ),
    ("x.class", Kind::Class, "-", ""),
    (
        "x.png",
        Kind::Png,
        "sha256:4b9162182a5354ae53fab122498fe27462cf4576bc2001e87456ed290188f8f7/135",
        "timestamp",
    ),
    (
        "x.pdf",
        Kind::Pdf,
        "sha256:f294991c240ef4333ad356dc21d97b12265c30706c4c96d760efffd96c55ec39/162",
        "random-id timestamp",
    ),
    ("x.json", Kind::Json, "-", ""),
    ("x.sqlite", Kind::Sqlite, "-", ""),
    (
        "x.mo",
        Kind::Mo,
        "sha256:790fde784b661fb2ce2ff0ccae3001d73eb50781cba22600f9efd4ff9a9531ad/129",
        "timestamp",
    ),
    (
        "x.1",
        Kind::Man,
        "sha256:5d7989238f5d72e281aa0923aea0c9a2fee7b2c3c45b175a2c169ad337e41ebc/67",
        "documentation",
    ),
    (
        "x.html",
        Kind::Javadoc,
        "sha256:74fd6633dcab6b7727f1084245fc23623026fe795a9f416067a539bf297728c4/157",
        "documentation",
    ),
];

pub(super) fn file(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

/// Every golden file and its kind.
pub(super) fn files() -> impl Iterator<Item = (&'static str, Kind, Vec<u8>)> {
    TABLE.iter().map(|(name, kind, ..)| (*name, *kind, file(name)))
}

#[test]
fn files_become_these_bytes_by_these_rules() {
    let mut wrong = String::new();
    for (name, kind, expected, rules) in TABLE {
        let bytes = file(name);
        let made = made(name, &bytes);
        assert_eq!(made.kind, Some(*kind), "{name}");
        let mut found: Vec<&str> = made.changes.iter().map(|change| change.rule.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        let found = found.join(" ");
        let digest = made.bytes.map_or_else(|| "-".into(), |bytes| Digest::of(&bytes).to_string());
        if (digest.as_str(), found.as_str()) != (*expected, *rules) {
            wrong.push_str(&format!("    (\"{name}\", Kind::{kind:?}, \"{digest}\", \"{found}\"),\n"));
        }
    }
    assert!(wrong.is_empty(), "found:\n{wrong}");
}

#[test]
fn every_kind_has_a_golden_file() {
    for kind in Kind::ALL {
        assert!(TABLE.iter().any(|(_, of, ..)| *of == kind), "{}", kind.as_str());
    }
}
