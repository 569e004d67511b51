//! What a package that a step fetched says of itself, and what its lockfile says of it: for SBOMs, and nothing else.
//!
//! One line of the lock is one package, `PURL [KEY=VALUE]…`:
//!
//! ```text
//! pkg:cargo/serde@1.0.219 direct=true licence=MIT%20OR%20Apache-2.0 needs=pkg:cargo/serde_derive@1.0.219
//! ```
//!
//! It stands in the lock because only lock time has both at hand, the lockfiles of the sources and the packages: a build
//! reads none of them for its SBOM, and a rebuild from a bundle writes the same one. Nothing of it enters an action.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Purl;
use crate::transcript::{escape, unescape};

/// The longest licence that is kept.
pub const LONGEST_LICENCE: usize = 300;

/// What is known of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Which; of its files, all are meant.
    pub purl: Purl,
    /// Whether the project asks for it itself. `None`: no lockfile says it.
    pub direct: Option<bool>,
    /// Its licence, as it declares it; [`licence_text`] was asked.
    pub licence: Option<String>,
    /// Which packages it needs, by purl, of those that were fetched. `None`: nobody says it.
    pub needs: Option<BTreeSet<String>>,
}

/// Why a line is no such package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{line}` says nothing of a package: {reason}")]
pub struct DeclaredError {
    /// The line, cut if long.
    pub line: String,
    /// What is wrong.
    pub reason: String,
}

/// A licence as it may stand in a lock and in an SBOM: on one line, with single spaces, and not longer than
/// [`LONGEST_LICENCE`]. `None` of anything else: whole licence texts, what cannot be shown, nothing.
#[must_use]
pub fn licence_text(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST_LICENCE && !text.chars().any(char::is_control);
    fits.then(|| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.purl)?;
        if let Some(direct) = self.direct {
            write!(f, " direct={direct}")?;
        }
        if let Some(licence) = &self.licence {
            write!(f, " licence={}", escape(licence))?;
        }
        match &self.needs {
            // Nothing is something: the package is known to need none of the others.
            Some(needs) if needs.is_empty() => write!(f, " needs=")?,
            Some(needs) => needs.iter().try_for_each(|need| write!(f, " needs={}", escape(need)))?,
            None => {}
        }
        Ok(())
    }
}

impl FromStr for Declared {
    type Err = DeclaredError;

    fn from_str(line: &str) -> Result<Self, DeclaredError> {
        let fail = |reason: String| DeclaredError { line: line.chars().take(200).collect(), reason };
        let mut words = line.split(' ');
        let first = words.next().unwrap_or_default();
        let purl: Purl = first.parse().map_err(|e: crate::purl::PurlError| fail(e.to_string()))?;
        if purl.to_string() != first {
            return Err(fail(format!("expected `{purl}`, found `{first}`")));
        }
        let mut declared = Self { purl, direct: None, licence: None, needs: None };
        for pair in words {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| fail(format!("`{pair}` is no KEY=VALUE")))?;
            let text =
                unescape(value).ok_or_else(|| fail(format!("`{value}` is not escaped as it must be")))?;
            let twice = match key {
                "direct" => {
                    let direct = text
                        .parse()
                        .map_err(|_| fail(format!("expected `true` or `false`, found `{text}`")))?;
                    declared.direct.replace(direct).is_some()
                }
                "licence" => {
                    let licence = licence_text(&text)
                        .filter(|one| *one == text)
                        .ok_or_else(|| fail("a licence is one line of at most 300 bytes".into()))?;
                    declared.licence.replace(licence).is_some()
                }
                "needs" if text.is_empty() => declared.needs.replace(BTreeSet::new()).is_some(),
                "needs" => {
                    text.parse::<Purl>().map_err(|e| fail(e.to_string()))?;
                    let needs = declared.needs.get_or_insert_default();
                    let follows = needs.last().is_none_or(|last| *last < text);
                    needs.insert(text);
                    !follows
                }
                _ => return Err(fail(format!("`{key}` is no key of a package"))),
            };
            if twice {
                return Err(fail(format!("`{key}` stands twice, or is not in order")));
            }
        }
        if declared.to_string() != line {
            return Err(fail(format!("expected `{declared}`")));
        }
        Ok(declared)
    }
}

impl Serialize for Declared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Declared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_written() {
        for line in [
            "pkg:cargo/serde@1.0.219",
            "pkg:cargo/serde@1.0.219 needs=",
            "pkg:cargo/serde@1.0.219 direct=true licence=MIT%20OR%20Apache-2.0 needs=pkg:cargo/a@1 needs=pkg:cargo/b@1",
            "pkg:npm/%40a/b@1.0.0 direct=false needs=pkg:npm/%2540a/c@2.0.0",
            "pkg:pypi/x@1 licence=%C3%A9",
        ] {
            let declared: Declared = line.parse().unwrap();
            assert_eq!(declared.to_string(), line);
        }
    }

    #[test]
    fn what_says_nothing_of_a_package_is_refused() {
        for (line, reason) in [
            ("", "package URL"),
            ("pkg:cargo/a", "names no version"),
            ("pkg:CARGO/a@1", "expected `pkg:cargo/a@1`"),
            ("pkg:cargo/a@1 ", "KEY=VALUE"),
            ("pkg:cargo/a@1 direct=yes", "`true` or `false`"),
            ("pkg:cargo/a@1 direct=true direct=true", "twice"),
            ("pkg:cargo/a@1 licence=", "one line"),
            ("pkg:cargo/a@1 licence=a%0Ab", "one line"),
            ("pkg:cargo/a@1 licence=a%20%20b", "one line"),
            ("pkg:cargo/a@1 licence=%61", "escaped"),
            ("pkg:cargo/a@1 needs=b", "package URL"),
            ("pkg:cargo/a@1 needs=pkg:cargo/b@1 needs=pkg:cargo/b@1", "twice"),
            ("pkg:cargo/a@1 needs=pkg:cargo/c@1 needs=pkg:cargo/b@1", "order"),
            ("pkg:cargo/a@1 needs= needs=pkg:cargo/b@1", "expected"),
            ("pkg:cargo/a@1 licence=MIT direct=true", "expected"),
            ("pkg:cargo/a@1 colour=red", "no key"),
        ] {
            let error = line.parse::<Declared>().unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
        let long = format!("pkg:cargo/a@1 licence={}", "x".repeat(LONGEST_LICENCE + 1));
        assert!(long.parse::<Declared>().is_err());
    }

    #[test]
    fn a_licence_is_one_line() {
        assert_eq!(licence_text(" MIT  OR\u{a0}ISC "), Some("MIT OR ISC".into()));
        for text in ["", "  ", "a\nb", "a\u{1b}[0m", &"x".repeat(301)] {
            assert_eq!(licence_text(text), None, "{text:?}");
        }
    }
}
