//! Which Debian suite is new enough: a small table of the tools' versions.

use std::cmp::Ordering;

use crate::ecosystem::Wanted;

/// A suite and its versions, oldest first.
pub(super) struct Suite {
    pub(super) name: &'static str,
    tools: &'static [(&'static str, &'static str)],
}

/// The releases that a plain mirror has. A newer one is a line here.
const SUITES: &[Suite] = &[
    Suite {
        name: "bookworm",
        tools: &[
            ("cmake", "3.25"),
            ("go", "1.19"),
            ("java", "17"),
            ("maven", "3.8"),
            ("meson", "1.0"),
            ("node", "18.20"),
            ("python", "3.11"),
            ("rust", "1.63"),
        ],
    },
    Suite {
        name: "trixie",
        tools: &[
            ("cmake", "3.31"),
            ("go", "1.24"),
            ("java", "21"),
            ("maven", "3.9"),
            ("meson", "1.7"),
            ("node", "20.19"),
            ("python", "3.13"),
            ("rust", "1.85"),
        ],
    },
];

/// What was chosen, and why.
pub(super) struct Choice {
    pub(super) suite: String,
    /// Why it is not the first one: sentences.
    pub(super) why: Vec<String>,
    /// What even this suite does not have, with the version that it has.
    pub(super) unmet: Vec<(Wanted, &'static str)>,
}

/// The oldest suite from `first` on that has everything; else the newest. A suite that is not in the table, and one that
/// the user `fixed`, is taken as it is.
pub(super) fn choose(first: &str, fixed: bool, wants: &[Wanted]) -> Choice {
    let Some(start) = SUITES.iter().position(|s| s.name == first) else {
        return Choice { suite: first.to_owned(), why: Vec::new(), unmet: Vec::new() };
    };
    let end = if fixed { start + 1 } else { SUITES.len() };
    let reach = &SUITES[start..end];
    let chosen = reach.iter().find(|s| unmet(s, wants).is_empty()).unwrap_or(&reach[reach.len() - 1]);
    let why = if chosen.name == first { Vec::new() } else { unmet(&SUITES[start], wants) };
    let why = why.iter().map(|(wanted, has)| {
        format!("{first} has {} {has}; {} asks for {}", wanted.tool, wanted.said_by, wanted.at_least)
    });
    Choice { suite: chosen.name.to_owned(), why: why.collect(), unmet: unmet(chosen, wants) }
}

/// The highest wish for each tool that a suite does not fulfil.
fn unmet(suite: &Suite, wants: &[Wanted]) -> Vec<(Wanted, &'static str)> {
    let mut list: Vec<(Wanted, &'static str)> = Vec::new();
    for wanted in wants {
        let Some((_, has)) = suite.tools.iter().find(|(tool, _)| *tool == wanted.tool) else { continue };
        if compare(has, &wanted.at_least) != Ordering::Less {
            continue;
        }
        match list.iter_mut().find(|(w, _)| w.tool == wanted.tool) {
            Some((w, _)) if compare(&w.at_least, &wanted.at_least) == Ordering::Less => *w = wanted.clone(),
            Some(_) => {}
            None => list.push((wanted.clone(), has)),
        }
    }
    list
}

/// Compares numbers between dots, as far as `has` goes: `1.24` is enough for `1.24.3`, for its last number is not known.
fn compare(has: &str, wanted: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> { text.split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    let (has, wanted) = (numbers(has), numbers(wanted));
    let pairs = has.iter().zip(wanted.iter().chain(std::iter::repeat(&0)));
    pairs.map(|(a, b)| a.cmp(b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(tool: &'static str, at_least: &str) -> Wanted {
        Wanted { tool, at_least: at_least.into(), said_by: "x".into() }
    }

    #[test]
    fn the_oldest_that_does() {
        for (wants, fixed, suite, unmet) in [
            (vec![], false, "bookworm", 0),
            (vec![wanted("rust", "1.63.0"), wanted("node", "18")], false, "bookworm", 0),
            (vec![wanted("rust", "1.85")], false, "trixie", 0),
            (vec![wanted("rust", "1.85")], true, "bookworm", 1),
            (vec![wanted("go", "1.30"), wanted("go", "1.20")], false, "trixie", 1),
        ] {
            let choice = choose("bookworm", fixed, &wants);
            assert_eq!((choice.suite.as_str(), choice.unmet.len()), (suite, unmet), "{wants:?}");
        }
        assert_eq!(choose("sid", false, &[wanted("go", "9")]).suite, "sid");
        assert_eq!(choose("bookworm", false, &[wanted("go", "1.24.1")]).suite, "trixie");
    }
}
