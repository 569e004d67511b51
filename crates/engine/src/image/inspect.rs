//! What one image is: its digests, how it is run, what made its layers and what is in them.

use model::Digest;
use serde::Serialize;
use serde_json::Value;

use super::{Found, ImageError, Layout};

/// What an image is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspected {
    /// `linux/amd64`, as its configuration says.
    pub platform: String,
    /// Of its manifest: what registries know it by.
    pub manifest: Option<Digest>,
    /// Of its configuration: what engines call its id.
    pub config: Digest,
    /// When it was made, as it says.
    pub created: Option<String>,
    /// How it is run: `config` of its configuration.
    pub run: Value,
    /// What made it, as it says.
    pub history: Value,
    /// What its manifest says beside.
    pub annotations: Value,
    /// The lowest first.
    pub layers: Vec<LayerFacts>,
}

/// What one layer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerFacts {
    /// Of the blob.
    pub digest: String,
    /// What kind of blob.
    pub media_type: String,
    /// Bytes of the blob.
    pub size: u64,
    /// Of the tar in it.
    pub diff_id: String,
    /// Bytes of the tar in it.
    pub unpacked: u64,
    /// Members that are no directories.
    pub files: u64,
    /// Members that are directories.
    pub directories: u64,
    /// Members that take something away.
    pub whiteouts: u64,
    /// What made it, as the history says.
    pub made_by: Option<String>,
}

/// Looks at an image, and reads every layer to its end: one that is not what it is said to be is an error.
///
/// # Errors
/// If it is damaged.
pub fn inspect(layout: &Layout<'_>, image: &Found) -> Result<Inspected, ImageError> {
    let configuration: Value = serde_json::from_slice(&image.configuration).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&image.document).unwrap_or_default();
    let history = configuration.get("history").cloned().unwrap_or_default();
    let is_layer = |entry: &&Value| entry.get("empty_layer").and_then(Value::as_bool) != Some(true);
    let made_by: Vec<Option<String>> = history
        .as_array()
        .map(|list| list.iter().filter(is_layer))
        .into_iter()
        .flatten()
        .map(|entry| entry.get("created_by").and_then(Value::as_str).map(str::to_owned))
        .collect();
    let mut layers = Vec::new();
    for (nth, (layer, diff_id)) in image.layers.iter().zip(&image.diff_ids).enumerate() {
        let (mut files, mut directories, mut whiteouts) = (0, 0, 0);
        let unpacked = layout.members(layer, diff_id, |member, _| {
            let name = member.name.rsplit('/').next().unwrap_or_default();
            match member.kind {
                _ if name.starts_with(".wh.") => whiteouts += 1,
                '5' => directories += 1,
                _ => files += 1,
            }
            Ok(())
        })?;
        layers.push(LayerFacts {
            digest: layer.digest.clone(),
            media_type: layer.media_type.clone(),
            size: layer.size,
            diff_id: diff_id.clone(),
            unpacked,
            files,
            directories,
            whiteouts,
            made_by: made_by.get(nth).cloned().flatten(),
        });
    }
    Ok(Inspected {
        platform: image.platform.to_string(),
        manifest: image.manifest,
        config: image.config,
        created: configuration.get("created").and_then(Value::as_str).map(str::to_owned),
        run: configuration.get("config").cloned().unwrap_or_default(),
        history,
        annotations: manifest.get("annotations").cloned().unwrap_or_default(),
        layers,
    })
}
