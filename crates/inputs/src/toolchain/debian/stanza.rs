//! A package's control file as dpkg keeps it in its status file (`fieldinfos` in dpkg's `lib/dpkg/parse.c`).

use model::deb822::Paragraph;

/// How dpkg writes a field.
#[derive(Clone, Copy)]
enum Form {
    /// As it stands.
    Verbatim,
    /// Only if it says yes.
    Flag,
    /// Unless it says no, which it does by itself.
    MultiArch,
    /// Relations: spaces in their places.
    Relations,
}

/// In dpkg's order. Others follow in the order of the control file.
const FIELDS: &[(&str, Form)] = &[
    ("Essential", Form::Flag),
    ("Protected", Form::Flag),
    (STATUS, Form::Verbatim),
    ("Priority", Form::Verbatim),
    ("Section", Form::Verbatim),
    ("Installed-Size", Form::Verbatim),
    ("Origin", Form::Verbatim),
    ("Maintainer", Form::Verbatim),
    ("Bugs", Form::Verbatim),
    ("Architecture", Form::Verbatim),
    ("Multi-Arch", Form::MultiArch),
    ("Source", Form::Verbatim),
    ("Version", Form::Verbatim),
    ("Replaces", Form::Relations),
    ("Provides", Form::Relations),
    ("Depends", Form::Relations),
    ("Pre-Depends", Form::Relations),
    ("Recommends", Form::Relations),
    ("Suggests", Form::Relations),
    ("Breaks", Form::Relations),
    ("Conflicts", Form::Relations),
    ("Enhances", Form::Relations),
    (CONFFILES, Form::Verbatim),
    ("Description", Form::Verbatim),
];

const STATUS: &str = "Status";
const CONFFILES: &str = "Conffiles";

/// Fields that dpkg drops, or that are not the package's to say.
const DROPPED: &[&str] =
    &["Package", "Config-Version", "Filename", "Size", "MD5sum", "Triggers-Pending", "Triggers-Awaited"];

/// The stanza of an installed package, without the empty line behind it. `conffiles`: absolute path and MD5.
pub(super) fn installed(control: Paragraph<'_>, conffiles: &[(String, String)]) -> String {
    let mut text = format!("Package: {}\n", control.get("Package").unwrap_or_default());
    for (name, form) in FIELDS {
        if *name == STATUS {
            text.push_str("Status: install ok installed\n");
        } else if *name == CONFFILES {
            if !conffiles.is_empty() {
                text.push_str("Conffiles:\n");
                conffiles.iter().for_each(|(path, sum)| text.push_str(&format!(" {path} {sum}\n")));
            }
        } else if let Some(value) = control.get(name).filter(|v| !v.is_empty()) {
            let value = match form {
                Form::Flag if !value.eq_ignore_ascii_case("yes") => continue,
                Form::MultiArch if value.eq_ignore_ascii_case("no") => continue,
                Form::Relations => relations(value),
                _ => value.to_owned(),
            };
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    let known = |name: &str| {
        let mut names = FIELDS.iter().map(|(n, _)| n).chain(DROPPED);
        names.any(|n| n.eq_ignore_ascii_case(name))
    };
    for (name, value) in control.fields().filter(|(name, value)| !known(name) && !value.is_empty()) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text
}

/// `a (>= 1) | b:any, c`.
fn relations(value: &str) -> String {
    let groups = value.split(',').map(|group| {
        let alternatives: Vec<String> = group.split('|').map(relation).collect();
        alternatives.join(" | ")
    });
    groups.filter(|group| !group.is_empty()).collect::<Vec<_>>().join(", ")
}

fn relation(text: &str) -> String {
    let Some((name, rest)) = text.split_once('(') else { return text.trim().to_owned() };
    let inside = rest.split(')').next().unwrap_or_default().trim();
    let end = inside.find(|c: char| !"<>=".contains(c)).unwrap_or(inside.len());
    let (operator, version) = inside.split_at(end);
    // The old ways to write them.
    let operator = match operator {
        "<" => "<=",
        ">" => ">=",
        "" => "=",
        operator => operator,
    };
    format!("{} ({operator} {})", name.trim(), version.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::deb822::paragraphs;

    #[test]
    fn fields_stand_in_the_order_of_dpkg() {
        let control = "Package: a\nHomepage: https://example.org\nVersion: 1\nDepends: b(>=2),c  |d ( << 3 ),\n e:any\n\
                       Architecture: amd64\nMulti-Arch: no\nEssential: no\nProtected: yes\nX-Own: 1\nSection: libs\n\
                       Status: deinstall ok config-files\nDescription: short\n long\n .\n end\nMaintainer: me\nConffiles: /x\n";
        let conffiles = [("/etc/a".to_owned(), "0".repeat(32))];
        let expected = "Package: a\nProtected: yes\nStatus: install ok installed\nSection: libs\nMaintainer: me\n\
                        Architecture: amd64\nVersion: 1\nDepends: b (>= 2), c | d (<< 3), e:any\nConffiles:\n \
                        /etc/a 00000000000000000000000000000000\nDescription: short\n long\n .\n end\n\
                        Homepage: https://example.org\nX-Own: 1\n";
        let paragraph = paragraphs(control).next().unwrap();
        assert_eq!(installed(paragraph, &conffiles), expected);
        // What dpkg has written, dpkg writes again.
        let again: String =
            expected.lines().filter(|l| !l.starts_with(" /etc")).map(|l| format!("{l}\n")).collect();
        assert_eq!(installed(paragraphs(&again).next().unwrap(), &conffiles), expected);
    }

    #[test]
    fn relations_are_spaced_as_dpkg_does() {
        for (written, kept) in [
            ("a", "a"),
            ("a:any(>1),b", "a:any (>= 1), b"),
            (" a ( = 1:2-3 ) |b ,", "a (= 1:2-3) | b"),
            ("a (1)", "a (= 1)"),
            ("a (", "a (= )"),
        ] {
            assert_eq!(relations(written), kept, "{written}");
        }
    }
}
