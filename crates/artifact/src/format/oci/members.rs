//! Reads the layers of images, whoever wrote them: one member after the other, however large a layer is.

use std::io::{self, BufRead, Read};

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
    /// Extended attributes and what else pax says that is not above, as `KEY=VALUE`, sorted.
    pub more: Vec<String>,
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

/// Calls `each` for every member of a decompressed layer, in order, with its content. Everything is read to the end.
///
/// # Errors
/// If the layer is damaged or has too much in it; whatever `each` says.
pub fn members<E: From<MemberError>>(
    reader: &mut dyn Read,
    mut each: impl FnMut(LayerMember, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let damaged = |error| E::from(MemberError::Damaged(error));
    let mut limited = reader.take(BYTES);
    let mut archive = tar::Archive::new(&mut limited);
    let mut count = 0;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        count += 1;
        if count > MEMBERS {
            return Err(MemberError::TooLarge { limit: MEMBERS, unit: "members" }.into());
        }
        let member = member(&mut entry).map_err(damaged)?;
        if let Some(member) = member {
            each(member, &mut entry)?;
        }
    }
    io::copy(&mut limited, &mut io::sink()).map_err(damaged)?;
    if limited.limit() == 0 {
        return Err(MemberError::TooLarge { limit: BYTES, unit: "bytes" }.into());
    }
    Ok(())
}

/// What a header says; nothing of one that speaks of the whole archive.
fn member<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Option<LayerMember>> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = lossy(&entry.path_bytes());
    let target = entry.link_name_bytes().map(|bytes| lossy(&bytes)).unwrap_or_default();
    let mut more = Vec::new();
    if let Some(records) = entry.pax_extensions()? {
        for record in records {
            let record = record?;
            let key = lossy(record.key_bytes());
            // These are in the fields.
            if !["path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime"].contains(&key.as_str())
            {
                more.push(format!("{key}={}", lossy(record.value_bytes())));
            }
        }
    }
    more.sort();
    let header = entry.header();
    let kind = match header.entry_type().as_byte() {
        // Old archives mark a directory only by the slash.
        0 | b'0' | b'7' | b'S' if name.ends_with('/') => '5',
        0 | b'7' | b'S' => '0',
        b'g' => return Ok(None),
        other => char::from(other),
    };
    let clean: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Ok(Some(LayerMember {
        name: if clean.is_empty() { ".".to_owned() } else { clean.join("/") },
        kind,
        mode: header.mode()? & 0o7777,
        uid: header.uid()?,
        gid: header.gid()?,
        mtime: header.mtime()?,
        target,
        size: entry.size(),
        at: entry.raw_file_position(),
        more,
    }))
}
