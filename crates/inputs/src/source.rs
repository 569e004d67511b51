//! Where source code comes from: one file per kind.

pub(crate) mod git;
pub(crate) mod image;
pub(crate) mod package;
pub(crate) mod registry;
pub(crate) mod url;
pub(crate) mod worktree;

use model::Digest;
use model::lock::{LockedFile, LockedSource, LockedToolchain};
use model::recipe::Locator;
use model::recipe::{Recipe, Toolchain};

use crate::http::Client;
use crate::{Context, InputError, confirm};

/// No source file is larger as served.
pub(crate) const FILE_LIMIT: u64 = 8 << 30;

/// Brings a source and says what came.
pub(crate) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    origin: &Locator,
    toolchain: &Toolchain,
) -> Result<LockedSource, InputError> {
    let locked = match origin {
        Locator::Git { url, commit } => git::commit(cx, name, url, commit),
        Locator::Url { url, sha256, strip } => url::lock(cx, client, name, url, sha256, *strip, &[]),
        Locator::Image { image, platform } => image::lock(cx, client, image, platform),
        Locator::Package { purl, packed } => {
            let suite = toolchain.debian().map_or("", |d| d.suite.as_str());
            package::lock(cx, client, name, purl, *packed, toolchain.debian(), suite)
        }
    }?;
    confirm::remember(cx.store, &locked)?;
    Ok(locked)
}

/// Brings a locked source into the store and gives the tree that it made.
pub(crate) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    locked: &LockedSource,
    recipe: Option<&Recipe>,
    toolchain: &LockedToolchain,
) -> Result<Digest, InputError> {
    match &locked.origin {
        // What a mirror brought needs no server, if the commit itself says that it is right.
        Locator::Git { commit, .. } if git::proof::proven(cx.store, commit, &locked.tree)? => Ok(locked.tree),
        Locator::Git { url, commit } => Ok(git::commit(cx, name, url, commit)?.tree),
        Locator::Url { url, sha256, strip } => {
            let found = url::lock(cx, client, name, url, sha256, *strip, &locked.files)?;
            if found.files != locked.files {
                let list = |files: &[LockedFile]| {
                    let list: Vec<_> = files.iter().map(|f| format!("{} {}", f.path, f.digest)).collect();
                    if list.is_empty() { "no file".to_owned() } else { list.join(", ") }
                };
                return Err(InputError::Mismatch {
                    what: url.clone(),
                    expected: list(&locked.files),
                    found: list(&found.files),
                    advice: "the lock contradicts itself: run `selfsame lock` to write it anew",
                });
            }
            Ok(found.tree)
        }
        Locator::Image { image, platform } => image::fetch(cx, client, image, platform, locked),
        Locator::Package { purl, .. } => package::fetch(
            cx,
            client,
            name,
            purl,
            locked,
            recipe.and_then(|r| r.toolchain.debian()),
            toolchain.debian().map_or("", |d| d.suite.as_str()),
        ),
    }
}

/// One download of a source, told to the listener.
pub(crate) fn download(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    url: &str,
    limit: u64,
) -> Result<Digest, InputError> {
    download_with(cx, client, name, url, &[], limit)
}

/// As [`download`], with these headers.
pub(crate) fn download_with(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    url: &str,
    headers: &[(&str, &str)],
    limit: u64,
) -> Result<Digest, InputError> {
    use model::Event;
    use model::event::{Outcome, Unit};
    let stage = "fetch";
    let start = std::time::Instant::now();
    (cx.events)(Event::Started { stage, name: name.to_owned(), total: None, unit: Unit::Bytes });
    let progress = |done| (cx.events)(Event::Advanced { stage, name: name.to_owned(), done });
    let result = client.download_with(url, headers, limit, cx.store, &progress);
    let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    (cx.events)(Event::Finished { stage, name: name.to_owned(), outcome, detail: url.to_owned(), millis });
    Ok(result?)
}
