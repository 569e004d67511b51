//! What kind of file some bytes are: told by their first bytes, and by the name where bytes do not tell.

use serde::Serialize;

/// A kind of file that is read, normalised or both. Which of it is in the table of `format.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each name says it: `as_str`")]
pub enum Kind {
    Tar,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Zip,
    Jar,
    Wheel,
    Ar,
    Deb,
    Cpio,
    Rpm,
    Elf,
    Pe,
    MachO,
    Pyc,
    Class,
    Png,
    Pdf,
    Json,
    Sqlite,
    Mo,
    Man,
    Javadoc,
}

/// How many of a file's first bytes [`Kind::of`] looks at.
pub const HEAD: usize = 4096;

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 24] = [
        Self::Tar,
        Self::Gzip,
        Self::Zstd,
        Self::Xz,
        Self::Bzip2,
        Self::Zip,
        Self::Jar,
        Self::Wheel,
        Self::Ar,
        Self::Deb,
        Self::Cpio,
        Self::Rpm,
        Self::Elf,
        Self::Pe,
        Self::MachO,
        Self::Pyc,
        Self::Class,
        Self::Png,
        Self::Pdf,
        Self::Json,
        Self::Sqlite,
        Self::Mo,
        Self::Man,
        Self::Javadoc,
    ];

    /// The kind's name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Zip => "zip",
            Self::Jar => "jar",
            Self::Wheel => "wheel",
            Self::Ar => "ar",
            Self::Deb => "deb",
            Self::Cpio => "cpio",
            Self::Rpm => "rpm",
            Self::Elf => "elf",
            Self::Pe => "pe",
            Self::MachO => "mach-o",
            Self::Pyc => "pyc",
            Self::Class => "class",
            Self::Png => "png",
            Self::Pdf => "pdf",
            Self::Json => "json",
            Self::Sqlite => "sqlite",
            Self::Mo => "mo",
            Self::Man => "man",
            Self::Javadoc => "javadoc",
        }
    }

    /// The kind of a file called `name` that begins with `head` (its first [`HEAD`] bytes, or all of it).
    ///
    /// Bytes decide before names: a name alone makes nothing a kind. `None` is a file that nothing here knows.
    #[must_use]
    pub fn of(name: &str, head: &[u8]) -> Option<Self> {
        let name = name.rsplit('/').next().unwrap_or(name);
        let ends = |ending: &str| {
            name.len() > ending.len()
                && name.as_bytes()[name.len() - ending.len()..].eq_ignore_ascii_case(ending.as_bytes())
        };
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        if at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06") || (at(0, b"#!") && (ends(".pyz") || ends(".pex"))) {
            return Some(if ends(".whl") {
                Self::Wheel
            } else if [".jar", ".war", ".ear", ".aar", ".hpi"].iter().any(|ending| ends(ending))
                || at(30, b"META-INF/")
            {
                Self::Jar
            } else {
                Self::Zip
            });
        }
        let kind = match head {
            _ if at(0, b"\x1f\x8b\x08") => Self::Gzip,
            _ if at(0, b"\x28\xb5\x2f\xfd") => Self::Zstd,
            _ if at(0, b"\xfd7zXZ\0") => Self::Xz,
            _ if at(0, b"BZh") && at(4, b"1AY&SY") => Self::Bzip2,
            // An empty archive's zeros are told from others by the name.
            _ if at(257, b"ustar")
                || (ends(".tar") && head.len() >= 1024 && head.iter().all(|&b| b == 0)) =>
            {
                Self::Tar
            }
            _ if at(0, b"!<arch>\n") && at(8, b"debian-binary") => Self::Deb,
            _ if at(0, b"!<arch>\n") => Self::Ar,
            _ if at(0, b"070701") || at(0, b"070702") => Self::Cpio,
            _ if at(0, b"\xed\xab\xee\xdb") => Self::Rpm,
            _ if at(0, b"\x7fELF") => Self::Elf,
            _ if at(0, b"MZ") && is_pe(head) => Self::Pe,
            _ if at(0, b"\xca\xfe\xba\xbe") => match head.get(4..8).map(u32_be) {
                // A class has its version here (45 and up), a fat Mach-O its number of architectures.
                Some(number) if number & 0xffff >= 45 => Self::Class,
                _ => Self::MachO,
            },
            _ if [b"\xfe\xed\xfa\xce", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe"]
                .iter()
                .any(|magic| at(0, *magic)) =>
            {
                Self::MachO
            }
            _ if ends(".pyc") && at(2, b"\r\n") => Self::Pyc,
            _ if at(0, b"\x89PNG\r\n\x1a\n") => Self::Png,
            _ if at(0, b"%PDF-") => Self::Pdf,
            _ if at(0, b"SQLite format 3\0") => Self::Sqlite,
            _ if at(0, b"\xde\x12\x04\x95") || at(0, b"\x95\x04\x12\xde") => Self::Mo,
            _ if ends(".json") && matches!(head.trim_ascii_start().first(), Some(b'{' | b'[')) => Self::Json,
            _ if is_section(name) && is_man(head) => Self::Man,
            _ if (ends(".html") || ends(".htm")) && holds(head, b"Generated by javadoc") => Self::Javadoc,
            _ => return None,
        };
        Some(kind)
    }
}

fn u32_be(four: &[u8]) -> u32 {
    four.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// The PE signature lies where the DOS header says. Linkers put it within the first pages.
fn is_pe(head: &[u8]) -> bool {
    let place = head.get(60..64).map(|four| four.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)));
    place.and_then(|place| head.get(place..)?.get(..4)) == Some(b"PE\0\0")
}

/// Whether a name ends like a manual's: `.1`, `.3pm`, `.8ssl`.
fn is_section(name: &str) -> bool {
    let Some((stem, section)) = name.rsplit_once('.') else { return false };
    let mut letters = section.bytes();
    !stem.is_empty()
        && section.len() <= 8
        && letters.next().is_some_and(|b| (b'1'..=b'9').contains(&b))
        && letters.all(|b| b.is_ascii_alphanumeric())
}

/// Whether a text begins as manuals do: with a request or a comment of roff, and with a title in sight.
fn is_man(head: &[u8]) -> bool {
    let title = |word: &[u8]| head.starts_with(&word[1..]) || holds(head, word);
    (head.starts_with(b".") || head.starts_with(b"'")) && (title(b"\n.TH ") || title(b"\n.Dd "))
}

fn holds(head: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(head, text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_before_names() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let mut pe = vec![0; 200];
        pe[..2].copy_from_slice(b"MZ");
        pe[60] = 128;
        pe[128..132].copy_from_slice(b"PE\0\0");
        let table: &[(&str, &[u8], Option<Kind>)] = &[
            ("a/b.zip", b"PK\x03\x04", Some(Kind::Zip)),
            ("b.JAR", b"PK\x03\x04", Some(Kind::Jar)),
            ("b", b"PK\x03\x04__________________________META-INF/", Some(Kind::Jar)),
            ("b.whl", b"PK\x05\x06", Some(Kind::Wheel)),
            ("tool.pyz", b"#!/usr/bin/python3\nPK", Some(Kind::Zip)),
            ("tool.sh", b"#!/bin/sh\n", None),
            ("b.zip", b"not a zip", None),
            ("x", &tar, Some(Kind::Tar)),
            ("x.tar", &[0; 1024], Some(Kind::Tar)),
            ("x", &[0; 1024], None),
            ("x", b"!<arch>\ndebian-binary   ", Some(Kind::Deb)),
            ("x.a", b"!<arch>\n/               ", Some(Kind::Ar)),
            ("x", b"\xca\xfe\xba\xbe\0\0\0\x34", Some(Kind::Class)),
            ("x", b"\xca\xfe\xba\xbe\0\0\0\x02", Some(Kind::MachO)),
            ("x.exe", &pe, Some(Kind::Pe)),
            ("x.exe", b"MZ", None),
            ("x.pyc", b"\xa7\r\r\n", Some(Kind::Pyc)),
            ("x.json", b" {\"a\":1}", Some(Kind::Json)),
            ("x.json", b"text", None),
            ("ls.1", b".\\\" comment\n.TH LS 1\n", Some(Kind::Man)),
            ("Foo.3pm", b".TH FOO 3pm\n", Some(Kind::Man)),
            ("notes.1", b"1. text\n", None),
            ("lib.so.1", b".TH but no\0", Some(Kind::Man)),
            ("a.html", b"<!-- Generated by javadoc (17) on -->", Some(Kind::Javadoc)),
            ("a.html", b"<html>", None),
            ("", b"", None),
        ];
        for (name, head, expected) in table {
            assert_eq!(Kind::of(name, head), *expected, "{name}");
        }
    }
}
