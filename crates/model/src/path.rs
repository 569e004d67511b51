//! Names of places: a relative path that cannot escape, and one component of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a path or a file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// An absolute path where a relative one belongs.
    #[error("`{0}` is absolute: expected a path relative to the build directory")]
    Absolute(String),
    /// A `..` component.
    #[error("`{0}` escapes: `..` is not allowed")]
    Escapes(String),
    /// An empty component, a `.` inside a path, or a NUL byte.
    #[error("`{0}` is not a plain path: no empty component, `.` component or NUL byte is allowed")]
    Form(String),
}

/// One component of a path: not empty, not `.` or `..`, without `/` and NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        match text {
            ".." => Err(PathError::Escapes(text.to_owned())),
            "" | "." => Err(PathError::Form(text.to_owned())),
            _ if text.contains(['/', '\0']) => Err(PathError::Form(text.to_owned())),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// A relative path below some root: components joined by `/`, without `..`, `.`, empty components or NUL.
///
/// The root itself is the empty path, written `.`. Ordering is bytewise by component, so a directory comes
/// directly before what is in it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RelPath(String);

impl RelPath {
    /// The root itself, written `.`.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// True for the root itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as text; the root is `.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { "." } else { &self.0 }
    }

    /// The components, first to last; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|c| !c.is_empty())
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// The path without its last component; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or(String::new(), |(head, _)| head.to_owned())))
    }

    /// `self` followed by `other`.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (self.is_root(), other.is_root()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, other.0)),
        }
    }

    /// `self` followed by one component.
    #[must_use]
    pub fn join_name(&self, name: &FileName) -> Self {
        if self.is_root() { Self(name.0.clone()) } else { Self(format!("{}/{}", self.0, name.0)) }
    }

    /// True if `self` is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root()
            || self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What is left of `self` below `other`; `self` itself if it does not lie there.
    #[must_use]
    pub fn below(&self, other: &Self) -> Self {
        if !self.is_within(other) {
            return self.clone();
        }
        Self(self.0[other.0.len()..].trim_start_matches('/').to_owned())
    }
}

impl FromStr for RelPath {
    type Err = PathError;

    /// Reads a relative path; `.` is the root, and one trailing `/` or leading `./` is dropped.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            return Err(PathError::Absolute(text.to_owned()));
        }
        let plain = text.strip_prefix("./").unwrap_or(text);
        let plain = plain.strip_suffix('/').unwrap_or(plain);
        if text == "." || text == "./" {
            return Ok(Self::root());
        }
        for component in plain.split('/') {
            FileName::from_str(component).map_err(|error| match error {
                PathError::Escapes(_) => PathError::Escapes(text.to_owned()),
                PathError::Form(_) | PathError::Absolute(_) => PathError::Form(text.to_owned()),
            })?;
        }
        Ok(Self(plain.to_owned()))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.components().cmp(other.components())
    }
}

macro_rules! text {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
text!(FileName);
text!(RelPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_escape_are_refused() {
        for text in ["/etc", "..", "a/../b", "a//b", "", "a/./b", "a\0b", "../a", "./..", "a/.."] {
            assert!(text.parse::<RelPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn dot_is_the_root_and_slashes_are_trimmed() {
        assert!(".".parse::<RelPath>().unwrap().is_root());
        assert_eq!("./a/b/".parse::<RelPath>().unwrap().as_str(), "a/b");
    }

    #[test]
    fn order_keeps_a_directory_with_its_contents() {
        let mut paths: Vec<RelPath> =
            ["a.txt", "a/b", "a", "a-b"].iter().map(|p| p.parse().unwrap()).collect();
        paths.sort();
        let sorted: Vec<_> = paths.iter().map(RelPath::as_str).collect();
        assert_eq!(sorted, ["a", "a/b", "a-b", "a.txt"]);
    }

    #[test]
    fn within_needs_whole_components() {
        let p = |t: &str| t.parse::<RelPath>().unwrap();
        assert!(
            p("a/b").is_within(&p("a")) && p("a").is_within(&p("a")) && p("a").is_within(&RelPath::root())
        );
        assert!(!p("ab").is_within(&p("a")));
    }
}
