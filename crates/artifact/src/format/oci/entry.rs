//! A layer of anything that a layer can hold: owners, modes, attributes, links, and what takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use model::{Digest, Hasher, Timestamp};

use super::super::{LAST_MTIME, gzip, tar};
use super::layer::{Hashed, WHITEOUT};
use crate::{PackError, pipeline};

/// One member of a layer that is written. `C` is whatever the caller finds the content by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEntry<C> {
    /// From the root, without a slash before it or behind, `.` or `..`; not empty.
    pub path: String,
    /// What is there.
    pub what: What<C>,
    /// Permission bits, at most 07777. Of a link they have no meaning.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes, by their whole names.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// What is at a path of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<C> {
    /// A file of so many bytes.
    File {
        /// Its content.
        content: C,
        /// Its length.
        size: u64,
    },
    /// Another name of a file of this layer, by path.
    Link(String),
    /// A symbolic link to this text.
    Symlink(String),
    /// A directory.
    Directory,
    /// A directory that hides everything that layers below have in it.
    Opaque,
    /// A named pipe.
    Pipe,
    /// Nothing: what layers below have there is taken away.
    Gone,
}

/// Writes a layer of `entries`, in any order, as [`super::layer`] does: sorted, all of one time, in gzip on all cores. Says
/// what the tar is: its hash is the `diff_id`. `open` gives the content of an entry.
///
/// # Errors
/// If a path is none, is there twice or lies below what is no directory; if a mode, link or attribute is none; if a content
/// cannot be read or is not as long as said; and what `out` says.
pub fn entries<C>(
    entries: &[LayerEntry<C>],
    mtime: Timestamp,
    open: &dyn Fn(&C) -> io::Result<Box<dyn Read>>,
    out: &mut dyn Write,
) -> Result<Digest, PackError> {
    entries_on(pipeline::cores(), entries, mtime, open, out)
}

/// [`entries()`] on so many `workers`; the bytes are the same for any number.
///
/// # Errors
/// As [`entries()`].
pub fn entries_on<C>(
    workers: NonZeroUsize,
    entries: &[LayerEntry<C>],
    mtime: Timestamp,
    open: &dyn Fn(&C) -> io::Result<Box<dyn Read>>,
    out: &mut dyn Write,
) -> Result<Digest, PackError> {
    if !(0..=LAST_MTIME).contains(&mtime.0) {
        return Err(PackError::Mtime(mtime));
    }
    let order = order(entries)?;
    let mut hasher = Hasher::default();
    gzip::stream(workers, out, |sink| {
        let mut out = tar::Writer::new(Hashed { sink, hasher: &mut hasher }, mtime.0.unsigned_abs());
        for entry in order {
            member(entry, open, &mut out)?;
        }
        out.finish()
    })?;
    out.flush().map_err(PackError::Write)?;
    Ok(hasher.finish())
}

/// What takes away before everything else of its folder, a directory before what is in it, and otherwise by name.
fn order<C>(entries: &[LayerEntry<C>]) -> Result<Vec<&LayerEntry<C>>, PackError> {
    let mut paths = BTreeSet::new();
    for entry in entries {
        let wrong = |what: &str| PackError::Name { path: entry.path.clone(), what: what.to_owned() };
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
        if !entry.path.split('/').all(plain) {
            return Err(wrong("it is not a path below the root"));
        }
        if entry.path.split('/').any(|part| part.starts_with(WHITEOUT)) {
            return Err(wrong("in a layer, a name that begins with `.wh.` takes away what lies below"));
        }
        if !paths.insert(entry.path.as_str()) {
            return Err(wrong("it is there twice"));
        }
        if entry.mode > 0o7777 {
            return Err(wrong(&format!("its mode is {:o}: expected 7777 at most", entry.mode)));
        }
        // Pax would read another name, and another value.
        if let Some(name) = entry.attributes.keys().find(|name| name.contains(['=', '\0', '\n'])) {
            return Err(wrong(&format!("an archive cannot hold its attribute {name:?}")));
        }
        if matches!(&entry.what, What::Symlink(target) if target.is_empty() || target.contains('\0')) {
            return Err(wrong("it is a link to no path"));
        }
    }
    let folder = |what: &What<C>| matches!(what, What::Directory | What::Opaque);
    let others: BTreeSet<&str> =
        entries.iter().filter(|entry| !folder(&entry.what)).map(|entry| entry.path.as_str()).collect();
    for path in &paths {
        let above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        if let Some(above) = above.into_iter().find(|above| others.contains(above)) {
            let what = format!("`{above}` above it is no directory");
            return Err(PackError::Name { path: (*path).to_owned(), what });
        }
    }
    let mut order: Vec<&LayerEntry<C>> = entries.iter().collect();
    order.sort_by_cached_key(|entry| {
        let mut parts: Vec<(bool, &str)> = entry.path.split('/').map(|part| (true, part)).collect();
        if let (What::Gone, Some(last)) = (&entry.what, parts.last_mut()) {
            last.0 = false;
        }
        parts
    });
    let mut files = BTreeSet::new();
    for entry in &order {
        match &entry.what {
            What::File { .. } => drop(files.insert(entry.path.as_str())),
            What::Link(target) if !files.contains(target.as_str()) => {
                let what = format!("it is a link to `{target}`, which is no file before it");
                return Err(PackError::Name { path: entry.path.clone(), what });
            }
            _ => {}
        }
    }
    Ok(order)
}

fn member<C>(
    entry: &LayerEntry<C>,
    open: &dyn Fn(&C) -> io::Result<Box<dyn Read>>,
    out: &mut tar::Writer<impl Write>,
) -> Result<(), PackError> {
    let LayerEntry { path, mode, uid, gid, .. } = entry;
    let attributes = tar::Attributes { mode: *mode, uid: (*uid).into(), gid: (*gid).into() };
    let more = || {
        let named =
            |(name, value): (&String, &Vec<u8>)| (format!("SCHILY.xattr.{name}").into_bytes(), value.clone());
        entry.attributes.iter().map(named).collect::<BTreeMap<_, _>>()
    };
    let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
    let empty = tar::Attributes { mode: 0, uid: 0, gid: 0 };
    match &entry.what {
        What::Directory | What::Opaque => {
            out.entry(b'5', &format!("{path}/"), "", attributes, more())?;
            if matches!(entry.what, What::Opaque) {
                out.entry(b'0', &format!("{path}/{WHITEOUT}{WHITEOUT}.opq"), "", empty, BTreeMap::new())?;
            }
            Ok(())
        }
        What::Gone => {
            let slash = if folder.is_empty() { "" } else { "/" };
            out.entry(b'0', &format!("{folder}{slash}{WHITEOUT}{name}"), "", empty, BTreeMap::new())
        }
        What::Symlink(target) => {
            let attributes = tar::Attributes { mode: 0o777, ..attributes };
            out.entry(b'2', path, target, attributes, more())
        }
        What::Link(target) => out.entry(b'1', path, target, attributes, BTreeMap::new()),
        What::Pipe => out.entry(b'6', path, "", attributes, more()),
        What::File { content, size } => {
            let unreadable = |source| PackError::Unreadable { path: path.clone(), source };
            let mut reader = open(content).map_err(unreadable)?;
            out.file(path, attributes, more(), *size, &mut reader)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry = LayerEntry<&'static str>;

    fn entry(path: &str, what: What<&'static str>) -> Entry {
        LayerEntry { path: path.to_owned(), what, mode: 0o755, uid: 0, gid: 0, attributes: BTreeMap::new() }
    }

    fn file(text: &'static str) -> What<&'static str> {
        What::File { content: text, size: text.len() as u64 }
    }

    fn packed(workers: usize, list: &[Entry]) -> Result<(Vec<u8>, Digest), PackError> {
        let mut out = Vec::new();
        let open = |text: &&'static str| Ok(Box::new(text.as_bytes()) as Box<dyn Read>);
        let workers = NonZeroUsize::new(workers).unwrap();
        let tar = entries_on(workers, list, Timestamp(1), &open, &mut out)?;
        Ok((out, tar))
    }

    fn all() -> Vec<Entry> {
        vec![
            entry("usr/bin/tool", file("tool")),
            entry("usr/bin/alias", What::Symlink("tool".into())),
            entry("usr/bin", What::Directory),
            entry("usr", What::Directory),
            entry("usr/bin/zool", What::Link("usr/bin/tool".into())),
            entry("usr/aaa", file("a")),
            entry("usr/old", What::Gone),
            entry("gone", What::Gone),
            entry("srv", What::Opaque),
            entry("srv/pipe", What::Pipe),
            Entry {
                mode: 0o4755,
                uid: 1000,
                gid: 3_000_000,
                attributes: [("security.capability".to_owned(), vec![1, 0, 0, 2, 0, 0x20, 0])].into(),
                ..entry("usr/bin/ping", file("ping"))
            },
        ]
    }

    #[test]
    fn a_layer_is_sorted_and_what_takes_away_comes_first() {
        let mut list = all();
        let (bytes, tar) = packed(1, &list).unwrap();
        list.reverse();
        assert_eq!(packed(2, &list).unwrap(), (bytes.clone(), tar));
        let mut plain = super::super::plain(bytes.as_slice()).unwrap();
        let mut seen = Vec::new();
        super::super::members(&mut plain, |member, content| {
            let mut text = String::new();
            content.read_to_string(&mut text).unwrap();
            let more = member.more.len();
            seen.push(format!(
                "{} {} {:o} {}:{} {}{text}{}",
                member.kind,
                member.name,
                member.mode,
                member.uid,
                member.gid,
                member.target,
                if more > 0 { "+" } else { "" }
            ));
            Ok::<(), super::super::MemberError>(())
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                "0 .wh.gone 0 0:0 ",
                "5 srv 755 0:0 ",
                "0 srv/.wh..wh..opq 0 0:0 ",
                "6 srv/pipe 755 0:0 ",
                "5 usr 755 0:0 ",
                "0 usr/.wh.old 0 0:0 ",
                "0 usr/aaa 755 0:0 a",
                "5 usr/bin 755 0:0 ",
                "2 usr/bin/alias 777 0:0 tool",
                "0 usr/bin/ping 4755 1000:3000000 ping+",
                "0 usr/bin/tool 755 0:0 tool",
                "1 usr/bin/zool 755 0:0 usr/bin/tool",
            ]
        );
    }

    /// What an image's root is unpacked by on most machines reads what is written here.
    #[test]
    fn tar_reads_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("layer.tar.gz");
        std::fs::write(&file, packed(2, &all()).unwrap().0).unwrap();
        let listed = std::process::Command::new("tar")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "-tvvzf"])
            .arg(&file)
            .output()
            .unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        for line in [
            "-rwsr-xr-x* 1000/3000000 4 1970-01-01 00:00 usr/bin/ping",
            "x: 7 security.capability",
            "hrwxr-xr-x 0/0 0 1970-01-01 00:00 usr/bin/zool link to usr/bin/tool",
            "lrwxrwxrwx 0/0 0 1970-01-01 00:00 usr/bin/alias -> tool",
            "prwxr-xr-x 0/0 0 1970-01-01 00:00 srv/pipe",
        ] {
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.lines().any(|found| squeezed(found) == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_path() {
        let open = |_: &&'static str| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let list = [entry("a", file("a"))];
        let error = entries(&list, Timestamp(1), &open, &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, PackError::Unreadable { path, .. } if path == "a"), "{error}");
    }

    #[test]
    fn what_no_layer_can_hold_is_an_error() {
        for (list, expected) in [
            (vec![entry("", What::Directory)], "not a path"),
            (vec![entry("/a", What::Directory)], "not a path"),
            (vec![entry("a/../b", What::Directory)], "not a path"),
            (vec![entry("a/.wh.b", What::Directory)], "takes away"),
            (vec![entry("a", What::Directory), entry("a", What::Gone)], "twice"),
            (vec![entry("a", What::Link("b".into())), entry("b", file("b"))], "before it"),
            (vec![entry("a", What::File { content: "short", size: 9 })], "5 bytes, where 9"),
            (vec![entry("a", What::File { content: "long", size: 2 })], "more bytes, where 2"),
            (vec![entry("a", file("a")), entry("a/b/c", file("c"))], "`a` above it is no directory"),
            (vec![entry("a", What::Gone), entry("a/b", What::Gone)], "`a` above it is no directory"),
            (vec![entry("a", What::Symlink(String::new()))], "a link to no path"),
            (vec![Entry { mode: 0o10_000, ..entry("a", What::Pipe) }], "7777 at most"),
            (
                vec![Entry {
                    attributes: [("user.a=b".to_owned(), Vec::new())].into(),
                    ..entry("a", What::Directory)
                }],
                "cannot hold its attribute",
            ),
        ] {
            let error = packed(1, &list).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
