//! tar: ustar headers (POSIX.1-1988), with pax records (POSIX.1-2001) for what does not fit and nothing else.
//!
//! Written by hand, 512 bytes at a time, because these bytes are fixed for ever and no library promises that. Read by
//! hand too, because an archive that readers understand differently must be refused, not understood.

mod normal;
mod read;
mod stream;

use std::collections::BTreeMap;
use std::io::Write;

use super::Packing;
use crate::listing::{Entry, Kind};
use crate::{PackError, Piece, member};

pub(super) use normal::{Owners, normalise, replace, rewrite};
pub(crate) use read::Member;
pub(super) use read::read;
pub(crate) use stream::{Broken, stream};

const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;
/// The largest size that a header's eleven octal digits hold: 8 GiB less one byte.
const LARGEST: u64 = 0o777_7777_7777;
/// The largest owner that seven octal digits hold.
const LARGEST_ID: u64 = 0o777_7777;
/// The longest name of an owner.
const USER: usize = 32;
/// The name of every pax entry; readers that know pax never show it.
const PAX_NAME: &str = "././@PaxHeader";

/// Small writes (headers, small files) are gathered until there are so many bytes.
const GATHER: usize = 256 * 1024;

/// What a header says of an entry beside what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    /// Permission bits.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u64,
    /// Group.
    pub(super) gid: u64,
}

impl Attributes {
    /// Of root, with the bits that git keeps.
    fn plain(entry: &Entry<'_>) -> Self {
        Self { mode: entry.mode(), uid: 0, gid: 0 }
    }
}

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    write_with(packing, &Attributes::plain, out)
}

/// Writes the entries with these attributes.
pub(super) fn write_with(
    packing: &Packing<'_>,
    attributes: &dyn Fn(&Entry<'_>) -> Attributes,
    out: &mut dyn Write,
) -> Result<(), PackError> {
    let mut out = Writer::new(out, packing.mtime);
    let before = if packing.rooted { "./" } else { "" };
    if packing.rooted {
        let root = Attributes { mode: 0o755, uid: 0, gid: 0 };
        out.entry(b'5', "./", "", root, BTreeMap::new())?;
    }
    for entry in packing.entries {
        out.bytes(&headers(before, entry, attributes(entry), packing.mtime))?;
        if let Kind::File { digest, .. } = entry.kind {
            member::copy(packing.contents, &entry.path, digest, &mut out.buffer, &mut out.out)?;
            out.pad(digest.size)?;
        }
    }
    out.finish()
}

/// Writes members one after the other, each as the caller says it is.
pub(super) struct Writer<W: Write> {
    out: std::io::BufWriter<W>,
    mtime: u64,
    /// What contents are read through.
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, mtime: u64) -> Self {
        Self { out: std::io::BufWriter::with_capacity(GATHER, out), mtime, buffer: Vec::new() }
    }

    /// A member without content; `more` are further pax records.
    pub(super) fn entry(
        &mut self,
        typeflag: u8,
        name: &str,
        target: &str,
        Attributes { mode, uid, gid }: Attributes,
        more: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<(), PackError> {
        let (name, target, mtime) = (name.as_bytes(), target.as_bytes(), self.mtime);
        let header = Header { typeflag, name, target, mode, mtime, uid, gid, ..Header::default() };
        self.bytes(&extended(header, more))
    }

    /// A file, whose content has to be of exactly `size` bytes.
    pub(super) fn file(
        &mut self,
        name: &str,
        Attributes { mode, uid, gid }: Attributes,
        more: BTreeMap<Vec<u8>, Vec<u8>>,
        size: u64,
        content: &mut dyn std::io::Read,
    ) -> Result<(), PackError> {
        let (name, mtime) = (name.as_bytes(), self.mtime);
        let header = Header { typeflag: b'0', name, mode, size, mtime, uid, gid, ..Header::default() };
        self.bytes(&extended(header, more))?;
        let path = || String::from_utf8_lossy(name).into_owned();
        let wrong = |found: &str| PackError::Name {
            path: path(),
            what: format!("it has {found} bytes, where {size} were said"),
        };
        self.buffer.resize(GATHER, 0);
        let mut copied = 0;
        loop {
            let found = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(found) => found,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(PackError::Unreadable { path: path(), source }),
            };
            copied += found as u64;
            if copied > size {
                return Err(wrong("more"));
            }
            self.out.write_all(&self.buffer[..found]).map_err(PackError::Write)?;
        }
        if copied < size { Err(wrong(&copied.to_string())) } else { self.pad(size) }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.out.write_all(bytes).map_err(PackError::Write)
    }

    /// What follows a content of so many bytes.
    fn pad(&mut self, size: u64) -> Result<(), PackError> {
        self.bytes(&[0; BLOCK][..padding(size)])
    }

    /// What ends an archive.
    pub(super) fn finish(mut self) -> Result<(), PackError> {
        self.bytes(&[0; 2 * BLOCK])?;
        self.out.flush().map_err(PackError::Write)
    }
}

/// The archive that [`write`] writes, without the contents.
pub(crate) fn pieces(entries: &[Entry<'_>], mtime: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(headers("", entry, Attributes::plain(entry), mtime));
        if let Kind::File { digest, .. } = entry.kind {
            pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
            pieces.push(Piece::Content(*digest));
            bytes.resize(padding(digest.size), 0);
        }
    }
    bytes.extend([0; 2 * BLOCK]);
    pieces.push(Piece::Bytes(bytes));
    pieces
}

/// How many zero bytes follow `size` bytes of content.
fn padding(size: u64) -> usize {
    usize::try_from(size.wrapping_neg() % BLOCK as u64).expect("below 512")
}

/// Everything that stands before the content of `entry`.
fn headers(before: &str, entry: &Entry<'_>, attributes: Attributes, mtime: u64) -> Vec<u8> {
    let name = format!("{before}{}", entry.name());
    let (typeflag, size, target) = match entry.kind {
        Kind::File { digest, .. } => (b'0', digest.size, ""),
        Kind::Symlink(target) => (b'2', 0, target),
        Kind::Directory => (b'5', 0, ""),
    };
    let (name, target) = (name.as_bytes(), target.as_bytes());
    let Attributes { mode, uid, gid } = attributes;
    extended(
        Header { typeflag, name, target, mode, size, mtime, uid, gid, ..Header::default() },
        BTreeMap::new(),
    )
}

/// A header, and the pax block before it if something does not fit, or if there is `more` to be said.
fn extended(mut header: Header<'_>, more: BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    // Keywords are written in bytewise order.
    let mut pax = more;
    let mut add = |key: &str, value: &[u8]| pax.insert(key.into(), value.into());
    if header.target.len() > NAME || !header.target.is_ascii() {
        add("linkpath", header.target);
    }
    let split = split(header.name);
    if split.is_none() {
        add("path", header.name);
    }
    if header.size > LARGEST {
        add("size", header.size.to_string().as_bytes());
    }
    if header.mtime > LARGEST {
        add("mtime", header.mtime.to_string().as_bytes());
    }
    for (key, id) in [("uid", header.uid), ("gid", header.gid)] {
        if id > LARGEST_ID {
            add(key, id.to_string().as_bytes());
        }
    }
    for (key, name) in [("uname", header.user), ("gname", header.group)] {
        if name.len() > USER || !name.is_ascii() {
            add(key, name);
        }
    }
    (header.prefix, header.name) = split.unwrap_or((b"", header.name));
    let mut bytes = if pax.is_empty() { Vec::new() } else { pax_block(b'x', &pax) };
    bytes.extend(header.encode());
    bytes
}

/// A block of pax records with its header.
fn pax_block(typeflag: u8, pax: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut records = Vec::new();
    for (key, value) in pax {
        record(&mut records, key, value);
    }
    let size = records.len() as u64;
    let header = Header { typeflag, name: PAX_NAME.as_bytes(), mode: 0o644, size, ..Header::default() };
    let mut bytes = header.encode().to_vec();
    bytes.extend(records);
    bytes.resize(bytes.len() + padding(size), 0);
    bytes
}

/// Appends what pax says of all members, if it says something.
fn write_global(out: &mut Vec<u8>, global: &BTreeMap<Vec<u8>, Vec<u8>>) {
    if !global.is_empty() {
        out.extend(pax_block(b'g', global));
    }
}

/// Appends a member as it was read, with this content.
fn write_member(out: &mut Vec<u8>, member: &Member<'_>, data: &[u8]) {
    let header = Header {
        typeflag: member.kind,
        prefix: b"",
        name: &member.name,
        target: &member.target,
        mode: u32::try_from(member.mode).expect("a mode that was read has twelve bits"),
        size: data.len() as u64,
        mtime: member.mtime,
        uid: member.uid,
        gid: member.gid,
        user: &member.user,
        group: &member.group,
        device: member.device,
    };
    out.extend(extended(header, member.pax.clone()));
    out.extend(data);
    out.resize(out.len() + padding(data.len() as u64), 0);
}

/// Prefix and name of a path that fits a ustar header; `None` if it does not, or is not ASCII.
///
/// A name of 100 bytes or less stands whole. A longer one is cut at the first `/` that leaves 100 bytes or less,
/// so the prefix is as short as can be.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some((b"", path));
    }
    let from = path.len() - NAME - 1;
    let slash = from + path[from..].iter().position(|&byte| byte == b'/')?;
    let (prefix, rest) = (&path[..slash], &path[slash + 1..]);
    (prefix.len() <= PREFIX && !rest.is_empty()).then_some((prefix, rest))
}

/// One pax record: its own length in decimal, a space, `keyword=value`, a newline.
fn record(pax: &mut Vec<u8>, keyword: &[u8], value: &[u8]) {
    let rest = keyword.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    pax.extend(length.to_string().into_bytes());
    for part in [b" ", keyword, b"=", value, b"\n"] {
        pax.extend(part);
    }
}

/// The fields of a header. Packing leaves all but the first seven as they are by default, and but for owners in a layer.
#[derive(Clone, Default)]
struct Header<'a> {
    typeflag: u8,
    prefix: &'a [u8],
    name: &'a [u8],
    target: &'a [u8],
    mode: u32,
    size: u64,
    mtime: u64,
    uid: u64,
    gid: u64,
    /// Empty when packing: a name would be looked up where the archive is unpacked, and win over the number.
    user: &'a [u8],
    group: &'a [u8],
    device: (u64, u64),
}

impl Header<'_> {
    fn encode(&self) -> [u8; BLOCK] {
        let mut b = [0u8; BLOCK];
        text(&mut b[0..100], self.name);
        octal(&mut b[100..108], u64::from(self.mode));
        let fits = |value, largest| if value > largest { 0 } else { value };
        octal(&mut b[108..116], fits(self.uid, LARGEST_ID));
        octal(&mut b[116..124], fits(self.gid, LARGEST_ID));
        octal(&mut b[124..136], fits(self.size, LARGEST));
        octal(&mut b[136..148], fits(self.mtime, LARGEST));
        b[148..156].fill(b' '); // the checksum counts its own field as spaces
        b[156] = self.typeflag;
        text(&mut b[157..257], self.target);
        b[257..265].copy_from_slice(b"ustar\x0000");
        text(&mut b[265..297], self.user);
        text(&mut b[297..329], self.group);
        octal(&mut b[329..337], fits(self.device.0, LARGEST_ID));
        octal(&mut b[337..345], fits(self.device.1, LARGEST_ID));
        text(&mut b[345..500], self.prefix);
        let sum: u64 = b.iter().map(|&byte| u64::from(byte)).sum();
        octal(&mut b[148..155], sum); // six digits, NUL; the eighth byte stays a space
        b
    }
}

/// A text that is shorter than its field ends in NUL. What pax carries stands here cut to the field, with `_`
/// for every byte that is not ASCII.
fn text(field: &mut [u8], value: &[u8]) {
    for (to, from) in field.iter_mut().zip(value) {
        *to = if from.is_ascii() { *from } else { b'_' };
    }
}

/// Octal digits with leading zeros, and a NUL.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    debug_assert_eq!(value, 0, "what does not fit goes into pax");
    field[digits] = 0;
}

#[cfg(test)]
mod tests {
    use model::Digest;

    use super::*;

    #[test]
    fn long_names_are_cut_as_late_as_possible() {
        let a = |n: usize| "a".repeat(n);
        let split = |path: &str| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            split(path.as_bytes()).map(|(prefix, rest)| (text(prefix), text(rest)))
        };
        let some = |prefix: &str, rest: &str| Some((prefix.to_owned(), rest.to_owned()));
        assert_eq!(split(&a(100)), some("", &a(100)));
        assert_eq!(split(&a(101)), None);
        assert_eq!(split(&format!("{}/", a(100))), None, "nothing would be left of a directory's name");
        assert_eq!(split(&format!("x/{}", a(100))), some("x", &a(100)));
        assert_eq!(split(&format!("x/y/{}", a(98))), some("x", &format!("y/{}", a(98))));
        assert_eq!(split(&format!("{}/{}", a(155), a(100))), some(&a(155), &a(100)));
        assert_eq!(split(&format!("{}/{}", a(156), a(100))), None);
        assert_eq!(split("é"), None);
    }

    #[test]
    fn a_pax_record_counts_itself() {
        for length in 0..200 {
            let mut pax = Vec::new();
            record(&mut pax, b"path", "x".repeat(length).as_bytes());
            let said: usize = std::str::from_utf8(&pax).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, pax.len());
        }
    }

    #[test]
    fn sizes_from_8_gib_on_go_into_pax() {
        let header = |size| {
            let digest = Digest { size, ..Digest::of(b"") };
            let kind = Kind::File { digest: &digest, executable: false };
            let entry = Entry { path: "big".parse().unwrap(), kind };
            headers("", &entry, Attributes::plain(&entry), 0)
        };
        let last = header(LARGEST);
        assert_eq!((last.len(), &last[124..136]), (512, &b"77777777777\0"[..]));
        let first = header(LARGEST + 1);
        assert_eq!(first.len(), 3 * 512);
        assert!(first[512..].starts_with(b"19 size=8589934592\n\0"));
        assert_eq!(&first[1024 + 124..1024 + 136], b"00000000000\0");
    }
}
