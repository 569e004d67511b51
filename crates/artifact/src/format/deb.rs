//! Debian packages: an ar of a version, a control archive and a data archive.
//!
//! Packed from a tree with a folder `DEBIAN` that has `control` and perhaps scripts, as `dpkg-deb --build` takes it: both
//! archives as `tar.gz`, with `./` before each name, and `debian-binary` before them.
//!
//! Normalising keeps what the package means: owners and modes of its files, since they are installed so, and the order of its
//! three members. Files are sorted, times clamped, what lies in files is normalised, and `md5sums` follows.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};

use md5::{Digest as _, Md5};
use model::RelPath;
use model::recipe::Rule;

use super::ar::{self, Member};
use super::stream::{self, Codec};
use super::tar::{self, Owners};
use super::{Packing, gzip};
use crate::fields::{Fields, lossy};
use crate::listing;
use crate::normal::{File, Made, Work};
use crate::{Kind, PackError, ReadError};

/// Files whose content changed: path, MD5 before and after.
type Sums = Vec<(Vec<u8>, String, String)>;

pub(super) fn normalise(work: &mut Work<'_>, file: &File<'_>) -> Made {
    let members = ar::members(Kind::Deb, file.bytes, &mut work.budget)?;
    if let Some(signature) = members.iter().find(|member| member.name.starts_with("_gpg")) {
        work.leave("", format!("it is signed (`{}`)", signature.name));
        return Ok(None);
    }
    let find = |start: &str| members.iter().find(|member| member.name.starts_with(start));
    let (Some(control), Some(data)) = (find("control.tar"), find("data.tar")) else {
        let end = Fields::new(Kind::Deb, file.bytes).from(file.bytes.len());
        return Err(end.damaged("control.tar and data.tar", "the end"));
    };
    let mut sums = Sums::new();
    let new_data = archive(work, data, |work, plain| {
        tar::rewrite(work, &plain, Owners::Kept, &mut |name, before, after| {
            sums.push((name.to_vec(), md5(before), md5(after)));
        })
    })?;
    let new_control = archive(work, control, |work, plain| {
        let plain = with_sums(work, plain, &sums)?;
        tar::rewrite(work, &plain, Owners::Kept, &mut |_, _, _| {})
    })?;
    let mut out = ar::MAGIC.to_vec();
    for member in &members {
        let data = match member.name.as_str() {
            name if name == control.name => &new_control,
            name if name == data.name => &new_data,
            _ => member.data,
        };
        let old = &file.bytes[member.at..member.at + 60];
        out.extend(ar::header(work, member, old, data.len()));
        out.extend(data);
        if data.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    Ok(Some(out))
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a member is compressed, by its name: `None` is not at all.
fn codec(member: &Member<'_>) -> Result<Option<&'static Codec>, ReadError> {
    let ending = member.name.rsplit('.').next().unwrap_or_default();
    match ending {
        "tar" => Ok(None),
        "gz" => Ok(stream::codec(Kind::Gzip)),
        "xz" => Ok(stream::codec(Kind::Xz)),
        "zst" => Ok(stream::codec(Kind::Zstd)),
        "bz2" => Ok(stream::codec(Kind::Bzip2)),
        _ => Err(ReadError::Unsupported { kind: Kind::Deb, what: format!("compression `{ending}`") }),
    }
}

/// One of the two archives, as `edit` makes it, compressed as it was.
fn archive(
    work: &mut Work<'_>,
    member: &Member<'_>,
    edit: impl FnOnce(&mut Work<'_>, Vec<u8>) -> Result<Vec<u8>, ReadError>,
) -> Result<Vec<u8>, ReadError> {
    let codec = codec(member)?;
    if codec.is_some() && !work.allows(Rule::Compression) {
        work.leave(&member.name, "`compression` is not among the rules");
        return Ok(member.data.to_vec());
    }
    work.at(&member.name, |work| {
        let plain = match codec {
            Some(codec) => codec.unpack(member.data, &mut work.budget)?,
            None => member.data.to_vec(),
        };
        let new = edit(work, plain)?;
        let Some(codec) = codec else { return Ok(new) };
        let packed = (codec.press)(&new);
        if packed != member.data {
            let before = format!("{} bytes", member.data.len());
            let after = format!("{} bytes by {}", packed.len(), codec.encoder);
            work.changed("", Rule::Compression, before, after);
        }
        Ok(packed)
    })
}

/// The control archive with the sums of what changed in the data.
fn with_sums(work: &mut Work<'_>, plain: Vec<u8>, sums: &Sums) -> Result<Vec<u8>, ReadError> {
    if sums.is_empty() {
        return Ok(plain);
    }
    let renewed: BTreeMap<String, (&str, &str)> = sums
        .iter()
        .map(|(path, before, after)| (lossy(path).trim_start_matches("./").to_owned(), (&**before, &**after)))
        .collect();
    let mut told = Vec::new();
    let new = tar::replace(&plain, &mut work.budget, "md5sums", |text| {
        let mut out = String::with_capacity(text.len());
        for line in lossy(text).split_inclusive('\n') {
            let named = line
                .split_once("  ")
                .and_then(|(sum, path)| Some((sum, renewed.get_key_value(path.trim_end())?)));
            match named {
                Some((sum, (path, (before, after)))) if sum == *before => {
                    out.push_str(&format!("{after}  {path}\n"));
                    told.push((path, *before, *after));
                }
                _ => out.push_str(line),
            }
        }
        out.into_bytes()
    })?;
    for (path, before, after) in told {
        let (before, after) = (format!("{before}  {path}"), format!("{after}  {path}"));
        work.changed("md5sums", Rule::EmbeddedConsequence, before, after);
    }
    Ok(new.unwrap_or(plain))
}

/// What of an archive is held in memory while its size is learnt; of a larger one the bytes are made twice.
const KEEP: usize = 64 << 20;
/// A control file of more bytes is none.
const CONTROL: u64 = 1 << 20;
/// Fields without which dpkg takes no package.
const FIELDS: [&str; 5] = ["Package", "Version", "Architecture", "Maintainer", "Description"];
/// What dpkg runs, if it is there.
const SCRIPTS: [&str; 5] = ["preinst", "postinst", "prerm", "postrm", "config"];

/// Packs a package.
pub(super) fn write(packing: &Packing<'_>, out: &mut dyn Write) -> Result<(), PackError> {
    let folder: RelPath = "DEBIAN".parse().expect("it is a relative path");
    let (mut control, mut data) = (Vec::new(), Vec::new());
    for entry in packing.entries {
        if entry.path == folder {
            continue;
        }
        if entry.path.is_within(&folder) {
            control.push(listing::Entry { path: entry.path.below(&folder), kind: entry.kind });
        } else {
            data.push(entry.clone());
        }
    }
    check(packing, &control)?;
    out.write_all(ar::MAGIC).map_err(PackError::Write)?;
    let header = |name: &str, size: u64| {
        let mtime = packing.mtime;
        format!("{name:<16}{mtime:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644")
    };
    let version = b"2.0\n";
    out.write_all(header("debian-binary", version.len() as u64).as_bytes()).map_err(PackError::Write)?;
    out.write_all(version).map_err(PackError::Write)?;
    for (name, entries) in [("control.tar.gz", &control), ("data.tar.gz", &data)] {
        let packing = Packing { entries, rooted: true, ..*packing };
        let mut spool = Spool { kept: Vec::new(), count: 0 };
        gzip::write(&packing, &mut spool)?;
        // ar has ten digits for a size.
        if spool.count > 9_999_999_999 {
            let found = format!("{} bytes of {name}", spool.count);
            return Err(PackError::Layout { format: "deb", expected: "less than 10 GB".into(), found });
        }
        out.write_all(header(name, spool.count).as_bytes()).map_err(PackError::Write)?;
        if spool.count == spool.kept.len() as u64 {
            out.write_all(&spool.kept).map_err(PackError::Write)?;
        } else {
            drop(spool.kept);
            gzip::write(&packing, out)?;
        }
        if spool.count % 2 == 1 {
            out.write_all(b"\n").map_err(PackError::Write)?;
        }
    }
    Ok(())
}

/// Counts what is written, and keeps it as long as it is little.
struct Spool {
    kept: Vec<u8>,
    count: u64,
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count += bytes.len() as u64;
        if self.kept.len() + bytes.len() <= KEEP && self.count <= KEEP as u64 {
            self.kept.extend(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses what dpkg would not install.
fn check(packing: &Packing<'_>, control: &[listing::Entry<'_>]) -> Result<(), PackError> {
    let layout = |expected: String, found: String| Err(PackError::Layout { format: "deb", expected, found });
    let mut text = None;
    for entry in control {
        let name = entry.path.as_str();
        match entry.kind {
            listing::Kind::File { executable: false, .. } if SCRIPTS.contains(&name) => {
                return layout(format!("`DEBIAN/{name}` executable"), "a file that is not".into());
            }
            listing::Kind::File { digest, .. } if name == "control" => text = Some((&entry.path, digest)),
            listing::Kind::File { .. } => {}
            _ => return layout("files alone in `DEBIAN`".into(), format!("`DEBIAN/{name}`")),
        }
    }
    let Some((path, digest)) = text.filter(|(_, digest)| digest.size <= CONTROL) else {
        return layout("a file `DEBIAN/control`".into(), "none".into());
    };
    let mut bytes = Vec::new();
    let read = |source| PackError::Read { path: path.clone(), digest: *digest, source };
    packing.contents.open(digest).map_err(read)?.take(CONTROL).read_to_end(&mut bytes).map_err(read)?;
    let text = lossy(&bytes);
    for field in FIELDS {
        let there = text.lines().any(|line| {
            line.split_once(':')
                .is_some_and(|(name, value)| name.eq_ignore_ascii_case(field) && !value.trim().is_empty())
        });
        if !there {
            return layout(format!("`{field}` in `DEBIAN/control`"), "none".into());
        }
    }
    if text.ends_with('\n') {
        Ok(())
    } else {
        layout("a line's end behind `DEBIAN/control`".into(), "none".into())
    }
}
