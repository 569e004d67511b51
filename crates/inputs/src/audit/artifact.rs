//! What the last build of a recipe made: what in its artifacts another machine, hour or key would make another way.
//!
//! Archives in archives are opened, two levels deep and within bounds; what cannot be opened says nothing.

use std::io::{Read, Seek};

use model::Timestamp;

use super::noted::Noted;
use super::rule::Id;
use crate::archive::decoder;

/// One file of an artifact, and what is known of how it was built.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// Path of the recipe among the files looked at.
    pub recipe: &'a str,
    /// The line there that declares it; 0 if unknown.
    pub line: usize,
    /// Name of the artifact, and of the file in it if it is a directory.
    pub name: &'a str,
    /// The path that it was built in.
    pub build_path: &'a str,
    /// `SOURCE_DATE_EPOCH` of the build.
    pub epoch: Timestamp,
}

/// How much of one artifact is looked at.
const MOST: u64 = 256 << 20;
/// How many members.
const MEMBERS: usize = 20_000;
/// How deep archives lie in each other.
const DEPTH: usize = 2;

struct Look<'a> {
    made: Made<'a>,
    left: u64,
    members: usize,
    found: Vec<Noted>,
}

/// Looks at one file.
#[must_use]
pub fn artifact(made: Made<'_>, bytes: &mut (impl Read + Seek)) -> Vec<Noted> {
    let mut whole = Vec::new();
    let mut look = Look { made, left: MOST, members: MEMBERS, found: Vec::new() };
    if bytes.take(MOST).read_to_end(&mut whole).is_ok() {
        look.file(made.name, &whole, 0);
    }
    // Of each rule, one finding speaks for the artifact.
    look.found.dedup_by(|a, b| a.id == b.id);
    let mut seen = Vec::new();
    look.found.retain(|noted| {
        !seen.contains(&noted.id) && {
            seen.push(noted.id);
            true
        }
    });
    look.found
}

impl Look<'_> {
    fn note(&mut self, id: Id, place: &str, what: &str, fix: &str) {
        let message = format!("artifact `{}`: {what}", self.made.name);
        let noted = Noted::new(id, self.made.recipe, self.made.line, message, fix);
        self.found.push(noted.seen(place));
    }

    fn file(&mut self, place: &str, bytes: &[u8], depth: usize) {
        let name = place.rsplit('/').next().unwrap_or_default();
        // An archive is told of by what is in it.
        let opened = depth < DEPTH && (bytes.starts_with(b"PK\x03\x04") || is_tar(bytes));
        if !opened && holds_path(bytes, self.made.build_path) {
            let what = format!("`{place}` holds `{}`, the path that it was built in", self.made.build_path);
            let fix = "map the path away (`-ffile-prefix-map`, `--remap-path-prefix`, `-trimpath`)";
            self.note(Id::Det04, place, &what, fix);
        }
        if name.ends_with(".pyc") {
            let what = format!("`{place}` is a compiled Python file");
            self.note(
                Id::Det09,
                place,
                &what,
                "leave it out, or compile with `--invalidation-mode=unchecked-hash`",
            );
        }
        let signature =
            place.contains("META-INF/") && [".RSA", ".DSA", ".EC"].iter().any(|e| name.ends_with(e));
        if signature || name.ends_with(".p7s") || bytes.starts_with(b"-----BEGIN PGP SIGNATURE-----") {
            let what = format!("`{place}` is a signature");
            self.note(Id::Det10, place, &what, "sign the finished artifact from outside");
        }
        let wheel_libraries = place.rsplit('/').nth(1).is_some_and(|dir| dir.ends_with(".libs"));
        if wheel_libraries && name.contains(".so") {
            let what = format!("`{place}` is a library that was copied in");
            self.note(Id::Sbom05, place, &what, "name it in the SBOM, with its version");
        }
        if depth < DEPTH {
            self.archive(place, bytes, depth);
        }
    }

    fn archive(&mut self, place: &str, bytes: &[u8], depth: usize) {
        if bytes.starts_with(b"PK\x03\x04") {
            self.zip(place, bytes, depth);
        } else if is_tar(bytes) {
            self.tar(place, &mut std::io::Cursor::new(bytes), depth);
        } else if let Some(time) = gzip_time(bytes) {
            if time > self.made.epoch.0 {
                self.late(place, "the gzip header");
            }
            let mut head = Vec::new();
            let Ok(unpacked) = decoder(bytes) else { return };
            let mut unpacked = unpacked.take(self.left);
            if unpacked.by_ref().take(512).read_to_end(&mut head).is_ok() && is_tar(&head) {
                self.tar(place, &mut head.as_slice().chain(unpacked), depth);
            }
        }
    }

    /// A time that only the build can have given.
    fn late(&mut self, place: &str, what: &str) {
        let text = format!("{what} of `{place}` has a time after SOURCE_DATE_EPOCH");
        self.note(
            Id::Det06,
            place,
            &text,
            "give the archiver SOURCE_DATE_EPOCH, or pack it as an artifact of its own",
        );
    }

    fn zip(&mut self, place: &str, bytes: &[u8], depth: usize) {
        let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) else { return };
        for nth in 0..archive.len() {
            let Ok(mut member) = archive.by_index(nth) else { continue };
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            let late = member.last_modified().is_some_and(|t| {
                let [month, day] = [t.month(), t.day()].map(i64::from);
                let [hour, minute, second] = [t.hour(), t.minute(), t.second()].map(i64::from);
                // Zips have no zone, and whole pairs of seconds.
                let at = crate::calendar::seconds(i64::from(t.year()), month, day, hour, minute, second);
                // What is before 1980 is written as 1980.
                at > self.made.epoch.0.max(315_532_800) + 86_400
            });
            if late {
                self.late(place, "a member");
            }
            self.member(place, &name, &mut member, depth);
        }
    }

    fn tar(&mut self, place: &str, bytes: &mut dyn Read, depth: usize) {
        let mut archive = tar::Archive::new(bytes);
        let Ok(entries) = archive.entries() else { return };
        for entry in entries {
            let Ok(mut entry) = entry else { return };
            let header = entry.header();
            let time = header.mtime().ok().and_then(|t| i64::try_from(t).ok()).unwrap_or(0);
            if time > self.made.epoch.0 {
                self.late(place, "a member");
            }
            if header.uid().is_ok_and(|id| id != 0)
                || header.username().ok().flatten().is_some_and(|u| !matches!(u, "" | "root"))
            {
                let text = format!("a member of `{place}` has the owner of this machine");
                self.note(Id::Det06, place, &text, "give tar `--owner=0 --group=0 --numeric-owner`");
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            self.member(place, &name, &mut entry, depth);
        }
    }

    fn member(&mut self, place: &str, name: &str, content: &mut dyn Read, depth: usize) {
        if self.left == 0 || self.members == 0 {
            return;
        }
        self.members -= 1;
        let mut bytes = Vec::new();
        if content.take(self.left).read_to_end(&mut bytes).is_ok() {
            self.left = self.left.saturating_sub(bytes.len() as u64);
            self.file(&format!("{place}/{name}"), &bytes, depth + 1);
        }
    }
}

/// Whether bytes hold a path as such: not as the end of a longer one, and not as the beginning of a longer name.
fn holds_path(bytes: &[u8], path: &str) -> bool {
    let path = path.as_bytes();
    if path.len() < 5 {
        return false;
    }
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], path).map(|at| from + at) {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + path.len());
        // As an option of a compiler has it.
        let option = bytes[..at].ends_with(b"-I") || bytes[..at].ends_with(b"-L");
        if (option || !before.is_some_and(word)) && !after.is_some_and(|b| word(b) && *b != b'/') {
            return true;
        }
        from = at + 1;
    }
    false
}

fn find(bytes: &[u8], path: &[u8]) -> Option<usize> {
    let first = *path.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|b| *b == first)?;
        if bytes[at..].starts_with(path) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// The time in a gzip header (RFC 1952); 0: none.
fn gzip_time(bytes: &[u8]) -> Option<i64> {
    let time = bytes.strip_prefix(&[0x1f, 0x8b, 8])?.get(1..5)?;
    Some(i64::from(u32::from_le_bytes([time[0], time[1], time[2], time[3]])))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn told(name: &str, bytes: &[u8]) -> Vec<String> {
        let made = Made {
            recipe: "selfsame.toml",
            line: 0,
            name,
            build_path: "/build/src",
            epoch: Timestamp(1_700_000_000),
        };
        let list = artifact(made, &mut std::io::Cursor::new(bytes));
        list.into_iter().map(|n| format!("{} {}", n.id.rule().id, n.evidence)).collect()
    }

    fn zip(members: &[(&str, &[u8], u16)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content, year) in members {
            let time = zip::DateTime::from_date_and_time(*year, 1, 1, 0, 0, 0).unwrap();
            zip.start_file(*name, zip::write::SimpleFileOptions::default().last_modified_time(time)).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn tar(name: &str, content: &[u8], time: u64, owner: u64) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mtime(time);
        header.set_uid(owner);
        header.set_cksum();
        tar.append_data(&mut header, name, content).unwrap();
        tar.into_inner().unwrap()
    }

    #[test]
    fn paths_are_whole_paths() {
        for (bytes, held) in [
            (&b"\0/build/src/a.c\0"[..], true),
            (b"/build/src", true),
            (b"cc -I/build/src/include", true),
            (b"x/build/src/a", false),
            (b"/build/srcs", false),
            (b"/build/sr", false),
            (b"https://example.org/build/src/", false),
        ] {
            assert_eq!(holds_path(bytes, "/build/src"), held, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_an_artifact_holds_is_told_once() {
        let jar = zip(&[("META-INF/A.RSA", b"", 1980), ("a/B.class", b"\0/build/src/B.java", 2026)]);
        let whole = tar("lib/a.jar", &jar, 1_700_000_000, 0);
        assert_eq!(
            told("a.tar", &whole),
            [
                "DET10 a.tar/lib/a.jar/META-INF/A.RSA",
                "DET06 a.tar/lib/a.jar",
                "DET04 a.tar/lib/a.jar/a/B.class"
            ],
        );
        assert_eq!(told("a.tar", &tar("b", b"", 1_700_000_001, 0)), ["DET06 a.tar"]);
        assert_eq!(told("a.tar", &tar("b", b"", 0, 1000)), ["DET06 a.tar"]);
        assert_eq!(
            told("a.whl", &zip(&[("p.libs/libz-1.so.1", b"\x7fELF", 1980)])),
            ["SBOM05 a.whl/p.libs/libz-1.so.1"]
        );
        assert_eq!(told("p/__pycache__/a.pyc", b"x"), ["DET09 p/__pycache__/a.pyc"]);
        let mut late = vec![0x1f, 0x8b, 8, 0];
        late.extend(1_700_000_001_u32.to_le_bytes());
        assert_eq!(told("a.gz", &late), ["DET06 a.gz"]);
    }

    #[test]
    fn what_is_as_it_should_be_is_not_told() {
        let good = tar(
            "lib/a.jar",
            &zip(&[("META-INF/MANIFEST.MF", b"", 1980), ("a.py", b"/tmp/x", 1980)]),
            1_700_000_000,
            0,
        );
        assert_eq!(told("a.tar", &good), [""; 0]);
        for hostile in [&b"PK\x03\x04"[..], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3], b"", &[0; 600]] {
            assert_eq!(told("x", hostile), [""; 0]);
        }
    }
}
