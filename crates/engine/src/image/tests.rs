//! Layouts made here byte by byte: what a container sees, and what hostile ones get.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use artifact::{Member, Options, pack};
use model::recipe::Format;
use model::tree::Node;
use model::{Digest, RelPath, Timestamp};
use serde_json::{Value, json};

use super::files::files;
use super::{ImageError, Layout, Level, compare};

/// A folder that becomes a layout.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.path().join("blobs/sha256").join(digest.hex())
    }

    fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        fs::write(self.blob(&digest), bytes).unwrap();
        digest
    }

    fn entry(kind: &str, digest: &Digest) -> Value {
        json!({ "mediaType": kind, "digest": format!("sha256:{}", digest.hex()), "size": digest.size })
    }

    /// An image of these layers, each a list of a path and a content; `None` is a directory.
    fn image(&self, layers: &[&[(&str, Option<&str>)]]) -> Value {
        let digests: Vec<Digest> = layers.iter().map(|layer| self.put(&tar(layer))).collect();
        let diff_ids: Vec<String> = digests.iter().map(|d| format!("sha256:{}", d.hex())).collect();
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "diff_ids": diff_ids } });
        let config = self.put(config.to_string().as_bytes());
        let layer = |digest: &Digest| Self::entry(model::oci::LAYER[0], digest);
        let manifest = json!({
            "schemaVersion": 2, "config": Self::entry(model::oci::CONFIG, &config),
            "layers": digests.iter().map(layer).collect::<Vec<_>>(),
        });
        Self::entry(model::oci::MANIFEST[0], &self.put(manifest.to_string().as_bytes()))
    }

    fn index(&self, list: &[Value]) {
        fs::write(self.path().join("index.json"), json!({ "manifests": list }).to_string()).unwrap();
    }

    fn layout(&self) -> Layout<'static> {
        Layout::open(self.path()).unwrap()
    }

    fn refused(&self) -> String {
        let error = self.layout().images().unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    }
}

fn tar(members: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut blobs = BTreeMap::new();
    let list: Vec<Member> = members
        .iter()
        .map(|(path, content)| {
            let node = match content {
                None => Node::Directory(Digest::of(b"")),
                Some(content) => match content.strip_prefix("-> ") {
                    Some(target) => Node::Symlink(target.to_owned()),
                    None => {
                        let digest = Digest::of(content.as_bytes());
                        blobs.insert(digest, content.as_bytes().to_vec());
                        Node::File { digest, executable: false }
                    }
                },
            };
            Member { path: path.parse().unwrap(), node }
        })
        .collect();
    let contents = move |digest: &Digest| -> io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(blobs.get(digest).cloned().ok_or(io::ErrorKind::NotFound)?)))
    };
    let mut out = Vec::new();
    let options = Options { mtime: Timestamp(7), prefix: RelPath::root() };
    pack(Format::Tar, &list, &options, &contents, &mut out).unwrap();
    out
}

#[test]
fn layers_are_laid_over_one_another_as_a_container_sees_them() {
    let folder = Folder::new();
    folder.index(&[folder.image(&[
        &[
            ("a/x", Some("1")),
            ("a/y", Some("2")),
            ("b/deep/z", Some("3")),
            ("c", Some("4")),
            ("ab", Some("5")),
        ],
        &[
            ("a/.wh.x", Some("")),
            ("b/.wh..wh..opq", Some("")),
            ("b/new", Some("6")),
            ("c/now", Some("a directory")),
        ],
        &[("a", Some("-> b")), (".wh.c", Some("")), ("c", Some("back"))],
    ])]);
    let layout = folder.layout();
    let images = layout.images().unwrap();
    let found = files(&layout, &images[0]).unwrap();
    let shown: Vec<String> = found.iter().map(|(path, state)| format!("{path} {}", state.kind)).collect();
    assert_eq!(shown, ["a symlink", "ab file", "b directory", "b/new file", "c file"]);
    assert_eq!(found["c"].sha256, Some(model::Sha256::of(b"back")));
    assert_eq!(
        (found["ab"].mtime, found["ab"].mode.as_str(), found["ab"].owner.as_str()),
        (7, "0644", "0:0")
    );
}

#[test]
fn the_same_files_in_other_layers_are_told_from_other_files() {
    let (one, two, other) = (Folder::new(), Folder::new(), Folder::new());
    one.index(&[one.image(&[&[("a/x", Some("1")), ("b", Some("2"))]])]);
    two.index(&[two.image(&[&[("b", Some("2"))], &[("a/x", Some("1"))]])]);
    other.index(&[other.image(&[&[("a/x", Some("1")), ("b", Some("3"))]])]);
    let at = |before: &Folder, after: &Folder| {
        let (first, second) = (before.layout(), after.layout());
        let (a, b) = (first.images().unwrap(), second.images().unwrap());
        compare((&first, &a[0]), (&second, &b[0])).unwrap()
    };
    assert_eq!(at(&one, &one).differs, None);
    assert_eq!(at(&one, &two).differs, Some(Level::Layers));
    let found = at(&one, &other);
    assert_eq!(found.differs, Some(Level::Files));
    let changed: Vec<_> = found.files.iter().map(|f| (f.path.as_str(), f.what.as_slice())).collect();
    assert_eq!(changed, [("b", &["content"][..])]);
}

#[test]
fn what_is_attached_to_images_is_no_image_and_one_that_is_listed_twice_is_one() {
    let folder = Folder::new();
    let image = folder.image(&[&[("a", Some("1"))]]);
    let mut attestation = folder.image(&[&[("b", Some("1"))]]);
    attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    let config = folder.put(b"{}");
    let blob = Folder::entry("application/vnd.in-toto+json", &config);
    let signature =
        json!({ "schemaVersion": 2, "config": Folder::entry(model::oci::CONFIG, &config), "layers": [blob] });
    let signature = Folder::entry(model::oci::MANIFEST[0], &folder.put(signature.to_string().as_bytes()));
    folder.index(&[image.clone(), attestation, signature, image]);
    assert_eq!(folder.layout().images().unwrap().len(), 1);
}

#[test]
fn hostile_layouts_are_refused() {
    let folder = Folder::new();
    let image = folder.image(&[&[("a", Some("1"))]]);
    // Indexes in indexes without end, and one that is larger than any.
    let mut nested = image.clone();
    for _ in 0..8 {
        let index = json!({ "schemaVersion": 2, "manifests": [nested] });
        nested = Folder::entry(model::oci::INDEX[0], &folder.put(index.to_string().as_bytes()));
    }
    folder.index(&[nested]);
    assert!(folder.refused().contains("indexes in one another"));
    let mut large = image.clone();
    large["size"] = json!(u64::MAX);
    folder.index(&[large]);
    assert!(folder.refused().contains("more than"));
    let mut short = image.clone();
    short["size"] = json!(3);
    folder.index(&[short]);
    assert!(folder.refused().contains("bytes: expected 3"));
    for digest in ["sha512:00", "sha256:../../../etc/passwd", "md5", ""] {
        let mut other = image.clone();
        other["digest"] = json!(digest);
        folder.index(&[other]);
        assert!(folder.refused().contains("not a digest"), "{digest}");
    }
    folder.index(&[]);
    fs::write(folder.path().join("index.json"), "[1]").unwrap();
    assert!(folder.refused().contains("index.json"));
    // A blob that is a link leads out of the layout.
    let digest = Digest {
        sha256: image["digest"].as_str().unwrap()[7..].parse().unwrap(),
        size: image["size"].as_u64().unwrap(),
    };
    let outside = folder.path().join("outside");
    fs::rename(folder.blob(&digest), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, folder.blob(&digest)).unwrap();
    folder.index(&[image]);
    assert!(folder.refused().contains("is no file"));
}

#[test]
fn an_archive_with_a_name_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let one = tar(&[("index.json", Some("{\"manifests\":[]}"))]);
    // The second archive begins where the first one's end would be.
    let twice = [&one[..one.len() - 1024], &one[..]].concat();
    for (bytes, expected) in [
        (twice, "there twice"),
        (tar(&[("x", Some("y"))]), "neither `index.json`"),
        (vec![b'x'; 2000], "expected a folder"),
    ] {
        let path = dir.path().join("a.tar");
        fs::write(&path, bytes).unwrap();
        match Layout::open(&path) {
            Err(ImageError::Layout { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{expected}"),
        }
    }
}
