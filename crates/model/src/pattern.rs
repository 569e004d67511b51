//! Places in artifacts, named by a pattern.

use std::fmt;
use std::str::FromStr;

/// A pattern over places: names between `/`, in which `*` stands for any part of a name and `**` for any number of names.
///
/// It covers what it names and all that lies in that, be it a folder or an archive: `usr/lib` and `usr/lib/**` are the
/// same, `*.jar` is every jar at the top with all its classes. A place has `!/` where it enters an archive; a pattern has
/// `/` there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It names nothing.
    #[error("it is empty")]
    Empty,
    /// It is not as places are.
    #[error("it begins or ends with `/`, or has two of them together")]
    Slashes,
    /// `**` is no part of a name.
    #[error("`**` stands for whole names: expected between `/`, as in `usr/**/lib`")]
    Stars,
}

impl Pattern {
    /// The pattern that covers everything.
    #[must_use]
    pub fn all() -> Self {
        Self("**".to_owned())
    }

    /// Whether it covers `place`.
    #[must_use]
    pub fn covers(&self, place: &str) -> bool {
        let names: Vec<&str> = place.split('/').map(|name| name.strip_suffix('!').unwrap_or(name)).collect();
        let pattern: Vec<&str> = self.0.split('/').collect();
        // Which beginnings of the place each beginning of the pattern can stand for.
        let mut open = vec![false; names.len() + 1];
        open[0] = true;
        for part in pattern {
            let mut next = vec![false; names.len() + 1];
            if part == "**" {
                let first = open.iter().position(|&here| here).unwrap_or(next.len());
                next[first..].fill(true);
            } else {
                for (at, name) in names.iter().enumerate() {
                    next[at + 1] = open[at] && fits(part.as_bytes(), name.as_bytes());
                }
            }
            open = next;
        }
        open.contains(&true)
    }
}

/// Whether a name is as a part of a pattern says. Goes back to the last star only, so that no pattern takes long.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.split('/').any(str::is_empty) {
            return Err(PatternError::Slashes);
        }
        if text.split('/').any(|part| part.contains("**") && part != "**") {
            return Err(PatternError::Stars);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_names_and_all_in_it() {
        let table = [
            ("**", "", true),
            ("**", "usr/lib/x", true),
            ("usr", "usr", true),
            ("usr", "usr/lib/x", true),
            ("usr", "usrx/lib", false),
            ("usr/lib", "usr", false),
            ("usr/lib/**", "usr/lib/a/b", true),
            ("usr/lib/**", "usr/lib64/a", false),
            ("usr/*/x.so", "usr/lib/x.so", true),
            ("usr/*/x.so", "usr/lib/y/x.so", false),
            ("usr/**/x.so", "usr/lib/y/x.so", true),
            ("usr/**/x.so", "usr/x.so", true),
            ("**/*.so*", "usr/lib/libz.so.1.3", true),
            ("*.jar", "x.jar!/p/Y.class", true),
            ("*.jar/p/Y.class", "x.jar!/p/Y.class", true),
            ("*.jar/q", "x.jar!/p/Y.class", false),
            ("**/Y.class", "x.jar!/p/Y.class", true),
            ("*a*b*", "xaxxbx", true),
            ("*a*b", "xaxxbx", false),
            ("x.jar", "", false),
        ];
        for (pattern, place, covers) in table {
            assert_eq!(pattern.parse::<Pattern>().unwrap().covers(place), covers, "{pattern} {place}");
        }
        assert!(Pattern::all().covers("x"));
    }

    #[test]
    fn what_cannot_name_a_place_is_refused() {
        for (text, error) in [
            ("", PatternError::Empty),
            ("/usr", PatternError::Slashes),
            ("usr/", PatternError::Slashes),
            ("a//b", PatternError::Slashes),
            ("a/b**", PatternError::Stars),
            ("***", PatternError::Stars),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(error), "{text}");
        }
    }

    #[test]
    fn stars_take_no_time() {
        let pattern: Pattern = "*a".repeat(50).parse().unwrap();
        assert!(!pattern.covers(&format!("{}b", "a".repeat(5000))));
        let pattern: Pattern = vec!["**"; 60].join("/x/").parse().unwrap();
        assert!(!pattern.covers(&vec!["y"; 2000].join("/")));
    }
}
