//! A suite of an archive: where it is, who signs it, and bringing its files.

use std::path::PathBuf;
use std::time::SystemTime;

use model::recipe::Debian;
use model::{Digest, RelPath};

use super::release::Keyring;
use super::{DebianError, Release};
use crate::archive::decompress;
use crate::http::{self, Client};
use crate::{Context, HostError, HttpError, InputError};

/// No index is larger, unpacked: the largest of Debian is a tenth of it.
const INDEX_LIMIT: u64 = 1 << 30;
const RELEASE_LIMIT: u64 = 16 << 20;

/// Base URLs that hold one suite, the preferred first, and the keyrings that its index is checked with.
pub(crate) struct Archive {
    pub bases: Vec<String>,
    keyrings: Vec<PathBuf>,
}

/// Base URLs for the packages of a locked toolchain: of the recipe, else of the host.
pub(crate) fn bases(
    cx: &Context<'_>,
    mirror: Option<&Debian>,
    suite: &str,
    components: &[String],
    snapshot: Option<&str>,
) -> Result<Vec<String>, HostError> {
    if let Some(time) = snapshot {
        let named = mirror
            .and_then(|t| t.snapshot_mirror.clone())
            .or_else(|| cx.host.registries.get("snapshot").cloned());
        let template = named.ok_or_else(|| HostError::Suite {
            suite: format!("{suite} at {time} (no `snapshot-mirror`)"),
            components: components.join(" "),
        })?;
        return Ok(vec![template.replace("{snapshot}", time)]);
    }
    if let Some(mirror) = mirror.and_then(|t| t.mirror.clone()) {
        return Ok(vec![mirror]);
    }
    let mut list: Vec<String> = cx.host.registries.get("deb").cloned().into_iter().collect();
    let fits =
        |s: &&crate::AptSource| s.suite == suite && components.iter().all(|c| s.components.contains(c));
    list.extend(cx.host.apt.iter().filter(fits).map(|s| s.uri.clone()));
    if list.is_empty() {
        // An archive has other suites beside the one that this host is made of; its signed index says which.
        let others = cx.host.apt.iter().filter(|s| components.iter().all(|c| s.components.contains(c)));
        list.extend(others.map(|s| s.uri.clone()));
    }
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|base| seen.insert(base.clone()));
    if list.is_empty() {
        return Err(HostError::Suite { suite: suite.to_owned(), components: components.join(" ") });
    }
    Ok(list)
}

impl Archive {
    /// The archive for a recipe's toolchain.
    pub(crate) fn of(cx: &Context<'_>, toolchain: &Debian) -> Result<Self, HostError> {
        let Debian { suite, components, snapshot, .. } = toolchain;
        let bases = bases(cx, Some(toolchain), suite, components, snapshot.as_deref())?;
        let named = toolchain.keyring.as_ref().map(|k| cx.recipe_dir.join(k.as_str()));
        let entry = cx.host.apt.iter().find(|s| s.suite == *suite && bases.contains(&s.uri));
        let keyrings = match named.or_else(|| entry.and_then(|s| s.signed_by.clone())) {
            Some(path) => vec![path],
            None => cx.host.keyrings.clone(),
        };
        Ok(Self { bases, keyrings })
    }

    /// Brings and verifies the suite's `InRelease`.
    pub(crate) fn release(
        &self,
        cx: &Context<'_>,
        client: &Client<'_>,
        suite: &str,
        snapshot: bool,
    ) -> Result<Release, InputError> {
        let keyring = Keyring::read(&self.keyrings)?;
        let path = place(&format!("dists/{suite}/InRelease"))?;
        let (url, bytes) = self.first(|base| {
            let url = http::join(base, &path);
            client.get(&url, None, RELEASE_LIMIT).map(|bytes| (url, bytes))
        })?;
        let now = (!snapshot).then(SystemTime::now);
        let release = Release::verify(&url, &bytes, &keyring, suite, now)?;
        cx.note(format!("{url} is signed by {}", release.signed_by.join(", ")));
        Ok(release)
    }

    /// Brings an index file that `release` names, unpacked.
    pub(crate) fn index(
        &self,
        cx: &Context<'_>,
        client: &Client<'_>,
        suite: &str,
        release: &Release,
        name: &str,
    ) -> Result<(String, String), InputError> {
        let (file, digest) = release.file(name)?;
        let plain = place(&format!("dists/{suite}/{file}"))?;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let hashed = place(&format!("dists/{suite}/{folder}/by-hash/SHA256/{}", digest.hex()))?;
        let paths = if release.by_hash { vec![&hashed, &plain] } else { vec![&plain] };
        let url = http::join(&self.bases[0], &plain);
        if !cx.store.contains(&digest) {
            self.bring(cx, client, &paths, &digest, &|_| {})?;
        }
        let bytes = cx.store.read(&digest)?;
        let plain = decompress(&bytes, INDEX_LIMIT)
            .map_err(|e| DebianError::Index { url: url.clone(), reason: e.to_string() })?;
        let text = String::from_utf8(plain)
            .map_err(|e| DebianError::Index { url: url.clone(), reason: format!("is no UTF-8: {e}") })?;
        Ok((url, text))
    }

    /// Brings the file at the first of `paths` that a mirror has into the store.
    pub(crate) fn bring(
        &self,
        cx: &Context<'_>,
        client: &Client<'_>,
        paths: &[&RelPath],
        expected: &Digest,
        progress: &dyn Fn(u64),
    ) -> Result<(), InputError> {
        let (mut wrong, mut silent) = (None, None);
        for base in &self.bases {
            for path in paths {
                let url = http::join(base, path);
                match client.download(&url, expected.size.max(1), cx.store, progress) {
                    Ok(found) if found == *expected => return Ok(()),
                    Ok(found) => {
                        wrong.get_or_insert(DebianError::Hash {
                            url,
                            expected: expected.to_string(),
                            found: found.to_string(),
                        });
                    }
                    Err(HttpError::TooLarge { url, limit }) => {
                        wrong.get_or_insert(DebianError::Hash {
                            url,
                            expected: expected.to_string(),
                            found: format!("more than {limit} bytes"),
                        });
                    }
                    Err(HttpError::NotFound { .. }) => {}
                    // The next mirror may answer.
                    Err(error @ (HttpError::Transport { .. } | HttpError::Status { .. })) => {
                        silent.get_or_insert(error);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if let (None, Some(error)) = (&wrong, silent) {
            return Err(error.into());
        }
        Err(wrong
            .unwrap_or_else(|| DebianError::Gone {
                path: paths.last().map(ToString::to_string).unwrap_or_default(),
                asked: self.bases.join(", "),
            })
            .into())
    }

    fn first<T>(&self, ask: impl Fn(&str) -> Result<T, HttpError>) -> Result<T, HttpError> {
        let mut failed = None;
        for base in &self.bases {
            match ask(base) {
                Ok(found) => return Ok(found),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.expect("an archive has a base, and each base either answers or fails"))
    }

    /// An archive of known bases, for files whose digests are known already.
    pub(crate) fn at(bases: Vec<String>) -> Self {
        Self { bases, keyrings: Vec::new() }
    }
}

fn place(path: &str) -> Result<RelPath, DebianError> {
    path.parse().map_err(|e: model::path::PathError| DebianError::Index {
        url: path.to_owned(),
        reason: e.to_string(),
    })
}
