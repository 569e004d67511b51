//! What is in a file: the view of every format that a comparison walks, member by member.

use std::borrow::Cow;

use crate::{Budget, Kind, format};

/// What one file says of itself and what is in it, one level deep.
///
/// To go on, hand each part's bytes to [`read`] again, with the same budget. Parts come in the file's own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<'a> {
    /// What kind of file it is.
    pub kind: Kind,
    /// What it says of itself.
    pub attributes: Vec<Attribute>,
    /// What is in it: members of an archive, sections of a program, chunks of a picture.
    pub parts: Vec<Part<'a>>,
}

/// One thing that a file or a member says of itself, such as its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The field's usual name: `mtime`, `mode`, `uid`.
    pub name: &'static str,
    /// As people write it: times in RFC 3339, modes in octal.
    pub value: String,
}

/// One thing in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name as in the file; what is not UTF-8 shows as U+FFFD. Not unique: see [`Part::attributes`] and order.
    pub name: String,
    /// What is said of it.
    pub attributes: Vec<Attribute>,
    /// What it is.
    pub body: Body<'a>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bytes, unpacked.
    Bytes(Cow<'a, [u8]>),
    /// A link, symbolic or hard, and where it leads.
    Link(String),
    /// A directory, a device: something without content.
    Nothing,
}

/// Why a file could not be read. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not what its first bytes promise.
    #[error("damaged {} at byte {at}: expected {expected}, found {found}", kind.as_str())]
    Damaged {
        /// What it should be.
        kind: Kind,
        /// Where in it.
        at: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// It is in order as far as can be told, but of a variety that is not handled.
    #[error("this {} is not handled: {what}", kind.as_str())]
    Unsupported {
        /// What it is.
        kind: Kind,
        /// What about it.
        what: String,
    },
    /// A member would be written outside of where the archive is unpacked, or over another member.
    #[error("hostile {}: `{member}` {what}", kind.as_str())]
    Hostile {
        /// What it is.
        kind: Kind,
        /// Which member.
        member: String,
        /// What it would do.
        what: &'static str,
    },
    /// Containers in containers.
    #[error("more than {limit} containers lie in one another")]
    TooDeep {
        /// How many may.
        limit: u32,
    },
    /// It unpacks to too much.
    #[error("there are more than {limit} {unit} in it")]
    TooLarge {
        /// How many may be.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Something in a member.
    #[error("in `{member}`")]
    Within {
        /// Which member.
        member: String,
        /// What.
        #[source]
        source: Box<ReadError>,
    },
}

impl ReadError {
    /// True if going on would cost too much: such a member ends the reading of all around it.
    #[must_use]
    pub fn is_beyond_limits(&self) -> bool {
        match self {
            Self::TooDeep { .. } | Self::TooLarge { .. } => true,
            Self::Damaged { .. } | Self::Unsupported { .. } | Self::Hostile { .. } => false,
            Self::Within { source, .. } => source.is_beyond_limits(),
        }
    }
}

/// Reads a file called `name`, one level deep. `None` if it is of no known kind.
///
/// # Errors
/// If it is damaged, hostile, not handled, or beyond `budget`.
pub fn read<'a>(name: &str, bytes: &'a [u8], budget: &mut Budget) -> Result<Option<Reading<'a>>, ReadError> {
    let Some(kind) = Kind::of(name, bytes) else { return Ok(None) };
    let (attributes, parts) = (format::handler(kind).read)(&mut Source { name, kind, bytes, budget })?;
    Ok(Some(Reading { kind, attributes, parts }))
}

/// What a format reads from.
pub(crate) struct Source<'a, 'b> {
    pub(crate) name: &'b str,
    pub(crate) kind: Kind,
    pub(crate) bytes: &'a [u8],
    pub(crate) budget: &'b mut Budget,
}

/// What a format finds.
pub(crate) type Found<'a> = Result<(Vec<Attribute>, Vec<Part<'a>>), ReadError>;

/// An attribute.
pub(crate) fn attribute(name: &'static str, value: impl ToString) -> Attribute {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    fn text(value: impl ToString) -> String {
        value.to_string()
    }
    Attribute { name, value: text(value) }
}
