//! In what two images differ, and at which level it begins.
//!
//! Three levels stand on one another: the files that a container sees; the tar archives of the layers, which hold the same
//! files in some order and split; the manifest, which names the compressed layers and the configuration. The lowest that
//! differs is where the cause is: files differ because of what was built, archives because of who packed, manifests because of
//! a compressor, of a time, of a label.

use std::collections::{BTreeMap, BTreeSet};

use model::Digest;
use serde::Serialize;
use serde_json::Value;

use super::files::{FileState, files};
use super::{Found, ImageError, Layout};

/// Where a difference begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The files that a container sees.
    Files,
    /// The decompressed layers, though they have the same files.
    Layers,
    /// The manifest or the configuration, though the layers are the same.
    Manifest,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Of what they are for; of the first if they are for different ones.
    pub platform: String,
    /// The lowest level that differs; nothing if they are the same image.
    pub differs: Option<Level>,
    /// Manifests, before and after.
    pub manifest: [Option<Digest>; 2],
    /// Where the documents differ: `config:/config/Env/0`, `manifest:/annotations/…`. Layers and history of layers are below.
    pub documents: Vec<Change>,
    /// Layers, the lowest first, by their place.
    pub layers: Vec<LayerPair>,
    /// Files that differ, sorted by path; looked at only if the layers differ.
    pub files: Vec<FileChange>,
}

/// A value of a document that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Document, colon, JSON pointer.
    pub place: String,
    /// Before; nothing if it is new.
    pub before: Option<Value>,
    /// After; nothing if it is gone.
    pub after: Option<Value>,
}

/// Two layers in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerPair {
    /// Whether the blobs are the same.
    pub same_blob: bool,
    /// Whether they are the same when they are decompressed.
    pub same_tar: bool,
    /// Digest and `diff_id` before; nothing if there are fewer layers.
    pub before: Option<[String; 2]>,
    /// Digest and `diff_id` after.
    pub after: Option<[String; 2]>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Path in the image.
    pub path: String,
    /// In which way: `added`, `removed`, or of `kind content mode owner time target attributes` those that differ.
    pub what: Vec<&'static str>,
    /// Before.
    pub before: Option<FileState>,
    /// After.
    pub after: Option<FileState>,
}

/// Compares two images.
///
/// # Errors
/// If one is damaged.
pub fn compare(before: (&Layout<'_>, &Found), after: (&Layout<'_>, &Found)) -> Result<Compared, ImageError> {
    let (first, second) = (before.1, after.1);
    let mut documents = Vec::new();
    differences("manifest", &json(&first.document), &json(&second.document), &mut documents);
    differences("config", &json(&first.configuration), &json(&second.configuration), &mut documents);
    // What follows from the layers, or from another change, is told there.
    documents.retain(|change| {
        let derived = ["manifest:/layers", "manifest:/config/", "config:/rootfs/"];
        !derived.iter().any(|place| change.place.starts_with(place))
    });
    let layers = pairs(first, second);
    let same_tars = layers.iter().all(|pair| pair.same_tar);
    // Also where all is said to be the same: what is said of a layer is believed when it was read.
    let files = changes(files(before.0, first)?, files(after.0, second)?);
    let same = first.config == second.config
        && layers.iter().all(|pair| pair.same_blob)
        && (first.manifest == second.manifest || first.manifest.is_none() || second.manifest.is_none());
    let differs = match (files.is_empty(), same_tars, same) {
        (false, ..) => Some(Level::Files),
        (true, false, _) => Some(Level::Layers),
        (true, true, false) => Some(Level::Manifest),
        (true, true, true) => None,
    };
    Ok(Compared {
        platform: first.platform.to_string(),
        differs,
        manifest: [first.manifest, second.manifest],
        documents,
        layers,
        files,
    })
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn pairs(first: &Found, second: &Found) -> Vec<LayerPair> {
    let layer = |image: &Found, nth: usize| {
        Some([image.layers.get(nth)?.digest.clone(), image.diff_ids.get(nth)?.clone()])
    };
    let count = first.layers.len().max(second.layers.len());
    (0..count)
        .map(|nth| {
            let (before, after) = (layer(first, nth), layer(second, nth));
            let same = |part: usize| match (&before, &after) {
                (Some(before), Some(after)) => before[part] == after[part],
                _ => false,
            };
            LayerPair { same_blob: same(0), same_tar: same(1), before, after }
        })
        .collect()
}

/// Where two values differ.
fn differences(place: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    let place = |key: &str| {
        let key = key.replace('~', "~0").replace('/', "~1");
        if place.contains(':') { format!("{place}/{key}") } else { format!("{place}:/{key}") }
    };
    let mut side = |key: &str, before: Option<&Value>, after: Option<&Value>| match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(before), Some(after)) if is_nested(before) && is_nested(after) => {
            differences(&place(key), before, after, found);
        }
        _ => found.push(Change { place: place(key), before: before.cloned(), after: after.cloned() }),
    };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            keys.into_iter().for_each(|key| side(key, before.get(key), after.get(key)));
        }
        (Value::Array(before), Value::Array(after)) => {
            for nth in 0..before.len().max(after.len()) {
                side(&nth.to_string(), before.get(nth), after.get(nth));
            }
        }
        (before, after) if before == after => {}
        (before, after) => side("", Some(before), Some(after)),
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn changes(
    mut before: BTreeMap<String, FileState>,
    mut after: BTreeMap<String, FileState>,
) -> Vec<FileChange> {
    let paths: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let change = |path: String| {
        let (before, after) = (before.remove(&path), after.remove(&path));
        let what = match (&before, &after) {
            (Some(before), Some(after)) => ways(before, after),
            (None, _) => vec!["added"],
            (_, None) => vec!["removed"],
        };
        (!what.is_empty()).then_some(FileChange { path, what, before, after })
    };
    paths.into_iter().filter_map(change).collect()
}

fn ways(before: &FileState, after: &FileState) -> Vec<&'static str> {
    [
        ("kind", before.kind != after.kind),
        ("content", before.sha256 != after.sha256),
        ("mode", before.mode != after.mode),
        ("owner", before.owner != after.owner),
        ("time", before.mtime != after.mtime),
        ("target", before.target != after.target),
        ("attributes", before.more != after.more),
    ]
    .into_iter()
    .filter_map(|(way, differs)| differs.then_some(way))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_differ_at_pointers() {
        let before: Value = serde_json::json!({ "a": { "x/y": 1, "l": [1, 2] }, "same": true, "gone": 1 });
        let after: Value = serde_json::json!({ "a": { "x/y": 2, "l": [1] }, "same": true, "new": {} });
        let mut found = Vec::new();
        differences("config", &before, &after, &mut found);
        let places: Vec<&str> = found.iter().map(|change| change.place.as_str()).collect();
        assert_eq!(places, ["config:/a/l/1", "config:/a/x~1y", "config:/gone", "config:/new"]);
    }
}
