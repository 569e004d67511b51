//! tar: ustar headers (POSIX.1-1988), with pax records (POSIX.1-2001) for what does not fit and nothing else.
//!
//! Written by hand, 512 bytes at a time, because these bytes are fixed for ever and no library promises that.

use std::io::Write;

use super::Packing;
use crate::listing::{Entry, Kind};
use crate::{PackError, member};

const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;
/// The largest size that a header's eleven octal digits hold: 8 GiB less one byte.
const LARGEST: u64 = 0o777_7777_7777;
/// The name of every pax entry; readers that know pax never show it.
const PAX_NAME: &str = "././@PaxHeader";

/// Small writes (headers, small files) are gathered until there are so many bytes.
const GATHER: usize = 256 * 1024;

pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    let mut out = std::io::BufWriter::with_capacity(GATHER, out);
    let mut buffer = Vec::new();
    for entry in packing.entries {
        out.write_all(&headers(entry, packing.mtime)).map_err(PackError::Write)?;
        if let Kind::File { digest, .. } = entry.kind {
            member::copy(packing.contents, &entry.path, digest, &mut buffer, &mut out)?;
            out.write_all(&[0; BLOCK][..padding(digest.size)]).map_err(PackError::Write)?;
        }
    }
    out.write_all(&[0; 2 * BLOCK]).map_err(PackError::Write)?;
    out.flush().map_err(PackError::Write)
}

/// How many zero bytes follow `size` bytes of content.
fn padding(size: u64) -> usize {
    usize::try_from(size.wrapping_neg() % BLOCK as u64).expect("below 512")
}

/// Everything that stands before the content of `entry`.
fn headers(entry: &Entry<'_>, mtime: u64) -> Vec<u8> {
    let name = entry.name();
    let (typeflag, size, target) = match entry.kind {
        Kind::File { digest, .. } => (b'0', digest.size, ""),
        Kind::Symlink(target) => (b'2', 0, target),
        Kind::Directory => (b'5', 0, ""),
    };
    // Pax keywords in bytewise order.
    let mut pax = Vec::new();
    if target.len() > NAME || !target.is_ascii() {
        record(&mut pax, "linkpath", target);
    }
    let split = split(&name);
    if split.is_none() {
        record(&mut pax, "path", &name);
    }
    if size > LARGEST {
        record(&mut pax, "size", &size.to_string());
    }
    let (prefix, rest) = split.unwrap_or(("", &name));
    let header = Header { typeflag, prefix, name: rest, target, mode: entry.mode(), size, mtime };
    if pax.is_empty() {
        return header.encode().to_vec();
    }
    let length = pax.len() as u64;
    let extended = Header {
        typeflag: b'x',
        prefix: "",
        name: PAX_NAME,
        target: "",
        mode: 0o644,
        size: length,
        mtime: 0,
    };
    let mut bytes = extended.encode().to_vec();
    bytes.extend(&pax);
    bytes.resize(bytes.len() + padding(length), 0);
    bytes.extend(header.encode());
    bytes
}

/// Prefix and name of a path that fits a ustar header; `None` if it does not, or is not ASCII.
///
/// A name of 100 bytes or less stands whole. A longer one is cut at the first `/` that leaves 100 bytes or less,
/// so the prefix is as short as can be.
fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some(("", path));
    }
    let from = path.len() - NAME - 1;
    let slash = from + path[from..].find('/')?;
    let (prefix, rest) = (&path[..slash], &path[slash + 1..]);
    (prefix.len() <= PREFIX && !rest.is_empty()).then_some((prefix, rest))
}

/// One pax record: its own length in decimal, a space, `keyword=value`, a newline.
fn record(pax: &mut Vec<u8>, keyword: &str, value: &str) {
    let rest = keyword.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    pax.extend(format!("{length} {keyword}={value}\n").into_bytes());
}

struct Header<'a> {
    typeflag: u8,
    prefix: &'a str,
    name: &'a str,
    target: &'a str,
    mode: u32,
    size: u64,
    mtime: u64,
}

impl Header<'_> {
    fn encode(&self) -> [u8; BLOCK] {
        let mut b = [0u8; BLOCK];
        text(&mut b[0..100], self.name);
        octal(&mut b[100..108], u64::from(self.mode));
        octal(&mut b[108..116], 0); // uid
        octal(&mut b[116..124], 0); // gid
        octal(&mut b[124..136], if self.size > LARGEST { 0 } else { self.size });
        octal(&mut b[136..148], self.mtime);
        b[148..156].fill(b' '); // the checksum counts its own field as spaces
        b[156] = self.typeflag;
        text(&mut b[157..257], self.target);
        b[257..265].copy_from_slice(b"ustar\x0000");
        // uname and gname stay empty: a name would be looked up where the archive is unpacked, and win over the id
        octal(&mut b[329..337], 0); // devmajor
        octal(&mut b[337..345], 0); // devminor
        text(&mut b[345..500], self.prefix);
        let sum: u64 = b.iter().map(|&byte| u64::from(byte)).sum();
        octal(&mut b[148..155], sum); // six digits, NUL; the eighth byte stays a space
        b
    }
}

/// A text that is shorter than its field ends in NUL. What pax carries stands here cut to the field, with `_`
/// for every byte that is not ASCII.
fn text(field: &mut [u8], value: &str) {
    for (to, from) in field.iter_mut().zip(value.bytes()) {
        *to = if from.is_ascii() { from } else { b'_' };
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
        assert_eq!(split(&a(100)), Some(("", a(100).as_str())));
        assert_eq!(split(&a(101)), None);
        assert_eq!(split(&format!("{}/", a(100))), None, "nothing would be left of a directory's name");
        assert_eq!(split(&format!("x/{}", a(100))), Some(("x", a(100).as_str())));
        assert_eq!(split(&format!("x/y/{}", a(98))), Some(("x", format!("y/{}", a(98)).as_str())));
        assert_eq!(split(&format!("{}/{}", a(155), a(100))), Some((a(155).as_str(), a(100).as_str())));
        assert_eq!(split(&format!("{}/{}", a(156), a(100))), None);
        assert_eq!(split("é"), None);
    }

    #[test]
    fn a_pax_record_counts_itself() {
        for length in 0..200 {
            let mut pax = Vec::new();
            record(&mut pax, "path", &"x".repeat(length));
            let said: usize = std::str::from_utf8(&pax).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, pax.len());
        }
    }

    #[test]
    fn sizes_from_8_gib_on_go_into_pax() {
        let header = |size| {
            let digest = Digest { size, ..Digest::of(b"") };
            let kind = Kind::File { digest: &digest, executable: false };
            headers(&Entry { path: "big".parse().unwrap(), kind }, 0)
        };
        let last = header(LARGEST);
        assert_eq!((last.len(), &last[124..136]), (512, &b"77777777777\0"[..]));
        let first = header(LARGEST + 1);
        assert_eq!(first.len(), 3 * 512);
        assert!(first[512..].starts_with(b"19 size=8589934592\n\0"));
        assert_eq!(&first[1024 + 124..1024 + 136], b"00000000000\0");
    }
}
