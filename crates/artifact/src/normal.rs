//! Normalising: what a build tool wrote, without what only says when, where and by whom it was written.
//!
//! [`normalise`] takes a file's bytes and gives other bytes, or says that there is nothing to do. It never changes
//! what a file means: programs run, archives unpack to the same files, packages install. Times after an epoch
//! become the epoch, older ones stay. Each change is told with its place, its [`Rule`], and the value before and after.
//!
//! Four laws, which the tests hold every format to:
//! 1. Normalising twice is normalising once.
//! 2. Whether a stream is compressed anew depends on the kind of what is in it, not on whether it was changed:
//!    so of two builds, one of which happened to be in order, both come out the same.
//! 3. What is signed is left alone, and so is everything around which a signature lies; the reason is told.
//! 4. What is damaged or hostile is an error, and nothing was changed. A member that is merely damaged is left as
//!    it is (a test's fixture must not end a build); one that would cost too much ends all.
//!
//! Each format's part is in its file: a function from bytes to bytes that asks [`Work`] which rules are chosen, tells
//! it what it changes, and hands it what lies inside.

use std::borrow::Cow;
use std::collections::BTreeSet;

use model::Timestamp;
use model::recipe::Rule;
use serde::Serialize;

use crate::{Budget, Kind, Limits, ReadError, format};

/// What is normalised, and to which moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalOptions {
    /// Later times become this one. From 1970 to 2106, so that every format has a field for it.
    pub epoch: Timestamp,
    /// What may be changed.
    pub rules: BTreeSet<Rule>,
    /// What a file may cost.
    pub limits: Limits,
}

impl NormalOptions {
    /// All rules, and the default limits.
    #[must_use]
    pub fn all(epoch: Timestamp) -> Self {
        Self { epoch, rules: Rule::ALL.into(), limits: Limits::default() }
    }
}

/// The version of what normalising does; goes into provenance and keys of caches.
pub const NORMAL_VERSION: &str =
    "selfsame-normal/1, libdeflate 1.26.1, zstd 1.5.7, liblzma 5.8.4, libbz2-rs 0.2.6";

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// What it is; `None` if it is of no known kind.
    pub kind: Option<Kind>,
    /// Its new bytes; `None` if it stays as it is.
    pub bytes: Option<Vec<u8>>,
    /// What is changed. Empty if and only if `bytes` is `None`.
    pub changes: Vec<Change>,
    /// What was left alone though it might differ, and why.
    pub left: Vec<Left>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where in the file: names of members, one for each level, `!/` between them; empty for the file itself.
    pub place: String,
    /// By which rule.
    pub rule: Rule,
    /// What stood there.
    pub before: String,
    /// What stands there now.
    pub after: String,
}

/// Something left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Where, as [`Change::place`].
    pub place: String,
    /// Why.
    pub reason: String,
}

/// Normalises a file called `name`.
///
/// # Errors
/// If it is damaged, hostile, or beyond the limits. What is of no known kind, or of a variety that is not handled, is no
/// error.
pub fn normalise(name: &str, bytes: &[u8], options: &NormalOptions) -> Result<Normalised, ReadError> {
    let mut work = Work {
        epoch: options.epoch.0.clamp(0, i64::from(u32::MAX)).unsigned_abs(),
        rules: &options.rules,
        budget: Budget::new(options.limits),
        place: Vec::new(),
        changes: Vec::new(),
        left: Vec::new(),
    };
    let kind = Kind::of(name, bytes);
    let new = match kind.map_or(Ok(None), |kind| work.file(name, kind, bytes)) {
        // Nothing is wrong with it.
        Err(error @ ReadError::Unsupported { .. }) => {
            work.changes.clear();
            work.left = vec![Left { place: String::new(), reason: error.to_string() }];
            None
        }
        other => other?,
    };
    Ok(Normalised { kind, bytes: new, changes: work.changes, left: work.left })
}

impl Kind {
    /// Whether files of this kind are normalised; all are read.
    #[must_use]
    pub fn is_normalised(self) -> bool {
        format::handler(self).normalise.is_some()
    }
}

/// What a format works with.
pub(crate) struct Work<'o> {
    /// Seconds; later times become this one.
    pub(crate) epoch: u64,
    rules: &'o BTreeSet<Rule>,
    pub(crate) budget: Budget,
    place: Vec<String>,
    changes: Vec<Change>,
    left: Vec<Left>,
}

/// What a format makes of bytes: other bytes, or none if nothing is to be changed.
pub(crate) type Made = Result<Option<Vec<u8>>, ReadError>;

impl Work<'_> {
    /// Whether `rule` is chosen.
    pub(crate) fn allows(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    /// Tells a change of `member`, or of the file at hand if that is empty.
    #[expect(clippy::needless_pass_by_value, reason = "texts, numbers and what was made for it alike")]
    pub(crate) fn changed(&mut self, member: &str, rule: Rule, before: impl ToString, after: impl ToString) {
        let (before, after) = (before.to_string(), after.to_string());
        self.changes.push(Change { place: self.place_of(member), rule, before, after });
    }

    /// Tells that `member` is left alone.
    pub(crate) fn leave(&mut self, member: &str, reason: impl Into<String>) {
        self.left.push(Left { place: self.place_of(member), reason: reason.into() });
    }

    fn place_of(&self, member: &str) -> String {
        let mut parts: Vec<&str> = self.place.iter().map(String::as_str).collect();
        if !member.is_empty() {
            parts.push(member);
        }
        parts.join("!/")
    }

    /// Does `what` with the member `name` as the place of all that is told.
    pub(crate) fn at<T>(&mut self, name: &str, what: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(name.to_owned());
        let result = what(self);
        self.place.pop();
        result
    }

    /// A time by the rule `timestamp`, told as a change of `member` where it is one.
    pub(crate) fn time(&mut self, member: &str, seconds: u64) -> u64 {
        if seconds <= self.epoch || !self.allows(Rule::Timestamp) {
            return seconds;
        }
        self.changed(member, Rule::Timestamp, moment(seconds), moment(self.epoch));
        self.epoch
    }

    /// True if what is in a file so called may come out changed: of a kind with a normaliser that is chosen.
    pub(crate) fn handles(name: &str, head: &[u8]) -> bool {
        Kind::of(name, head).is_some_and(|kind| format::handler(kind).normalise.is_some())
    }

    /// What becomes of the member `name` of the file at hand.
    pub(crate) fn within<'b>(&mut self, name: &str, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, ReadError> {
        let Some(kind) = Kind::of(name, bytes) else { return Ok(Cow::Borrowed(bytes)) };
        let (changes, left) = (self.changes.len(), self.left.len());
        self.place.push(name.to_owned());
        let made = self.file(name, kind, bytes);
        self.place.pop();
        match made {
            Ok(Some(new)) => Ok(Cow::Owned(new)),
            Ok(None) => Ok(Cow::Borrowed(bytes)),
            Err(error) if error.is_beyond_limits() => {
                Err(ReadError::Within { member: name.to_owned(), source: Box::new(error) })
            }
            Err(error) => {
                self.changes.truncate(changes);
                self.left.truncate(left);
                self.leave(name, error.to_string());
                Ok(Cow::Borrowed(bytes))
            }
        }
    }

    /// What becomes of one file. Holds the law that there are changes if and only if there are new bytes: what a
    /// format writes otherwise than the tool did, without saying the same thing differently, is `archive-metadata`.
    fn file(&mut self, name: &str, kind: Kind, bytes: &[u8]) -> Made {
        let Some(normalise) = format::handler(kind).normalise else { return Ok(None) };
        let changes = self.changes.len();
        self.budget.enter()?;
        let made = normalise(self, &File { name, kind, bytes });
        self.budget.leave();
        let mut new = made?.filter(|new| new != bytes);
        if new.is_some() && self.changes.len() == changes {
            if self.allows(Rule::ArchiveMetadata) {
                self.changed("", Rule::ArchiveMetadata, "written as another tool does", "canonical layout");
            } else {
                new = None;
            }
        }
        if new.is_none() {
            self.changes.truncate(changes);
        }
        Ok(new)
    }
}

/// The file that a format works on.
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) bytes: &'a [u8],
}

/// Seconds as people write them.
pub(crate) fn moment(seconds: u64) -> String {
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX / 2)).to_string()
}
