//! What normalising may change: one rule for each cause of difference that can be mended in finished files.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// One kind of change that normalising makes, by the name that the cause has everywhere else.
///
/// What each does to which format is in `docs/formats/normalize.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Fields of an archive that say how and where it was made: extra fields, other times, inode numbers, padding.
    ArchiveMetadata,
    /// Streams of another compressor around something that is normalised itself are compressed anew.
    Compression,
    /// Dates that generators of documentation write.
    Documentation,
    /// Members are sorted.
    FileOrder,
    /// Lines of a jar's manifest and properties about the builder and the moment.
    JarClass,
    /// Marks in compiled Python that depend on who else held an object when it was written.
    Pyc,
    /// Identifiers that were drawn at random.
    RandomId,
    /// Times after the epoch become the epoch.
    Timestamp,
    /// Permissions that follow from the umask.
    UmaskMode,
    /// Owners, groups and their names.
    UserGroup,
    /// Hashes, sizes and offsets of what was changed. Always made, cannot be chosen.
    EmbeddedConsequence,
}

/// A word that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no rule: expected one of {}", Rule::ALL.map(Rule::as_str).join(", "))]
pub struct UnknownRule {
    /// The word.
    pub found: String,
}

impl Rule {
    /// Every rule that can be chosen, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::ArchiveMetadata,
        Self::Compression,
        Self::Documentation,
        Self::FileOrder,
        Self::JarClass,
        Self::Pyc,
        Self::RandomId,
        Self::Timestamp,
        Self::UmaskMode,
        Self::UserGroup,
    ];

    /// The word in a recipe, a report and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ArchiveMetadata => "archive-metadata",
            Self::Compression => "compression",
            Self::Documentation => "documentation",
            Self::FileOrder => "file-order",
            Self::JarClass => "jar-class",
            Self::Pyc => "pyc",
            Self::RandomId => "random-id",
            Self::Timestamp => "timestamp",
            Self::UmaskMode => "umask-mode",
            Self::UserGroup => "user-group",
            Self::EmbeddedConsequence => "embedded-consequence",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let found = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        found.ok_or_else(|| UnknownRule { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_consequences_cannot_be_chosen() {
        for rule in Rule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(rule));
        }
        assert!(Rule::ALL.is_sorted_by_key(|rule| rule.as_str()));
        let error = "embedded-consequence".parse::<Rule>().unwrap_err().to_string();
        assert!(error.contains("archive-metadata, compression, "), "{error}");
    }
}
