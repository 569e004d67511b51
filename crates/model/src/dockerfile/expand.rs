//! Words with variables in them, as BuildKit's lexer expands them.
//!
//! `$x`, `${x}`, `${x:-default}`, `${x-default}`, `${x:+other}`, `${x+other}`, `${x:?why}`, `${x?why}`, `${x#prefix}`,
//! `${x##prefix}`, `${x%suffix}`, `${x%%suffix}`, `${x/what/by}` and `${x//what/by}`, in each other, with single and
//! double quotes and the escape character. What stands in the braces is a word of the same kind.
//!
//! Limits of our own, against texts that grow without end: [`DEPTH`] substitutions in each other, [`GROWTH`] bytes more
//! than there were, [`COST`] steps of its patterns.

mod lexer;

use super::pattern::PatternError;
use lexer::Lexer;

/// How deep substitutions may lie in each other.
pub(super) const DEPTH: usize = 100;
/// By how many bytes a word may grow: eight times what the kernel takes as one argument.
pub(super) const GROWTH: usize = 1 << 20;
/// How many steps the patterns of one word may take.
pub(super) const COST: usize = 1 << 24;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A quote without its other half.
    #[error("the quote {0} is not closed")]
    Quote(char),
    /// A `${` without its `}`, or `${x/…` without its second `/`.
    #[error("`${{` is not closed: expected `{0}`")]
    Open(char),
    /// Nothing that can be substituted: `${}`, `${{x}}`, `${:x}`.
    #[error("`${{` is followed by no name")]
    Name,
    /// A modifier that is not known.
    #[error("`{0}` is no modifier: expected one of `:- :+ :? - + ? # ## % %% / //`")]
    Modifier(String),
    /// `${x?…}` of a variable that is not set, or `${x:?…}` of an empty one.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the file says about it.
        message: String,
    },
    /// A pattern that is none.
    #[error("{0}")]
    Pattern(#[from] PatternError),
    /// Deeper than [`DEPTH`].
    #[error("substitutions lie more than {DEPTH} deep in each other")]
    Deep,
    /// More than [`GROWTH`].
    #[error("the word grows by more than {GROWTH} bytes")]
    Long,
    /// More than [`COST`].
    #[error("pattern and value are too long for each other")]
    Cost,
}

/// Values of variables, by name.
pub trait Variables {
    /// The value, if it is set.
    fn value(&self, name: &str) -> Option<&str>;
}

impl Variables for std::collections::BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// No variables at all.
pub(super) struct Nothing;

impl Variables for Nothing {
    fn value(&self, _: &str) -> Option<&str> {
        None
    }
}

/// How a word is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mode {
    /// Quotes stay.
    pub(super) raw_quotes: bool,
    /// Escapes stay.
    pub(super) raw_escapes: bool,
    /// Quotes are characters like others.
    pub(super) no_quotes: bool,
    /// What is not set stays as it is written.
    pub(super) keep_unset: bool,
}

/// A word when its variables are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// The word, blanks and all.
    pub text: String,
    /// The same, parted by blanks that were neither quoted nor escaped.
    pub words: Vec<String>,
    /// Variables that are not set and that it has no other text for, each once.
    pub unset: Vec<String>,
    /// How many steps its patterns took.
    pub(super) steps: usize,
}

/// Replaces the variables of a word and takes its quotes off.
///
/// # Errors
/// If it cannot be read, or a variable is required that is not there.
pub fn expand(word: &str, escape: char, variables: &dyn Variables) -> Result<Expanded, ExpandError> {
    read(word, escape, Mode::default(), variables)
}

/// The same in a mode.
pub(super) fn read(
    word: &str,
    escape: char,
    mode: Mode,
    variables: &dyn Variables,
) -> Result<Expanded, ExpandError> {
    let mut lexer = Lexer {
        rest: word,
        limit: word.len() + GROWTH,
        escape,
        mode,
        variables,
        unset: Vec::new(),
        depth: 0,
        steps: 0,
    };
    let (text, words) = lexer.until(None, mode.raw_escapes, false)?;
    Ok(Expanded { text, words, unset: lexer.unset, steps: lexer.steps })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(word: &str) -> Result<String, ExpandError> {
        let variables = [("x", "value"), ("e", ""), ("p", "a/b/c.tar.gz"), ("X_1", "one"), ("two", "a b")];
        let variables: BTreeMap<_, _> =
            variables.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        expand(word, '\\', &variables).map(|e| e.text)
    }

    #[test]
    fn variables_are_replaced() {
        let cases = [
            ("a$x-b", "avalue-b"),
            ("${x}y", "valuey"),
            ("$X_1.", "one."),
            ("$", "$"),
            ("$.", "$."),
            ("$$x", "x"),
            ("$1x", "x"),
            ("$nope", ""),
            ("${nope:-d}", "d"),
            ("${e:-d}${e-f}", "d"),
            ("${x:+y}${e:+y}${e+z}${nope+z}", "yz"),
            ("${nope:-${e:-${x}}}", "value"),
            ("${nope:-a}b}", "ab}"),
            ("${nope:-\"a}b\"}", "a}b"),
            ("${nope:-a\\}b}", "a}b"),
            ("${x:?no}", "value"),
            ("'$x'\"$x\"\\$x", "$xvalue$x"),
            ("\"a\\b\\\"\\$\\\\\"", "a\\b\"$\\"),
            ("a\\", "a"),
            ("${p#*/}", "b/c.tar.gz"),
            ("${p##*/}", "c.tar.gz"),
            ("${p%.*}", "a/b/c.tar"),
            ("${p%%.*}", "a/b/c"),
            ("${p%/*}", "a/b"),
            ("${p/\\//-}", "a-b/c.tar.gz"),
            ("${p//\\//-}", "a-b-c.tar.gz"),
            ("${p/b*r/x}", "a/x.gz"),
            ("${x//?/<$0>}", "<><><><><>"),
            ("${x//?/'<$0>'}", "<v><a><l><u><e>"),
            ("${x//l/'$$'}", "va$ue"),
            ("${x/l/'$0'}", "va$0ue"),
            ("${x//\\*/}", "value"),
        ];
        for (word, expected) in cases {
            assert_eq!(of(word).as_deref(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn what_cannot_be_expanded() {
        for word in [
            "${", "${x", "${x:", "${x:-", "${x:-a", "${}", "${{x}}", "${:x}", "${x^^}", "${x:0:1}", "${x/a}",
            "${x/a/b", "'a", "\"a", "${nope?}", "${e:?}", "${x#\\a}", "${ x}",
        ] {
            assert!(of(word).is_err(), "{word}");
        }
        assert_eq!(of("${nope:?is wanted}").unwrap_err().to_string(), "nope: is wanted");
        let deep = "${a:-".repeat(DEPTH + 1) + &"}".repeat(DEPTH + 1);
        assert_eq!(of(&deep), Err(ExpandError::Deep));
        let long = BTreeMap::from([("x".to_owned(), "y".repeat(GROWTH))]);
        assert_eq!(expand("$x$x", '\\', &long), Err(ExpandError::Long));
        assert_eq!(expand("${x//*y*y*y*y*y*y*y*y*y/}", '\\', &long), Err(ExpandError::Cost));
    }

    #[test]
    fn words_are_parted_after_variables_are_replaced() {
        let variables = BTreeMap::from([("two".to_owned(), "a b".to_owned())]);
        let words = |word| expand(word, '\\', &variables).unwrap().words;
        assert_eq!(words("x $two \"$two\" 'c d' e\\ f"), ["x", "a", "b", "a b", "c d", "e f"]);
        assert_eq!(words("a<<  b"), ["a<<  b"]);
    }
}
