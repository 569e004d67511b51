//! Extended attributes of files in unpacked layers.
//!
//! File capabilities know whose root they are of (revision 3 of `security.capability`, capabilities(7)): on disk that of
//! the image's ids, in a layer nobody's (revision 2), since whoever runs the image has ids of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;

/// A directory that has it hides what lies below.
const OPAQUE: &str = "user.overlay.opaque";
/// What overlays keep for themselves.
const OVERLAY: &str = "user.overlay.";
const CAPABILITY: &str = "security.capability";
/// Of the first number of a capability: which revision it is.
const REVISION: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
/// No list of names and no value is longer (xattr(7)).
const LONGEST: usize = 64 << 10;

/// Every attribute of a file as a layer has it, without those of overlays.
pub(crate) fn read(path: &Path, first: u32) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for name in names(path)? {
        if !is_files(&name) {
            continue;
        }
        let value = value(path, &name)?;
        let value = if name == CAPABILITY { anybodys(value, first)? } else { value };
        found.insert(name, value);
    }
    Ok(found)
}

/// Gives a file an attribute of a layer.
pub(super) fn write(path: &Path, name: &str, value: &[u8], first: u32) -> io::Result<()> {
    if !is_files(name) {
        return Ok(());
    }
    let ours = if name == CAPABILITY { images(value, first) } else { value.to_vec() };
    match lsetxattr(path, name, &ours, XattrFlags::empty()) {
        // The disk knows none of its kind; ACLs of a host that has none, say.
        Err(Errno::NOTSUP) => Ok(()),
        other => Ok(other?),
    }
}

/// Whether an attribute is the file's own. Others are the host's to say (labels, signatures, what overlays keep), or have ids
/// of the host in them (lists of access).
fn is_files(name: &str) -> bool {
    name == CAPABILITY || name.starts_with("user.") && !name.starts_with(OVERLAY)
}

pub(super) fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    lgetxattr(path, OPAQUE, &mut value).is_ok_and(|length| value[..length.min(8)] == *b"y")
}

pub(super) fn make_opaque(path: &Path) -> io::Result<()> {
    Ok(lsetxattr(path, OPAQUE, b"y", XattrFlags::empty())?)
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut list = vec![0; LONGEST];
    let length = match llistxattr(path, &mut list) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = list[..length].split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

fn value(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut value = vec![0; LONGEST];
    let length = lgetxattr(path, name, &mut value)?;
    value.truncate(length);
    Ok(value)
}

fn number(value: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(value.get(at..at + 4)?.try_into().ok()?))
}

/// A capability of the image's root, from one of anybody's.
fn images(value: &[u8], first: u32) -> Vec<u8> {
    match number(value, 0) {
        Some(magic) if magic & REVISION == REVISION_2 && value.len() == 20 => {
            let mut ours = (magic & !REVISION | REVISION_3).to_le_bytes().to_vec();
            ours.extend(&value[4..]);
            ours.extend(first.to_le_bytes());
            ours
        }
        _ => value.to_vec(),
    }
}

/// A capability of anybody's, from one of the image's root.
fn anybodys(value: Vec<u8>, first: u32) -> io::Result<Vec<u8>> {
    match (number(&value, 0), number(&value, 20)) {
        (Some(magic), Some(root)) if magic & REVISION == REVISION_3 && value.len() == 24 => {
            if root != first {
                return Err(io::Error::other("it has a capability of another namespace"));
            }
            let mut ours = (magic & !REVISION | REVISION_2).to_le_bytes().to_vec();
            ours.extend(&value[4..20]);
            Ok(ours)
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_the_image_s_on_disk_and_anybody_s_in_a_layer() {
        // cap_net_raw+ep, as `setcap` writes it.
        let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let ours = images(&value, 0x7001_0000);
        assert_eq!(&ours[..4], [1, 0, 0, 3]);
        assert_eq!(&ours[20..], [0, 0, 1, 0x70]);
        assert_eq!(anybodys(ours.clone(), 0x7001_0000).unwrap(), value);
        assert!(anybodys(ours, 0).is_err());
        for odd in [&b""[..], b"abc", &value[..19]] {
            assert_eq!(images(odd, 1), odd);
            assert_eq!(anybodys(odd.to_vec(), 1).unwrap(), odd);
        }
    }
}
