//! One text out of an archive that a step fetched, within bounds.

use std::io::{BufReader, Read};

use model::Digest;
use store::Store;

use crate::archive::decoder;

/// The longest text that is read: metadata of real packages stays below one megabyte.
pub(super) const LONGEST: u64 = 4 << 20;
/// How much of an archive is unpacked to find it.
const MOST: u64 = 256 << 20;
/// How many members are looked at.
const MEMBERS: usize = 50_000;

/// A whole body that is a text itself.
pub(super) fn whole(store: &Store, body: &Digest) -> Option<String> {
    let bytes = (body.size <= LONGEST).then(|| store.read(body).ok())??;
    String::from_utf8(bytes).ok()
}

/// The first member of a tar archive, in whatever compression, whose name is `wanted`.
pub(super) fn of_tar(store: &Store, body: &Digest, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let file = store.open_blob(body).ok()?;
    let mut archive = tar::Archive::new(decoder(BufReader::new(file)).ok()?.take(MOST));
    for entry in archive.entries().ok()?.take(MEMBERS) {
        let mut entry = entry.ok()?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file() && wanted(name.trim_start_matches("./")) {
            return text(&mut entry);
        }
    }
    None
}

/// The first member of a zip whose name is `wanted`.
pub(super) fn of_zip(store: &Store, body: &Digest, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let file = store.open_blob(body).ok()?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).ok()?;
    let is_wanted =
        |nth: &usize| archive.name_for_index(*nth).and_then(Result::ok).is_some_and(|n| wanted(&n));
    let nth = (0..archive.len()).take(MEMBERS).find(is_wanted)?;
    text(&mut archive.by_index(nth).ok()?)
}

/// Whether `name` is `FOLDER/file`, with any one folder.
pub(super) fn below_one(name: &str, file: &str) -> bool {
    name.split_once('/').is_some_and(|(folder, rest)| !folder.is_empty() && rest == file)
}

fn text(reader: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    reader.take(LONGEST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LONGEST).then(|| String::from_utf8(bytes).ok())?
}
