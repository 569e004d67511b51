//! Where the blobs of images are, and which images are there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use artifact::oci::{LayerMember, MemberError, members, plain};
use model::oci::{Configuration, Descriptor, Document, OciError, Platform};
use model::tree::Node;
use model::{Digest, Hasher, RelPath};
use serde::Deserialize;
use store::Store;

use super::ImageError;

/// No index, manifest or configuration is larger.
const DOCUMENT: u64 = 32 << 20;
/// No layout lists more documents.
const DOCUMENTS: usize = 4096;
/// Nor has indexes in indexes deeper than this.
const DEPTH: usize = 4;
/// Nor an archive more members.
const MEMBERS: usize = 1 << 20;

/// A folder, an archive or a tree with the blobs of images in it.
pub struct Layout<'a> {
    shown: String,
    place: Place<'a>,
}

enum Place<'a> {
    Folder(PathBuf),
    Archive(Archive),
    Tree(&'a Store, Digest),
    /// The store itself, and the manifest or index that is meant.
    Blobs(&'a Store, Digest),
}

/// A file of a layout, and how many bytes it has.
type Opened<'a> = (Box<dyn Read + 'a>, u64);

/// A tar archive, by where its members are.
struct Archive {
    file: File,
    members: BTreeMap<String, (u64, u64)>,
    /// What `docker save` says, where there is no index.
    saved: Vec<Saved>,
}

/// An image of `docker save`, whose blobs are called anything.
struct Saved {
    config: Digest,
    layers: Vec<Digest>,
    /// Members by digest.
    named: BTreeMap<Digest, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedText {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct IndexText {
    manifests: Vec<Descriptor>,
}

/// One image in a layout.
#[derive(Debug, Clone)]
pub struct Found {
    /// Of its manifest; nothing in an old archive of `docker save`.
    pub manifest: Option<Digest>,
    /// The manifest itself.
    pub document: Vec<u8>,
    /// What its configuration says that it is for.
    pub platform: Platform,
    /// Of its configuration.
    pub config: Digest,
    /// The configuration itself.
    pub configuration: Vec<u8>,
    /// The lowest first; as many as the configuration has.
    pub layers: Vec<Descriptor>,
    /// What they are when they are decompressed.
    pub diff_ids: Vec<String>,
}

impl<'a> Layout<'a> {
    /// A folder, or an archive of one, or what `docker save` writes.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let shown = path.display().to_string();
        let read = |source| ImageError::Read { place: shown.clone(), source };
        let stat = fs::metadata(path).map_err(read)?;
        if stat.is_dir() {
            return Ok(Self { shown, place: Place::Folder(path.to_owned()) });
        }
        if !stat.is_file() {
            // A pipe would be waited for, a device read for ever.
            return Err(read(io::Error::other("it is neither a file nor a directory")));
        }
        let file = File::open(path).map_err(read)?;
        Self::archive(file, shown)
    }

    /// An archive.
    ///
    /// # Errors
    /// If it is none.
    pub fn archive(file: File, shown: String) -> Result<Self, ImageError> {
        let archive = Archive::read(file, &shown)?;
        Ok(Self { shown, place: Place::Archive(archive) })
    }

    /// A tree that the store holds.
    #[must_use]
    pub fn tree(store: &'a Store, root: Digest, shown: String) -> Self {
        Self { shown, place: Place::Tree(store, root) }
    }

    /// The blobs of the store, and the manifest or index among them that is meant.
    #[must_use]
    pub fn blobs(store: &'a Store, root: Digest, shown: String) -> Self {
        Self { shown, place: Place::Blobs(store, root) }
    }

    pub(super) fn wrong(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Layout { place: self.shown.clone(), reason: reason.into() }
    }

    fn failed(&self, name: &str) -> impl FnOnce(io::Error) -> ImageError {
        let place = format!("{}: {name}", self.shown);
        move |source| ImageError::Read { place, source }
    }

    fn document(&self) -> impl Fn(OciError) -> ImageError {
        let place = self.shown.clone();
        move |source| ImageError::Document { place: place.clone(), source }
    }

    /// Opens a file of the layout by its name and says how large it is.
    fn file(&self, name: &str) -> Result<Option<Opened<'_>>, ImageError> {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(name);
                // Not through links: a layout is its own files.
                match fs::symlink_metadata(&path) {
                    Ok(stat) if stat.is_file() => {
                        let file = File::open(&path).map_err(self.failed(name))?;
                        Ok(Some((Box::new(file), stat.len())))
                    }
                    Ok(_) => Err(self.wrong(format!("`{name}` is no file"))),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(e) => Err(self.failed(name)(e)),
                }
            }
            Place::Archive(archive) => match archive.members.get(name) {
                Some(&(at, size)) => {
                    let file = archive.at(at, size).map_err(self.failed(name))?;
                    Ok(Some((Box::new(file), size)))
                }
                None => Ok(None),
            },
            Place::Tree(store, root) => {
                let path: RelPath = name.parse().map_err(|e| self.wrong(format!("{e}")))?;
                match store.lookup(root, &path)? {
                    Some(Node::File { digest, .. }) => {
                        Ok(Some((Box::new(store.open_blob(&digest)?), digest.size)))
                    }
                    Some(_) => Err(self.wrong(format!("`{name}` is no file"))),
                    None => Ok(None),
                }
            }
            Place::Blobs(..) => Ok(None),
        }
    }

    /// A small file of the layout, if it is there.
    fn text(&self, name: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let Some((reader, size)) = self.file(name)? else { return Ok(None) };
        if size > DOCUMENT {
            return Err(self.wrong(format!("`{name}` has {size} bytes: more than {DOCUMENT} are not read")));
        }
        let mut bytes = Vec::new();
        reader.take(DOCUMENT).read_to_end(&mut bytes).map_err(self.failed(name))?;
        Ok(Some(bytes))
    }

    /// Opens a blob. Its size is that of its digest; its bytes are the caller's to hash, but for those of the store, which are
    /// hashed already.
    ///
    /// # Errors
    /// If it is not there, or has another size.
    pub fn blob(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, ImageError> {
        if let Place::Blobs(store, _) = &self.place {
            return Ok(Box::new(store.open_blob(digest)?));
        }
        let mut name = format!("blobs/sha256/{}", digest.hex());
        if let Place::Archive(archive) = &self.place
            && let Some(own) = archive.saved.iter().find_map(|saved| saved.named.get(digest))
        {
            name.clone_from(own);
        }
        if let Place::Tree(store, root) = &self.place {
            let path: RelPath = name.parse().map_err(|e| self.wrong(format!("{e}")))?;
            return match store.lookup(root, &path)? {
                Some(Node::File { digest: found, .. }) if found == *digest => {
                    Ok(Box::new(store.open_blob(digest)?))
                }
                Some(Node::File { digest: found, .. }) => {
                    Err(ImageError::Blob { place: self.shown.clone(), expected: *digest, found })
                }
                _ => Err(self.wrong(format!("it has no blob {digest}"))),
            };
        }
        match self.file(&name)? {
            Some((reader, size)) if size == digest.size => Ok(reader),
            Some((_, size)) => {
                Err(self.wrong(format!("the blob {digest} has {size} bytes: expected {}", digest.size)))
            }
            None => Err(self.wrong(format!("it has no blob {digest}"))),
        }
    }

    /// The bytes of a small blob, checked.
    fn read(&self, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        if digest.size > DOCUMENT {
            return Err(self.wrong(format!("the document {digest} has more than {DOCUMENT} bytes")));
        }
        let mut bytes = Vec::new();
        let reader = self.blob(digest)?;
        reader.take(DOCUMENT).read_to_end(&mut bytes).map_err(self.failed(&digest.to_string()))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            Err(ImageError::Blob { place: self.shown.clone(), expected: *digest, found })
        }
    }

    /// The images in it, in its order, each once. What is attached to images, such as an attestation, is none.
    ///
    /// # Errors
    /// If a document is damaged or cannot be understood.
    pub fn images(&self) -> Result<Vec<Found>, ImageError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        match &self.place {
            Place::Blobs(_, root) => self.below(root, "", 0, &mut seen, &mut found)?,
            Place::Archive(archive) if !archive.saved.is_empty() => {
                for saved in &archive.saved {
                    found.push(self.saved(saved)?);
                }
            }
            _ => {
                let text = self.text("index.json")?.ok_or_else(|| self.wrong("it has no `index.json`"))?;
                let index: IndexText = serde_json::from_slice(&text).map_err(|error| {
                    let reason = error.to_string();
                    self.document()(OciError::Json { what: "index.json", reason })
                })?;
                self.listed(&index.manifests, 0, &mut seen, &mut found)?;
            }
        }
        Ok(found)
    }

    fn listed(
        &self,
        list: &[Descriptor],
        depth: usize,
        seen: &mut BTreeSet<Digest>,
        found: &mut Vec<Found>,
    ) -> Result<(), ImageError> {
        for entry in list {
            let attached = entry.platform.as_ref().is_some_and(|p| p.os == "unknown");
            if !attached {
                let digest = entry.digest().map_err(self.document())?;
                self.below(&digest, &entry.media_type, depth, seen, found)?;
            }
        }
        Ok(())
    }

    fn below(
        &self,
        digest: &Digest,
        media_type: &str,
        depth: usize,
        seen: &mut BTreeSet<Digest>,
        found: &mut Vec<Found>,
    ) -> Result<(), ImageError> {
        if !seen.insert(*digest) {
            return Ok(());
        }
        if depth > DEPTH || seen.len() > DOCUMENTS {
            return Err(
                self.wrong(format!("more than {DEPTH} indexes in one another, or {DOCUMENTS} in all"))
            );
        }
        let document = self.read(digest)?;
        match Document::read(&document, media_type).map_err(self.document())? {
            Document::Index(list) => self.listed(&list, depth + 1, seen, found),
            Document::Manifest(manifest) => {
                // Signatures and the like have manifests too, but no configuration of an image.
                if manifest.check().is_err() {
                    return Ok(());
                }
                let config = manifest.config.digest().map_err(self.document())?;
                let (configuration, platform, diff_ids) = self.configured(&config, manifest.layers.len())?;
                found.push(Found {
                    manifest: Some(*digest),
                    document,
                    platform,
                    config,
                    configuration,
                    layers: manifest.layers,
                    diff_ids,
                });
                Ok(())
            }
        }
    }

    fn configured(
        &self,
        config: &Digest,
        layers: usize,
    ) -> Result<(Vec<u8>, Platform, Vec<String>), ImageError> {
        let bytes = self.read(config)?;
        let read = Configuration::read(&bytes, layers).map_err(self.document())?;
        Ok((bytes, read.platform, read.rootfs.diff_ids))
    }

    fn saved(&self, saved: &Saved) -> Result<Found, ImageError> {
        let (configuration, platform, diff_ids) = self.configured(&saved.config, saved.layers.len())?;
        let layer = |digest: &Digest| Descriptor {
            media_type: model::oci::LAYER[0].to_owned(),
            digest: format!("sha256:{}", digest.hex()),
            size: digest.size,
            platform: None,
            annotations: BTreeMap::new(),
        };
        Ok(Found {
            manifest: None,
            document: Vec::new(),
            platform,
            config: saved.config,
            configuration,
            layers: saved.layers.iter().map(layer).collect(),
            diff_ids,
        })
    }

    /// Calls `each` for every member of a layer, with its content, and checks the layer's digest and `diff_id`. Says how many
    /// bytes it has when it is decompressed.
    pub(crate) fn members(
        &self,
        layer: &Descriptor,
        diff_id: &str,
        each: impl FnMut(LayerMember, &mut dyn Read) -> Result<(), ImageError>,
    ) -> Result<u64, ImageError> {
        let expected = layer.digest().map_err(self.document())?;
        let blob = Hashed::new(self.blob(&expected)?);
        let of_blob = Rc::clone(&blob.hasher);
        let damaged = |error| ImageError::Member(MemberError::Damaged(error));
        let tar = Hashed::new(plain(BufReader::with_capacity(1 << 16, blob)).map_err(damaged)?);
        let of_tar = Rc::clone(&tar.hasher);
        let mut tar = tar;
        members(&mut tar, each)?;
        drop(tar);
        let (found, tar) = (of_blob.take().finish(), of_tar.take().finish());
        if found != expected {
            return Err(ImageError::Blob { place: self.shown.clone(), expected, found });
        }
        let said = format!("sha256:{}", tar.hex());
        if said != diff_id {
            let (place, expected) = (self.shown.clone(), diff_id.to_owned());
            return Err(ImageError::DiffId { place, expected, found: said });
        }
        Ok(tar.size)
    }
}

impl Archive {
    fn read(file: File, shown: &str) -> Result<Self, ImageError> {
        let wrong = |reason: String| ImageError::Layout { place: shown.to_owned(), reason };
        let mut list = BTreeMap::new();
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let mut head = [0; 512];
        let count = reader.by_ref().take(512).read(&mut head).map_err(|e| wrong(e.to_string()))?;
        if head[..count].get(257..262) != Some(b"ustar") {
            return Err(wrong("expected a folder with `index.json`, or a tar archive of one".to_owned()));
        }
        drop(reader);
        (&file).seek(SeekFrom::Start(0)).map_err(|e| wrong(e.to_string()))?;
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        members(&mut reader, |member, _| {
            // A name that is there twice would be two things to two readers.
            if member.kind == '0' && list.insert(member.name.clone(), (member.at, member.size)).is_some() {
                return Err(wrong(format!("`{}` is there twice", member.name)));
            }
            if list.len() > MEMBERS {
                return Err(wrong(format!("it has more than {MEMBERS} members")));
            }
            Ok(())
        })
        .map_err(|error: ImageError| match error {
            ImageError::Member(error) => wrong(error.to_string()),
            other => other,
        })?;
        drop(reader);
        let mut archive = Self { file, members: list, saved: Vec::new() };
        if !archive.members.contains_key("index.json") {
            archive.saved = archive.docker().map_err(wrong)?;
        }
        Ok(archive)
    }

    /// Some bytes of the file. Each reader has a place of its own.
    fn at(&self, at: u64, size: u64) -> io::Result<Slice<'_>> {
        Ok(Slice { file: &self.file, at, end: at.checked_add(size).ok_or(io::ErrorKind::InvalidData)? })
    }

    /// The images of `docker save`.
    fn docker(&self) -> Result<Vec<Saved>, String> {
        let open = |name: &str| {
            let &(at, size) = self.members.get(name).ok_or_else(|| format!("it has no `{name}`"))?;
            let file = self.at(at, size).map_err(|e| e.to_string())?;
            Ok::<_, String>((file, size))
        };
        let (file, size) = open("manifest.json")
            .map_err(|_| "it has neither `index.json` nor `manifest.json`".to_owned())?;
        if size > DOCUMENT {
            return Err("`manifest.json` is too large".to_owned());
        }
        let list: Vec<SavedText> =
            serde_json::from_reader(BufReader::new(file)).map_err(|e| format!("manifest.json: {e}"))?;
        if list.is_empty() || list.len() > DOCUMENTS {
            return Err(format!("`manifest.json` lists {} images", list.len()));
        }
        let mut known: BTreeMap<String, Digest> = BTreeMap::new();
        let mut digest = |name: &str| -> Result<Digest, String> {
            if let Some(digest) = known.get(name) {
                return Ok(*digest);
            }
            let mut hasher = Hasher::default();
            io::copy(&mut open(name)?.0, &mut hasher).map_err(|e| e.to_string())?;
            let found = hasher.finish();
            known.insert(name.to_owned(), found);
            Ok(found)
        };
        list.iter()
            .map(|text| {
                let config = digest(&text.config)?;
                let layers = text.layers.iter().map(|name| digest(name)).collect::<Result<Vec<_>, _>>()?;
                let names = std::iter::once(&text.config).chain(&text.layers);
                let digests = std::iter::once(&config).chain(&layers);
                let named = digests.copied().zip(names.cloned()).collect();
                Ok(Saved { config, layers, named })
            })
            .collect()
    }
}

/// A part of a file, read at its own place.
struct Slice<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Hashes what is read. The hasher outlives the reader, which goes where nobody can look into it.
struct Hashed<R> {
    inner: R,
    hasher: Rc<RefCell<Hasher>>,
}

impl<R> Hashed<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Rc::default() }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.borrow_mut().update(&buffer[..count]);
        Ok(count)
    }
}
