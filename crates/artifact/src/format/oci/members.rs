//! Reads the layers of images, whoever wrote them: one member after the other, however large a layer is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use super::super::tar::{self, Broken, Member};

/// One member of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerMember {
    /// As it is in the archive, without `./` before and `/` behind; what is not UTF-8 shows as U+FFFD.
    pub name: String,
    /// `0` file, `1` hard link, `2` symlink, `3` and `4` devices, `5` directory, `6` pipe.
    pub kind: char,
    /// Permission bits, with those beyond `rwx`.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// In seconds.
    pub mtime: u64,
    /// Where a link leads.
    pub target: String,
    /// Bytes of its content.
    pub size: u64,
    /// Where in the archive its content begins.
    pub at: u64,
    /// Extended attributes, numbers of devices and what else pax says that is not above, as `KEY=VALUE`, sorted.
    pub more: Vec<String>,
    /// Extended attributes, by their whole names.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// It is damaged, or its compression is.
    #[error("the layer cannot be read: {0}")]
    Damaged(#[source] io::Error),
    /// It unpacks to too much.
    #[error("there are more than {limit} {unit} in the layer")]
    TooLarge {
        /// How many may be.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
}

/// A layer has no more bytes than this when it is decompressed.
const BYTES: u64 = 64 << 30;
/// Nor more members.
const MEMBERS: u64 = 4 << 20;

/// What a layer is when it is decompressed: gzip, Zstandard or nothing, told by its first bytes.
///
/// # Errors
/// If it cannot be read.
pub fn plain<'a>(mut reader: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let head = reader.fill_buf()?;
    Ok(if head.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(reader)?)
    } else {
        Box::new(reader)
    })
}

/// As [`plain`], for archives that a Dockerfile adds: of xz and bzip2 too.
///
/// # Errors
/// If it cannot be read.
pub fn unwrapped<'a>(mut reader: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let head = reader.fill_buf()?;
    if head.starts_with(b"\xfd7zXZ\0") {
        return Ok(Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(reader)));
    }
    if head.starts_with(b"BZh") {
        return Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(reader)));
    }
    plain(reader)
}

/// Calls `each` for every member of a decompressed layer, in order, with its content. Everything is read to the end.
///
/// # Errors
/// If the layer is damaged, has too much in it or a sparse file; whatever `each` says.
pub fn members<E: From<MemberError>>(
    reader: &mut dyn Read,
    mut each: impl FnMut(LayerMember, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |error| E::from(MemberError::Damaged(error));
    let passed = Cell::new(0);
    let mut counted = Counted { inner: reader.take(BYTES), passed: &passed };
    let (mut count, mut stopped) = (0, None);
    let read = tar::stream(&mut counted, &mut |member, size, content| {
        count += 1;
        let told = if count > MEMBERS {
            Err(MemberError::TooLarge { limit: MEMBERS, unit: "members" }.into())
        } else {
            each(layer_member(member, size, passed.get()), content)
        };
        told.map_err(|error| {
            stopped = Some(error);
            io::Error::other("told already")
        })
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    match read {
        Ok(()) => {}
        Err(Broken::Input(error)) => return Err(damaged(error)),
        Err(Broken::Archive(error)) => return Err(damaged(io::Error::other(error))),
    }
    io::copy(&mut counted, &mut io::sink()).map_err(damaged)?;
    if counted.inner.limit() == 0 {
        return Err(MemberError::TooLarge { limit: BYTES, unit: "bytes" }.into());
    }
    Ok(())
}

/// Counts what is read.
struct Counted<'a, R> {
    inner: R,
    passed: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed.set(self.passed.get() + count as u64);
        Ok(count)
    }
}

fn layer_member(member: &Member<'_>, size: u64, at: u64) -> LayerMember {
    let name = lossy(&member.name);
    let mut more: Vec<String> = Vec::new();
    let mut attributes = BTreeMap::new();
    for (key, value) in &member.pax {
        let key = lossy(key);
        if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
            attributes.insert(name.to_owned(), value.clone());
        }
        more.push(format!("{key}={}", lossy(value)));
    }
    if matches!(member.kind, b'3' | b'4') {
        more.push(format!("device={}:{}", member.device.0, member.device.1));
    }
    more.sort();
    let clean: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    LayerMember {
        name: if clean.is_empty() { ".".to_owned() } else { clean.join("/") },
        kind: char::from(member.kind),
        mode: u32::try_from(member.mode).unwrap_or(0) & 0o7777,
        uid: member.uid,
        gid: member.gid,
        mtime: member.mtime,
        target: lossy(&member.target),
        size,
        at,
        more,
        attributes,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
