//! Patterns with wildcards: those of paths (Go's `filepath.Match`, `.dockerignore`) and those of substitutions.
//!
//! One machine for all of them: a row of items that is walked with all places at once, so that a hostile pattern costs
//! its length times the text's, and never more.

use std::ops::Range;

/// One item of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// This character.
    Char(char),
    /// One character of a set.
    One(Set),
    /// Any number of characters of a set.
    Many(Set),
    /// The next so many items, or none of them.
    Maybe(usize),
}

/// Characters.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Any,
    /// All but a slash: within a component of a path.
    Component,
    /// All but a line's end.
    Line,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Set {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::Component => c != '/',
            Self::Line => c != '\n',
            Self::Class { negated, ranges } => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated,
        }
    }
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pattern {
    items: Vec<Item>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `[` that is not closed, or has nothing or a bare `-` in it.
    #[error(
        "`{0}` is no pattern: expected a set such as `[a-z]`, closed, and `\\[` for the character itself"
    )]
    Set(String),
    /// `\` at the end, or before what needs none.
    #[error("`{0}` is no pattern: `\\` stands before nothing that can be escaped")]
    Escape(String),
    /// Longer than any path.
    #[error("a pattern of {0} bytes: expected at most {MAX}")]
    Long(usize),
}

/// The longest pattern of a path, in bytes: longer paths are none.
pub(super) const MAX: usize = 4096;

impl Pattern {
    /// A pattern of `filepath.Match`: `*` and `?` stay in a component, `[a-z]`, `[^a-z]`, `\` escapes.
    pub(super) fn path(text: &str) -> Result<Self, PatternError> {
        let mut items = Vec::new();
        let mut chars = checked(text)?.chars();
        while let Some(c) = chars.next() {
            items.push(match c {
                '*' => Item::Many(Set::Component),
                '?' => Item::One(Set::Component),
                '[' => Item::One(class(&mut chars).ok_or_else(|| PatternError::Set(text.to_owned()))?),
                '\\' => Item::Char(chars.next().ok_or_else(|| PatternError::Escape(text.to_owned()))?),
                c => Item::Char(c),
            });
        }
        Ok(Self { items })
    }

    /// A pattern of `.dockerignore`: as [`Pattern::path`], and `**` is any number of components.
    ///
    /// As Docker has it, `**` at the beginning of what has no other wildcard is a question of how the path ends, so
    /// that `**x` matches `a/bx` too.
    pub(super) fn ignore(text: &str) -> Result<Self, PatternError> {
        Self::path(text)?;
        let suffix = text.strip_prefix("**").filter(|rest| !rest.contains(['*', '?', '[', ']', '\\']));
        if let Some(rest) = suffix {
            let rest = rest.chars().map(Item::Char);
            let mut items = vec![Item::Many(Set::Any)];
            if text.starts_with("**/") {
                items.insert(0, Item::Maybe(2));
            }
            items.extend(rest);
            return Ok(Self { items });
        }
        let mut items = Vec::new();
        let mut plain = true;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let mut ahead = chars.clone();
            match c {
                '*' if ahead.next() == Some('*') => {
                    // `**/` is `**`.
                    let after = ahead.clone();
                    chars = if ahead.next() == Some('/') { ahead } else { after };
                    let within = if plain { Set::Any } else { Set::Line };
                    if chars.as_str().is_empty() {
                        items.push(Item::Many(within));
                    } else {
                        items.extend([Item::Maybe(2), Item::Many(Set::Line), Item::Char('/')]);
                    }
                    plain = false;
                }
                '*' | '?' | '[' => {
                    plain = false;
                    items.push(match c {
                        '*' => Item::Many(Set::Component),
                        '?' => Item::One(Set::Component),
                        _ => Item::One(class(&mut chars).ok_or_else(|| PatternError::Set(text.to_owned()))?),
                    });
                }
                '\\' => {
                    plain = false;
                    items
                        .push(Item::Char(chars.next().ok_or_else(|| PatternError::Escape(text.to_owned()))?));
                }
                c => items.push(Item::Char(c)),
            }
        }
        Ok(Self { items })
    }

    /// A pattern of `${x#…}` and its like: `*` and `?` stay in a line, and there are no sets.
    pub(super) fn substitution(text: &str) -> Result<Self, PatternError> {
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            items.push(match c {
                '*' => Item::Many(Set::Line),
                '?' => Item::One(Set::Line),
                // What would end the substitution is escaped only for its sake.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(c @ ('*' | '?' | '\\')) => Item::Char(c),
                    _ => return Err(PatternError::Escape(text.to_owned())),
                },
                c => Item::Char(c),
            });
        }
        Ok(Self { items })
    }

    /// The same for a text that is read from its end: what is escaped stays so.
    pub(super) fn reversed_substitution(text: &str) -> Result<Self, PatternError> {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push((c, if c == '\\' { chars.next() } else { None }));
        }
        let reversed = pieces.into_iter().rev().flat_map(|(c, escaped)| [Some(c), escaped]).flatten();
        Self::substitution(&reversed.collect::<String>())
    }

    /// How much walking over a text of so many bytes costs.
    pub(super) const fn cost(&self, bytes: usize) -> usize {
        (self.items.len() + 1).saturating_mul(bytes)
    }

    /// Whether it is the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.walk(text.chars().map(|c| (c, c.len_utf8())), true, |end, at| (end == text.len()).then_some(at))
            .is_some()
    }

    /// How much of the text's beginning it is: at most or at least. In bytes; characters come as the caller says.
    pub(super) fn prefix(&self, text: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
        let mut found = None;
        self.walk(text.map(|c| (c, c.len_utf8())), true, |end, _| {
            found = Some(end);
            (!longest).then_some(0)
        });
        found
    }

    /// The first place where it is, as far as it goes.
    pub(super) fn find(&self, text: &str) -> Option<Range<usize>> {
        let mut found: Option<Range<usize>> = None;
        self.walk(text.chars().map(|c| (c, c.len_utf8())), false, |end, start| {
            match &found {
                Some(before) if before.start < start => return Some(start),
                Some(before) if before.start == start => found = Some(start..end),
                _ => found = Some(start..end),
            }
            None
        });
        found
    }

    /// Walks over a text with all places at once. `accept` is told each time that the row is done: where, and where it
    /// began; it may end the walk.
    fn walk(
        &self,
        text: impl Iterator<Item = (char, usize)>,
        anchored: bool,
        mut accept: impl FnMut(usize, usize) -> Option<usize>,
    ) -> Option<usize> {
        let mut now = Places::new(self.items.len());
        let mut next = Places::new(self.items.len());
        let mut at = 0;
        self.enter(&mut now, 0, 0);
        let mut best: Option<usize> = None;
        let mut text = text;
        loop {
            if let Some(start) = now.start[self.items.len()] {
                best = Some(best.map_or(start, |b| b.min(start)));
                if let Some(end) = accept(at, start) {
                    return Some(end);
                }
            }
            let (c, length) = text.next()?;
            if anchored && now.list.is_empty() {
                return None;
            }
            for index in 0..now.list.len() {
                let place = now.list[index];
                let Some(start) = now.start[place] else { continue };
                // What began later than what is found already is of no use.
                if best.is_some_and(|best| start > best) {
                    continue;
                }
                match self.items.get(place) {
                    Some(Item::Char(wanted)) if *wanted == c => self.enter(&mut next, place + 1, start),
                    Some(Item::One(set)) if set.has(c) => self.enter(&mut next, place + 1, start),
                    Some(Item::Many(set)) if set.has(c) => self.enter(&mut next, place, start),
                    _ => {}
                }
            }
            at += length;
            now.clear();
            std::mem::swap(&mut now, &mut next);
            if !anchored && best.is_none() {
                self.enter(&mut now, 0, at);
            }
            if best.is_some() && now.list.is_empty() {
                return None;
            }
        }
    }

    /// Goes to a place, and on to those that cost no character.
    fn enter(&self, places: &mut Places, mut place: usize, start: usize) {
        loop {
            match places.start[place] {
                Some(before) if before <= start => return,
                None => places.list.push(place),
                Some(_) => {}
            }
            places.start[place] = Some(start);
            match self.items.get(place) {
                Some(Item::Many(_)) => {}
                Some(Item::Maybe(over)) => self.enter(places, place + 1 + over, start),
                _ => return,
            }
            place += 1;
        }
    }
}

/// The places of a row that are reached, each with the earliest beginning.
struct Places {
    start: Vec<Option<usize>>,
    list: Vec<usize>,
}

impl Places {
    fn new(items: usize) -> Self {
        Self { start: vec![None; items + 1], list: Vec::new() }
    }

    fn clear(&mut self) {
        for place in self.list.drain(..) {
            self.start[place] = None;
        }
    }
}

fn checked(text: &str) -> Result<&str, PatternError> {
    if text.len() > MAX { Err(PatternError::Long(text.len())) } else { Ok(text) }
}

/// What follows a `[`, and the `]`.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Set> {
    let negated = chars.as_str().starts_with('^');
    if negated {
        chars.next();
    }
    let one = |chars: &mut std::str::Chars<'_>| match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    };
    let mut ranges = Vec::new();
    loop {
        if chars.as_str().starts_with(']') && !ranges.is_empty() {
            chars.next();
            return Some(Set::Class { negated, ranges });
        }
        let low = one(chars)?;
        let high = if chars.as_str().starts_with('-') {
            chars.next();
            one(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_go_matches_them() {
        // From the tables of Go's own tests, by meaning.
        let cases = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("ab[^b-d]", "abc", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-x]", "x", true),
            ("[x\\-]", "z", false),
            ("*x", "xxx", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::path(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
        for pattern in ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "[a-b-c]", "a\\", "[a", "[\\"]
        {
            assert!(Pattern::path(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_shortest_the_longest_and_the_first() {
        let of = |text: &str| Pattern::substitution(text).unwrap();
        assert_eq!(of("*/").prefix("a/b/c".chars(), false), Some(2));
        assert_eq!(of("*/").prefix("a/b/c".chars(), true), Some(4));
        assert_eq!(of("x").prefix("a".chars(), true), None);
        assert_eq!(of("").prefix("a".chars(), true), Some(0));
        assert_eq!(of("b*d").find("abcdbcde"), Some(1..7));
        assert_eq!(of("c").find("abcabc"), Some(2..3));
        assert_eq!(of("ab").find("aab"), Some(1..3));
        assert_eq!(of("a?*").find("xa\n"), None);
        assert_eq!(of("\\}\\*").find("a}*"), Some(1..3));
        assert!(Pattern::substitution("\\a").is_err() && Pattern::substitution("a\\").is_err());
    }

    #[test]
    fn hostile_patterns_take_their_time_and_no_more() {
        let stars = "*a".repeat(2000) + "b";
        assert!(!Pattern::path(&stars).unwrap().matches(&"a".repeat(4000)));
        assert!(Pattern::path(&"a".repeat(5000)).is_err());
    }
}
