//! `RUN --mount=type=…,…`: its fields as they are written, and as a mount when their variables are expanded.

use std::ops::Range;

use super::instruction::FromText;
use super::line::Text;

/// A mount as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMount {
    /// The value of the flag.
    pub span: Range<usize>,
    /// In their order, `from` among them.
    pub fields: Vec<(Key, Option<Text>)>,
    /// What `from` means.
    pub from: Option<FromText>,
}

/// Names of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `type`.
    Type,
    /// `from`.
    From,
    /// `source`, `src`.
    Source,
    /// `target`, `dst`, `destination`.
    Target,
    /// `readonly`, `ro`.
    ReadOnly,
    /// `readwrite`, `rw`.
    ReadWrite,
    /// `id`.
    Id,
    /// `sharing`.
    Sharing,
    /// `required`.
    Required,
    /// `size`.
    Size,
    /// `mode`.
    Mode,
    /// `uid`.
    Uid,
    /// `gid`.
    Gid,
    /// `env`.
    Env,
}

/// Every name of a field.
pub(super) const KEYS: [(&str, Key); 19] = [
    ("type", Key::Type),
    ("from", Key::From),
    ("source", Key::Source),
    ("src", Key::Source),
    ("target", Key::Target),
    ("dst", Key::Target),
    ("destination", Key::Target),
    ("readonly", Key::ReadOnly),
    ("ro", Key::ReadOnly),
    ("readwrite", Key::ReadWrite),
    ("rw", Key::ReadWrite),
    ("id", Key::Id),
    ("sharing", Key::Sharing),
    ("required", Key::Required),
    ("size", Key::Size),
    ("mode", Key::Mode),
    ("uid", Key::Uid),
    ("gid", Key::Gid),
    ("env", Key::Env),
];

impl Key {
    /// Whether it may stand alone, and means yes then.
    pub(super) const fn stands_alone(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadWrite | Self::Required)
    }
}

/// A mount of a command, with everything resolved. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount<S> {
    /// Files of the context, a stage or an image.
    Bind {
        /// Where they come from.
        from: S,
        /// Path there.
        source: String,
        /// Where they lie.
        target: String,
        /// Whether the command may write; what it writes is lost.
        writable: bool,
    },
    /// What earlier builds left.
    Cache {
        /// Which.
        id: String,
        /// What it begins with.
        from: S,
        /// Path there.
        source: String,
        /// Where it lies.
        target: String,
        /// How builds share it.
        sharing: Sharing,
        /// Whether the command may write.
        writable: bool,
        /// Of the folder.
        owner: Owner,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Where it lies.
        target: String,
        /// At most, in bytes.
        size: Option<u64>,
    },
    /// A secret that the caller has.
    Secret {
        /// Which.
        id: String,
        /// The file, if it is one.
        target: Option<String>,
        /// The variable, if it is one.
        env: Option<String>,
        /// Whether the build fails without it.
        required: bool,
        /// Of the file.
        owner: Owner,
    },
    /// A socket of an SSH agent.
    Ssh {
        /// Which.
        id: String,
        /// The socket; none is where the engine puts it.
        target: Option<String>,
        /// Whether the build fails without it.
        required: bool,
        /// Of the socket.
        owner: Owner,
    },
}

/// How builds share a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

/// Mode and owner, where they are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// Permissions.
    pub mode: Option<u32>,
    /// User.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// The fields of a value: parted by commas; one in double quotes may have commas, and `""` for a quote.
pub(super) fn fields(value: &str) -> Option<Vec<(String, Range<usize>)>> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = &value[at..];
        if let Some(inner) = rest.strip_prefix('"') {
            let mut text = String::new();
            let mut from = 0;
            let end = loop {
                let quote = from + inner[from..].find('"')?;
                text.push_str(&inner[from..quote]);
                if !inner[quote + 1..].starts_with('"') {
                    break quote + 1;
                }
                text.push('"');
                from = quote + 2;
            };
            fields.push((text, at..at + 1 + end));
            at += 1 + end;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].contains('"') {
                return None;
            }
            fields.push((rest[..end].to_owned(), at..at + end));
            at += end;
        }
        match value.as_bytes().get(at) {
            None => return Some(fields),
            Some(b',') => at += 1,
            Some(_) => return None,
        }
    }
}

/// A number of bytes as Docker writes it: `10m`, `1.5gb`, `512KiB`, `100`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        other => {
            let letter = other.strip_suffix("ib").or_else(|| other.strip_suffix('b')).unwrap_or(other);
            ["k", "m", "g", "t", "p"].iter().position(|known| *known == letter)? + 1
        }
    };
    let scale = 1_u128 << (10 * power);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(12))?;
    let part = match fraction {
        "" => 0,
        digits => digits.parse::<u128>().ok()? * scale / 10_u128.pow(u32::try_from(digits.len()).ok()?),
    };
    u64::try_from(whole.checked_mul(scale)?.checked_add(part)?).ok().filter(|n| i64::try_from(*n).is_ok())
}

/// Yes or no, as Go writes it.
pub(super) fn yes(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_parted_by_commas() {
        let of = |text| fields(text).map(|list| list.into_iter().map(|(f, _)| f).collect::<Vec<_>>());
        let some = |list: &[&str]| Some(list.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>());
        assert_eq!(of("type=bind,ro"), some(&["type=bind", "ro"]));
        assert_eq!(of("\"a=b,c\"\"d\",e"), some(&["a=b,c\"d", "e"]));
        assert_eq!(of("a,,b,"), some(&["a", "", "b", ""]));
        for text in ["a\"b", "\"a", "\"a\"b"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(fields("a,\"b\"").unwrap()[1].1, 2..5);
    }

    #[test]
    fn sizes_as_docker_reads_them() {
        for (text, expected) in [
            ("100", Some(100)),
            ("10m", Some(10 << 20)),
            ("1.5gb", Some(3 << 29)),
            ("512KiB", Some(512 << 10)),
            ("1 k", Some(1024)),
            ("32b", Some(32)),
            ("", None),
            ("-1", None),
            ("10x", None),
            ("99999999999p", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
