//! An OCI image layout that is written while its blobs come, each straight into its place.
//!
//! An archive's bytes follow from what is in it: it is packed as `tar` artifacts are (packer format 1, times of 1970), so where
//! each blob lies is known before the first byte of one has come, and several can come at once. It has its name only when all
//! of it is there. A folder may be there already, whole or in part: blobs that are in it and right are not brought again, and
//! one that was begun is gone on with.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use artifact::{Member, Options, Piece};
use model::tree::Node;
use model::{Digest, Hasher, RelPath, Timestamp};
use serde_json::{Value, json};

use super::NAME;
use crate::http::Region;
use crate::oci::{ImageError, mismatch_of};
use crate::{HttpError, InputError};

/// What `oci-layout` says.
const VERSION: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Where an image is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A new file.
    Archive(PathBuf),
    /// A folder.
    Folder(PathBuf),
}

/// A layout that is being written.
pub(crate) struct Written<'a> {
    target: &'a Target,
    /// The file without its name, or the folder.
    temporary: PathBuf,
    file: Option<File>,
    /// Of an archive: where each blob begins.
    places: BTreeMap<Digest, u64>,
    index: Vec<u8>,
    whole: bool,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> InputError + '_ {
    |cause| HttpError::File { path: path.to_owned(), cause }.into()
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

impl<'a> Written<'a> {
    /// Begins a layout of these documents, which are here, and these blobs, which will come; `listed` are the entries of its
    /// index.
    pub(crate) fn begin(
        target: &'a Target,
        documents: &[(Digest, Vec<u8>)],
        blobs: &[Digest],
        listed: Vec<Value>,
    ) -> Result<Self, InputError> {
        match target {
            Target::Archive(path) => Self::archive(target, path, documents, blobs, &listed),
            Target::Folder(path) => Self::folder(target, path, documents, listed),
        }
    }

    fn archive(
        target: &'a Target,
        path: &Path,
        documents: &[(Digest, Vec<u8>)],
        blobs: &[Digest],
        listed: &[Value],
    ) -> Result<Self, InputError> {
        if path.symlink_metadata().is_ok() {
            let taken = std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "it is there already: move it away, or choose another name",
            );
            return Err(failed(path)(taken));
        }
        let index = index(listed);
        let mut held: BTreeMap<Digest, &[u8]> = documents.iter().map(|(d, b)| (*d, b.as_slice())).collect();
        let file = |name: &str, digest: Digest| Member {
            path: name.parse::<RelPath>().expect("it is a path"),
            node: Node::File { digest, executable: false },
        };
        let mut members =
            vec![file("oci-layout", Digest::of(VERSION)), file("index.json", Digest::of(&index))];
        let all: std::collections::BTreeSet<_> = held.keys().chain(blobs).copied().collect();
        members.extend(all.iter().map(|digest| file(&blob_path(digest), *digest)));
        held.insert(Digest::of(VERSION), VERSION);
        held.insert(Digest::of(&index), &index);

        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let temporary = path.with_file_name(name);
        let failed = failed(&temporary);
        let made =
            File::options().read(true).write(true).create_new(true).open(&temporary).map_err(&failed)?;
        let mut written = Self {
            target,
            temporary: temporary.clone(),
            file: None,
            places: BTreeMap::new(),
            index: Vec::new(),
            whole: false,
        };
        let options = Options { mtime: Timestamp(0), prefix: RelPath::root() };
        let pieces = artifact::tar_pieces(&members, &options).map_err(|e| ImageError::Layout {
            path: path.display().to_string(),
            expected: "a place for this image",
            reason: e.to_string(),
        })?;
        let mut at = 0;
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => {
                    made.write_all_at(&bytes, at).map_err(&failed)?;
                    at += bytes.len() as u64;
                }
                Piece::Content(digest) => {
                    match held.get(&digest) {
                        Some(bytes) => made.write_all_at(bytes, at).map_err(&failed)?,
                        None => drop(written.places.insert(digest, at)),
                    }
                    at += digest.size;
                }
            }
        }
        made.set_len(at).map_err(&failed)?;
        written.file = Some(made);
        Ok(written)
    }

    fn folder(
        target: &'a Target,
        path: &Path,
        documents: &[(Digest, Vec<u8>)],
        mut listed: Vec<Value>,
    ) -> Result<Self, InputError> {
        let blobs = path.join("blobs/sha256");
        let known = path.join("index.json");
        match fs::read(&known) {
            Ok(bytes) => listed = merged(&bytes, listed).map_err(|e| failed(&known)(e))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let used = match fs::read_dir(path) {
                    Ok(mut entries) => entries.next().is_some(),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound && !path.as_os_str().is_empty() => {
                        false
                    }
                    Err(e) => return Err(failed(path)(e)),
                };
                if used && !path.join("oci-layout").exists() {
                    let reason = "it is a folder of something else: choose another one".to_owned();
                    let path = path.display().to_string();
                    return Err(ImageError::Layout { path, expected: "an OCI image layout", reason }.into());
                }
            }
            Err(e) => return Err(failed(&known)(e)),
        }
        fs::create_dir_all(&blobs).map_err(failed(&blobs))?;
        for folder in [path.join("blobs"), blobs] {
            // A layout of others may have a link there, and what is written would land elsewhere.
            let stat = fs::symlink_metadata(&folder).map_err(failed(&folder))?;
            if !stat.is_dir() {
                return Err(failed(&folder)(std::io::Error::other(
                    "it is a link, and not a folder of the layout",
                )));
            }
        }
        let text = |name: &str, bytes: &[u8]| replace(&path.join(name), bytes);
        text("oci-layout", VERSION)?;
        for (digest, bytes) in documents {
            text(&blob_path(digest), bytes)?;
        }
        let (places, index) = (BTreeMap::new(), index(&listed));
        Ok(Self { target, temporary: path.to_owned(), file: None, places, index, whole: false })
    }

    /// Brings one blob: `bring` fills a region with it, from where the region ends.
    pub(crate) fn blob(
        &self,
        image: &dyn std::fmt::Display,
        digest: &Digest,
        progress: &dyn Fn(u64),
        bring: impl Fn(&mut Region<'_>) -> Result<(), InputError>,
    ) -> Result<(), InputError> {
        let checked = |region: &Region<'_>| -> Result<(), InputError> {
            let found = region.digest();
            if found == *digest {
                return Ok(());
            }
            let advice =
                "the registry serves another blob than was asked for: do not use it before you know why";
            Err(mismatch_of(format!("a blob of `{image}`"), digest.to_string(), found.to_string(), advice))
        };
        if let Some(file) = &self.file {
            // What the documents name but the archive has no place for is a document itself.
            let Some(start) = self.places.get(digest) else { return Ok(()) };
            let mut region = Region::new(file, &self.temporary, *start, progress);
            bring(&mut region)?;
            return checked(&region);
        }
        let path = self.temporary.join(blob_path(digest));
        if is_right(&path, digest) {
            progress(digest.size);
            return Ok(());
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let failed = failed(&part);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&part)
            .map_err(&failed)?;
        let begun = file.metadata().map_err(&failed)?.len();
        let begun = if begun < digest.size { begun } else { 0 };
        let mut region = Region::new(&file, &part, 0, progress).begun(begun)?;
        bring(&mut region)?;
        if begun > 0 && checked(&region).is_err() {
            // Its beginning was of something else.
            region.clear();
            bring(&mut region)?;
        }
        if let Err(error) = checked(&region) {
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        file.set_len(digest.size).map_err(&failed)?;
        fs::rename(&part, &path).map_err(failed)
    }

    /// Gives the whole of it its name.
    pub(crate) fn finish(mut self) -> Result<(), InputError> {
        match self.target {
            Target::Archive(path) => {
                // Not over what has come to be there meanwhile, where the file system can tell.
                use rustix::fs::{CWD, RenameFlags, renameat_with};
                match renameat_with(CWD, &self.temporary, CWD, path, RenameFlags::NOREPLACE) {
                    Err(rustix::io::Errno::INVAL) => {
                        fs::rename(&self.temporary, path).map_err(failed(path))?;
                    }
                    other => other.map_err(|errno| failed(path)(errno.into()))?,
                }
            }
            Target::Folder(path) => replace(&path.join("index.json"), &self.index)?,
        }
        self.whole = true;
        Ok(())
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if let (Target::Archive(_), false) = (self.target, self.whole) {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The index of a layout.
fn index(listed: &[Value]) -> Vec<u8> {
    let media_type = model::oci::INDEX[0];
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": listed });
    index.to_string().into_bytes()
}

/// What an index lists, and `more`: an entry of the same name goes, and so does one of the same digest.
fn merged(known: &[u8], more: Vec<Value>) -> std::io::Result<Vec<Value>> {
    let known: Value = serde_json::from_slice(known).map_err(std::io::Error::other)?;
    let name = |entry: &Value| entry["annotations"][NAME].as_str().map(str::to_owned);
    let mut all: Vec<Value> = known["manifests"].as_array().cloned().unwrap_or_default();
    all.retain(|old| {
        let gone = |new: &Value| {
            new["digest"] == old["digest"] && (name(old).is_none() || name(old) == name(new))
                || name(new).is_some() && name(new) == name(old)
        };
        !more.iter().any(gone)
    });
    all.extend(more);
    Ok(all)
}

/// Writes a small file, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), InputError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    fs::write(&new, bytes).and_then(|()| fs::rename(&new, path)).map_err(failed(path))
}

/// Whether a file has these bytes.
fn is_right(path: &Path, digest: &Digest) -> bool {
    let hashed = || {
        let mut file = File::open(path)?;
        if file.metadata()?.len() != digest.size {
            return Ok(false);
        }
        let mut hasher = Hasher::default();
        std::io::copy(&mut file, &mut hasher)?;
        Ok::<_, std::io::Error>(hasher.finish() == *digest)
    };
    hashed().unwrap_or(false)
}
