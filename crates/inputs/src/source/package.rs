//! A registry's source package, by purl: located by its registry, checked against the registry's own hash, unpacked.

use model::lock::{LockedFile, LockedSource};
use model::recipe::Debian;
use model::recipe::Locator;
use model::tree::{Node, Tree};
use model::{Digest, Purl, RelPath, Timestamp};

use super::registry::{self, Check, Located, Remote, golang};
use super::{FILE_LIMIT, download};
use crate::http::Client;
use crate::toolchain::debian;
use crate::{Context, InputError, archive};

pub(super) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    purl: &Purl,
    packed: bool,
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<LockedSource, InputError> {
    let located = registry::locate(cx, client, purl, toolchain, suite)?;
    let mut files = Vec::new();
    for remote in &located.files {
        let digest = bring(cx, client, name, remote, None)?;
        files.push(brought(cx, remote, digest)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let (tree, epoch) = unpack(cx, purl, &files)?;
    let licence = match located.licence {
        Some(licence) => Some(licence),
        None => declared(cx, purl, &tree)?,
    };
    let tree = if packed { side_by_side(cx, &files)? } else { tree };
    let origin = Locator::Package { purl: purl.clone(), packed };
    Ok(LockedSource { origin, licence, epoch, tree, files, contents: None })
}

/// The files as they are served, in one folder.
fn side_by_side(cx: &Context<'_>, files: &[LockedFile]) -> Result<Digest, InputError> {
    let mut tree = Tree::default();
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let place = |cause| archive::ArchiveError::Place { member: file.path.clone(), cause };
        let path = name.parse().map_err(|e: model::path::PathError| place(e.into()))?;
        tree.insert(&path, Node::File { digest: file.digest, executable: false }).map_err(place)?;
    }
    let finished = tree.finish();
    cx.store.put_tree(&finished)?;
    Ok(finished.root)
}

/// Brings the locked files, from wherever the registry has them now, and unpacks them.
pub(super) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    purl: &Purl,
    locked: &LockedSource,
    toolchain: Option<&Debian>,
    suite: &str,
) -> Result<Digest, InputError> {
    let files = &locked.files;
    if files.iter().any(|f| !cx.store.contains(&f.digest)) {
        let Located { files: remotes, .. } = registry::relocate(cx, client, purl, files, toolchain, suite)?;
        for file in files.iter().filter(|f| !cx.store.contains(&f.digest)) {
            let remote = remotes.iter().find(|r| r.path == file.path).ok_or_else(|| {
                registry::RegistryError::Gone { purl: purl.to_string(), path: file.path.clone() }
            })?;
            bring(cx, client, name, remote, Some(&file.digest))?;
        }
    }
    match locked.origin {
        Locator::Package { packed: true, .. } => side_by_side(cx, files),
        _ => Ok(unpack(cx, purl, files)?.0),
    }
}

/// Brings one file and checks the registry's hash, and the lock's.
fn bring(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    remote: &Remote,
    locked: Option<&Digest>,
) -> Result<Digest, InputError> {
    let advice = "the registry serves another file than it announces: do not use it before you know why";
    let limit = locked.map_or(remote.size.unwrap_or(FILE_LIMIT), |d| d.size).max(1);
    let found = download(cx, client, name, &remote.url, limit)?;
    let (expected, actual) = match &remote.check {
        Check::Sha256(sha256) => (sha256.hex(), found.sha256.hex()),
        Check::Sha512(hex) => (hex.clone(), registry::sha512(cx, &found)?),
        Check::Module(Some(h1)) => (h1.clone(), golang::h1(cx.store, &found)?),
        // No database says what it must be: it is what came first, and the lock keeps it so.
        Check::Module(None) => (String::new(), String::new()),
    };
    let mismatch = |expected: String, found: String| InputError::Mismatch {
        what: remote.url.clone(),
        expected,
        found,
        advice,
    };
    if expected != actual {
        let word = remote.check.algorithm();
        return Err(mismatch(format!("{word}:{expected}"), format!("{word}:{actual}")));
    }
    match locked {
        Some(locked) if *locked != found => Err(mismatch(locked.to_string(), found.to_string())),
        _ => Ok(found),
    }
}

/// What the lock says of a file. A module's hash is its own, whether a database vouched for it or not.
fn brought(cx: &Context<'_>, remote: &Remote, digest: Digest) -> Result<LockedFile, InputError> {
    let registry_hash = match &remote.check {
        Check::Module(_) => Some(format!("h1:{}", golang::h1(cx.store, &digest)?)),
        check => check.other(),
    };
    Ok(LockedFile { path: remote.path.clone(), digest, registry_hash })
}

/// A tool that a registry carries as a package: brought, checked and unpacked as tools are.
pub(crate) fn lock_tool(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    purl: &Purl,
    arch: &str,
    strip: Option<u32>,
) -> Result<LockedSource, InputError> {
    let located = registry::locate_tool(cx, client, purl, arch)?;
    let mut files = Vec::new();
    for remote in &located.files {
        let digest = bring(cx, client, name, remote, None)?;
        files.push(brought(cx, remote, digest)?);
    }
    let (tree, epoch) = unpack_tool(cx, purl, &files, strip)?;
    let licence = match located.licence {
        Some(licence) => Some(licence),
        None => declared(cx, purl, &tree)?,
    };
    Ok(LockedSource {
        origin: Locator::Package { purl: purl.clone(), packed: false },
        licence,
        epoch,
        tree,
        files,
        contents: None,
    })
}

/// Brings a locked tool's files, from wherever the registry has them now, and gives the tree that they make.
pub(crate) fn fetch_tool(
    cx: &Context<'_>,
    client: &Client<'_>,
    name: &str,
    purl: &Purl,
    arch: &str,
    files: &[LockedFile],
    strip: Option<u32>,
) -> Result<Digest, InputError> {
    if files.iter().any(|f| !cx.store.contains(&f.digest)) {
        let remotes = registry::locate_tool(cx, client, purl, arch)?.files;
        for file in files.iter().filter(|f| !cx.store.contains(&f.digest)) {
            let remote = remotes.iter().find(|r| r.path == file.path).ok_or_else(|| {
                registry::RegistryError::Gone { purl: purl.to_string(), path: file.path.clone() }
            })?;
            bring(cx, client, name, remote, Some(&file.digest))?;
        }
    }
    Ok(unpack_tool(cx, purl, files, strip)?.0)
}

fn unpack_tool(
    cx: &Context<'_>,
    purl: &Purl,
    files: &[LockedFile],
    strip: Option<u32>,
) -> Result<(Digest, Timestamp), InputError> {
    let [file] = files else {
        return Err(registry::RegistryError::Gone { purl: purl.to_string(), path: "its file".into() }.into());
    };
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let own = match purl.kind() {
        "golang" => module_depth(purl),
        "pypi" if name.ends_with(".whl") => 0,
        _ => 1,
    };
    let unpacked = archive::unpack(cx.store, cx.store.open_blob(&file.digest)?, name, strip.unwrap_or(own))?;
    if purl.kind() != "golang" {
        return Ok((unpacked.tree, unpacked.newest));
    }
    Ok((golang::executable(cx.store, &unpacked.tree)?, unpacked.newest))
}

/// A module's archive has its path and version before every member.
fn module_depth(purl: &Purl) -> u32 {
    u32::try_from(golang::module(purl).split('/').count()).unwrap_or(1)
}

fn unpack(cx: &Context<'_>, purl: &Purl, files: &[LockedFile]) -> Result<(Digest, Timestamp), InputError> {
    if purl.kind() == "deb" {
        return source_package(cx, files);
    }
    let mut made = None;
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let (name, strip) = match purl.kind() {
            // cargo's path ends in `download`; what it names is always a .crate.
            "cargo" => ("source.crate", 1),
            "golang" => (name, module_depth(purl)),
            _ => (name, 1),
        };
        let unpacked = archive::unpack(cx.store, cx.store.open_blob(&file.digest)?, name, strip)?;
        made = Some((unpacked.tree, unpacked.newest));
    }
    made.ok_or_else(|| {
        registry::RegistryError::Gone { purl: purl.to_string(), path: "any file".into() }.into()
    })
}

/// A Debian source package: the upstream archives, with `debian/` of the Debian one over them.
///
/// Patches of `debian/patches` are not applied, and the `.diff.gz` of format 1.0 becomes the file `debian.diff`: how they
/// are applied is a matter of the build's own `patch` or `quilt`, which the toolchain locks.
fn source_package(cx: &Context<'_>, files: &[LockedFile]) -> Result<(Digest, Timestamp), InputError> {
    let mut tree = Tree::default();
    let mut epoch = Timestamp(0);
    let name = |f: &LockedFile| f.path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_debian = |n: &str| n.contains(".debian.tar.");
    let has_debian = files.iter().any(|f| is_debian(&name(f)));
    let place = |cause| archive::ArchiveError::Place { member: "debian".into(), cause };
    let debian: RelPath = "debian".parse().expect("it is a path");
    for file in files {
        let name = name(file);
        if name.ends_with(".dsc") || name.ends_with(".asc") || name.ends_with(".sig") {
            continue;
        }
        if name.ends_with(".diff.gz") {
            let bytes = archive::decompress(&cx.store.read(&file.digest)?, 1 << 30)?;
            let digest = cx.store.put(&bytes)?;
            let path = "debian.diff".parse().expect("it is a path");
            tree.replace(&path, Node::File { digest, executable: false }).map_err(place)?;
            continue;
        }
        let strip = u32::from(!is_debian(&name));
        let unpacked = archive::unpack(cx.store, cx.store.open_blob(&file.digest)?, &name, strip)?;
        epoch = epoch.max(unpacked.newest);
        // NAME_VERSION.orig-COMPONENT.tar.xz goes into a folder of that name.
        let component =
            name.split_once(".orig-").and_then(|(_, rest)| rest.split_once(".tar.")).map(|(c, _)| c);
        let below: RelPath = component.and_then(|c| c.parse().ok()).unwrap_or_default();
        for (path, node) in cx.store.walk(&unpacked.tree)? {
            if strip == 1 && has_debian && component.is_none() && path.is_within(&debian) {
                continue;
            }
            let path = below.join(&path);
            match node {
                Node::Directory(_) => tree.make_directory(&path).map_err(place)?,
                node => tree.replace(&path, node).map_err(place)?,
            }
        }
    }
    let finished = tree.finish();
    cx.store.put_tree(&finished)?;
    Ok((finished.root, epoch))
}

/// The licence expression that the package itself declares.
fn declared(cx: &Context<'_>, purl: &Purl, tree: &Digest) -> Result<Option<String>, InputError> {
    let read = |path: &str| -> Result<Option<String>, InputError> {
        let path = path.parse().expect("it is a path");
        match cx.store.lookup(tree, &path)? {
            Some(Node::File { digest, .. }) if digest.size < 16 << 20 => {
                Ok(Some(String::from_utf8_lossy(&cx.store.read(&digest)?).into_owned()))
            }
            _ => Ok(None),
        }
    };
    let string = |value: Option<&str>| value.map(str::to_owned);
    Ok(match purl.kind() {
        "cargo" => read("Cargo.toml")?
            .and_then(|t| t.parse::<toml::Table>().ok())
            // `MIT/Apache-2.0` is how it was written before expressions.
            .and_then(|t| Some(t.get("package")?.get("license")?.as_str()?.replace('/', " OR "))),
        "npm" => read("package.json")?
            .and_then(|t| serde_json::from_str::<serde_json::Value>(&t).ok())
            .and_then(|v| {
                string(
                    v.get("license")?
                        .as_str()
                        .filter(|l| !l.starts_with("SEE LICENSE") && *l != "UNLICENSED"),
                )
            }),
        "pypi" => read("PKG-INFO")?.and_then(|t| {
            let header = t.split("\n\n").next().unwrap_or_default();
            string(header.lines().find_map(|l| l.strip_prefix("License-Expression:")).map(str::trim))
        }),
        "deb" => read("debian/copyright")?.and_then(|t| debian::licence(&t)),
        _ => None,
    })
}
