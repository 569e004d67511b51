//! What a mirror holds, and what each blob is for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::Digest;
use serde::{Deserialize, Serialize};

use super::MirrorError;

/// The version of the format.
pub(crate) const FORMAT: u32 = 1;
/// Its name in an archive, a folder and on a server: before all others in the order of an archive.
pub(crate) const NAME: &str = "MIRROR.json";
/// No index is larger.
pub(crate) const LIMIT: u64 = 256 << 20;

/// The index of a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The version of the format.
    #[serde(rename = "selfsame-mirror")]
    pub format: u32,
    /// Digests of the texts of the locks that it was made for. Sorted.
    pub locks: BTreeSet<Digest>,
    /// Commits of git by id, and the blob that holds the objects by which the id vouches for its tree.
    pub commits: BTreeMap<String, Digest>,
    /// Every blob, by digest. Sorted, each once, none of them empty.
    pub blobs: Vec<Listed>,
}

/// A blob of a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its digest and size.
    pub digest: Digest,
    /// What it is for, in words for people. Sorted.
    #[serde(rename = "for")]
    pub uses: BTreeSet<String>,
}

impl Index {
    /// The text of the file. The same index gives the same text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and lists are JSON");
        text.push('\n');
        text
    }

    /// Reads and checks one.
    pub(crate) fn parse(place: &Path, bytes: &[u8]) -> Result<Self, MirrorError> {
        let wrong = |reason: String| MirrorError::format(place, reason);
        let index: Self = serde_json::from_slice(bytes).map_err(|e| wrong(format!("its index: {e}")))?;
        if index.format != FORMAT {
            return Err(wrong(format!("expected format {FORMAT}, found {}", index.format)));
        }
        if let Some(pair) = index.blobs.windows(2).find(|p| p[0].digest.sha256 >= p[1].digest.sha256) {
            return Err(wrong(format!("its index is not sorted, or lists {} twice", pair[1].digest)));
        }
        if let Some(empty) = index.blobs.iter().find(|b| super::is_empty(&b.digest)) {
            return Err(wrong(format!("its index lists the empty blob {}", empty.digest)));
        }
        for (commit, proof) in &index.commits {
            if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong("its index names a commit by something else than its id".into()));
            }
            if index.size(proof).is_none() {
                return Err(wrong(format!("what proves commit {commit} ({proof}) is not in its index")));
            }
        }
        Ok(index)
    }

    /// A blob, if it is listed with that size.
    pub(crate) fn size(&self, digest: &Digest) -> Option<u64> {
        let at = self.blobs.binary_search_by_key(&digest.sha256, |b| b.digest.sha256).ok()?;
        Some(self.blobs[at].digest.size).filter(|size| *size == digest.size)
    }

    /// A blob by its hash alone.
    pub(crate) fn find(&self, sha256: &model::Sha256) -> Option<Digest> {
        let at = self.blobs.binary_search_by_key(sha256, |b| b.digest.sha256).ok()?;
        Some(self.blobs[at].digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(blobs: &[&[u8]], more: &str) -> String {
        let list: Vec<_> =
            blobs.iter().map(|b| format!(r#"{{"digest":"{}","for":["x"]}}"#, Digest::of(b))).collect();
        format!(r#"{{"selfsame-mirror":1,"locks":[],"commits":{{}},"blobs":[{}]{more}}}"#, list.join(","))
    }

    #[test]
    fn an_index_is_read_as_it_is_written_and_nothing_else() {
        let (mut a, mut b) = (b"a".as_slice(), b"b".as_slice());
        if Digest::of(a) > Digest::of(b) {
            std::mem::swap(&mut a, &mut b);
        }
        let place = Path::new("m");
        let index = Index::parse(place, text(&[a, b], "").as_bytes()).unwrap();
        assert_eq!(Index::parse(place, index.to_text().as_bytes()).unwrap(), index);
        for (bad, reason) in [
            (text(&[b, a], ""), "not sorted"),
            (text(&[a, a], ""), "twice"),
            (text(&[b""], ""), "empty blob"),
            (text(&[a], r#","more":1"#), "unknown field"),
            (text(&[a], "").replace(":1,", ":2,"), "expected format 1, found 2"),
            (text(&[a], "").replace("{}", r#"{"../x":"sha256:0"}"#), "its index"),
            (
                text(&[a], "").replace("{}", &format!(r#"{{"{}":"{}"}}"#, "0".repeat(40), Digest::of(b"c"))),
                "not in its index",
            ),
            ("[]".to_owned(), "its index"),
        ] {
            let error = Index::parse(place, bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }
}
