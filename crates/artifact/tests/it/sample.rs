//! Members and contents for tests.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use artifact::{Contents, Member, Options, pack};
use model::recipe::Format;
use model::tree::Node;
use model::{Digest, RelPath, Timestamp};

pub(crate) const ARCHIVES: [Format; 4] = [Format::Tar, Format::TarGz, Format::TarZst, Format::Zip];

/// Members, and the bytes of their files.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    pub(crate) members: Vec<Member>,
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Sample {
    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>, executable: bool) -> Self {
        let content = content.into();
        let digest = Digest::of(&content);
        self.blobs.insert(digest, content);
        self.members.push(Member { path: p(path), node: Node::File { digest, executable } });
        self
    }

    pub(crate) fn directory(mut self, path: &str) -> Self {
        self.members.push(Member { path: p(path), node: Node::Directory(Digest::of(b"")) });
        self
    }

    pub(crate) fn symlink(mut self, path: &str, target: &str) -> Self {
        self.members.push(Member { path: p(path), node: Node::Symlink(target.into()) });
        self
    }

    pub(crate) fn pack(&self, format: Format, options: &Options) -> Vec<u8> {
        let mut out = Vec::new();
        pack(format, &self.members, options, self, &mut out).unwrap();
        out
    }
}

impl Contents for Sample {
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        let blob = self.blobs.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(blob)))
    }
}

pub(crate) fn p(text: &str) -> RelPath {
    text.parse().unwrap()
}

pub(crate) fn options(mtime: i64, prefix: &str) -> Options {
    Options { mtime: Timestamp(mtime), prefix: p(prefix) }
}

/// A linear congruential generator: the same noise everywhere, for ever.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() & 0xff) as u8).collect()
    }

    /// Compressible, but not trivially.
    pub(crate) fn text(&mut self, count: usize) -> Vec<u8> {
        const WORDS: [&str; 8] = ["int ", "return ", "static ", "x", "buffer", "();\n", "/* why */ ", "0x"];
        let mut text = Vec::with_capacity(count + 16);
        while text.len() < count {
            text.extend(WORDS[self.below(8)].as_bytes());
            text.extend(format!("{:x}", self.next() % 4096).as_bytes());
        }
        text.truncate(count);
        text
    }
}

/// A little of everything that an archive can hold.
pub(crate) fn everything() -> Sample {
    let mut noise = Noise(7);
    let long = format!("deep/{}/{}/file", "d".repeat(90), "e".repeat(90));
    Sample::default()
        .directory("empty-dir")
        .file("empty", "", false)
        .file("bin/run", "#!/bin/sh\necho hello\n", true)
        .symlink("bin/run-link", "run")
        .symlink("dangling", "/nowhere/at/all")
        .file(&long, "a name that ustar splits\n", false)
        .file(&"n".repeat(180), "a name that needs pax\n", false)
        .symlink("far", &format!("{}end", "../up/".repeat(30)))
        .file("größe/日本語.txt", "names beyond ASCII\n", false)
        .symlink("größe/link", "日本語.txt")
        .file("with space and 'quotes\"", "x", false)
        .file("text", noise.text(100_000), false)
        .file("noise", noise.bytes(50_000), false)
        .file("a.txt", "sorted after a/\n", false)
        .file("a/inner", "sorted before a.txt\n", false)
}

/// More than one block of every format, compressible and not.
pub(crate) fn large() -> Sample {
    let mut noise = Noise(11);
    Sample::default()
        .file("big-text", noise.text(5_000_000), false)
        .file("big-noise", noise.bytes(2_500_000), false)
        .file("exactly-one-block", noise.text(1 << 20), false)
        .file("small", "after the large\n", true)
}
