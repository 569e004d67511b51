//! What a source of `COPY` or `ADD` means among the files there are.

use super::ignore::clean;
use super::pattern::{Pattern, PatternError};

/// The paths that a source means, of a list of all paths: from the root, with slashes, folders before what is in them.
///
/// A source without a wildcard means itself, whether it is there or not. With one (`*`, `?`, `[a-z]`, as Go's
/// `filepath.Match`), it means what matches; nothing below a folder that does is asked again.
///
/// # Errors
/// If the source is no pattern.
pub fn sources<'a>(source: &'a str, paths: &[&'a str]) -> Result<Vec<String>, PatternError> {
    let cleaned = clean(&format!("/{source}"));
    let cleaned = cleaned.trim_start_matches('/');
    if !has_wildcard(cleaned) {
        return Ok(vec![cleaned.to_owned()]);
    }
    let pattern = Pattern::path(cleaned)?;
    let mut found: Vec<String> = Vec::new();
    for path in paths {
        let below =
            found.last().is_some_and(|last| path.strip_prefix(&**last).is_some_and(|r| r.starts_with('/')));
        if !below && pattern.matches(path) {
            found.push((*path).to_owned());
        }
    }
    Ok(found)
}

/// Whether a path has a wildcard that is not escaped.
pub(super) fn has_wildcard(path: &str) -> bool {
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_means_what_matches() {
        let paths = ["a.txt", "b.txt", "d", "d/a.txt", "d/e", "d/e/x", "[x]"];
        let of = |source| sources(source, &paths).unwrap();
        assert_eq!(of("*.txt"), ["a.txt", "b.txt"]);
        assert_eq!(of("/?.txt"), ["a.txt", "b.txt"]);
        assert_eq!(of("d*"), ["d"]);
        assert_eq!(of("*/e"), ["d/e"]);
        assert_eq!(of("d/../a.*"), ["a.txt"]);
        assert_eq!(of("nope"), ["nope"]);
        assert_eq!(of("nope*"), [""; 0]);
        assert_eq!(of("."), [""]);
        assert_eq!(of("[[]x]"), ["[x]"]);
        assert!(sources("[", &paths).is_err());
    }
}
