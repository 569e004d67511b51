//! The licence of a package, from a machine-readable copyright file (DEP-5).

use std::collections::BTreeSet;

use model::deb822::paragraphs;

/// Debian's short names that are not those of SPDX. Names that are the same in both are in [`SAME`].
const NAMES: &[(&str, &str)] = &[
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("bsd-2-clauses", "BSD-2-Clause"),
    ("bsd-3-clauses", "BSD-3-Clause"),
    ("bsd-4-clause-uc", "BSD-4-Clause-UC"),
    ("expat", "MIT"),
    ("fsfap", "FSFAP"),
    ("fsfullr", "FSFULLR"),
    ("gfdl-1.1", "GFDL-1.1-only"),
    ("gfdl-1.1+", "GFDL-1.1-or-later"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.2+", "GFDL-1.2-or-later"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gpl-1", "GPL-1.0-only"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2", "MPL-2.0"),
    ("psf-2", "PSF-2.0"),
    ("python", "Python-2.0"),
];

/// Identifiers of SPDX that Debian uses as well.
const SAME: &[&str] = &[
    "0BSD",
    "Artistic-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "curl",
    "HPND",
    "ICU",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "OpenSSL",
    "PostgreSQL",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "W3C",
    "WTFPL",
    "X11",
    "Zlib",
];

/// The licences of all files of a package, all of which hold; `None` unless every one of them is known to SPDX.
pub(crate) fn licence(text: &str) -> Option<String> {
    let mut list = paragraphs(text);
    let header = list.next()?;
    header.get("Format").filter(|f| f.contains("copyright-format") || f.contains("dep5"))?;
    let mut found = BTreeSet::new();
    for paragraph in list.filter(|p| p.get("Files").is_some()) {
        let synopsis = paragraph.get("License")?.lines().next()?.trim();
        found.insert(expression(synopsis)?);
    }
    if found.is_empty() {
        found.insert(expression(header.get("License")?.lines().next()?.trim())?);
    }
    let alone = found.len() == 1;
    let terms = found.into_iter().map(|t| if alone || !t.contains(" OR ") { t } else { format!("({t})") });
    Some(terms.collect::<Vec<_>>().join(" AND "))
}

/// `A or B and C, with …`: `and` binds closer, as in SPDX; what follows a comma binds weaker.
fn expression(synopsis: &str) -> Option<String> {
    // Rare, and its grouping is for people.
    if synopsis.contains(',') {
        return None;
    }
    let mut alternatives = Vec::new();
    for alternative in synopsis.split(" or ") {
        let mut terms = Vec::new();
        for term in alternative.split(" and ") {
            terms.push(name(term.trim())?);
        }
        alternatives.push(terms.join(" AND "));
    }
    Some(alternatives.join(" OR "))
}

fn name(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    // `2.0` and `2` are the same version in Debian's names.
    let short = lower
        .strip_suffix(".0")
        .map(str::to_owned)
        .or_else(|| lower.strip_suffix(".0+").map(|s| format!("{s}+")));
    let same = SAME.iter().find(|s| s.eq_ignore_ascii_case(text)).copied();
    let known = |n: &str| NAMES.iter().find(|(debian, _)| *debian == n).map(|(_, spdx)| *spdx);
    same.or_else(|| known(&lower)).or_else(|| known(&short?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "Format: https://www.example.org/doc/packaging-manuals/copyright-format/1.0/\n\n";

    #[test]
    fn machine_readable_files() {
        for (files, expected) in [
            ("Files: *\nLicense: Expat\n text", Some("MIT")),
            (
                "Files: *\nLicense: GPL-2+\n\nFiles: x\nLicense: LGPL-2.1 or Artistic\n",
                Some("GPL-2.0-or-later AND (LGPL-2.1-only OR Artistic-1.0-Perl)"),
            ),
            ("Files: *\nLicense: GPL-2.0+ and BSD-3-clause\n", Some("GPL-2.0-or-later AND BSD-3-Clause")),
            ("Files: *\nLicense: Expat\n\nFiles: x\nLicense: house-rules\n", None),
            ("Files: *\nCopyright: me\n", None),
        ] {
            assert_eq!(licence(&format!("{FORMAT}{files}")).as_deref(), expected, "{files}");
        }
        assert_eq!(licence("This package was debianised by hand.\nLicense: GPL-2\n"), None);
        assert_eq!(licence(""), None);
    }
}
