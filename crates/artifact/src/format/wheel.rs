//! Wheels: a zip with a list of its files, their hashes and sizes (PyPA's "Binary distribution format", 1.0).
//!
//! Packed from a tree that has all but the list: what is to be installed, and one folder `NAME-VERSION.dist-info` with
//! `METADATA` and `WHEEL`. A list that is there already is replaced, as it would be about other bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::Digest;
use model::recipe::Rule;

use super::zip::Found as Entry;
use super::{Packing, zip};
use crate::fields::lossy;
use crate::listing::{self, Kind};
use crate::normal::Work;
use crate::{Contents, PackError};

/// Whether an entry is the list: `NAME-VERSION.dist-info/RECORD`.
pub(super) fn is_record(name: &[u8]) -> bool {
    in_dist_info(name) == Some(b"RECORD")
}

/// What follows the folder `NAME-VERSION.dist-info/`.
fn in_dist_info(name: &[u8]) -> Option<&[u8]> {
    let slash = name.iter().position(|&byte| byte == b'/')?;
    name[..slash].ends_with(b".dist-info").then(|| &name[slash + 1..])
}

/// Why nothing in this archive may be changed, if that is so.
pub(super) fn signed(entries: &[Entry<'_>]) -> Option<String> {
    let signature = entries
        .iter()
        .find(|entry| matches!(in_dist_info(entry.name), Some(b"RECORD.jws" | b"RECORD.p7s")))?;
    Some(format!("it is signed (`{}`)", lossy(signature.name)))
}

/// The folder of metadata comes last, as the specification of wheels recommends, and the list last in it.
pub(super) fn rank(name: &[u8]) -> u8 {
    match in_dist_info(name) {
        None => 0,
        Some(b"RECORD") => 2,
        Some(_) => 1,
    }
}

/// Hash and size as the list has them.
fn hash(digest: &Digest) -> String {
    format!("sha256={},{}", BASE64_URL_SAFE_NO_PAD.encode(digest.sha256.as_bytes()), digest.size)
}

/// The list with the hashes of what was changed, sorted.
pub(super) fn record(
    work: &mut Work<'_>,
    place: &str,
    text: &[u8],
    renewed: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let ending = &line[line.trim_ascii_end().len()..];
        let name = name_of(line);
        match renewed.get(&name) {
            Some(new) => {
                let field = &line[..field_end(line)];
                let after = [field, b",", hash(&Digest::of(new)).as_bytes()].concat();
                work.changed(place, Rule::EmbeddedConsequence, lossy(line.trim_ascii()), lossy(&after));
                lines.push([&after, ending].concat());
            }
            None => lines.push(line.to_vec()),
        }
    }
    if work.allows(Rule::FileOrder) && lines.last().is_none_or(|line| line.ends_with(b"\n")) {
        let before = lines.clone();
        lines.sort_by_cached_key(|line| (rank(&name_of(line)), name_of(line)));
        if let Some(at) = (0..lines.len()).find(|&at| lines[at] != before[at]) {
            let (was, is) = (lossy(before[at].trim_ascii()), lossy(lines[at].trim_ascii()));
            work.changed(place, Rule::FileOrder, format!("line {} is `{was}`", at + 1), format!("`{is}`"));
        }
    }
    lines.concat()
}

/// Where the first field of a line ends. It is in quotes if it has a comma.
fn field_end(line: &[u8]) -> usize {
    let mut quoted = false;
    let end = line.iter().position(|&byte| {
        quoted ^= byte == b'"';
        byte == b',' && !quoted
    });
    end.unwrap_or(line.len())
}

fn name_of(line: &[u8]) -> Vec<u8> {
    let field = &line[..field_end(line)];
    match field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")) {
        Some(quoted) => lossy(quoted).replace("\"\"", "\"").into_bytes(),
        None => field.to_vec(),
    }
}

/// The contents of a tree, and a list that is not in it.
struct WithRecord<'a> {
    contents: &'a dyn Contents,
    digest: Digest,
    record: Vec<u8>,
}

impl Contents for WithRecord<'_> {
    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        if *digest == self.digest { Ok(Box::new(self.record.as_slice())) } else { self.contents.open(digest) }
    }
}

/// Packs a wheel.
pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    let layout = |expected: &str, found: String| {
        Err(PackError::Layout { format: "wheel", expected: expected.into(), found })
    };
    let mut entries = Vec::with_capacity(packing.entries.len() + 1);
    let mut folders = std::collections::BTreeSet::new();
    for entry in packing.entries {
        let name = entry.path.as_str().as_bytes();
        if in_dist_info(name).is_some() {
            folders.extend(entry.path.components().next());
        }
        match (in_dist_info(name), entry.kind) {
            (Some(b"RECORD.jws" | b"RECORD.p7s"), _) => {
                return layout("no signature of a list that is made now", format!("`{}`", entry.path));
            }
            (_, Kind::Symlink(_)) => return layout("files alone", format!("`{}`, a symlink", entry.path)),
            (_, Kind::Directory) | (Some(b"RECORD"), _) => {}
            (_, Kind::File { .. }) => entries.push(entry.clone()),
        }
    }
    let folders: Vec<&str> = folders.into_iter().collect();
    let [folder] = folders.as_slice() else {
        let found = if folders.is_empty() { "none".into() } else { folders.join(", ") };
        return layout("one folder `NAME-VERSION.dist-info` at its root", found);
    };
    for name in ["METADATA", "WHEEL"] {
        let path = format!("{folder}/{name}");
        if !entries.iter().any(|entry| entry.path.as_str() == path) {
            return layout(&format!("`{path}`"), "none".into());
        }
    }
    // Listed and packed in the order that normalising gives.
    entries.sort_by_cached_key(|entry| (rank(entry.path.as_str().as_bytes()), entry.path.clone()));
    let mut lines: Vec<(u8, &str, String)> = Vec::new();
    for entry in &entries {
        let (path, Kind::File { digest, .. }) = (entry.path.as_str(), entry.kind) else { continue };
        let quoted = if path.contains([',', '"']) {
            format!("\"{}\"", path.replace('"', "\"\""))
        } else {
            path.into()
        };
        lines.push((rank(path.as_bytes()), path, format!("{quoted},{}\n", hash(digest))));
    }
    lines.sort();
    let mut record: String = lines.into_iter().map(|(_, _, line)| line).collect();
    let path = format!("{folder}/RECORD");
    record.push_str(&format!("{path},,\n"));
    let record = record.into_bytes();
    let contents = WithRecord { contents: packing.contents, digest: Digest::of(&record), record };
    let path = path.parse().map_err(|_| PackError::Layout {
        format: "wheel",
        expected: "a name for the list".into(),
        found: path.clone(),
    })?;
    entries.push(listing::Entry { path, kind: Kind::File { digest: &contents.digest, executable: false } });
    zip::write(&Packing { entries: &entries, contents: &contents, ..*packing }, out)
}
