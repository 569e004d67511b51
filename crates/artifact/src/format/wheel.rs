//! Wheels: a zip with a list of its files, their hashes and sizes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::Digest;
use model::recipe::Rule;

use super::zip::Found as Entry;
use crate::fields::lossy;
use crate::normal::Work;

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
pub(super) fn hash(bytes: &[u8]) -> String {
    let digest = Digest::of(bytes);
    format!("sha256={},{}", BASE64_URL_SAFE_NO_PAD.encode(digest.sha256.as_bytes()), bytes.len())
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
                let after = [field, b",", hash(new).as_bytes()].concat();
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
