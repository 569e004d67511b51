//! What belongs to an image and lies beside it: its bundle, and the SBOMs that name it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use attest::Bundle;
use inputs::Attachment;
use model::statement::Statement;
use model::{Digest, Event, Hasher};

use crate::command::build::bundle_path;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Session, read_bundle, read_bytes, read_text};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Ends of names, and what such files are.
const KINDS: [(&str, &str); 3] = [
    (".sigstore.json", BUNDLE),
    (".spdx.json", "application/spdx+json"),
    (".cdx.json", "application/vnd.cyclonedx+json"),
];

/// What is named on the command line: `FILE`, whose name says what it is, or `TYPE=FILE`.
pub(super) fn named(text: &str) -> Result<Attachment, Failure> {
    let typed = text.split_once('=').filter(|(kind, _)| kind.contains('/') && !Path::new(text).exists());
    let (kind, path) = match typed {
        Some((kind, path)) => (Some(kind), Path::new(path)),
        None => (None, Path::new(text)),
    };
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let known = KINDS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| *kind);
    let Some(kind) = kind.or(known) else {
        let title = format!("what `{}` is cannot be told from its name", path.display());
        return Err(Failure::failed(title).with_exit(Exit::Usage).help("say it: --attach TYPE=FILE"));
    };
    let bytes = if kind == BUNDLE { read_bundle(path)? } else { Some(read_bytes(path)?) };
    let missing = || Failure::io("read", path, std::io::ErrorKind::NotFound.into());
    attachment(kind, name, bytes.ok_or_else(missing)?)
}

fn attachment(kind: &str, name: String, bytes: Vec<u8>) -> Result<Attachment, Failure> {
    let mut annotations = BTreeMap::new();
    if kind == BUNDLE {
        // As cosign has it.
        let statement = statement(&name, &bytes)?;
        annotations.insert("dev.sigstore.bundle.content".into(), "dsse-envelope".into());
        annotations.insert("dev.sigstore.bundle.predicateType".into(), statement.predicate_type);
    }
    Ok(Attachment { kind: kind.to_owned(), name, bytes, annotations })
}

/// What a bundle says; it is not verified.
fn statement(name: &str, bytes: &[u8]) -> Result<Statement, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::failed(format!("`{name}` is no bundle that can be attached: {reason}"))
            .with_exit(Exit::NoneAcceptable)
    };
    let bundle = Bundle::parse(bytes).map_err(|e| wrong(&e))?;
    serde_json::from_slice(&bundle.payload).map_err(|e| wrong(&e))
}

/// What lies beside an artifact and is about it, or about the image in it.
pub(super) fn found(session: &Session, artifact: &Path, image: &Digest) -> Result<Vec<Attachment>, Failure> {
    let mut about = About { artifact, known: vec![image.hex()], hashed: !artifact.is_file() };
    let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut found = Vec::new();
    let path = bundle_path(artifact);
    if let Some(bytes) = read_bundle(&path)? {
        let subjects: Vec<_> = statement(&name(&path), &bytes)?
            .subject
            .iter()
            .filter_map(|s| s.digest.get("sha256").cloned())
            .collect();
        if !about.is(|hex| subjects.iter().any(|s| s == hex))? {
            return Err(Failure::failed(format!("`{}` is about another artifact", path.display()))
                .with_exit(Exit::DigestMismatch)
                .line(format!("expected {}", about.known.join(" or ")))
                .line(format!("found    {}", subjects.join(", ")))
                .help("build it again, or push with --no-attach what nothing speaks for"));
        }
        found.push(attachment(BUNDLE, name(&path), bytes)?);
    }
    for (path, kind) in sboms(artifact) {
        let text = read_text(&path)?;
        if about.is(|hex| text.contains(hex))? {
            found.push(attachment(kind, name(&path), text.into_bytes())?);
        } else {
            let text = format!("`{}` is about something else, and not attached", path.display());
            session.tell(&Event::Note { text });
        }
    }
    Ok(found)
}

/// The hashes by which others speak of an artifact. That of its file is made only if that of its image is not enough.
struct About<'a> {
    artifact: &'a Path,
    known: Vec<String>,
    hashed: bool,
}

impl About<'_> {
    /// Whether one of them is meant.
    fn is(&mut self, meant: impl Fn(&str) -> bool) -> Result<bool, Failure> {
        if self.known.iter().any(|hex| meant(hex)) {
            return Ok(true);
        }
        if self.hashed {
            return Ok(false);
        }
        self.hashed = true;
        self.known.push(hashed(self.artifact)?.hex());
        Ok(self.known.iter().any(|hex| meant(hex)))
    }
}

/// The SBOMs of a folder, in the order of their names.
fn sboms(artifact: &Path) -> Vec<(PathBuf, &'static str)> {
    let folder = artifact.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let kind = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        KINDS[1..].iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| *kind)
    };
    let mut found: Vec<_> =
        entries.filter_map(|path| Some((kind(&path)?, path))).map(|(k, p)| (p, k)).collect();
    found.sort();
    found
}

fn hashed(path: &Path) -> Result<Digest, Failure> {
    let mut hasher = Hasher::default();
    let copied = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    copied.map_err(|e| Failure::io("read", path, e))?;
    Ok(hasher.finish())
}
