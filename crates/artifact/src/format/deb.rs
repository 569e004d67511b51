//! Debian packages: an ar of a version, a control archive and a data archive.
//!
//! What the package means is kept: owners and modes of its files, since they are installed so, and the order of its
//! three members. Files are sorted, times clamped, what lies in files is normalised, and `md5sums` follows.

use md5::{Digest as _, Md5};
use model::recipe::Rule;

use super::ar::{self, Member};
use super::stream::{self, Codec};
use super::tar::{self, Owners};
use crate::fields::lossy;
use crate::normal::{File, Made, Work};
use crate::{Kind, ReadError};

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
        let what = "it has no control.tar or no data.tar".into();
        return Err(ReadError::Unsupported { kind: Kind::Deb, what });
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
    let mut told = Vec::new();
    let new = tar::replace(&plain, &mut work.budget, "md5sums", |text| {
        let mut text = lossy(text);
        for (path, before, after) in sums {
            let path = lossy(path);
            let path = path.trim_start_matches("./");
            let line = |sum: &str| format!("{sum}  {path}\n");
            if text.contains(&line(before)) {
                text = text.replace(&line(before), &line(after));
                told.push((path.to_owned(), before, after));
            }
        }
        text.into_bytes()
    })?;
    for (path, before, after) in told {
        let (before, after) = (format!("{before}  {path}"), format!("{after}  {path}"));
        work.changed("md5sums", Rule::EmbeddedConsequence, before, after);
    }
    Ok(new.unwrap_or(plain))
}
