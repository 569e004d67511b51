//! What of the things that a `RUN` leaves differs from run to run, and is not what was asked for: named rules, each of which
//! says what it does. Anything else that differs stays, and a rebuild tells it.
//!
//! Left out are caches and logs that nothing reads to run the image. Where the layers below have such a file, that one stays
//! visible. What a command takes away stays taken away.

use std::collections::BTreeMap;
use std::fs;

use artifact::oci::{LayerEntry, What};

use crate::layers::{Entries, LayerError, Source, View};

/// Version of these rules: part of what every layer follows from.
pub(super) const RULES: &str = "selfsame-dockerfile/1";

/// A rule by its name, and the files to which it applies.
struct Rule {
    name: &'static str,
    applies: fn(&str) -> bool,
    does: Does,
}

/// What becomes of a file, if it changes.
type Change = fn(&[u8], &[u8], i64) -> Option<Vec<u8>>;

enum Does {
    /// It is left out.
    LeavesOut,
    /// It is this instead, where something has been written.
    Is(&'static [u8]),
    /// It is changed: the file, the one below, and the day since 1970 of the sources.
    Changes(Change),
}

const TABLE: &[Rule] = &[
    Rule {
        name: "ldconfig-cache",
        applies: |path| path == "var/cache/ldconfig/aux-cache",
        does: Does::LeavesOut,
    },
    Rule {
        name: "package-logs",
        applies: |path| {
            path.starts_with("var/log/apt/")
                || matches!(
                    path,
                    "var/log/dpkg.log"
                        | "var/log/alternatives.log"
                        | "var/log/bootstrap.log"
                        | "var/log/apk.log"
                        | "var/log/dnf.log"
                        | "var/log/yum.log"
                        | "var/log/fontconfig.log"
                )
        },
        does: Does::LeavesOut,
    },
    Rule {
        name: "apt-cache",
        applies: |path| matches!(path, "var/cache/apt/pkgcache.bin" | "var/cache/apt/srcpkgcache.bin"),
        does: Does::LeavesOut,
    },
    Rule { name: "wget-hsts", applies: |path| last(path) == ".wget-hsts", does: Does::LeavesOut },
    Rule { name: "gnupg-seed", applies: |path| path.ends_with(".gnupg/random_seed"), does: Does::LeavesOut },
    Rule {
        name: "machine-id",
        applies: |path| path == "etc/machine-id" || path == "var/lib/dbus/machine-id",
        does: Does::Is(b""),
    },
    Rule {
        name: "shadow-day",
        applies: |path| matches!(path, "etc/shadow" | "etc/shadow-"),
        does: Does::Changes(shadow),
    },
    Rule { name: "pyc-time", applies: |path| path.ends_with(".pyc"), does: Does::Changes(pyc) },
];

/// The largest file that is changed.
const LARGEST: u64 = 64 << 20;

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Applies every rule to what was written over `below`; says how many files each has changed. `epoch` is that of the
/// sources, in seconds.
pub(super) fn apply(
    entries: &mut Entries,
    below: &View,
    epoch: i64,
) -> Result<BTreeMap<&'static str, usize>, LayerError> {
    let mut applied = BTreeMap::new();
    let mut out = Vec::new();
    for (path, entry) in entries.iter_mut() {
        let What::File { content, size } = &entry.what else { continue };
        let Some(rule) = TABLE.iter().find(|rule| (rule.applies)(path)) else { continue };
        let made = match rule.does {
            Does::LeavesOut => {
                out.push(path.clone());
                *applied.entry(rule.name).or_default() += 1;
                continue;
            }
            Does::Is(bytes) => (*size > 0).then(|| bytes.to_vec()),
            Does::Changes(_) if *size > LARGEST => None,
            Does::Changes(change) => {
                let Source::Disk(place) = content else { continue };
                let bytes = fs::read(place).map_err(LayerError::path(path))?;
                let before = below.text(path)?.unwrap_or_default();
                change(&bytes, before.as_bytes(), epoch.div_euclid(86_400))
            }
        };
        if let Some(bytes) = made {
            let size = bytes.len() as u64;
            entry.what = What::File { content: Source::Bytes(bytes), size };
            *applied.entry(rule.name).or_default() += 1;
        }
    }
    for path in out {
        if let Some(file) = entries.remove(&path) {
            renamed(entries, &file);
        }
    }
    Ok(applied)
}

/// Of a file that is left out, another name is no link any more: the first of them is the file, and the others link to that.
fn renamed(entries: &mut Entries, file: &LayerEntry<Source>) {
    let mut first: Option<String> = None;
    for (path, entry) in entries.iter_mut() {
        if !matches!(&entry.what, What::Link(target) if *target == file.path) {
            continue;
        }
        match &first {
            Some(first) => entry.what = What::Link(first.clone()),
            None => {
                *entry = LayerEntry { path: path.clone(), ..file.clone() };
                first = Some(path.clone());
            }
        }
    }
}

/// The day on which a password was last changed: that of the sources, where the line is new or another one.
fn shadow(bytes: &[u8], before: &[u8], day: i64) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let before = std::str::from_utf8(before).unwrap_or_default();
    let known: Vec<&str> = before.lines().collect();
    let mut made = String::new();
    for line in text.split_inclusive('\n') {
        let plain = line.trim_end_matches('\n');
        let mut fields: Vec<&str> = plain.split(':').collect();
        let day = day.to_string();
        if fields.len() >= 3 && !known.contains(&plain) && !matches!(fields[2], "" | "0") {
            fields[2] = &day;
        }
        made.push_str(&fields.join(":"));
        made.push_str(&line[plain.len()..]);
    }
    (made != text).then_some(made.into_bytes())
}

/// The time of the source that byte code was made of is that which it has in the layer (PEP 552; 1 second).
fn pyc(bytes: &[u8], _: &[u8], _: i64) -> Option<Vec<u8>> {
    let flags = bytes.get(4..8)?;
    let by_time = flags == [0; 4] && bytes.get(2..4)? == b"\r\n";
    let mut made = bytes.to_vec();
    made.get_mut(8..12)?.copy_from_slice(&1_u32.to_le_bytes());
    (by_time && made != bytes).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_of_a_file_that_is_left_out_stay() {
        let entry = |path: &str, what| LayerEntry {
            path: path.to_owned(),
            what,
            mode: 0o640,
            uid: 7,
            gid: 0,
            attributes: BTreeMap::new(),
        };
        let content = || What::File { content: Source::Bytes(b"log".to_vec()), size: 3 };
        let log = "var/log/dpkg.log";
        let all = [
            entry(log, content()),
            entry("x/b", What::Link(log.into())),
            entry("x/c", What::Link(log.into())),
        ];
        let mut entries: Entries = all.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let applied = apply(&mut entries, &View::new(&[]), 0).unwrap();
        assert_eq!(applied, [("package-logs", 1)].into());
        let left: Vec<_> = entries.into_values().map(|entry| (entry.path, entry.what)).collect();
        assert_eq!(left, [("x/b".to_owned(), content()), ("x/c".to_owned(), What::Link("x/b".into()))]);
    }

    #[test]
    fn a_password_is_as_old_as_the_sources() {
        let before = b"root:*:19000:0:99999:7:::\n";
        let after = b"root:*:19000:0:99999:7:::\napp:!:20417:0:99999:7:::\nsys:!::::::\n";
        let made = shadow(after, before, 18_000).unwrap();
        assert_eq!(made, b"root:*:19000:0:99999:7:::\napp:!:18000:0:99999:7:::\nsys:!::::::\n");
        assert_eq!(shadow(before, before, 18_000), None);
    }

    #[test]
    fn byte_code_has_the_time_that_its_source_has() {
        let code = |flags: u8, time: u8| {
            [&[0xa7, 13, b'\r', b'\n', flags, 0, 0, 0, time, 0, 0, 0][..], b"code"].concat()
        };
        assert_eq!(pyc(&code(0, 9), b"", 0), Some(code(0, 1)));
        assert_eq!(pyc(&code(0, 1), b"", 0), None);
        assert_eq!(pyc(&code(1, 9), b"", 0), None, "by hash");
        assert_eq!(pyc(b"\xa7", b"", 0), None);
    }
}
