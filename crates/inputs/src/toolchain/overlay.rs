//! Archives laid over a base: each unpacked by itself, put in its place, and all composed into one tree.
//!
//! Nothing is replaced: two different things at one path are an error that names who brought each. Where the place of an
//! archive leads over a link of the base (`/lib` into `/usr`), the archive goes where the link points.

use std::collections::BTreeMap;

use model::lock::{LockedArchive, LockedFile, LockedSource, LockedToolchain};
use model::recipe::{Locator, ToolArchive};
use model::tree::{Node, Tree};
use model::{Digest, RelPath, Timestamp};
use store::{Store, StoreError};

use super::{ASSEMBLER, ToolchainError, links, skeleton};
use crate::http::Client;
use crate::source::{package, url};
use crate::{Context, InputError};

/// Where it is kept which base and archives made which tree.
const SPACE: &str = "toolchain-overlay";
/// Where it is kept which files an archive's tree was unpacked from.
const UNPACKED: &str = "toolchain-archive";
/// Where links to programs lie. Every step has it in its `PATH`.
const LINKS: &str = "usr/local/bin";
/// Which package or archive brought which files, by the tree's digest: JSON, paths by name. As Debian's assembler does.
const OWNERS: &str = "owners";

/// The base of a toolchain of archives alone: folders for the sandbox to mount on.
pub(super) fn nothing(store: &Store) -> Result<Digest, StoreError> {
    let mut tree = Tree::default();
    skeleton::make(&mut tree);
    let finished = tree.finish();
    store.put_tree(&finished)?;
    Ok(finished.root)
}

/// Brings and unpacks an archive, and says what came. What `known` has locked is not asked for again.
pub(super) fn lock(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &ToolArchive,
    arch: &str,
    known: Option<&LockedArchive>,
) -> Result<LockedArchive, InputError> {
    let known = known.filter(|k| k.origin == recipe.origin && k.strip == recipe.strip);
    let source = match known {
        Some(known) if confirmed(cx.store, known, arch) && cx.store.missing(&known.tree)?.is_empty() => {
            known.source()
        }
        _ => bring(cx, client, recipe, arch).map_err(named(&recipe.name))?,
    };
    if let (Some(expected), [file]) = (&recipe.sha256, source.files.as_slice())
        && *expected != file.digest.sha256
    {
        let mismatch = InputError::Mismatch {
            what: recipe.origin.to_string(),
            expected: format!("sha256:{expected}"),
            found: format!("sha256:{}", file.digest.sha256),
            advice: "if the file was changed on purpose and you trust it, put the new hash into the recipe",
        };
        return Err(named(&recipe.name)(mismatch));
    }
    let locked = LockedArchive {
        name: recipe.name.clone(),
        version: recipe.version.clone(),
        origin: recipe.origin.clone(),
        purl: recipe.purl.clone(),
        strip: recipe.strip.filter(|_| matches!(recipe.origin, Locator::Package { .. })),
        at: recipe.at.clone(),
        path: recipe.path.clone(),
        link: recipe.link.clone(),
        env: recipe.env.clone(),
        licence: source.licence,
        tree: source.tree,
        files: source.files,
    };
    remember(cx.store, &locked, arch)?;
    for target in locked.link.values() {
        if cx.store.lookup(&locked.tree, &target.below(&locked.at))?.is_none() {
            let (archive, path) = (locked.name.clone(), target.clone());
            return Err(ToolchainError::NoFile { archive, path, nearby: top(cx, &locked.tree)? }.into());
        }
    }
    for folder in &locked.path {
        let below = folder.below(&locked.at);
        let there = cx.store.lookup(&locked.tree, &below)?;
        if !matches!(there, Some(Node::Directory(_))) {
            let (archive, path) = (locked.name.clone(), folder.clone());
            return Err(ToolchainError::NoDirectory { archive, path, nearby: top(cx, &locked.tree)? }.into());
        }
    }
    Ok(locked)
}

/// The first names of a tree, for an error.
fn top(cx: &Context<'_>, tree: &Digest) -> Result<String, StoreError> {
    let names = cx.store.directory(tree)?.0.into_keys();
    Ok(names.take(10).map(|n| n.as_str().to_owned()).collect::<Vec<_>>().join(", "))
}

/// Makes sure that the store holds a locked archive's tree.
pub(super) fn fetch(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedArchive,
    arch: &str,
) -> Result<(), InputError> {
    if confirmed(cx.store, locked, arch) && cx.store.missing(&locked.tree)?.is_empty() {
        return Ok(());
    }
    bring_again(cx, client, locked, arch)
}

/// Brings a locked archive's files that the store lacks, and unpacks them.
pub(super) fn bring_again(
    cx: &Context<'_>,
    client: &Client<'_>,
    locked: &LockedArchive,
    arch: &str,
) -> Result<(), InputError> {
    let found = match &locked.origin {
        Locator::Package { purl, .. } => {
            package::fetch_tool(cx, client, &locked.name, purl, arch, &locked.files, locked.strip)
        }
        Locator::Url { url, sha256, strip } => {
            let name = &locked.name;
            let found = url::lock(cx, client, name, url, sha256, *strip, &locked.files);
            found.and_then(|source| executable(cx.store, source)).and_then(|found| {
                same_files(url, &locked.files, &found.files)?;
                Ok(found.tree)
            })
        }
        Locator::Git { .. } | Locator::Image { .. } => Ok(locked.tree),
    };
    let found = found.map_err(named(&locked.name))?;
    if found != locked.tree {
        let what = format!("archive `{}` of the toolchain", locked.name);
        return Err(InputError::Tree { what, expected: locked.tree, found });
    }
    Ok(remember(cx.store, locked, arch)?)
}

fn same_files(url: &str, expected: &[LockedFile], found: &[LockedFile]) -> Result<(), InputError> {
    let list = |files: &[LockedFile]| {
        files.iter().map(|f| format!("{} {}", f.path, f.digest)).collect::<Vec<_>>().join(", ")
    };
    if expected == found {
        return Ok(());
    }
    Err(InputError::Mismatch {
        what: url.to_owned(),
        expected: list(expected),
        found: list(found),
        advice: "the lock contradicts itself: run `selfsame lock` to write it anew",
    })
}

fn named(archive: &str) -> impl Fn(InputError) -> InputError {
    let archive = archive.to_owned();
    move |cause| ToolchainError::Archive { archive: archive.clone(), cause: Box::new(cause) }.into()
}

fn bring(
    cx: &Context<'_>,
    client: &Client<'_>,
    recipe: &ToolArchive,
    arch: &str,
) -> Result<LockedSource, InputError> {
    match &recipe.origin {
        Locator::Package { purl, .. } => {
            package::lock_tool(cx, client, &recipe.name, purl, arch, recipe.strip)
        }
        Locator::Url { url, sha256, strip } => {
            let source = url::lock(cx, client, &recipe.name, url, sha256, *strip, &[])?;
            executable(cx.store, source)
        }
        // The recipe's check gives no other.
        Locator::Git { url, commit } => crate::source::git::commit(cx, &recipe.name, url, commit),
        Locator::Image { image, platform } => crate::source::image::lock(cx, client, image, platform),
    }
}

/// A tool that comes as one file and no archive may be executed, if it looks like a program.
fn executable(store: &Store, mut source: LockedSource) -> Result<LockedSource, InputError> {
    let [file] = source.files.as_slice() else { return Ok(source) };
    let directory = store.directory(&source.tree)?;
    let alone = directory.0.iter().next().filter(|_| directory.0.len() == 1);
    let Some((name, Node::File { digest, executable: false })) = alone else { return Ok(source) };
    if *digest != file.digest {
        return Ok(source);
    }
    let mut start = [0; 4];
    let count = std::io::Read::read(&mut store.open_blob(digest)?, &mut start).unwrap_or(0);
    if !(start[..count].starts_with(b"\x7fELF") || start[..count].starts_with(b"#!")) {
        return Ok(source);
    }
    let mut tree = Tree::default();
    let path = RelPath::root().join_name(name);
    let node = Node::File { digest: *digest, executable: true };
    tree.insert(&path, node).expect("a tree that was just made is empty");
    let finished = tree.finish();
    store.put_tree(&finished)?;
    source.tree = finished.root;
    source.epoch = Timestamp(0);
    Ok(source)
}

/// Whether this store has seen the archive's tree unpacked from its files.
pub(super) fn confirmed(store: &Store, locked: &LockedArchive, arch: &str) -> bool {
    let known = store.memo_get(UNPACKED, &archive_key(locked, arch));
    known.is_some_and(|bytes| bytes == locked.tree.to_string().as_bytes())
}

fn remember(store: &Store, locked: &LockedArchive, arch: &str) -> Result<(), StoreError> {
    store.memo_put(UNPACKED, &archive_key(locked, arch), locked.tree.to_string().as_bytes())
}

/// Everything that an archive's tree is a function of.
fn archive_key(locked: &LockedArchive, arch: &str) -> Digest {
    let origin = match &locked.origin {
        Locator::Url { sha256, strip, .. } => serde_json::json!(["url", sha256.hex(), strip]),
        Locator::Package { purl, .. } => serde_json::json!(["package", purl.to_string(), locked.strip, arch]),
        Locator::Git { commit, .. } => serde_json::json!(["git", commit]),
        Locator::Image { image, .. } => serde_json::json!(["image", image.to_string()]),
    };
    let files: Vec<_> = locked.files.iter().map(|f| (&f.path, f.digest.to_string())).collect();
    Digest::of(serde_json::json!([ASSEMBLER, origin, files]).to_string().as_bytes())
}

/// The tree that base and archives were seen to make; the base's own if there are no archives.
pub(super) fn made(store: &Store, locked: &LockedToolchain) -> Option<Digest> {
    if locked.archives.is_empty() {
        return Some(locked.base_tree);
    }
    String::from_utf8(store.memo_get(SPACE, &key(locked))?).ok()?.parse().ok()
}

fn key(locked: &LockedToolchain) -> Digest {
    let archive = |a: &LockedArchive| {
        let link: BTreeMap<_, _> = a.link.iter().map(|(name, to)| (name.clone(), to.to_string())).collect();
        (a.at.to_string(), a.tree.to_string(), link)
    };
    let archives: Vec<_> = locked.archives.iter().map(archive).collect();
    let text = serde_json::json!([locked.assembler, locked.base_tree.to_string(), archives]).to_string();
    Digest::of(text.as_bytes())
}

/// Lays the archives over the base.
pub(super) fn compose(cx: &Context<'_>, locked: &LockedToolchain) -> Result<Digest, InputError> {
    if locked.archives.is_empty() {
        return Ok(locked.base_tree);
    }
    if let Some(known) = made(cx.store, locked)
        && cx.store.missing(&known)?.is_empty()
    {
        return Ok(known);
    }
    let mut tree = locked.base_tree;
    let mut places: Vec<(&LockedArchive, RelPath)> = Vec::new();
    for archive in &locked.archives {
        let at = place(cx.store, &tree, &archive.at)?;
        let mut parts =
            vec![(RelPath::root(), Node::Directory(tree)), (at.clone(), Node::Directory(archive.tree))];
        let links = place(cx.store, &tree, &LINKS.parse().expect("it is a path"))?;
        for (name, target) in &archive.link {
            let name = name.parse().expect("a name of a program is a plain word");
            parts.push((links.join_name(&name), Node::Symlink(format!("/{target}"))));
        }
        tree = match cx.store.compose(&parts) {
            Ok(tree) => tree,
            Err(StoreError::Conflict { path, first, second }) => {
                let first_origin = origin(cx.store, locked, &places, &path)?;
                let second_origin = format!("archive `{}`", archive.name);
                return Err(
                    ToolchainError::Collision { path, first_origin, first, second_origin, second }.into()
                );
            }
            Err(other) => return Err(other.into()),
        };
        places.push((archive, at));
    }
    cx.store.memo_put(SPACE, &key(locked), tree.to_string().as_bytes())?;
    remember_owners(cx.store, locked, &places, &tree)?;
    Ok(tree)
}

/// `at` with the links of the tree followed, the last one too.
fn place(store: &Store, tree: &Digest, at: &RelPath) -> Result<RelPath, StoreError> {
    let failed = std::cell::RefCell::new(None);
    let link = |path: &RelPath| match store.lookup(tree, path) {
        Ok(Some(Node::Symlink(target))) => Some(target),
        Ok(_) => None,
        Err(error) => {
            failed.borrow_mut().get_or_insert(error);
            None
        }
    };
    // A name below it makes the last component one above the last.
    let inside: RelPath = ".selfsame".parse().expect("it is a path");
    let found = links::through_with(&at.join(&inside), Clone::clone, link);
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(found.parent().unwrap_or_default()),
    }
}

/// Who brought what stands at `path`.
fn origin(
    store: &Store,
    locked: &LockedToolchain,
    places: &[(&LockedArchive, RelPath)],
    path: &RelPath,
) -> Result<String, StoreError> {
    for (archive, at) in places.iter().rev() {
        if path.is_within(at) && store.lookup(&archive.tree, &path.below(at))?.is_some() {
            return Ok(format!("archive `{}`", archive.name));
        }
    }
    let owner = owners(store, &locked.base_tree)
        .into_iter()
        .find_map(|(name, files)| files.iter().any(|f| f == path.as_str()).then_some(name));
    Ok(match owner {
        Some(package) => format!("package `{package}`"),
        None => format!("the base ({})", locked.title()),
    })
}

fn owners(store: &Store, tree: &Digest) -> BTreeMap<String, Vec<String>> {
    let bytes = store.memo_get(OWNERS, tree);
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn remember_owners(
    store: &Store,
    locked: &LockedToolchain,
    places: &[(&LockedArchive, RelPath)],
    tree: &Digest,
) -> Result<(), StoreError> {
    let mut owners = owners(store, &locked.base_tree);
    for (archive, at) in places {
        let files = store.walk(&archive.tree)?.into_iter();
        let files = files.filter(|(_, node)| !matches!(node, Node::Directory(_)));
        owners.insert(archive.name.clone(), files.map(|(path, _)| at.join(&path).to_string()).collect());
    }
    let bytes = serde_json::to_vec(&owners).expect("names and paths are JSON");
    store.memo_put(OWNERS, tree, &bytes)
}
