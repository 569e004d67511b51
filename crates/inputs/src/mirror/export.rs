//! From locks to a mirror that holds all that they name.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use artifact::{Member, Options};
use model::lock::Lock;
use model::recipe::{Format, Recipe};
use model::tree::Node;
use model::{Digest, RelPath, Timestamp};
use store::Store;

use super::contents::Contents;
use super::index::{FORMAT, Index, Listed, NAME};
use super::{MirrorError, blob_path, layout};
use crate::fetch::{fetch, files};
use crate::http::Client;
use crate::source::git::{self, proof};
use crate::{Context, InputError};

/// The largest member of an archive: what a tar header can say without help.
const LARGEST: u64 = 0o77_777_777_777;

/// What a mirror is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One file: tar, or tar compressed with Zstandard.
    Archive {
        /// Whether it is compressed.
        compressed: bool,
    },
    /// A folder, with a file for each blob.
    Folder,
    /// An OCI image layout, with a layer for each blob.
    Oci,
}

/// Writes a mirror of everything that these locks name to `out`. What the store lacks is brought before.
///
/// The same locks give the same bytes, whatever machine they come from and in whatever order. Memory does not grow with the
/// blobs. Nothing is at `out` before all of it is.
///
/// # Errors
/// If something cannot be had, or not be written.
pub fn export(
    cx: &Context<'_>,
    locks: &[(Lock, String, Option<&Recipe>)],
    form: Form,
    out: &Path,
) -> Result<Index, InputError> {
    if out.symlink_metadata().is_ok() {
        return Err(MirrorError::Taken { path: out.to_owned() }.into());
    }
    let client = Client::new(cx.host);
    let mut index =
        Index { format: FORMAT, locks: Default::default(), commits: Default::default(), blobs: Vec::new() };
    let mut all = Contents::default();
    for (lock, text, recipe) in locks {
        fetch(cx, lock, *recipe)?;
        files(cx, &client, lock, *recipe)?;
        index.locks.insert(Digest::of(text.as_bytes()));
        let contents = Contents::of(lock);
        for (digest, uses) in contents.blobs {
            all.blobs.entry(digest).or_default().extend(uses);
        }
        for rooted in contents.trees {
            all.tree(cx.store, &rooted.tree, &rooted.what)?;
            let Some(commit) = rooted.commit else { continue };
            let proof = proved(cx, lock, &commit)?;
            all.blobs.entry(proof).or_default().insert(format!("objects of commit {commit}"));
            index.commits.insert(commit, proof);
        }
    }
    if let Some(lacking) = all.blobs.keys().find(|d| !cx.store.contains(d)) {
        return Err(store::StoreError::Missing { digest: *lacking }.into());
    }
    index.blobs = all.blobs.into_iter().map(|(digest, uses)| Listed { digest, uses }).collect();
    match form {
        Form::Archive { compressed } => whole(out, |temporary| {
            let file = File::create_new(temporary).map_err(|e| MirrorError::io("make", temporary, e))?;
            archive(cx.store, &index, compressed, BufWriter::new(file))
        })?,
        Form::Folder => whole(out, |temporary| {
            fill(cx.store, &index, temporary)?;
            write(&temporary.join(NAME), index.to_text().as_bytes())
        })?,
        Form::Oci => whole(out, |temporary| layout::write_layout(cx.store, &index, temporary))?,
    }
    Ok(index)
}

/// The blob that proves a commit: kept when the commit was brought, else brought again.
fn proved(cx: &Context<'_>, lock: &Lock, commit: &str) -> Result<Digest, InputError> {
    use model::recipe::Locator;
    let known = || proof::known(cx.store, commit);
    if let Some(digest) = known() {
        return Ok(digest);
    }
    for (name, source) in &lock.sources {
        if let Locator::Git { url, commit: here } = &source.origin
            && here == commit
        {
            git::commit(cx, name, url, commit)?;
        }
    }
    known().ok_or_else(|| {
        let place = format!("commit {commit}");
        MirrorError::Format { place, reason: "nothing proves which tree it has".into() }.into()
    })
}

/// Calls `make` with a name beside `out`, and gives what it made the name `out`.
fn whole(out: &Path, make: impl FnOnce(&Path) -> Result<(), InputError>) -> Result<(), InputError> {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let temporary: PathBuf = out.with_file_name(name);
    let made = make(&temporary)
        .and_then(|()| Ok(fs::rename(&temporary, out).map_err(|e| MirrorError::io("rename", out, e))?));
    if made.is_err() {
        let _ = if temporary.is_dir() { fs::remove_dir_all(&temporary) } else { fs::remove_file(&temporary) };
    }
    made
}

/// Writes the archive, its index first.
pub(super) fn archive(
    store: &Store,
    index: &Index,
    compressed: bool,
    mut out: impl std::io::Write,
) -> Result<(), InputError> {
    let path = |text: &str| text.parse::<RelPath>().expect("it is a path");
    let file =
        |name: &str, digest| Member { path: path(name), node: Node::File { digest, executable: false } };
    let mut members = vec![file(NAME, store.put(index.to_text().as_bytes())?)];
    for Listed { digest, uses } in &index.blobs {
        if digest.size > LARGEST {
            let what = uses.iter().next().cloned().unwrap_or_default();
            return Err(MirrorError::TooLarge { what, digest: *digest }.into());
        }
        members.push(file(&blob_path(digest), *digest));
    }
    let open = |digest: &Digest| -> std::io::Result<Box<dyn Read>> {
        Ok(Box::new(store.open_blob(digest).map_err(std::io::Error::other)?))
    };
    let format = if compressed { Format::TarZst } else { Format::Tar };
    let options = Options { mtime: Timestamp(0), prefix: RelPath::root() };
    Ok(artifact::pack(format, &members, &options, &open, &mut out).map_err(MirrorError::from)?)
}

/// Makes a folder and puts every blob into it.
pub(super) fn fill(store: &Store, index: &Index, folder: &Path) -> Result<(), InputError> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|e| MirrorError::io("make", &blobs, e))?;
    for Listed { digest, .. } in &index.blobs {
        let path = folder.join(blob_path(digest));
        let mut from = store.open_blob(digest)?;
        let mut copy = || std::io::copy(&mut from, &mut File::create_new(&path)?);
        copy().map_err(|e| MirrorError::io("write", &path, e))?;
    }
    Ok(())
}

/// Writes a file that is not there yet.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), InputError> {
    let all = || File::create_new(path)?.write_all(bytes);
    Ok(all().map_err(|e| MirrorError::io("write", path, e))?)
}
