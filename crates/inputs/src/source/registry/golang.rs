//! Go modules that carry tools, such as Go itself (`golang.org/toolchain`): the module proxy has the archive, and the
//! checksum database, asked through the same proxy, its hash.
//!
//! The hash is `h1` (<https://go.dev/ref/mod#go-sum-files>): over the names and SHA-256 of all files of the archive.

use std::io::{Read, Write as _};

use base64::Engine as _;
use model::tree::{Node, Tree};
use model::{Digest, Hasher, Purl, RelPath};
use store::Store;

use super::{Check, Located, Remote, answer};
use crate::http::Client;
use crate::{ArchiveError, Context, HttpError, InputError};

/// No answer of the database is larger.
const LOOKUP_LIMIT: u64 = 1 << 20;

/// Folders of Go's own toolchain whose files are run. A module's archive keeps no modes, and `go` sets them so.
const RUN: [&str; 2] = ["bin", "pkg/tool"];

/// The path of a purl's module.
pub(crate) fn module(purl: &Purl) -> String {
    match purl.namespace() {
        Some(namespace) => format!("{namespace}/{}", purl.name()),
        None => purl.name().to_owned(),
    }
}

pub(super) fn locate(cx: &Context<'_>, client: &Client<'_>, purl: &Purl) -> Result<Located, InputError> {
    let bases = cx.host.registry("golang")?;
    let base = bases.split(' ').next().unwrap_or_default();
    let module = module(purl);
    let (escaped, version) = (escaped(&module), escaped(purl.version()));
    let path = format!("{escaped}/@v/{version}.zip");
    let h1 = match cx.host.go_checksums() {
        None => {
            cx.note(format!("`{purl}`: this host uses no checksum database for Go modules (GOSUMDB)"));
            None
        }
        Some(name) => looked_up(cx, client, base, &name, (&escaped, &module), (&version, purl.version()))?,
    };
    let remote = Remote { url: format!("{base}/{path}"), path, check: Check::Module(h1), size: None };
    Ok(Located { files: vec![remote], licence: None })
}

/// What the database says of a module, without `h1:`. A proxy that does not pass the question on is told of.
fn looked_up(
    cx: &Context<'_>,
    client: &Client<'_>,
    base: &str,
    database: &str,
    (escaped, module): (&str, &str),
    (escaped_version, version): (&str, &str),
) -> Result<Option<String>, InputError> {
    let url = format!("{base}/sumdb/{database}/lookup/{escaped}@{escaped_version}");
    let bytes = match client.get(&url, None, LOOKUP_LIMIT) {
        Ok(bytes) => bytes,
        Err(HttpError::NotFound { .. } | HttpError::Status { .. }) => {
            let text =
                format!("{url} is not there: the hash of {module} {version} is not compared with others'");
            cx.warn(text, Some("give `sha256` beside `purl` if you know it".into()));
            return Ok(None);
        }
        Err(other) => return Err(other.into()),
    };
    let text = String::from_utf8(bytes).map_err(|_| answer(&url, "is no UTF-8"))?;
    let line = format!("{module} {version} h1:");
    let found = text.lines().find_map(|l| l.strip_prefix(line.as_str()));
    found.map(|h1| Some(h1.trim().to_owned())).ok_or_else(|| answer(&url, format!("has no line `{line}…`")))
}

/// As proxies and file systems without capitals have it: `A` is `!a`.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            out.push('!');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// The `h1` hash of a module's archive, without `h1:`.
pub(crate) fn h1(store: &Store, archive: &Digest) -> Result<String, InputError> {
    let damaged = |cause: std::io::Error| ArchiveError::Damaged { doing: "reading the zip", cause };
    let mut zip = zip::ZipArchive::new(std::io::BufReader::new(store.open_blob(archive)?))
        .map_err(|e| damaged(e.into()))?;
    let mut lines = Vec::new();
    let mut bytes = 0;
    for nth in 0..zip.len() {
        let mut member = zip.by_index(nth).map_err(|e| damaged(e.into()))?;
        if member.is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        if name.contains('\n') {
            return Err(ArchiveError::Kind { member: name, kind: "named over two lines" }.into());
        }
        let mut hasher = Hasher::default();
        let limit = crate::archive::LIMIT - bytes;
        bytes += std::io::copy(&mut (&mut member).take(limit), &mut hasher).map_err(damaged)?;
        if bytes >= crate::archive::LIMIT {
            return Err(ArchiveError::TooLarge { limit: crate::archive::LIMIT, unit: "bytes" }.into());
        }
        lines.push((name, hasher.finish().hex()));
    }
    lines.sort();
    let mut whole = Hasher::default();
    for (name, hex) in lines {
        writeln!(whole, "{hex}  {name}").map_err(damaged)?;
    }
    let hex = whole.finish();
    Ok(base64::engine::general_purpose::STANDARD.encode(raw(&hex.hex())))
}

/// The bytes of a hexadecimal text that is known to be one.
fn raw(hex: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or(0);
    hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The tree with the programs of a Go toolchain made such.
pub(crate) fn executable(store: &Store, tree: &Digest) -> Result<Digest, InputError> {
    let run: Vec<RelPath> = RUN.iter().map(|p| p.parse().expect("they are plain paths")).collect();
    let mut made = Tree::default();
    let place = |cause| ArchiveError::Place { member: "a file of Go".into(), cause };
    for (path, node) in store.walk(tree)? {
        match node {
            Node::Directory(_) => made.make_directory(&path).map_err(place)?,
            Node::File { digest, .. } if run.iter().any(|r| path.is_within(r)) => {
                made.insert(&path, Node::File { digest, executable: true }).map_err(place)?;
            }
            node => made.insert(&path, node).map_err(place)?,
        }
    }
    let finished = made.finish();
    store.put_tree(&finished)?;
    Ok(finished.root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_are_escaped() {
        assert_eq!(escaped("example.org/Foo/BAR"), "example.org/!foo/!b!a!r");
        assert_eq!(raw("00ff10"), [0, 255, 16]);
    }
}
