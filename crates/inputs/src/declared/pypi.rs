//! A distribution of Python: `METADATA` of a wheel, `PKG-INFO` of a source (core metadata, PEP 566 and 639).

use std::collections::BTreeSet;

use model::transcript::Place;
use store::Store;

use super::member::{below_one, of_tar, of_zip};
use super::{Package, Word};
use crate::ecosystem::python_name;

/// Classifiers that mean one licence; others (`BSD License`, `Apache Software License`) are the name of several.
const CLASSIFIERS: &[(&str, &str)] = &[
    ("Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
    ("GNU Affero General Public License v3 or later (AGPLv3+)", "AGPL-3.0-or-later"),
    ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
    ("GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
    ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
    ("GNU Lesser General Public License v2 or later (LGPLv2+)", "LGPL-2.0-or-later"),
    ("GNU Lesser General Public License v3 (LGPLv3)", "LGPL-3.0-only"),
    ("GNU Lesser General Public License v3 or later (LGPLv3+)", "LGPL-3.0-or-later"),
    ("ISC License (ISCL)", "ISC"),
    ("MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("Mozilla Public License 1.1 (MPL 1.1)", "MPL-1.1"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("The Unlicense (Unlicense)", "Unlicense"),
    ("Universal Permissive License (UPL)", "UPL-1.0"),
    ("zlib/libpng License", "Zlib"),
];

pub(super) fn word(store: &Store, package: &Package<'_>) -> Word {
    let mut texts = package.files.iter().filter_map(|(place, body)| {
        let Place::Registry(_, path) = place else { return None };
        if path.ends_with(".whl") {
            let is_metadata = |name: &str| {
                name.split_once('/')
                    .is_some_and(|(dir, file)| dir.ends_with(".dist-info") && file == "METADATA")
            };
            return of_zip(store, body, is_metadata);
        }
        let is_info = |name: &str| below_one(name, "PKG-INFO");
        if path.ends_with(".zip") { of_zip(store, body, is_info) } else { of_tar(store, body, is_info) }
    });
    // Of several files, the first by name that says something: they are of one release.
    texts.next().map(|text| read(&text)).unwrap_or_default()
}

fn read(metadata: &str) -> Word {
    let metadata = metadata.replace("\r\n", "\n");
    let head = metadata.split("\n\n").next().unwrap_or_default();
    let fields =
        || head.lines().filter_map(|line| line.split_once(':')).filter(|(k, _)| !k.starts_with([' ', '\t']));
    let all = |name: &'static str| {
        fields().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let classified: Vec<&str> = all("Classifier")
        .filter_map(|value| value.strip_prefix("License ::"))
        .map(|value| value.rsplit("::").next().unwrap_or(value).trim())
        // The heading of most of them, which some give by itself.
        .filter(|value| *value != "OSI Approved")
        .collect();
    let known = |name: &str| CLASSIFIERS.iter().find(|(other, _)| *other == name).map(|(_, id)| *id);
    // Which of several may be chosen, and which all hold, no classifier says.
    let one = match classified.as_slice() {
        [one] => known(one),
        _ => None,
    };
    // A field of several lines is a whole licence, of which the first line says nothing.
    let lines: Vec<&str> = head.lines().collect();
    let is_whole = |line: usize| lines.get(line + 1).is_some_and(|next| next.starts_with([' ', '\t']));
    let plain = lines.iter().enumerate().find_map(|(at, line)| {
        let (key, value) = line.split_once(':')?;
        let value = value.trim();
        let says = key.eq_ignore_ascii_case("License") && !matches!(value, "" | "UNKNOWN" | "None");
        (says && !is_whole(at)).then_some(value)
    });
    let licence = all("License-Expression").find(|v| !v.is_empty()).or(one).or(plain);
    let listed = (!classified.is_empty()).then(|| classified.join("; "));
    let needs: BTreeSet<String> = all("Requires-Dist").filter_map(needed).collect();
    // Sources before metadata 2.2 may leave out what they find out while building.
    let says_needs = !needs.is_empty() || all("Dynamic").next().is_none();
    Word { licence: licence.map(str::to_owned).or(listed), needs: says_needs.then_some(needs) }
}

/// The name in `name[extra] (>=1) ; marker`; none where only an extra asks for it, of which nobody says that it is wanted.
fn needed(requirement: &str) -> Option<String> {
    let (what, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    if marker.contains("extra") {
        return None;
    }
    let end = what.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(what.len());
    Some(python_name(&what[..end])).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn licence(head: &str) -> Option<String> {
        read(&format!("Metadata-Version: 2.1\nName: x\n{head}\n\nLicense-Expression: of the text\n")).licence
    }

    #[test]
    fn the_strongest_word_counts() {
        for (head, expected) in [
            ("License-Expression: MIT OR Apache-2.0\nLicense: BSD", Some("MIT OR Apache-2.0")),
            ("Classifier: License :: OSI Approved :: MIT License\nLicense: see LICENSE", Some("MIT")),
            (
                "Classifier: License :: OSI Approved :: BSD License\nLicense: BSD-3-Clause",
                Some("BSD-3-Clause"),
            ),
            ("Classifier: License :: OSI Approved :: BSD License", Some("BSD License")),
            (
                "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: MIT License",
                Some("MIT"),
            ),
            (
                "Classifier: License :: OSI Approved :: MIT License\n\
                 Classifier: License :: OSI Approved :: BSD License",
                Some("MIT License; BSD License"),
            ),
            ("License: UNKNOWN", None),
            ("License: Copyright (c)\n        All rights", None),
            ("License: MIT\r\nSummary: x", Some("MIT")),
            ("Summary: License", None),
            ("", None),
        ] {
            assert_eq!(licence(head).as_deref(), expected, "{head}");
        }
    }

    #[test]
    fn needs_are_names_without_extras() {
        let text = "Name: x\nRequires-Dist: Foo.Bar[baz] (>=1.0) ; python_version < '3.9'\nRequires-Dist: typing_extensions>=4\n\
                    Requires-Dist: pytest; extra == 'test'\nRequires-Dist: ;\n\nRequires-Dist: no";
        let needs = read(text).needs.unwrap();
        assert_eq!(needs.into_iter().collect::<Vec<_>>(), ["foo-bar", "typing-extensions"]);
        assert_eq!(read("Name: x\nDynamic: Requires-Dist\n").needs, None);
        assert_eq!(read("").needs, Some(BTreeSet::new()));
    }
}
