//! Jars: a zip whose manifest comes first, and whose texts say who built it and when.

use model::recipe::Rule;

use super::zip::Found as Entry;
use crate::fields::lossy;
use crate::normal::Work;

/// A text of a jar that names builder and moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// `META-INF/MANIFEST.MF`.
    Manifest,
    /// Java properties, into which the class library writes a comment with the date.
    Properties,
}

/// Main attributes that say who built, where and when. The JAR specification asks for none of them.
const DROPPED: [&str; 9] = [
    "Built-By",
    "Build-Host",
    "Build-Date",
    "Build-Time",
    "Build-Timestamp",
    "Build-Jdk",
    "Bnd-LastModified",
    "Build-Os",
    "Built-On",
];

/// Which text an entry is.
pub(super) fn text(name: &[u8]) -> Option<Text> {
    match name {
        b"META-INF/MANIFEST.MF" => Some(Text::Manifest),
        _ if name.ends_with(b".properties") => Some(Text::Properties),
        _ => None,
    }
}

/// Why nothing in this archive may be changed, if that is so. A digest of the manifest is in each signature, and one of
/// each file in the manifest; Android's signs the whole file.
pub(super) fn signed(bytes: &[u8], entries: &[Entry<'_>]) -> Option<String> {
    let upper = |entry: &Entry<'_>| entry.name.to_ascii_uppercase();
    let signature = entries.iter().find(|entry| {
        let name = upper(entry);
        let folder = name.strip_prefix(b"META-INF/").filter(|rest| !rest.contains(&b'/'));
        folder.is_some_and(|name| {
            name.starts_with(b"SIG-")
                || [&b".SF"[..], b".RSA", b".DSA", b".EC"].iter().any(|end| name.ends_with(end))
        })
    });
    if let Some(entry) = signature {
        return Some(format!("it is signed (`{}`)", lossy(entry.name)));
    }
    memchr::memmem::rfind(bytes, b"APK Sig Block 42").map(|_| "it is signed (APK signature block)".to_owned())
}

/// Streams read the manifest only if it comes first, its folder before it or not.
pub(super) fn rank(name: &[u8]) -> u8 {
    match name {
        b"META-INF/" => 0,
        b"META-INF/MANIFEST.MF" => 1,
        _ => 2,
    }
}

/// The text without what names builder and moment.
pub(super) fn normalise(work: &mut Work<'_>, place: &str, text: Text, bytes: &[u8]) -> Vec<u8> {
    match text {
        Text::Manifest => manifest(work, place, bytes),
        Text::Properties => properties(work, place, bytes),
    }
}

/// Drops attributes with their continuation lines, which begin with a space. Sections of files keep theirs.
fn manifest(work: &mut Work<'_>, place: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut dropping = false;
    let mut main = true;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if line.trim_ascii().is_empty() {
            main = false;
        }
        if !line.starts_with(b" ") {
            let name = lossy(line.split(|&byte| byte == b':').next().unwrap_or_default());
            dropping = main && DROPPED.iter().any(|dropped| name.eq_ignore_ascii_case(dropped));
            if dropping {
                work.changed(place, Rule::JarClass, lossy(line.trim_ascii()), "not there");
            }
        }
        if !dropping {
            out.extend(line);
        }
    }
    out
}

/// Drops comments that are dates, as `Properties.store` writes them: `#Tue Nov 24 22:44:16 UTC 2026`.
fn properties(work: &mut Work<'_>, place: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut comments = true;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        comments &= line.starts_with(b"#");
        if comments && is_date(&lossy(line[1..].trim_ascii())) {
            work.changed(place, Rule::JarClass, lossy(line.trim_ascii()), "not there");
        } else {
            out.extend(line);
        }
    }
    out
}

/// `Tue Nov 24 22:44:16 UTC 2026`, as `java.util.Date` shows itself.
pub(super) fn is_date(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let digits = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    matches!(words.as_slice(), [day, month, number, time, _, year]
        if DAYS.contains(day) && month.len() == 3 && digits(number) && time.len() == 8 && digits(time)
            && year.len() == 4 && digits(year))
}
