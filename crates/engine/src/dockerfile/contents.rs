//! What the package databases of an image say is in it, for SBOMs.

use model::lock::ImageContents;
use model::lock::installed::{apk, distro, dpkg};

use super::{Failed, Stage, layer};
use crate::layers::{LayerError, Seen};
use crate::{BuildError, Context};

/// Where it is kept what databases say, by the name of the layers.
const CONTENTS: &str = "image-contents-1";

/// What the databases of a stage say; `None` if there are none.
pub(crate) fn contents(cx: &Context<'_>, stage: &Stage) -> Result<Option<ImageContents>, BuildError> {
    let name = stage.stack.name();
    let known = cx.store.memo_get(CONTENTS, &name).and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(known) = known {
        return Ok(known);
    }
    let found = read(cx, stage).map_err(|error| match Failed::from(error) {
        Failed::Build(error) => error,
        Failed::Layer(error) => BuildError::Contents { reason: error.to_string() },
        Failed::Why(reason) => BuildError::Contents { reason },
    })?;
    let found = Some(found).filter(|contents| contents.distro.is_some() || !contents.packages.is_empty());
    cx.store.memo_put(CONTENTS, &name, serde_json::json!(found).to_string().as_bytes())?;
    Ok(found)
}

fn read(cx: &Context<'_>, stage: &Stage) -> Result<ImageContents, LayerError> {
    let view = layer::unpacked(cx, stage)?.view;
    let mut packages = dpkg(&view.text("var/lib/dpkg/status")?.unwrap_or_default());
    // Images without dpkg itself keep one file for each package.
    if let Seen::Folder(folder) = view.look(&view.resolve("var/lib/dpkg/status.d", true)?)? {
        for name in view.list(&folder).map_err(LayerError::path("var/lib/dpkg/status.d"))? {
            if !name.ends_with(".md5sums") {
                packages
                    .extend(dpkg(&view.text(&format!("var/lib/dpkg/status.d/{name}"))?.unwrap_or_default()));
            }
        }
    }
    for place in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(text) = view.text(place)? {
            packages.extend(apk(&text));
            break;
        }
    }
    packages.sort();
    packages.dedup();
    let mut release = None;
    for place in ["etc/os-release", "usr/lib/os-release"] {
        release = release.or(view.text(place)?);
    }
    Ok(ImageContents { distro: release.as_deref().and_then(distro), packages })
}
